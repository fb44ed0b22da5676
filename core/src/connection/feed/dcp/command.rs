//! What a consumer asks for: each command writes one packet, or those of OPEN, to the front of the output it is given.

use super::answers::{NOOP, NOOP_INTERVAL, WINDOW};
use super::consumer::{Core, Phase};
use super::ledger::Asked;
use super::stream::{find, find_or_free};
use super::{DcpCommandError, DcpConsumer, DcpPosition, DcpStream, DcpStreamState};
use crate::counters::Tally;
use crate::dcp::{
    AddStream, Body, Control, Message, Open, Reply, SeqnoAcknowledged, StreamFlags, StreamOpaque,
    StreamRequest,
};
use crate::wire::{Magic, Opcode, Request};

type Written = Result<usize, DcpCommandError>;

impl<S: AsRef<[DcpStream]> + AsMut<[DcpStream]>, T: Tally> DcpConsumer<S, T> {
    /// Writes OPEN, and behind it CONTROL for the window and the signs of life that the options ask for; returns the
    /// bytes written. The answer is [`DcpEvent::Opened`](super::DcpEvent::Opened).
    ///
    /// # Errors
    /// [`DcpCommandError::NotNow`] the second time; [`DcpCommandError::Emit`] when all of it does not fit the output.
    #[doc(alias = "UprOpen")]
    pub fn open(&mut self, open: &Open<'_>, out: &mut [u8]) -> Written {
        self.core.open(open, out)
    }

    /// Writes CONTROL; returns the bytes written, and the opaque that comes back in
    /// [`DcpEvent::ControlAnswered`](super::DcpEvent::ControlAnswered).
    ///
    /// # Errors
    /// [`DcpCommandError::OwnControl`] for what the options set: `connection_buffer_size`, `enable_noop`,
    /// `set_noop_interval`. Otherwise as [`DcpConsumer::failover_log`].
    pub fn control(
        &mut self,
        control: &Control<'_>,
        out: &mut [u8],
    ) -> Result<(usize, u32), DcpCommandError> {
        let is_own = [
            Control::CONNECTION_BUFFER_SIZE,
            Control::ENABLE_NOOP,
            Control::SET_NOOP_INTERVAL,
        ]
        .iter()
        .any(|key| key.as_bytes() == control.key);
        if is_own {
            return Err(DcpCommandError::OwnControl);
        }
        self.core.require_open()?;
        let opaque = self.core.opaque(Asked::Control, 0)?;
        let len = self
            .core
            .emit(&Message::new(0, opaque, Body::Control(*control)), out)?;
        self.core.ledger.sent(opaque);
        Ok((len, opaque))
    }

    /// Writes GET_FAILOVER_LOG; returns the bytes written. The answer is
    /// [`DcpEvent::FailoverLog`](super::DcpEvent::FailoverLog).
    ///
    /// # Errors
    /// [`DcpCommandError::NotNow`] before the answer to OPEN, [`DcpCommandError::TooManyPending`], or
    /// [`DcpCommandError::Emit`] when it does not fit the output.
    #[doc(alias = "UprGetFailoverLog")]
    pub fn failover_log(&mut self, vbucket: u16, out: &mut [u8]) -> Written {
        self.core
            .ask(Asked::FailoverLog, vbucket, Body::GetFailoverLog, out)
    }

    /// Writes GET_ALL_VB_SEQNOS, by which a consumer learns which vbuckets there are; returns the bytes written. The answer
    /// is [`DcpEvent::VbucketSeqnos`](super::DcpEvent::VbucketSeqnos).
    ///
    /// # Errors
    /// As [`DcpConsumer::failover_log`].
    pub fn vbucket_seqnos(&mut self, out: &mut [u8]) -> Written {
        self.core.require_open()?;
        let opaque = self.core.opaque(Asked::VbucketSeqnos, 0)?;
        let opcode = Opcode::GET_ALL_VB_SEQNOS;
        let len = Request {
            opaque,
            ..Request::new(opcode)
        }
        .emit(out)?;
        self.core.tally.sent(opcode, len as u64, false);
        self.core.ledger.sent(opaque);
        Ok(len)
    }

