//! A request that is or waits to be on its way to upstream, and then the answer to it.
//!
//! ```text
//!          a long value comes       all of it is there
//!   Free ───────────────────▶ Filling ─────────────┐
//!    ▲ │                                           ▼     sent          answered, lost, too late
//!    │ └── a get missed, a short change came ──▶ Queued ──────▶ Sent ────────────────────────▶ Done ──┐
//!    │                                           ▲  │             │                            ▲     │
//!    │                                           └──│─────────────┘ a get that was lost, once  │     │
//!    │                                              └── upstream is away ──────────────────────┘     │
//!    └── all who waited have the answer ──────────────────────────────────────────────────────────────┘
//! ```
//!
//! Its bytes, so that an item can be kept in the store as it stands there:
//!
//! ```text
//!   0        key_len     key_len + 8          + value_len      + extras_len
//!   ┌─────────┬───────────┬────────────────────┬────────────────┐
//!   │ key     │ CAS       │ value              │ extras         │
//!   └─────────┴───────────┴────────────────────┴────────────────┘
//!               └── what the store keeps ──────┘
//! ```

use core::task::Waker;

use memlet_core::wire::{DataType, Opcode, Request, Response, Status};

/// Length in bytes of the CAS in front of a value.
pub(super) const CAS_LEN: usize = 8;

/// Where a slot is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free,
    /// The value of its request is arriving.
    Filling,
    Queued,
    Sent {
        opaque: u32,
    },
    Done,
}

/// What is known of a request or of its answer beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) state: State,
    /// The command, loud: a GET for all that fetch.
    pub(super) opcode: Opcode,
    pub(super) vbucket: u16,
    pub(super) cas: u64,
    /// The second in which it was sent.
    pub(super) sent_at: u32,
    /// How long it has been in the queue, by the number of requests before it.
    pub(super) order: u32,
    /// How many connections wait for the answer.
    pub(super) waiters: u16,
    /// It has been on its way once before, over a connection that was lost.
    pub(super) is_retry: bool,
    /// Of the answer.
    pub(super) status: Status,
    key_len: u16,
    extras_len: u16,
    value_len: u32,
}

impl Slot {
    /// All zeros, so that static memory for slots takes no flash.
    pub(super) const FREE: Slot = Slot {
        state: State::Free,
        opcode: Opcode(0),
        vbucket: 0,
        cas: 0,
        sent_at: 0,
        order: 0,
        waiters: 0,
        is_retry: false,
        status: Status::SUCCESS,
        key_len: 0,
        extras_len: 0,
        value_len: 0,
    };

    /// Takes the parts of a request; false if `bytes` is too short for them.
    pub(super) fn put_request(
        &mut self,
        opcode: Opcode,
        request: &Request<'_>,
        bytes: &mut [u8],
    ) -> bool {
        self.opcode = opcode;
        self.vbucket = request.vbucket;
        self.cas = request.cas;
        self.put_parts(request.key, request.value, request.extras, bytes)
    }

    /// Takes a request whose value of `value_len` bytes is to follow; false if `bytes` is too short for it.
    pub(super) fn put_head(
        &mut self,
        head: &Request<'_>,
        value_len: u32,
        bytes: &mut [u8],
    ) -> bool {
        if !self.put_request(head.opcode.loud(), head, bytes) {
            return false;
        }
        let start = usize::from(self.key_len).saturating_add(CAS_LEN);
        let behind = bytes.get_mut(start.saturating_add(value_len as usize)..);
        let Some(place) = behind.and_then(|behind| behind.get_mut(..head.extras.len())) else {
            return false;
        };
        fill(place, head.extras);
        self.value_len = value_len;
        true
    }

    /// Takes a piece of the value.
    pub(super) fn put_piece(&self, offset: u32, piece: &[u8], bytes: &mut [u8]) {
        let start = usize::from(self.key_len).saturating_add(CAS_LEN);
        let value = bytes.get_mut(start..).unwrap_or_default();
        let value = value.get_mut(..self.value_len as usize).unwrap_or_default();
        let rest = value.get_mut(offset as usize..).unwrap_or_default();
        fill(rest, piece);
    }

