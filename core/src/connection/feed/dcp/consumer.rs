//! What arrives, and what is answered to it.

use super::answers::{NOOP, NOOP_INTERVAL, WINDOW};
use super::flow::Flow;
use super::ledger::Ledger;
use super::stream::find;
use super::{
    DcpEvent, DcpFailure, DcpNext, DcpOptions, DcpProgress, DcpSkipReason, DcpStatistics,
    DcpStream, DcpTaking,
};
use crate::counters::Tally;
use crate::dcp::{Body, BufferAck, Message, OsoFlags, Reply, SnapshotFlags};
use crate::wire::{EmitError, HEADER_LEN, Header, Opcode, Packet, ParseErrorKind, Parsed, Status};

/// Bytes that must be free in the output for [`DcpConsumer::poll`] to do anything: an answer and an acknowledgement.
pub const DCP_ROOM_MIN: usize = 64;

/// The consumer's side of a DCP connection; see the [module](super::super) for what a feed is, and the example there.
///
/// It holds no buffer. `S` is where the streams are: an array, a `Vec` or a slice of [`DcpStream`], 48 bytes each. With as
/// many slots as there are vbuckets each stream has its place without a search.
#[doc(alias = "UprFeed")]
#[doc(alias = "upr")]
#[derive(Debug)]
pub struct DcpConsumer<S, T = ()> {
    pub(super) core: Core<T>,
    pub(super) streams: S,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// OPEN has not been sent.
    New,
    /// OPEN has not been answered.
    Opening,
    /// Streams may be asked for.
    Open,
    /// Nothing is done any more.
    Failed(DcpFailure),
}

/// All of a consumer but its streams, so that its code exists once whatever holds them.
#[derive(Debug)]
pub(super) struct Core<T> {
    pub(super) options: DcpOptions,
    pub(super) phase: Phase,
    pub(super) ledger: Ledger,
    pub(super) flow: Flow,
    pub(super) statistics: DcpStatistics,
    /// What remains of a request that is passed over, and how much of it counts in flow control.
    skip: Option<Skip>,
    /// Input that was there at the end of the last call.
    unconsumed: usize,
    /// Since when the last call and those before it have only waited for input.
    waiting_since: Option<u32>,
    /// Whether the producer has accepted to show that it lives.
    pub(super) has_noop: bool,
    /// Whether a stream has been opened, which starts the signs of life.
    pub(super) has_streamed: bool,
    pub(super) tally: T,
}

#[derive(Clone, Copy, Debug)]
struct Skip {
    opcode: Opcode,
    len: u64,
    remaining: u64,
    counted: u64,
}

/// What to do after a step.
pub(super) enum Step<'i> {
    /// Look at what follows.
    Continue,
    /// End this call.
    Next(DcpNext<'i>, u64),
}

impl From<DcpFailure> for Step<'_> {
    fn from(failure: DcpFailure) -> Self {
        Step::Next(DcpNext::Failed(failure), 0)
    }
}

/// Input and output of one call.
struct Run<'i, 'o> {
    input: &'i [u8],
    consumed: usize,
    output: &'o mut [u8],
    written: usize,
    /// Whether to stop before what may be an event.
    is_settling: bool,
}

impl<'i, 'o> Run<'i, 'o> {
    fn new(input: &'i [u8], output: &'o mut [u8], is_settling: bool) -> Run<'i, 'o> {
        Run {
            input,
            consumed: 0,
            output,
            written: 0,
            is_settling,
        }
    }

    fn rest(&self) -> &'i [u8] {
        self.input.get(self.consumed..).unwrap_or_default()
    }

    fn out(&mut self) -> &mut [u8] {
        self.output.get_mut(self.written..).unwrap_or_default()
    }

    fn wrote(&mut self, len: usize) {
        self.written = self.written.saturating_add(len);
    }
}

impl<S: AsRef<[DcpStream]> + AsMut<[DcpStream]>> DcpConsumer<S> {
    /// A consumer over a new connection.
    ///
    /// `streams` may come from an earlier connection: streams that were open there are idle now, at their positions.
    #[doc(alias = "NewUprFeed")]
    #[must_use]
    pub fn new(options: &DcpOptions, streams: S) -> DcpConsumer<S> {
        DcpConsumer::with_tally(options, streams, ())
    }
}