    /// Writes ADD_STREAM, for a peer that is a consumer itself; returns the bytes written. The answer is
    /// [`DcpEvent::StreamAdded`](super::DcpEvent::StreamAdded).
    ///
    /// # Errors
    /// As [`DcpConsumer::failover_log`].
    #[doc(alias = "UprAddStream")]
    pub fn add_stream(&mut self, vbucket: u16, flags: StreamFlags, out: &mut [u8]) -> Written {
        let body = Body::AddStream(AddStream { flags });
        self.core.ask(Asked::AddStream, vbucket, body, out)
    }

    /// Writes STREAM_REQ for the stream's vbucket; returns the bytes written. The answer is one of
    /// [`StreamOpened`](super::DcpEvent::StreamOpened), [`Rollback`](super::DcpEvent::Rollback),
    /// [`StreamRefused`](super::DcpEvent::StreamRefused).
    ///
    /// # Errors
    /// [`DcpCommandError::StreamBusy`], [`DcpCommandError::NoSlot`], [`DcpCommandError::Range`]; otherwise as
    /// [`DcpConsumer::failover_log`].
    #[doc(alias = "UprRequestStream")]
    pub fn request_stream(
        &mut self,
        stream: StreamOpaque,
        request: &StreamRequest<'_>,
        out: &mut [u8],
    ) -> Written {
        self.core
            .request_stream(self.streams.as_mut(), stream, request, out)
    }

    /// [`DcpConsumer::request_stream`] from where the stream has come to, or was rolled back to; from the start when it
    /// is not known.
    ///
    /// # Errors
    /// As [`DcpConsumer::request_stream`].
    pub fn resume_stream(
        &mut self,
        stream: StreamOpaque,
        flags: StreamFlags,
        end_seqno: u64,
        out: &mut [u8],
    ) -> Written {
        let position = self.position(stream).unwrap_or_default();
        let request = position.to_request(flags, end_seqno);
        self.request_stream(stream, &request, out)
    }

    /// Writes CLOSE_STREAM; returns the bytes written. The answer is
    /// [`DcpEvent::StreamClosed`](super::DcpEvent::StreamClosed); until then the stream's messages go on. `stream_id` is
    /// the number that the stream was asked for with, where several of a vbucket are allowed.
    ///
    /// # Errors
    /// [`DcpCommandError::NoStream`] unless the stream is open; otherwise as [`DcpConsumer::failover_log`].
    #[doc(alias = "CloseStream")]
    pub fn close_stream(
        &mut self,
        stream: StreamOpaque,
        stream_id: Option<u16>,
        out: &mut [u8],
    ) -> Written {
        self.core.require_open()?;
        let slot = find(self.streams.as_mut(), stream.to_opaque())
            .filter(|slot| slot.state == DcpStreamState::Open && !slot.is_close_pending)
            .ok_or(DcpCommandError::NoStream)?;
        let mut message = Message::new(stream.vbucket, stream.to_opaque(), Body::CloseStream);
        let framing_extras = stream_id.map(Message::stream_id_framing_extras);
        if let Some(framing_extras) = &framing_extras {
            message.magic = Magic::FLEX_REQUEST;
            message.framing_extras = framing_extras;
        }
        let len = self.core.emit(&message, out)?;
        slot.state = DcpStreamState::Closing;
        slot.is_close_pending = true;
        Ok(len)
    }

    /// Writes SEQNO_ACKNOWLEDGED: this replica holds every prepared write up to `prepared_seqno`. Returns the bytes
    /// written; there is no answer to it but a refusal.
    ///
    /// # Errors
    /// [`DcpCommandError::NoStream`] unless the stream is open; otherwise as [`DcpConsumer::failover_log`].
    pub fn acknowledge_seqno(
        &mut self,
        stream: StreamOpaque,
        prepared_seqno: u64,
        out: &mut [u8],
    ) -> Written {
        self.core.require_open()?;
        let opaque = stream.to_opaque();
        find(self.streams.as_mut(), opaque)
            .filter(|slot| slot.is_receiving())
            .ok_or(DcpCommandError::NoStream)?;
        let body = Body::SeqnoAcknowledged(SeqnoAcknowledged { prepared_seqno });
        self.core
            .emit(&Message::new(stream.vbucket, opaque, body), out)
    }

