//! The handler: hits from the store, everything else by upstream.

use core::task::{Context, Poll, Waker};

use memlet_core::handler::{Admission, Handler, Outcome, Reply, ValueStart};
use memlet_core::store::Shards;
use memlet_core::wire::{Dialect, Header, Opcode, Request, Status};

use super::settings::{NearMemory, NearSettings};
use super::slot::{Slot, State, Waiter};
use super::statistics::{NearStatistics, raise};

/// What those are told whom upstream does not answer.
const AWAY: &str = "Upstream is away";

/// A cache near its users, in front of a memcached far away; see the [module](super).
///
/// Shared by the connections it serves and by [`keep_connected`](super::keep_connected) in a `RefCell`, on one thread.
#[derive(Debug)]
pub struct NearCache<'m, S> {
    pub(super) shards: S,
    pub(super) settings: NearSettings,
    pub(super) statistics: NearStatistics,
    pub(super) link: Link,
    pub(super) slots: &'m mut [Slot],
    /// The bytes of all slots, one behind the other.
    pub(super) bytes: &'m mut [u8],
    /// Length of each slot's bytes.
    pub(super) slot_len: usize,
    waiters: &'m mut [Waiter],
    /// Number of the next request.
    pub(super) next_order: u32,
    /// Who sends requests to upstream.
    pub(super) sender: Option<Waker>,
    /// Figures of the caller's, by their position.
    pub(super) own_figure: fn(u32) -> Option<(&'static str, u64)>,
}

/// What is known of upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It could not be reached, or nobody tries to.
    Away,
    /// A connection is being made.
    Opening,
    /// There is a connection.
    Up,
}

/// What a near cache keeps for one connection: the request that waits or arrives.
#[derive(Debug, Default)]
pub struct NearSession {
    /// Its place among those that wait.
    waiter: Option<u16>,
    /// The request whose value is arriving.
    upload: Option<Upload>,
}

/// A slot that is being filled.
#[derive(Clone, Copy, Debug)]
struct Upload {
    slot: u16,
    /// The slot's number; if it has another, it was given to somebody else.
    order: u32,
}