impl<S: AsRef<[DcpStream]> + AsMut<[DcpStream]>, T: Tally> DcpConsumer<S, T> {
    /// [`DcpConsumer::new`] with a tally that is told of every packet.
    #[must_use]
    pub fn with_tally(options: &DcpOptions, mut streams: S, tally: T) -> DcpConsumer<S, T> {
        for slot in streams.as_mut() {
            if !slot.is_free() {
                slot.interrupted();
            }
        }
        DcpConsumer {
            core: Core {
                options: *options,
                phase: Phase::New,
                ledger: Ledger::default(),
                flow: Flow::new(options.threshold()),
                statistics: DcpStatistics::default(),
                skip: None,
                unconsumed: 0,
                waiting_since: None,
                has_noop: false,
                has_streamed: false,
                tally,
            },
            streams,
        }
    }

    /// Takes packets off the front of `input` until one is an event, and writes what has to be answered to the front of
    /// `output`.
    ///
    /// `input` starts with the bytes that earlier calls did not consume. `output` must have room for [`DCP_ROOM_MIN`]
    /// bytes, or nothing is done but to ask for it. `now` is unix time in seconds and never goes back.
    ///
    /// Events and answers do not depend on how the input was cut into pieces.
    pub fn poll<'i>(&mut self, input: &'i [u8], output: &mut [u8], now: u32) -> DcpProgress<'i> {
        let mut run = Run::new(input, output, false);
        self.core.poll(self.streams.as_mut(), &mut run, now)
    }

    /// [`DcpConsumer::poll`] up to the next event and not further: [`DcpNext::Ready`] says that there is one, or the reason
    /// for which the feed ends, and the next `poll` with the same input gives it. For callers that have to look at
    /// themselves again, as for more input, before they can hand out an event that borrows from them.
    pub fn settle(&mut self, input: &[u8], output: &mut [u8], now: u32) -> DcpProgress<'static> {
        let mut run = Run::new(input, output, true);
        let progress = self.core.poll(self.streams.as_mut(), &mut run, now);
        DcpProgress {
            consumed: progress.consumed,
            written: progress.written,
            counted: 0,
            next: match progress.next {
                DcpNext::Read { missing } => DcpNext::Read { missing },
                DcpNext::Write { room } => DcpNext::Write { room },
                DcpNext::Failed(failure) => DcpNext::Failed(failure),
                DcpNext::Event(_) | DcpNext::Ready => DcpNext::Ready,
            },
        }
    }

    /// At most `counted` bytes of events are done with ([`DcpTaking::WhenTold`]); what [`DcpProgress::counted`] said.
    pub fn take(&mut self, counted: u64) {
        self.core.flow.take(counted);
    }

    /// Bytes of events that have been delivered and not been taken; only with flow control.
    #[must_use]
    pub fn untaken(&self) -> u64 {
        self.core.flow.untaken()
    }

    /// The unix second at which the producer counts as dead unless it sends something before: twice the interval of NOOP
    /// after the last byte. [`DcpConsumer::poll`] says so then. `None` unless the last call waits for input, the producer
    /// has accepted to send NOOP, and a stream has been opened.
    #[must_use]
    pub fn deadline(&self) -> Option<u32> {
        self.core.deadline()
    }

    /// Ends the feed because the peer has closed its side, with `unconsumed` bytes of input left over; says whether it
    /// stopped between two packets or in one. A feed that has ended before keeps its reason.
    pub fn handle_end_of_input(&mut self, unconsumed: usize) -> DcpFailure {
        let is_within = unconsumed > 0 || self.core.skip.is_some();
        self.core.fail(if is_within {
            DcpFailure::Truncated
        } else {
            DcpFailure::EndOfInput
        })
    }

    /// Ends the feed for a reason of the caller's. A feed that has ended before keeps its reason.
    #[doc(alias = "Close")]
    pub fn abandon(&mut self) -> DcpFailure {
        self.core.fail(DcpFailure::Abandoned)
    }

    /// What has been received until now.
    #[doc(alias = "GetUprStats")]
    #[must_use]
    pub fn statistics(&self) -> DcpStatistics {
        self.core.statistics
    }

    /// What is told of every packet.
    #[must_use]
    pub fn tally(&self) -> &T {
        &self.core.tally
    }

    /// The streams that have a slot.
    pub fn streams(&self) -> impl Iterator<Item = &DcpStream> {
        self.streams.as_ref().iter().filter(|slot| !slot.is_free())
    }

    /// Gives the slots back, with the positions that the streams have come to, for a new connection.
    #[must_use]
    pub fn into_streams(self) -> S {
        self.streams
    }
}

