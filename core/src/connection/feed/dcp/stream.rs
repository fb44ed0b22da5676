//! The streams of a connection: a slot for each, and how they are found.

use crate::dcp::{SnapshotMarker, StreamFlags, StreamOpaque, StreamRequest};

/// How far a consumer has come in a vbucket: all that is needed to go on there, on this connection or another.
#[doc(alias = "UprPosition")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DcpPosition {
    /// The history that the seqno belongs to; 0 when nothing is known.
    pub vbucket_uuid: u64,
    /// The last change that the consumer has; 0 for none.
    pub seqno: u64,
    /// Where the snapshot starts that the seqno is in.
    pub snapshot_start: u64,
    /// Where that snapshot ends.
    pub snapshot_end: u64,
}

impl DcpPosition {
    /// The position in a snapshot that is complete.
    #[must_use]
    pub const fn at(vbucket_uuid: u64, seqno: u64) -> DcpPosition {
        DcpPosition {
            vbucket_uuid,
            seqno,
            snapshot_start: seqno,
            snapshot_end: seqno,
        }
    }

    /// What is to be asked to go on from here.
    #[must_use]
    pub const fn to_request<'a>(&self, flags: StreamFlags, end_seqno: u64) -> StreamRequest<'a> {
        StreamRequest {
            flags,
            reserved: 0,
            start_seqno: self.seqno,
            end_seqno,
            vbucket_uuid: self.vbucket_uuid,
            snapshot_start: self.snapshot_start,
            snapshot_end: self.snapshot_end,
            value: &[],
        }
    }
}

/// What a stream is at.
#[doc(alias = "UprStreamState")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DcpStreamState {
    /// The slot has never been used.
    #[default]
    Empty,
    /// The slot has been used and is free again.
    Forgotten,
    /// Not open; the position is kept.
    Idle,
    /// Asked for, and not answered.
    Requested,
    /// Open: its changes come.
    Open,
    /// To be closed, and not answered; its changes may still come.
    Closing,
}

/// The place of one stream.
#[doc(alias = "UprStream")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DcpStream {
    pub(super) opaque: u32,
    pub(super) state: DcpStreamState,
    /// Whether CLOSE_STREAM is unanswered; the stream may end before it is.
    pub(super) is_close_pending: bool,
    /// Whether changes come out of order at the moment.
    is_out_of_order: bool,
    vbucket_uuid: u64,
    seqno: u64,
    /// The last marker's bounds, or those that were asked with.
    snapshot_start: u64,
    snapshot_end: u64,
    /// The highest seqno of the changes that come out of order.
    highest: u64,
}

impl DcpStream {
    /// A slot without a stream.
    pub const EMPTY: DcpStream = DcpStream {
        opaque: 0,
        state: DcpStreamState::Empty,
        is_close_pending: false,
        is_out_of_order: false,
        vbucket_uuid: 0,
        seqno: 0,
        snapshot_start: 0,
        snapshot_end: 0,
        highest: 0,
    };

    /// Which stream it is: the vbucket and the application's number.
    #[must_use]
    pub const fn stream(&self) -> StreamOpaque {
        StreamOpaque::from_opaque(self.opaque)
    }

    /// What it is at.
    #[must_use]
    pub const fn state(&self) -> DcpStreamState {
        self.state
    }

    /// How far the events that were delivered have come.
    ///
    /// In a snapshot that is complete its bounds are the seqno itself, and so they are while the next one has been
    /// announced without a change of it. Within an out-of-order snapshot it stays before that.
    #[must_use]
    pub fn position(&self) -> DcpPosition {
        if self.seqno < self.snapshot_start || self.seqno >= self.snapshot_end {
            return DcpPosition::at(self.vbucket_uuid, self.seqno);
        }
        DcpPosition {
            vbucket_uuid: self.vbucket_uuid,
            seqno: self.seqno,
            snapshot_start: self.snapshot_start,
            snapshot_end: self.snapshot_end,
        }
    }

    pub(super) fn set_position(&mut self, position: &DcpPosition) {
        self.is_out_of_order = false;
        self.vbucket_uuid = position.vbucket_uuid;
        self.seqno = position.seqno;
        self.snapshot_start = position.snapshot_start;
        self.snapshot_end = position.snapshot_end;
    }