    /// Takes the parts of an answer, the key being that of the request; false if `bytes` is too short for them.
    pub(super) fn put_response(&mut self, response: &Response<'_>, bytes: &mut [u8]) -> bool {
        self.status = response.status;
        self.cas = response.cas;
        self.put_rest(response.value, response.extras, bytes)
    }

    /// Takes an answer of the node's own.
    pub(super) fn put_status(&mut self, status: Status) {
        self.status = status;
        self.cas = 0;
        (self.value_len, self.extras_len) = (0, 0);
    }

    fn put_parts(&mut self, key: &[u8], value: &[u8], extras: &[u8], bytes: &mut [u8]) -> bool {
        (self.key_len, self.value_len, self.extras_len) = (0, 0, 0);
        let (Ok(key_len), Some(place)) = (u16::try_from(key.len()), bytes.get_mut(..key.len()))
        else {
            return false;
        };
        fill(place, key);
        self.key_len = key_len;
        self.put_rest(value, extras, bytes)
    }

    /// Puts value and extras behind the key, and the CAS between.
    fn put_rest(&mut self, value: &[u8], extras: &[u8], bytes: &mut [u8]) -> bool {
        (self.value_len, self.extras_len) = (0, 0);
        let (Ok(value_len), Ok(extras_len)) =
            (u32::try_from(value.len()), u16::try_from(extras.len()))
        else {
            return false;
        };
        let rest = bytes.get_mut(self.key_len.into()..).unwrap_or_default();
        let Some((cas, rest)) = rest.split_first_chunk_mut::<CAS_LEN>() else {
            return false;
        };
        let Some((value_place, rest)) = rest.split_at_mut_checked(value.len()) else {
            return false;
        };
        let Some(extras_place) = rest.get_mut(..extras.len()) else {
            return false;
        };
        *cas = self.cas.to_be_bytes();
        fill(value_place, value);
        fill(extras_place, extras);
        (self.value_len, self.extras_len) = (value_len, extras_len);
        true
    }

    /// Writes another CAS in front of the value.
    pub(super) fn put_cas(&mut self, new: u64, bytes: &mut [u8]) {
        self.cas = new;
        let rest = bytes.get_mut(self.key_len.into()..).unwrap_or_default();
        if let Some(cas) = rest.first_chunk_mut::<CAS_LEN>() {
            *cas = new.to_be_bytes();
        }
    }

    pub(super) fn key<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        part(bytes, 0, self.key_len.into())
    }

    /// CAS and value, as the store keeps them.
    pub(super) fn kept<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let len = (self.value_len as usize).saturating_add(CAS_LEN);
        part(bytes, self.key_len.into(), len)
    }

    pub(super) fn value<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        self.kept(bytes).get(CAS_LEN..).unwrap_or_default()
    }

    pub(super) fn extras<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let start = usize::from(self.key_len).saturating_add(self.kept(bytes).len());
        part(bytes, start, self.extras_len.into())
    }

    /// The request as it goes to upstream.
    pub(super) fn request<'b>(&self, bytes: &'b [u8]) -> Request<'b> {
        Request {
            datatype: DataType::RAW,
            vbucket: self.vbucket,
            cas: self.cas,
            extras: self.extras(bytes),
            key: self.key(bytes),
            value: self.value(bytes),
            ..Request::new(self.opcode)
        }
    }

    /// Whether it only fetches, so that it may be asked for again and several may wait for it.
    pub(super) fn is_fetch(&self) -> bool {
        self.opcode == Opcode::GET
    }
}

/// Copies as much as there is room for: a copy of slices has lengths to compare and to panic over.
fn fill(space: &mut [u8], bytes: &[u8]) {
    for (place, byte) in space.iter_mut().zip(bytes) {
        *place = *byte;
    }
}

fn part(bytes: &[u8], start: usize, len: usize) -> &[u8] {
    let rest = bytes.get(start..).unwrap_or_default();
    rest.get(..len).unwrap_or_default()
}

/// A connection whose request waits.
#[derive(Debug)]
pub(super) struct Waiter {
    /// The slot it waits for; none if nobody waits here.
    pub(super) slot: Option<u16>,
    pub(super) waker: Option<Waker>,
}

impl Waiter {
    pub(super) const FREE: Waiter = Waiter {
        slot: None,
        waker: None,
    };
}