impl<T: Tally> Core<T> {
    fn fail(&mut self, failure: DcpFailure) -> DcpFailure {
        if let Phase::Failed(earlier) = self.phase {
            return earlier;
        }
        self.phase = Phase::Failed(failure);
        failure
    }

    fn deadline(&self) -> Option<u32> {
        let silence_max = self.options.noop_interval.saturating_mul(2);
        let is_held = self.has_noop && self.has_streamed;
        self.waiting_since
            .filter(|_| is_held)
            .map(|since| since.saturating_add(silence_max))
    }

    fn poll<'i>(
        &mut self,
        streams: &mut [DcpStream],
        run: &mut Run<'i, '_>,
        now: u32,
    ) -> DcpProgress<'i> {
        let has_more = run.input.len() > self.unconsumed;
        if self.options.taking == DcpTaking::WhenPolled {
            self.flow.take(u64::MAX);
        }
        let (next, counted) = loop {
            match self.step(streams, run) {
                Step::Continue => {}
                Step::Next(DcpNext::Failed(failure), counted) => {
                    break (DcpNext::Failed(self.fail(failure)), counted);
                }
                Step::Next(next, counted) => break (next, counted),
            }
        };
        self.unconsumed = run.input.len().saturating_sub(run.consumed);
        DcpProgress {
            consumed: run.consumed,
            written: run.written,
            counted,
            next: self.wait(next, has_more, now),
        }
    }

    /// Notes since when nothing has come, and ends the feed when that is too long ago. A caller that was busy with an
    /// event has not been waiting.
    fn wait<'i>(&mut self, next: DcpNext<'i>, has_more: bool, now: u32) -> DcpNext<'i> {
        if !matches!(next, DcpNext::Read { .. }) {
            self.waiting_since = None;
            return next;
        }
        if has_more {
            self.waiting_since = None;
        }
        let since = *self.waiting_since.get_or_insert(now);
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return next;
        }
        let seconds = now.saturating_sub(since);
        DcpNext::Failed(self.fail(DcpFailure::Silent { seconds }))
    }

    /// Acknowledges if it is time, then looks at one packet.
    fn step<'i>(&mut self, streams: &mut [DcpStream], run: &mut Run<'i, '_>) -> Step<'i> {
        if let Phase::Failed(failure) = self.phase {
            return failure.into();
        }
        if run.out().len() < DCP_ROOM_MIN {
            return Step::Next(DcpNext::Write { room: DCP_ROOM_MIN }, 0);
        }
        if let Some(bytes) = self.flow.due()
            && let Ok(len) = self.acknowledge(bytes, run.out())
        {
            run.wrote(len);
        }
        let rest = run.rest();
        if let Some(skip) = self.skip {
            return self.pass_over(skip, run);
        }
        let header = match Header::parse(rest) {
            Ok(Parsed::Complete { value, .. }) => value,
            Ok(Parsed::NeedMore { missing }) => return Step::Next(DcpNext::Read { missing }, 0),
            Err(error) => return DcpFailure::Framing(error).into(),
        };
        if let Err(error) = header.check(&self.options.limits) {
            self.tally.fed(header.opcode, HEADER_LEN as u64, true);
            return DcpFailure::Framing(error).into();
        }
        if header.packet_len() > self.options.input_capacity.into() {
            return if run.is_settling {
                Step::Next(DcpNext::Ready, 0)
            } else {
                self.too_long(&header, run)
            };
        }
        if run.is_settling && rest.len() as u64 >= header.packet_len() && !is_silent(&header) {
            return Step::Next(DcpNext::Ready, 0);
        }
        let packet = match Packet::parse(rest, &self.options.limits) {
            Ok(Parsed::Complete { value, consumed }) => {
                run.consumed = run.consumed.saturating_add(consumed);
                value
            }
            Ok(Parsed::NeedMore { missing }) => return Step::Next(DcpNext::Read { missing }, 0),
            Err(error) => return DcpFailure::Framing(error).into(),
        };
        let statistics = &mut self.statistics;
        statistics.bytes_received = statistics
            .bytes_received
            .saturating_add(header.packet_len());
        if packet.magic.is_response() {
            self.handle_reply(streams, &packet, header.packet_len())
        } else {
            self.handle_request(streams, &header, &packet, run)
        }
    }

    /// Writes a BUFFER_ACK.
    pub(super) fn acknowledge(&mut self, bytes: u32, out: &mut [u8]) -> Result<usize, EmitError> {
        let len = Message::new(0, 0, Body::BufferAck(BufferAck { bytes })).emit(out)?;
        self.flow.acknowledged(bytes);
        self.tally.sent(Opcode::DCP_BUFFER_ACK, len as u64, false);
        let statistics = &mut self.statistics;
        statistics.buffer_acks = statistics.buffer_acks.saturating_add(1);
        statistics.bytes_acknowledged = statistics
            .bytes_acknowledged
            .saturating_add(u64::from(bytes));
        Ok(len)
    }

    /// Drops what has arrived of a request that does not fit the caller's buffer. It is counted when all of it has come,
    /// lest bytes be acknowledged that never arrive.
    fn pass_over<'i>(&mut self, skip: Skip, run: &mut Run<'i, '_>) -> Step<'i> {
        let here = usize::try_from(skip.remaining).map_or(run.rest().len(), |remaining| {
            remaining.min(run.rest().len())
        });
        run.consumed = run.consumed.saturating_add(here);
        let remaining = skip.remaining.saturating_sub(here as u64);
        let statistics = &mut self.statistics;
        statistics.bytes_received = statistics.bytes_received.saturating_add(here as u64);
        if remaining > 0 {
            self.skip = Some(Skip { remaining, ..skip });
            return Step::Next(DcpNext::Read { missing: remaining }, 0);
        }
        self.skip = None;
        self.tally.fed(skip.opcode, skip.len, false);
        self.count(skip.counted);
        self.flow.take(skip.counted);
        Step::Continue
    }

    fn too_long<'i>(&mut self, header: &Header, run: &mut Run<'i, '_>) -> Step<'i> {
        let len = header.packet_len();
        if header.magic.is_response() {
            let opcode = header.opcode;
            return DcpFailure::ReplyTooLong { opcode, len }.into();
        }
        // The header is taken off at once, so that the same event is not told twice.
        run.consumed = run.consumed.saturating_add(HEADER_LEN);
        let statistics = &mut self.statistics;
        statistics.bytes_received = statistics.bytes_received.saturating_add(HEADER_LEN as u64);
        self.skip = Some(Skip {
            opcode: header.opcode,
            len,
            remaining: header.body_len.into(),
            counted: if is_counted(header) { len } else { 0 },
        });
        self.skipped(header, DcpSkipReason::TooLong, 0)
    }

    fn skipped<'i>(&mut self, header: &Header, reason: DcpSkipReason, counted: u64) -> Step<'i> {
        self.statistics.skipped = self.statistics.skipped.saturating_add(1);
        let header = *header;
        Step::Next(
            DcpNext::Event(DcpEvent::Skipped { header, reason }),
            counted,
        )
    }

    /// Counts a request as the producer does; returns for how many bytes.
    fn count(&mut self, len: u64) -> u64 {
        let counted = self.flow.receive(len);
        let statistics = &mut self.statistics;
        statistics.bytes_counted = statistics.bytes_counted.saturating_add(counted);
        counted
    }

    /// Answers a request with a status; there is room for it.
    fn answer(&mut self, message: &Message<'_>, status: Status, run: &mut Run<'_, '_>) {
        let opcode = message.opcode();
        if let Ok(len) = Reply::new(opcode, status, message.opaque).emit(run.out()) {
            run.wrote(len);
            self.tally.sent(opcode, len as u64, false);
        }
    }

    fn handle_request<'i>(
        &mut self,
        streams: &mut [DcpStream],
        header: &Header,
        packet: &Packet<'i>,
        run: &mut Run<'i, '_>,
    ) -> Step<'i> {
        let counted = if is_counted(header) {
            self.count(header.packet_len())
        } else {
            0
        };
        let opcode = packet.opcode;
        let parsed = Message::parse(packet);
        // 0x82 is no client's request either.
        let is_foreign = parsed.as_ref().is_err_and(|error| {
            matches!(
                error.kind,
                ParseErrorKind::ForeignOpcode | ParseErrorKind::WrongDirection
            )
        });
        let failed = parsed.is_err() && !is_foreign;
        self.tally.fed(opcode, header.packet_len(), failed);
        let message = match parsed {
            Ok(message) => message,
            Err(_) if is_foreign => {
                return self.skipped(header, DcpSkipReason::UnknownOpcode, counted);
            }
            Err(error) => return DcpFailure::Message { opcode, error }.into(),
        };
        match message.body {
            Body::Noop => {
                self.answer(&message, Status::SUCCESS, run);
                self.statistics.noops = self.statistics.noops.saturating_add(1);
                return Step::Continue;
            }
            Body::AddStream(_) | Body::CloseStream => {
                return Step::Next(DcpNext::Event(DcpEvent::Message(message)), counted);
            }
            Body::Open(_)
            | Body::StreamRequest(_)
            | Body::GetFailoverLog
            | Body::BufferAck(_)
            | Body::Control(_)
            | Body::SeqnoAcknowledged(_) => {
                return self.skipped(header, DcpSkipReason::UnknownOpcode, counted);
            }
            _ => {}
        }
        let is_answered = match message.body {
            Body::SetVbucketState(_) => true,
            Body::SnapshotMarker(marker) => marker.flags.contains(SnapshotFlags::ACK),
            _ => false,
        };
        let slot = find(streams, message.opaque)
            .filter(|slot| slot.is_receiving() && slot.stream().vbucket == message.vbucket);
        let Some(slot) = slot else {
            if is_answered {
                self.answer(&message, Status::KEY_ENOENT, run);
            }
            return self.skipped(header, DcpSkipReason::UnknownStream, counted);
        };
        if let Err(failure) = self.advance(slot, &message) {
            return failure.into();
        }
        if is_answered {
            self.answer(&message, Status::SUCCESS, run);
        }
        Step::Next(DcpNext::Event(DcpEvent::Message(message)), counted)
    }

    /// Moves a stream on by what a message of it says.
    fn advance(&mut self, slot: &mut DcpStream, message: &Message<'_>) -> Result<(), DcpFailure> {
        let stream = slot.stream();
        let disorder = |found| {
            move |last| DcpFailure::SeqnoOrder {
                stream,
                last,
                found,
            }
        };
        if let Some(seqno) = message.body.seqno() {
            slot.changed(seqno).map_err(disorder(seqno))?;
        }
        let statistics = &mut self.statistics;
        let count = match message.body {
            Body::Mutation(_) => &mut statistics.mutations,
            Body::Deletion(_) => &mut statistics.deletions,
            Body::Expiration(_) => &mut statistics.expirations,
            Body::SystemEvent(_) => &mut statistics.system_events,
            Body::Prepare(_) | Body::Commit(_) | Body::Abort(_) => &mut statistics.durable_writes,
            Body::SnapshotMarker(marker) => {
                slot.snapshot(&marker);
                &mut statistics.snapshots
            }
            Body::StreamEnd(_) => {
                slot.ended();
                &mut statistics.streams_ended
            }
            Body::SeqnoAdvanced(advanced) => {
                let seqno = advanced.seqno;
                return slot.advanced(seqno).map_err(disorder(seqno));
            }
            Body::OsoSnapshot(snapshot) => {
                if snapshot.flags.contains(OsoFlags::START) {
                    slot.out_of_order_starts();
                } else {
                    slot.out_of_order_ends();
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        *count = count.saturating_add(1);
        Ok(())
    }
}

/// Whether a packet is none of the caller's business, unless something is wrong with it.
fn is_silent(header: &Header) -> bool {
    let is_success = header.vbucket_or_status == Status::SUCCESS.0;
    match (header.magic.is_request(), header.opcode) {
        (true, opcode) => opcode == Opcode::DCP_NOOP && !header.magic.is_server_initiated(),
        (false, Opcode::DCP_BUFFER_ACK | Opcode::DCP_SEQNO_ACKNOWLEDGED) => is_success,
        (false, Opcode::DCP_CONTROL) => {
            is_success && matches!(header.opaque as u16, WINDOW | NOOP | NOOP_INTERVAL)
        }
        _ => false,
    }
}

/// Whether the producer counts a request: every one except NOOP.
fn is_counted(header: &Header) -> bool {
    !header.magic.is_server_initiated() && header.opcode != Opcode::DCP_NOOP
}