impl<'m, S: Shards> NearCache<'m, S> {
    /// A near cache that keeps items in `shards` and requests under way in `memory`. Nothing that is in `shards` is
    /// kept.
    ///
    /// Until [`keep_connected`](super::keep_connected) runs, upstream is away.
    pub fn new<const WAITING: usize, const REQUESTS: usize, const LEN: usize>(
        mut shards: S,
        memory: &'m mut NearMemory<WAITING, REQUESTS, LEN>,
        settings: NearSettings,
    ) -> NearCache<'m, S> {
        // What somebody else has stored there has no CAS in front.
        shards.for_each(|store| store.flush(0, 0));
        NearCache {
            shards,
            settings,
            statistics: NearStatistics::default(),
            link: Link::Away,
            slots: &mut memory.slots,
            bytes: memory.bytes.as_flattened_mut(),
            slot_len: LEN,
            waiters: &mut memory.waiters,
            next_order: 0,
            sender: None,
            own_figure: |_| None,
        }
    }

    /// Shows figures of the caller's own in `stat`, behind the near cache's.
    ///
    /// `own_figure` is asked by position from 0 on until it has none; the same names in the same order each time.
    #[must_use]
    pub fn with_figures(mut self, own_figure: fn(u32) -> Option<(&'static str, u64)>) -> Self {
        self.own_figure = own_figure;
        self
    }

    /// What it has counted.
    #[must_use]
    pub fn statistics(&self) -> &NearStatistics {
        &self.statistics
    }

    /// The store. What is stored or removed there without knowledge of its layout spoils it.
    #[must_use]
    pub fn shards(&self) -> &S {
        &self.shards
    }

    /// Whether there is a connection to upstream.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link == Link::Up
    }

    /// How many connections wait for upstream.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let waits = |waiter: &&Waiter| waiter.slot.is_some();
        self.waiters.iter().filter(waits).count()
    }

    /// A slot and its bytes.
    pub(super) fn slot(&mut self, index: usize) -> Option<(&mut Slot, &mut [u8])> {
        let start = index.saturating_mul(self.slot_len);
        let rest = self.bytes.get_mut(start..)?;
        let bytes = rest.get_mut(..self.slot_len)?;
        Some((self.slots.get_mut(index)?, bytes))
    }

    /// A hit is answered at once; a miss waits for an answer of upstream that is under way, or asks for one.
    fn get(
        &mut self,
        session: &mut NearSession,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        let with_key = matches!(request.opcode, Opcode::GETK | Opcode::GETKQ);
        let echo = if with_key { request.key } else { &[] };
        match self.send_kept(request.key, echo, reply, now) {
            Some(Outcome::Done) => {
                raise(&mut self.statistics.hits);
                return Outcome::Done;
            }
            Some(outcome) => return outcome,
            None => raise(&mut self.statistics.misses),
        }
        let fetch = Request {
            vbucket: request.vbucket,
            key: request.key,
            ..Request::new(Opcode::GET)
        };
        self.ask(session, &fetch, reply)
    }

    /// Has a request sent to upstream, and its connection wait for the answer.
    fn ask(
        &mut self,
        session: &mut NearSession,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        if self.link == Link::Away {
            return self.say_away(reply);
        }
        let slot = match self.find_fetch(request) {
            Some(slot) => {
                raise(&mut self.statistics.coalesced);
                slot
            }
            None => {
                let Some(slot) = self.take_slot() else {
                    return self.refuse(reply);
                };
                let fits = self
                    .slot(slot)
                    .is_some_and(|(slot, bytes)| slot.put_request(request.opcode, request, bytes));
                if !fits {
                    raise(&mut self.statistics.too_long);
                    return reply.error(Status::ENOMEM).into();
                }
                slot
            }
        };
        self.wait_for(session, slot, reply)
    }

    /// Has a connection wait for a slot, which is sent if it has not been before.
    fn wait_for(
        &mut self,
        session: &mut NearSession,
        slot: usize,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let mut waiters = self.waiters.iter_mut().zip(0..);
        let free = waiters.find(|(waiter, _)| waiter.slot.is_none());
        let (Some((waiter, place)), Ok(slot_place)) = (free, u16::try_from(slot)) else {
            return self.refuse(reply);
        };
        let Some(slot) = self.slots.get_mut(slot) else {
            return self.refuse(reply);
        };
        waiter.slot = Some(slot_place);
        session.waiter = Some(place);
        slot.waiters = slot.waiters.saturating_add(1);
        if matches!(slot.state, State::Free | State::Filling) {
            slot.state = State::Queued;
            if let Some(sender) = self.sender.take() {
                sender.wake();
            }
        }
        let waiting = u32::try_from(self.waiting()).unwrap_or(u32::MAX);
        self.statistics.waiting_max = self.statistics.waiting_max.max(waiting);
        Outcome::Wait
    }

    /// Says that too many wait already.
    fn refuse(&mut self, reply: &mut Reply<'_>) -> Outcome {
        raise(&mut self.statistics.refused);
        let text = "Too many requests wait for upstream";
        reply.error_text(Status::EBUSY, text).into()
    }

    /// Says that upstream is away.
    fn say_away(&mut self, reply: &mut Reply<'_>) -> Outcome {
        raise(&mut self.statistics.unavailable);
        reply.error_text(Status::TMPFAIL, AWAY).into()
    }

    /// The slot in which the same item is being fetched, if this is a fetch.
    ///
    /// One that is done is none: its answer may be older than the request.
    fn find_fetch(&mut self, request: &Request<'_>) -> Option<usize> {
        if request.opcode != Opcode::GET {
            return None;
        }
        (0..self.slots.len()).find(|&index| {
            self.slot(index).is_some_and(|(slot, bytes)| {
                let is_under_way = matches!(slot.state, State::Queued | State::Sent { .. });
                is_under_way
                    && slot.is_fetch()
                    && slot.vbucket == request.vbucket
                    && slot.key(bytes) == request.key
            })
        })
    }

    /// A slot for another request: a free one, or else that of the value which has been arriving for longest, so that a
    /// client that pauses does not hold it. It stays free until its request waits or arrives.
    fn take_slot(&mut self) -> Option<usize> {
        let age = |slot: &Slot| self.next_order.wrapping_sub(slot.order);
        let is_free = |slot: &Slot| slot.state == State::Free;
        let index = self.slots.iter().position(is_free).or_else(|| {
            let filling = self.slots.iter().enumerate();
            filling
                .filter(|(_, slot)| slot.state == State::Filling)
                .max_by_key(|(_, slot)| age(slot))
                .map(|(index, _)| index)
        })?;
        let order = self.next_order;
        self.next_order = order.wrapping_add(1);
        let slot = self.slots.get_mut(index)?;
        *slot = Slot::FREE;
        slot.order = order;
        Some(index)
    }

    /// The slot that a session is filling, unless it was given to somebody else.
    fn filling(&mut self, upload: Upload) -> Option<(&mut Slot, &mut [u8])> {
        let slot = self.slot(upload.slot.into());
        slot.filter(|(slot, _)| slot.state == State::Filling && slot.order == upload.order)
    }

    /// Gives up a slot that is being filled.
    fn free(&mut self, upload: Upload) {
        if let Some((slot, _)) = self.filling(upload) {
            slot.state = State::Free;
        }
    }

    /// Gets ready for a value that comes in pieces.
    fn begin_upload(
        &mut self,
        session: &mut NearSession,
        head: &Request<'_>,
        value_len: u32,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        if self.link == Link::Away {
            return self.say_away(reply);
        }
        let Some(index) = self.take_slot() else {
            return self.refuse(reply);
        };
        let Some((slot, bytes)) = self.slot(index) else {
            return self.refuse(reply);
        };
        if !slot.put_head(head, value_len, bytes) {
            raise(&mut self.statistics.too_long);
            return reply.error(Status::ENOMEM).into();
        }
        slot.state = State::Filling;
        let order = slot.order;
        let slot = u16::try_from(index).ok();
        session.upload = slot.map(|slot| Upload { slot, order });
        Outcome::Wait
    }

    /// Answers a request that has waited, unless it still has to.
    fn resume(
        &mut self,
        session: &mut NearSession,
        waiter: u16,
        key: &[u8],
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let index = self
            .waiters
            .get(usize::from(waiter))
            .and_then(|waiter| waiter.slot);
        let index = index.map_or(usize::MAX, usize::from);
        let outcome = match self.slot(index) {
            Some((slot, _)) if slot.state != State::Done => {
                session.waiter = Some(waiter);
                return Outcome::Wait;
            }
            Some((slot, bytes)) => send_answer(slot, bytes, key, reply),
            // Nobody waits for a slot that does not exist.
            None => reply.error_text(Status::TMPFAIL, AWAY).into(),
        };
        // What does not fit the output only reads, and is asked for again.
        self.release(waiter);
        outcome
    }

    /// Lets go of a place among those that wait, and of the slot if it was the last that waited for it.
    fn release(&mut self, waiter: u16) {
        let Some(waiter) = self.waiters.get_mut(usize::from(waiter)) else {
            return;
        };
        waiter.waker = None;
        let Some(slot) = waiter.slot.take() else {
            return;
        };
        let Some(slot) = self.slots.get_mut(usize::from(slot)) else {
            return;
        };
        slot.waiters = slot.waiters.saturating_sub(1);
        // A change that somebody has asked for is made, whoever waits for it; what nobody wants to know is not fetched.
        if slot.waiters == 0
            && (slot.state == State::Done || slot.state == State::Queued && slot.is_fetch())
        {
            slot.state = State::Free;
        }
    }

    /// Ends a slot with an answer of the node's own.
    pub(super) fn end(&mut self, index: usize, status: Status) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.put_status(status);
        }
        self.finish(index);
    }

    /// Ends a slot whose answer is in it, and wakes those who wait for it.
    pub(super) fn finish(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        slot.state = match slot.waiters {
            0 => State::Free,
            _ => State::Done,
        };
        for waiter in self.waiters.iter_mut() {
            if waiter.slot.map(usize::from) == Some(index)
                && let Some(waker) = waiter.waker.take()
            {
                waker.wake();
            }
        }
    }
}