    /// Writes the answer to an ADD_STREAM or CLOSE_STREAM of the peer's; returns the bytes written.
    ///
    /// # Errors
    /// [`DcpCommandError::Failed`] or [`DcpCommandError::Emit`].
    pub fn answer(&mut self, reply: &Reply<'_>, out: &mut [u8]) -> Written {
        self.core.require_life()?;
        let len = reply.emit(out)?;
        self.core.tally.sent(reply.opcode, len as u64, false);
        Ok(len)
    }

    /// Writes BUFFER_ACK for what has been taken, though the threshold has not been reached; returns the bytes written, 0
    /// when there is nothing to acknowledge. Producers advise to do so after some seconds.
    ///
    /// # Errors
    /// [`DcpCommandError::Failed`] or [`DcpCommandError::Emit`].
    pub fn acknowledge(&mut self, out: &mut [u8]) -> Written {
        self.core.require_life()?;
        match self.core.flow.pending() {
            0 => Ok(0),
            bytes => Ok(self.core.acknowledge(bytes, out)?),
        }
    }

    /// How far a stream has come; `None` when it has no slot.
    #[must_use]
    pub fn position(&mut self, stream: StreamOpaque) -> Option<DcpPosition> {
        find(self.streams.as_mut(), stream.to_opaque()).map(|slot| slot.position())
    }

    /// Sets where a stream goes on from, say from a file.
    ///
    /// # Errors
    /// [`DcpCommandError::StreamBusy`], [`DcpCommandError::NoSlot`].
    pub fn set_position(
        &mut self,
        stream: StreamOpaque,
        position: &DcpPosition,
    ) -> Result<(), DcpCommandError> {
        let slot = free(self.streams.as_mut(), stream)?;
        slot.opaque = stream.to_opaque();
        slot.state = DcpStreamState::Idle;
        slot.set_position(position);
        Ok(())
    }

    /// Frees the slot of a stream that is not open, and forgets its position.
    ///
    /// # Errors
    /// [`DcpCommandError::NoStream`], [`DcpCommandError::StreamBusy`].
    pub fn forget(&mut self, stream: StreamOpaque) -> Result<(), DcpCommandError> {
        let slot =
            find(self.streams.as_mut(), stream.to_opaque()).ok_or(DcpCommandError::NoStream)?;
        if !slot.is_at_rest() {
            return Err(DcpCommandError::StreamBusy);
        }
        slot.state = DcpStreamState::Forgotten;
        Ok(())
    }
}

/// The slot of a stream at rest, or a free one for it.
fn free(
    streams: &mut [DcpStream],
    stream: StreamOpaque,
) -> Result<&mut DcpStream, DcpCommandError> {
    let capacity = streams.len();
    let slot =
        find_or_free(streams, stream.to_opaque()).ok_or(DcpCommandError::NoSlot { capacity })?;
    if slot.is_at_rest() {
        Ok(slot)
    } else {
        Err(DcpCommandError::StreamBusy)
    }
}

impl<T: Tally> Core<T> {
    fn require_life(&self) -> Result<(), DcpCommandError> {
        match self.phase {
            Phase::Failed(failure) => Err(DcpCommandError::Failed(failure)),
            _ => Ok(()),
        }
    }

    fn require_open(&self) -> Result<(), DcpCommandError> {
        self.require_life()?;
        match self.phase {
            Phase::Open => Ok(()),
            _ => Err(DcpCommandError::NotNow),
        }
    }

    fn emit(&mut self, message: &Message<'_>, out: &mut [u8]) -> Written {
        let len = message.emit(out)?;
        self.tally.sent(message.opcode(), len as u64, false);
        Ok(len)
    }

    fn opaque(&self, asked: Asked, own: u16) -> Result<u32, DcpCommandError> {
        self.ledger
            .next(asked, own)
            .ok_or(DcpCommandError::TooManyPending)
    }

