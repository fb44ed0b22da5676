//! The side of a TAP stream that writes.

use super::TapProducerEnd;
use super::progress::{SendError, TapProducerNext, TapProducerProgress, TapTimer};
use super::window::{Answered, Window};
use crate::tap::{
    Ack, Connect, ConnectFlags, Deletion, Head, ItemFields, MessageFlags, Mutation, Parts, Subtype,
    VbucketState,
};
use crate::wire::{HEADER_LEN, Limits, Magic, Opcode, Packet, Parsed, Request, Response, Status};

/// After how many changes without one an answer is asked for.
const ACK_INTERVAL: u16 = 1000;
/// After how many seconds without a message a keep-alive is sent.
const KEEP_ALIVE_AFTER: u32 = 200;
/// How many seconds an answer may take.
const ACK_GRACE: u32 = 300;

/// An item that was stored or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapChange<'a> {
    /// Its vbucket.
    pub vbucket: u16,
    /// Its key, 1 to 65535 bytes.
    pub key: &'a [u8],
    /// Its version.
    pub cas: u64,
    /// Its flags, as the client gave them; of no account for a removal.
    pub flags: u32,
    /// When it expires, in seconds since 1970, 0 never; of no account for a removal.
    pub expiration: u32,
    /// Its value, in up to two pieces, as a store's record that wraps around gives it; of no account for a removal.
    pub value: (&'a [u8], &'a [u8]),
    /// How often it was changed.
    pub revision: u64,
}

#[cfg(feature = "defmt")]
impl defmt::Format for TapChange<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let (first, second) = self.value;
        defmt::write!(
            f,
            "TapChange {{ vbucket: {=u16}, key: {}, cas: {=u64}, flags: {=u32}, expiration: {=u32}, value: {=usize} bytes, \
             revision: {=u64} }}",
            self.vbucket,
            crate::format::Text(self.key),
            self.cas,
            self.flags,
            self.expiration,
            first.len().saturating_add(second.len()),
            self.revision
        );
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Messages go out.
    Open,
    /// The last message has gone out; its answer may be outstanding.
    Closing,
    /// Nothing is done any more.
    Ended(TapProducerEnd),
}

/// The side of a TAP stream that writes: numbers the messages, asks for answers and counts them.
///
/// ```text
///  new ─▶ Open ── close ─▶ Closing ── last answer ─▶ End
///          ▲ │ messages        every other end ────────▲
///          └─┘ from either: refused for good, no answer for 300 seconds, QUIT, malformed, end of input
/// ```
///
/// # Order of calls
/// [`TapProducer::new`] with the consumer's TAP_CONNECT. Then, as things come up: a method for each message while
/// [`TapProducer::may_send`], [`TapProducer::handle_input`] when something has arrived, [`TapProducer::handle_time`] when
/// its time has come, [`TapProducer::handle_end_of_input`] when the consumer has closed the connection.
///
/// # Positions
/// Each message is given with a position: a number of the caller's, such as its place in the log of changes.
/// [`TapProducer::acknowledged`] is the position up to which the consumer has confirmed everything. The first position
/// is above 0.
///
/// # Answers
/// If the consumer gives any, one is asked for with every message that is no change of an item, with every 1000th
/// change, and with each that has nothing waiting behind it (`last`). Up to ten may be outstanding.
///
/// It holds no buffer and takes some 300 bytes.
#[derive(Clone, Debug)]
pub struct TapProducer {
    flags: ConnectFlags,
    state: State,
    window: Window,
    /// The number of the next message.
    sequence: u32,
    changes_since_ask: u16,
    /// When something was last sent, in unix seconds.
    sent_at: u32,
}

/// The parts of a message that are not the same in each.
struct Outgoing<'a> {
    opcode: Opcode,
    vbucket: u16,
    cas: u64,
    flags: MessageFlags,
    item: Option<ItemFields>,
    engine: &'a [u8],
    key: &'a [u8],
    value: [&'a [u8]; 2],
    /// Whether to ask for an answer, if the consumer gives any.
    ask: bool,
    position: u64,
    now: u32,
}

impl TapProducer {
    /// The longest packet in bytes that a consumer may send: an answer with a text of up to 1 KiB.
    pub const INPUT_CAPACITY_MIN: usize = HEADER_LEN + LIMITS.body_len_max as usize;

    /// Room in bytes that [`TapProducer::handle_time`] needs.
    pub const KEEP_ALIVE_LEN: usize = HEADER_LEN;