impl<S: Shards> Handler for NearCache<'_, S> {
    type Session = NearSession;

    /// Refuses what upstream would close its connection for.
    fn admit(&self, _session: &NearSession, header: &Header) -> Admission {
        match header.opcode.shape(Dialect::Memcached) {
            Some(shape) if header.check_shape(&shape).is_err() => Admission::Reject(Status::EINVAL),
            _ => Admission::Accept,
        }
    }

    fn handle(
        &mut self,
        session: &mut NearSession,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        type O = Opcode;
        if let Some(waiter) = session.waiter.take() {
            return self.resume(session, waiter, request.key, reply);
        }
        match request.opcode {
            O::GET | O::GETQ | O::GETK | O::GETKQ => self.get(session, request, reply, now),
            O::NOOP | O::VERBOSITY => reply.success(0).into(),
            O::QUIT => match reply.success(0) {
                Ok(()) => Outcome::Close,
                Err(no_room) => Outcome::NeedOutput(no_room.needed),
            },
            O::QUITQ => Outcome::Close,
            O::STAT => self.stat(request, reply, now),
            O::VERSION => reply
                .send(&[], &[], self.settings.version.as_bytes(), 0)
                .into(),
            // A login is for one connection, and upstream's is everybody's.
            O::SASL_LIST_MECHS | O::SASL_AUTH | O::SASL_STEP => {
                reply.error(Status::UNKNOWN_COMMAND).into()
            }
            opcode if opcode.shape(Dialect::Memcached).is_some() => {
                let relayed = Request {
                    opcode: opcode.loud(),
                    ..*request
                };
                self.ask(session, &relayed, reply)
            }
            _ => reply.error(Status::UNKNOWN_COMMAND).into(),
        }
    }

    /// A value that does not fit the input goes into its slot piece by piece.
    fn begin_value(
        &mut self,
        session: &mut NearSession,
        head: &Request<'_>,
        value_len: u32,
        reply: &mut Reply<'_>,
        _now: u32,
    ) -> ValueStart {
        type O = Opcode;
        let is_change = matches!(
            head.opcode.loud(),
            O::SET | O::ADD | O::REPLACE | O::APPEND | O::PREPEND
        );
        if !is_change {
            return ValueStart::Whole(Status::ENOMEM);
        }
        match self.begin_upload(session, head, value_len, reply) {
            Outcome::Wait => ValueStart::Stream,
            Outcome::NeedOutput(room) => ValueStart::NeedOutput(room),
            _ => ValueStart::Skip,
        }
    }

    fn refuse_value(
        &mut self,
        _head: &Request<'_>,
        status: Status,
        reply: &mut Reply<'_>,
        _now: u32,
    ) {
        raise(&mut self.statistics.too_long);
        // There is room for an error.
        let _ = reply.error(status);
    }

    fn handle_value(&mut self, session: &mut NearSession, offset: u32, bytes: &[u8]) {
        let slot = session.upload.and_then(|upload| self.filling(upload));
        if let Some((slot, place)) = slot {
            slot.put_piece(offset, bytes, place);
        }
    }

    fn finish_value(
        &mut self,
        session: &mut NearSession,
        reply: &mut Reply<'_>,
        _now: u32,
    ) -> Outcome {
        if let Some(waiter) = session.waiter.take() {
            return self.resume(session, waiter, &[], reply);
        }
        let upload = session.upload.take();
        match upload.filter(|upload| self.filling(*upload).is_some()) {
            // Upstream may have gone meanwhile.
            Some(upload) if self.link == Link::Away => {
                self.free(upload);
                self.say_away(reply)
            }
            Some(upload) => match self.wait_for(session, upload.slot.into(), reply) {
                Outcome::Wait => Outcome::Wait,
                refused => {
                    self.free(upload);
                    refused
                }
            },
            // It was given to somebody else.
            None => self.refuse(reply),
        }
    }

    fn abandon_value(&mut self, session: &mut NearSession) {
        if let Some(upload) = session.upload.take() {
            self.free(upload);
        }
    }

    fn poll_wait(&mut self, session: &mut NearSession, context: &mut Context<'_>) -> Poll<()> {
        let Some(waiter) = session.waiter else {
            return Poll::Ready(());
        };
        let Some(waiter) = self.waiters.get_mut(usize::from(waiter)) else {
            return Poll::Ready(());
        };
        let slot = waiter
            .slot
            .and_then(|slot| self.slots.get(usize::from(slot)));
        if slot.is_none_or(|slot| slot.state == State::Done) {
            return Poll::Ready(());
        }
        match &mut waiter.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    fn end_session(&mut self, session: &mut NearSession) {
        if let Some(waiter) = session.waiter.take() {
            self.release(waiter);
        }
        self.abandon_value(session);
    }
}