    fn ask(&mut self, asked: Asked, vbucket: u16, body: Body<'_>, out: &mut [u8]) -> Written {
        self.require_open()?;
        let opaque = self.opaque(asked, vbucket)?;
        let len = self.emit(&Message::new(vbucket, opaque, body), out)?;
        self.ledger.sent(opaque);
        Ok(len)
    }

    fn open(&mut self, open: &Open<'_>, out: &mut [u8]) -> Written {
        self.require_life()?;
        if self.phase != Phase::New {
            return Err(DcpCommandError::NotNow);
        }
        let (mut window, mut interval) = ([0; DECIMAL_LEN_MAX], [0; DECIMAL_LEN_MAX]);
        let control = |key, value| Body::Control(Control { key, value });
        let options = &self.options;
        let controls = [
            (
                options.window > 0,
                WINDOW,
                control(
                    Control::CONNECTION_BUFFER_SIZE.as_bytes(),
                    decimal(options.window, &mut window),
                ),
            ),
            (
                options.noop_interval > 0,
                NOOP,
                control(Control::ENABLE_NOOP.as_bytes(), b"true"),
            ),
            (
                options.noop_interval > 0,
                NOOP_INTERVAL,
                control(
                    Control::SET_NOOP_INTERVAL.as_bytes(),
                    decimal(options.noop_interval, &mut interval),
                ),
            ),
        ];
        let first = (true, Asked::Open, 0, Body::Open(*open));
        let others = controls.map(|(is_asked, own, body)| (is_asked, Asked::Control, own, body));
        let wanted = || {
            core::iter::once(&first)
                .chain(&others)
                .filter(|(is_asked, ..)| *is_asked)
        };
        // All of it or nothing.
        let mut needed = 0_usize;
        for (_, _, _, body) in wanted() {
            needed = needed.saturating_add(Message::new(0, 0, *body).encoded_len()?);
        }
        let available = out.len();
        if needed > available {
            return Err(crate::wire::EmitError::OutputTooShort { needed, available }.into());
        }
        let mut written = 0_usize;
        for (_, asked, own, body) in wanted() {
            let opaque = self
                .ledger
                .next(*asked, *own)
                .ok_or(DcpCommandError::TooManyPending)?;
            let place = out.get_mut(written..).unwrap_or_default();
            let message = Message::new(0, opaque, *body);
            let len = message.emit(place)?;
            self.tally.sent(message.opcode(), len as u64, false);
            written = written.saturating_add(len);
            self.ledger.sent(opaque);
        }
        self.phase = Phase::Opening;
        Ok(written)
    }

    fn request_stream(
        &mut self,
        streams: &mut [DcpStream],
        stream: StreamOpaque,
        request: &StreamRequest<'_>,
        out: &mut [u8],
    ) -> Written {
        self.require_open()?;
        let start = request.start_seqno;
        let is_in_snapshot = (request.snapshot_start..=request.snapshot_end).contains(&start);
        if !is_in_snapshot || start > request.end_seqno {
            return Err(DcpCommandError::Range);
        }
        let slot = free(streams, stream)?;
        let opaque = stream.to_opaque();
        let body = Body::StreamRequest(*request);
        let len = self.emit(&Message::new(stream.vbucket, opaque, body), out)?;
        slot.opaque = opaque;
        slot.state = DcpStreamState::Requested;
        slot.set_position(&DcpPosition {
            vbucket_uuid: request.vbucket_uuid,
            seqno: start,
            snapshot_start: request.snapshot_start,
            snapshot_end: request.snapshot_end,
        });
        Ok(len)
    }
}

/// Most decimal digits of a number of 32 bits.
const DECIMAL_LEN_MAX: usize = 10;

/// A number as text, without a sign.
fn decimal(number: u32, place: &mut [u8; DECIMAL_LEN_MAX]) -> &[u8] {
    let mut rest = number;
    let mut len = 0_usize;
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        len += 1;
        if rest == 0 {
            break;
        }
    }
    place
        .get(DECIMAL_LEN_MAX.saturating_sub(len)..)
        .unwrap_or_default()
}