    /// Whether changes may come.
    pub(super) fn is_receiving(&self) -> bool {
        matches!(self.state, DcpStreamState::Open | DcpStreamState::Closing)
    }

    /// Whether it may be asked for, moved or forgotten.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.is_close_pending && (self.is_free() || self.state == DcpStreamState::Idle)
    }

    pub(super) fn is_free(&self) -> bool {
        matches!(
            self.state,
            DcpStreamState::Empty | DcpStreamState::Forgotten
        )
    }

    pub(super) fn opened(&mut self, vbucket_uuid: Option<u64>) {
        self.state = DcpStreamState::Open;
        self.vbucket_uuid = vbucket_uuid.unwrap_or(self.vbucket_uuid);
    }

    /// The connection is gone.
    pub(super) fn interrupted(&mut self) {
        self.is_close_pending = false;
        self.ended();
    }

    /// Whether the stream is not over by any other means.
    pub(super) fn close_answered(&mut self, is_over: bool) -> bool {
        self.is_close_pending = false;
        let is_closing = self.state == DcpStreamState::Closing;
        if is_closing && is_over {
            self.ended();
        } else if is_closing {
            self.state = DcpStreamState::Open;
        }
        is_closing && is_over
    }

    pub(super) fn ended(&mut self) {
        self.state = DcpStreamState::Idle;
        self.is_out_of_order = false;
    }

    /// The producer does not know what came after `seqno`; at 0 nothing of the old history is left.
    pub(super) fn rolled_back(&mut self, seqno: u64) {
        let vbucket_uuid = if seqno == 0 { 0 } else { self.vbucket_uuid };
        self.set_position(&DcpPosition::at(vbucket_uuid, seqno));
    }

    pub(super) fn snapshot(&mut self, marker: &SnapshotMarker) {
        self.snapshot_start = marker.start_seqno;
        self.snapshot_end = marker.end_seqno;
    }

    /// A change came; the seqno before it, if that is not lower.
    pub(super) fn changed(&mut self, seqno: u64) -> Result<(), u64> {
        if self.is_out_of_order {
            self.highest = self.highest.max(seqno);
            return Ok(());
        }
        if seqno <= self.seqno {
            return Err(self.seqno);
        }
        self.seqno = seqno;
        Ok(())
    }

    /// There is no change up to here; the seqno before, if that is higher.
    pub(super) fn advanced(&mut self, seqno: u64) -> Result<(), u64> {
        if self.is_out_of_order {
            self.highest = self.highest.max(seqno);
            return Ok(());
        }
        if seqno < self.seqno {
            return Err(self.seqno);
        }
        self.seqno = seqno;
        Ok(())
    }

    pub(super) fn out_of_order_starts(&mut self) {
        self.is_out_of_order = true;
        self.highest = self.seqno;
    }

    pub(super) fn out_of_order_ends(&mut self) {
        if self.is_out_of_order {
            self.is_out_of_order = false;
            self.seqno = self.highest;
        }
    }
}

/// The slots in the order in which a stream is looked for: from the one that its vbucket points to, around.
fn places(len: usize, opaque: u32) -> impl Iterator<Item = usize> {
    let first = (opaque as u16 as usize).checked_rem(len).unwrap_or(0);
    (first..len).chain(0..first)
}

/// Where a stream is.
pub(super) fn find(streams: &mut [DcpStream], opaque: u32) -> Option<&mut DcpStream> {
    let place = places(streams.len(), opaque)
        .map_while(|place| {
            let slot = streams.get(place)?;
            (slot.state != DcpStreamState::Empty).then_some((place, slot))
        })
        .find(|(_, slot)| slot.opaque == opaque && !slot.is_free())?
        .0;
    streams.get_mut(place)
}

/// Where a stream is, or a free slot for it.
pub(super) fn find_or_free(streams: &mut [DcpStream], opaque: u32) -> Option<&mut DcpStream> {
    let mut free = None;
    for place in places(streams.len(), opaque) {
        let slot = streams.get(place)?;
        if slot.is_free() {
            free = free.or(Some(place));
            if slot.state == DcpStreamState::Empty {
                break;
            }
        } else if slot.opaque == opaque {
            free = Some(place);
            break;
        }
    }
    streams.get_mut(free?)
}