    /// A producer that has sent nothing; `now` is unix time in seconds.
    #[must_use]
    pub fn new(connect: &Connect<'_>, now: u32) -> TapProducer {
        TapProducer {
            flags: connect.all_flags(),
            state: State::Open,
            window: Window::new(1),
            sequence: 1,
            changes_since_ask: 0,
            sent_at: now,
        }
    }

    /// Whether messages can go out: the stream is not over, and less than ten answers are outstanding.
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.state == State::Open && !self.window.is_full()
    }

    /// The position up to which the consumer has confirmed everything; of a consumer that gives no answers, the position
    /// of the last message sent.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.window.acknowledged()
    }

    /// How many answers are outstanding, 0 or more.
    #[must_use]
    pub fn awaits_answers(&self) -> bool {
        !self.window.is_empty()
    }

    /// An item was stored. `last` says that nothing waits behind this message.
    ///
    /// # Errors
    /// [`SendError`]; nothing has been written or counted then.
    pub fn mutation(
        &mut self,
        change: &TapChange<'_>,
        position: u64,
        last: bool,
        output: &mut [u8],
        now: u32,
    ) -> Result<usize, SendError> {
        let in_order = self.flags.contains(ConnectFlags::FIX_FLAG_BYTEORDER);
        let keys_only = self.flags.contains(ConnectFlags::REQUEST_KEYS_ONLY);
        let mut flags = MessageFlags(0);
        if in_order {
            flags |= MessageFlags::NETWORK_BYTE_ORDER;
        }
        if keys_only {
            flags |= MessageFlags::NO_VALUE;
        }
        let (first, second) = change.value;
        let outgoing = Outgoing {
            opcode: Opcode::TAP_MUTATION,
            vbucket: change.vbucket,
            cas: change.cas,
            flags,
            item: Some(ItemFields {
                // What a consumer that asks for nothing else is used to from producers on little-endian machines.
                flags: if in_order {
                    change.flags
                } else {
                    change.flags.swap_bytes()
                },
                expiration: change.expiration,
            }),
            engine: &Mutation::engine_bytes(change.revision, 0),
            key: change.key,
            value: if keys_only {
                [&[], &[]]
            } else {
                [first, second]
            },
            ask: self.is_ask_due(last),
            position,
            now,
        };
        self.send_change(&outgoing, output)
    }

    /// An item was removed. `last` says that nothing waits behind this message.
    ///
    /// # Errors
    /// As [`TapProducer::mutation`].
    pub fn deletion(
        &mut self,
        change: &TapChange<'_>,
        position: u64,
        last: bool,
        output: &mut [u8],
        now: u32,
    ) -> Result<usize, SendError> {
        let outgoing = Outgoing {
            opcode: Opcode::TAP_DELETE,
            vbucket: change.vbucket,
            cas: change.cas,
            flags: MessageFlags(0),
            item: None,
            engine: &Deletion::engine_bytes(change.revision),
            key: change.key,
            value: [&[], &[]],
            ask: self.is_ask_due(last),
            position,
            now,
        };
        self.send_change(&outgoing, output)
    }

    /// Every item of the vbucket was removed. `last` says that nothing waits behind this message.
    ///
    /// # Errors
    /// As [`TapProducer::mutation`].
    pub fn flush(
        &mut self,
        vbucket: u16,
        position: u64,
        last: bool,
        output: &mut [u8],
        now: u32,
    ) -> Result<usize, SendError> {
        let outgoing = Outgoing {
            ask: self.is_ask_due(last),
            ..Outgoing::notice(Opcode::TAP_FLUSH, vbucket, &[], position, now)
        };
        self.send_change(&outgoing, output)
    }

    /// Says where the stream of a vbucket stands, such as [`Subtype::INITIAL_VBUCKET_STREAM`] and
    /// [`Subtype::CLOSE_BACKFILL`] around its backfill.
    ///
    /// # Errors
    /// As [`TapProducer::mutation`].
    pub fn opaque(
        &mut self,
        vbucket: u16,
        subtype: Subtype,
        position: u64,
        output: &mut [u8],
        now: u32,
    ) -> Result<usize, SendError> {
        let engine = subtype.0.to_be_bytes();
        let outgoing = Outgoing::notice(Opcode::TAP_OPAQUE, vbucket, &engine, position, now);
        self.send(&outgoing, output)
    }

    /// Gives a vbucket another state.
    ///
    /// # Errors
    /// As [`TapProducer::mutation`].
    pub fn vbucket_set(
        &mut self,
        vbucket: u16,
        state: VbucketState,
        position: u64,
        output: &mut [u8],
        now: u32,
    ) -> Result<usize, SendError> {
        let engine = state.0.to_be_bytes();
        let outgoing = Outgoing::notice(Opcode::TAP_VBUCKET_SET, vbucket, &engine, position, now);
        self.send(&outgoing, output)
    }

    /// A checkpoint of a vbucket begins.
    ///
    /// # Errors
    /// As [`TapProducer::mutation`].
    pub fn checkpoint_start(
        &mut self,
        vbucket: u16,
        id: u64,
        position: u64,
        output: &mut [u8],
        now: u32,
    ) -> Result<usize, SendError> {
        // The highest revision of a removed document: none is kept here.
        let engine = [0; 8];
        let outgoing = Outgoing {
            item: Some(ItemFields::default()),
            value: [&id.to_be_bytes(), &[]],
            ..Outgoing::notice(
                Opcode::TAP_CHECKPOINT_START,
                vbucket,
                &engine,
                position,
                now,
            )
        };
        self.send(&outgoing, output)
    }

    /// A checkpoint of a vbucket ends.
    ///
    /// # Errors
    /// As [`TapProducer::mutation`].
    pub fn checkpoint_end(
        &mut self,
        vbucket: u16,
        id: u64,
        position: u64,
        output: &mut [u8],
        now: u32,
    ) -> Result<usize, SendError> {
        let outgoing = Outgoing {
            item: Some(ItemFields::default()),
            value: [&id.to_be_bytes(), &[]],
            ..Outgoing::notice(Opcode::TAP_CHECKPOINT_END, vbucket, &[], position, now)
        };
        self.send(&outgoing, output)
    }

    /// Says that no more data will come. Nothing can be sent afterwards; [`TapProducer::handle_input`], with whatever
    /// input, tells when all is answered.
    ///
    /// # Errors
    /// As [`TapProducer::mutation`].
    pub fn close(
        &mut self,
        position: u64,
        output: &mut [u8],
        now: u32,
    ) -> Result<usize, SendError> {
        let written = self.opaque(0, Subtype::CLOSE_TAP_STREAM, position, output, now)?;
        self.state = State::Closing;
        Ok(written)
    }

    /// Reads the consumer's answers; `input` starts with the bytes that earlier calls did not consume.
    pub fn handle_input(&mut self, input: &[u8]) -> TapProducerProgress {
        let mut consumed = 0;
        let next = loop {
            match self.state {
                State::Ended(end) => break TapProducerNext::End(end),
                State::Closing if self.window.is_empty() => {
                    break self.end(TapProducerEnd::Done);
                }
                State::Open | State::Closing => {}
            }
            let rest = input.get(consumed..).unwrap_or_default();
            match Packet::parse(rest, &LIMITS) {
                Ok(Parsed::NeedMore { missing }) => break TapProducerNext::Read { missing },
                Ok(Parsed::Complete {
                    value,
                    consumed: len,
                }) => {
                    consumed = consumed.saturating_add(len);
                    match self.handle_packet(&value) {
                        Ok(Answered::Continue) => {}
                        Ok(Answered::BackOff) => {
                            // The end of the stream is among what has to be sent again.
                            self.state = State::Open;
                            break TapProducerNext::BackOff {
                                position: self.acknowledged(),
                            };
                        }
                        Err(end) => break self.end(end),
                    }
                }
                Err(error) => break self.end(TapProducerEnd::Malformed(error)),
            }
        };
        TapProducerProgress { consumed, next }
    }

    /// Says why the stream is over when the connection was closed with `unconsumed` bytes of input left.
    pub fn handle_end_of_input(&mut self, unconsumed: usize) -> TapProducerEnd {
        let end = match self.state {
            State::Ended(end) => end,
            State::Closing if self.window.is_empty() => TapProducerEnd::Done,
            State::Open | State::Closing if unconsumed > 0 => TapProducerEnd::Truncated,
            State::Open | State::Closing => TapProducerEnd::EndOfInput,
        };
        self.state = State::Ended(end);
        end
    }

    /// Does what is due: a keep-alive after 200 seconds without a message, the end after 300 without an answer. `output`
    /// needs room for [`TapProducer::KEEP_ALIVE_LEN`] bytes; with less the call has to be repeated.
    pub fn handle_time(&mut self, output: &mut [u8], now: u32) -> TapTimer {
        let mut written = 0;
        if let Some((sequence, since)) = self.window.oldest()
            && now.saturating_sub(since) >= ACK_GRACE
        {
            let waited = now.saturating_sub(since);
            self.end(TapProducerEnd::AckTimeout { sequence, waited });
        }
        if let State::Ended(end) = self.state {
            return TapTimer {
                written,
                next: now,
                end: Some(end),
            };
        }
        if now.saturating_sub(self.sent_at) >= KEEP_ALIVE_AFTER {
            let Ok(len) = Request::new(Opcode::NOOP).emit(output) else {
                return TapTimer {
                    written,
                    next: now,
                    end: None,
                };
            };
            written = len;
            self.sent_at = now;
        }
        let keep_alive = self.sent_at.saturating_add(KEEP_ALIVE_AFTER);
        let next = match self.window.oldest() {
            Some((_, since)) => keep_alive.min(since.saturating_add(ACK_GRACE)),
            None => keep_alive,
        };
        TapTimer {
            written,
            next,
            end: None,
        }
    }

    fn end(&mut self, end: TapProducerEnd) -> TapProducerNext {
        self.state = State::Ended(end);
        TapProducerNext::End(end)
    }

    fn handle_packet(&mut self, packet: &Packet<'_>) -> Result<Answered, TapProducerEnd> {
        let unexpected = TapProducerEnd::Unexpected {
            magic: packet.magic,
            opcode: packet.opcode,
        };
        match (packet.magic, packet.opcode) {
            (Magic::CLIENT_REQUEST, Opcode::QUIT | Opcode::QUITQ) => Err(TapProducerEnd::Quit),
            // Some consumers answer keep-alives.
            (Magic::CLIENT_RESPONSE, Opcode::NOOP) => Ok(Answered::Continue),
            (Magic::CLIENT_RESPONSE, opcode) => {
                let response = Response {
                    opaque: packet.opaque,
                    ..Response::new(opcode, Status(packet.vbucket_or_status))
                };
                let ack = Ack::from_response(&response).map_err(|_| unexpected)?;
                self.window.handle_ack(&ack, self.sequence)
            }
            _ => Err(unexpected),
        }
    }

    /// Whether the next change asks for an answer.
    fn is_ask_due(&self, last: bool) -> bool {
        last || self.changes_since_ask.saturating_add(1) >= ACK_INTERVAL
    }

    fn send_change(
        &mut self,
        outgoing: &Outgoing<'_>,
        output: &mut [u8],
    ) -> Result<usize, SendError> {
        let written = self.send(outgoing, output)?;
        if !outgoing.ask {
            self.changes_since_ask = self.changes_since_ask.saturating_add(1);
        }
        Ok(written)
    }

    fn send(&mut self, outgoing: &Outgoing<'_>, output: &mut [u8]) -> Result<usize, SendError> {
        if self.state != State::Open {
            return Err(SendError::Ended);
        }
        if self.window.is_full() {
            return Err(SendError::Window);
        }
        let answers = self.flags.contains(ConnectFlags::SUPPORT_ACK);
        let ask = outgoing.ask && answers;
        let mut flags = outgoing.flags;
        if ask {
            flags |= MessageFlags::ACK;
        }
        let written = Parts {
            opcode: outgoing.opcode,
            head: &Head {
                vbucket: outgoing.vbucket,
                sequence: self.sequence,
                cas: outgoing.cas,
                flags,
                ..Head::default()
            },
            item: outgoing.item,
            engine: [outgoing.engine, &[]],
            key: outgoing.key,
            value: outgoing.value,
        }
        .emit(output)?;
        if ask {
            self.window
                .wait(self.sequence, outgoing.position, outgoing.now);
            self.changes_since_ask = 0;
        } else if !answers {
            self.window.advance(outgoing.position);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.sent_at = outgoing.now;
        Ok(written)
    }
}

impl<'a> Outgoing<'a> {
    /// A message that is no change of an item, and therefore wants an answer.
    fn notice(
        opcode: Opcode,
        vbucket: u16,
        engine: &'a [u8],
        position: u64,
        now: u32,
    ) -> Outgoing<'a> {
        Outgoing {
            opcode,
            vbucket,
            cas: 0,
            flags: MessageFlags(0),
            item: None,
            engine,
            key: &[],
            value: [&[], &[]],
            ask: true,
            position,
            now,
        }
    }
}

/// An answer is a header; some consumers add a text.
const LIMITS: Limits = Limits {
    key_len_max: 250,
    body_len_max: 1024,
};