/// Answers a request with what is in its slot, as its own opcode wants it: quiet or not, with its key or without.
fn send_answer(slot: &Slot, bytes: &[u8], key: &[u8], reply: &mut Reply<'_>) -> Outcome {
    let opcode = reply.opcode();
    let gives_item = matches!(
        opcode.loud(),
        Opcode::GET | Opcode::GETK | Opcode::GAT | Opcode::GATK
    );
    let silent = match gives_item {
        true => Status::KEY_ENOENT,
        false => Status::SUCCESS,
    };
    if opcode.is_quiet() && slot.status == silent {
        return Outcome::Done;
    }
    let with_key = matches!(opcode.loud(), Opcode::GETK | Opcode::GATK)
        && matches!(slot.status, Status::SUCCESS | Status::KEY_ENOENT);
    let key = if with_key { key } else { &[] };
    let value = match slot.value(bytes) {
        // memcached gives the key instead of a text.
        _ if with_key && slot.status == Status::KEY_ENOENT => &[],
        [] if !slot.status.is_success() => explain(slot.status).as_bytes(),
        value => value,
    };
    let sent = reply.send_status(slot.status, slot.extras(bytes), key, value, slot.cas);
    match sent {
        // Only items are that long.
        Err(_) if !gives_item => reply.error(Status::ENOMEM).into(),
        sent => sent.into(),
    }
}

/// The text of an error.
fn explain(status: Status) -> &'static str {
    match status {
        Status::TMPFAIL => "Upstream did not answer",
        status => status.text(),
    }
}
