//! The side of a TAP stream that reads.

use super::TapEnd;
use crate::counters::Tally;
use crate::tap::{Ack, Connect, Frame, Message, Subtype};
use crate::wire::{
    EmitError, HEADER_LEN, Header, Limits, Magic, Opcode, Packet, ParseError, Parsed, Response,
    Status,
};

/// Who answers the messages that ask for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TapAcks {
    /// The machine: asking for the next message says that the last one has been dealt with.
    #[default]
    Automatic,
    /// The caller, by [`TapConsumer::acknowledge`], when it sees fit; answers are cumulative.
    Manual,
}

/// What a consumer has to know about its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TapOptions {
    /// The longest message in bytes, header included, that the caller's input can hold in one piece.
    pub input_capacity: u32,
    /// Limits on key and body of a message.
    pub limits: Limits,
    /// Who answers.
    pub acks: TapAcks,
}

impl TapOptions {
    /// The longest body by default, in bytes: a document of Couchbase's 20 MiB, and what may surround it.
    pub const BODY_LEN_MAX: u32 = (20 << 20) + (128 << 10);

    /// Options for an input of fixed size.
    #[must_use]
    pub fn for_buffer(input_len: usize) -> TapOptions {
        TapOptions {
            input_capacity: u32::try_from(input_len).unwrap_or(u32::MAX),
            ..TapOptions::default()
        }
    }
}

impl Default for TapOptions {
    /// For an input that grows to [`TapOptions::BODY_LEN_MAX`] and a header; the machine answers.
    fn default() -> TapOptions {
        TapOptions {
            input_capacity: TapOptions::BODY_LEN_MAX + HEADER_LEN as u32,
            limits: Limits {
                key_len_max: u16::MAX,
                body_len_max: TapOptions::BODY_LEN_MAX,
            },
            acks: TapAcks::Automatic,
        }
    }
}

/// What one call of [`TapConsumer::handle_input`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TapProgress<'i> {
    /// Bytes at the front of the input that are done with, once the message in `next` is.
    pub consumed: usize,
    /// Bytes at the front of the output that are to be sent.
    pub written: usize,
    /// What has come, or what is needed.
    pub next: TapNext<'i>,
}

/// What a consumer has for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TapNext<'i> {
    /// More input is needed: call again when something has arrived.
    Read {
        /// How many bytes must follow the unconsumed ones: the rest of a header, the rest of a message.
        missing: u64,
    },
    /// Room in the output is needed: send what is written, then call again with the unconsumed input.
    Write {
        /// How many bytes must be free in the output.
        room: usize,
    },
    /// A message. The end of the stream, [`Subtype::CLOSE_TAP_STREAM`], is one too; [`TapNext::End`] follows it.
    Message(Message<'i>),
    /// A request that is none of TAP's; there is nothing to do about it, but somebody may want to know.
    Unknown(Packet<'i>),
    /// There will be no stream; status and text say why. [`TapNext::End`] follows.
    Refused(Response<'i>),
    /// The stream is over: send what is written, then close.
    End(TapEnd),
}

/// Where in the stream a consumer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Messages come.
    Open,
    /// The stream is over as soon as its last answer has been written.
    Ending(TapEnd),
}

/// The side of a TAP stream that reads: finds the messages, keeps the stream in step, and answers.
///
/// ```text
///  new ─▶ connect ─▶ Open ──┬─ CLOSE_TAP_STREAM, refusal: told first ─▶ Ending ─▶ End
///                     ▲  │  └─ malformed, too long, end of input ──────────────▶ End
///                     └──┘ messages, keep-alives
/// ```
///
/// # Order of calls
/// 1. [`TapConsumer::connect`] writes the request for the stream.
/// 2. [`TapConsumer::handle_input`] with the input there is. Deal with what [`TapProgress::next`] brings, drop the
///    `consumed` bytes, send the `written` ones, and call again.
/// 3. [`TapConsumer::handle_end_of_input`] when the producer has closed the connection.
///
/// It holds no buffer. Keep-alives (NOOP, about every 200 seconds) are counted and need no answer: a caller that reads
/// with a timeout takes any byte for a sign of life.
///
/// # Answers
/// A producer that was told [`ConnectFlags::SUPPORT_ACK`](crate::tap::ConnectFlags::SUPPORT_ACK) asks for an answer now
/// and then, and stops after ten without one. An answer stands for all messages before it, so it is given when the
/// message has been dealt with, and not when it was read: see [`TapAcks`]. A message whose TTL is 0 is refused as the
/// protocol demands, and not delivered.
///
/// ```
/// use memlet_core::connection::feed::{TapConsumer, TapEnd, TapNext, TapOptions};
/// use memlet_core::tap::{Connect, ConnectFlags, Head, Message, MessageFlags, Opaque, Subtype};
///
/// let mut consumer = TapConsumer::new(&TapOptions::for_buffer(4096));
/// let mut output = [0; 256];
/// let connect = Connect {
///     flags: Some(ConnectFlags::DUMP | ConnectFlags::SUPPORT_ACK | ConnectFlags::FIX_FLAG_BYTEORDER),
///     backfill: Some(Connect::EVERYTHING),
///     ..Connect::new(b"reader")
/// };
/// let written = consumer.connect(&connect, &mut output)?;
/// // ... send output[..written], and read:
/// # let mut input = [0; 64];
/// # let len = Message::Opaque(Opaque {
/// #     head: Head { sequence: 5, flags: MessageFlags::ACK, ..Head::default() },
/// #     subtype: Subtype::CLOSE_TAP_STREAM,
/// #     engine: b"",
/// # }).emit(&mut input)?;
/// # let input = &input[..len];
/// let progress = consumer.handle_input(input, &mut output);
/// let TapNext::Message(Message::Opaque(last)) = progress.next else { panic!() };
/// assert_eq!(last.subtype, Subtype::CLOSE_TAP_STREAM);
///
/// // Dealt with: the answer goes out, and that was all.
/// let progress = consumer.handle_input(&input[progress.consumed..], &mut output);
/// assert_eq!(progress.written, 24);
/// assert_eq!(progress.next, TapNext::End(TapEnd::Closed));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TapConsumer<T: Tally = ()> {
    options: TapOptions,
    state: State,
    /// The opaque of TAP_CONNECT, which a refusal carries.
    opaque: u32,
    /// The answer to the last message, in case it is refused.
    last: Option<Ack>,
    /// The answer that goes out before anything else is done.
    owed: Option<Ack>,
    keep_alives: u64,
    tally: T,
}

/// What came of the packet at the front of the input.
enum Step<'i> {
    /// Nothing for the caller.
    Skip,
    /// Something for the caller.
    Next(TapNext<'i>),
}

impl TapConsumer {
    /// A consumer that nothing has been sent by.
    #[must_use]
    pub fn new(options: &TapOptions) -> TapConsumer {
        TapConsumer::with_tally(options, ())
    }
}

impl<T: Tally> TapConsumer<T> {
    /// A consumer that tells `tally` of every packet.
    #[must_use]
    pub fn with_tally(options: &TapOptions, tally: T) -> TapConsumer<T> {
        TapConsumer {
            options: *options,
            state: State::Open,
            opaque: 0,
            last: None,
            owed: None,
            keep_alives: 0,
            tally,
        }
    }

    /// What counts the packets.
    pub fn tally(&self) -> &T {
        &self.tally
    }

    /// How many keep-alives have come.
    #[must_use]
    pub fn keep_alives(&self) -> u64 {
        self.keep_alives
    }

    /// Writes the request for the stream to the front of `output` and returns its length in bytes.
    ///
    /// # Errors
    /// Too little room, or a part that is too long. `output` is untouched then.
    pub fn connect(
        &mut self,
        connect: &Connect<'_>,
        output: &mut [u8],
    ) -> Result<usize, EmitError> {
        let written = connect.emit(output)?;
        self.opaque = connect.opaque;
        self.tally.sent(Opcode::TAP_CONNECT, written as u64, false);
        Ok(written)
    }

    /// Writes an answer, [`Message::ack`] of any message so far, to the front of `output` and returns its length in
    /// bytes. It stands for all messages before that one, too.
    ///
    /// Needed only with [`TapAcks::Manual`]. [`Ack::with_status`] refuses the message.
    ///
    /// # Errors
    /// Too little room; `output` is untouched then.
    pub fn acknowledge(&mut self, ack: &Ack, output: &mut [u8]) -> Result<usize, EmitError> {
        let written = ack.emit(output)?;
        self.tally.sent(ack.opcode, written as u64, false);
        Ok(written)
    }

    /// Has the next call of [`TapConsumer::handle_input`] refuse the last message, whether it asked for an answer or
    /// not: [`Status::EBUSY`] or [`Status::TMPFAIL`] to get it again later, others to be cut off.
    pub fn refuse(&mut self, status: Status) {
        if let Some(last) = self.last {
            self.owed = Some(last.with_status(status));
        }
    }

    /// Looks for the next message in `input`, which starts with the bytes that earlier calls did not consume. `output`
    /// is written from its front, 24 bytes at most for each answer.
    ///
    /// What is given does not depend on how the input was cut into pieces.
    pub fn handle_input<'i>(&mut self, input: &'i [u8], output: &mut [u8]) -> TapProgress<'i> {
        let mut consumed = 0;
        let mut written = 0;
        let next = loop {
            if let Some(ack) = self.owed {
                let free = output.get_mut(written..).unwrap_or_default();
                match self.acknowledge(&ack, free) {
                    Ok(len) => written = written.saturating_add(len),
                    Err(_) => break TapNext::Write { room: Ack::LEN },
                }
                self.owed = None;
            }
            if let State::Ending(end) = self.state {
                break TapNext::End(end);
            }
            let rest = input.get(consumed..).unwrap_or_default();
            match self.handle_packet(rest) {
                Ok(Parsed::NeedMore { missing }) => break TapNext::Read { missing },
                Ok(Parsed::Complete {
                    value,
                    consumed: len,
                }) => {
                    consumed = consumed.saturating_add(len);
                    match value {
                        Step::Skip => {}
                        Step::Next(next) => break next,
                    }
                }
                Err(end) => {
                    self.note_failure(rest);
                    self.state = State::Ending(end);
                }
            }
        };
        TapProgress {
            consumed,
            written,
            next,
        }
    }

    /// Says why the stream is over when the connection was closed; `rest` is the input that was not consumed.
    pub fn handle_end_of_input(&mut self, rest: &[u8]) -> TapEnd {
        if let State::Ending(end) = self.state {
            return end;
        }
        let end = if rest.is_empty() {
            TapEnd::EndOfInput
        } else {
            TapEnd::Truncated {
                missing: self.note_failure(rest),
            }
        };
        self.state = State::Ending(end);
        end
    }

    /// Counts what has come of the packet at the front of `rest` as one that failed, and gives the number of bytes that
    /// it, or its header, lacks.
    fn note_failure(&mut self, rest: &[u8]) -> u64 {
        let len = match Header::parse(rest) {
            Ok(Parsed::Complete { value, .. }) => value.packet_len(),
            _ => HEADER_LEN as u64,
        };
        let opcode = rest.get(1).copied().map_or(Opcode::INVALID, Opcode);
        let come = len.min(rest.len() as u64);
        self.tally.fed(opcode, come, true);
        len.saturating_sub(come)
    }

    /// The packet at the front of `input`, if all of it is there.
    fn handle_packet<'i>(&mut self, input: &'i [u8]) -> Result<Parsed<Step<'i>>, TapEnd> {
        let header = match Header::parse(input).map_err(TapEnd::Malformed)? {
            Parsed::Complete { value, .. } => value,
            Parsed::NeedMore { missing } => return Ok(Parsed::NeedMore { missing }),
        };
        header
            .check(&self.options.limits)
            .map_err(TapEnd::Malformed)?;
        let (needed, allowed) = (header.packet_len(), self.options.input_capacity);
        if needed > allowed.into() {
            return Err(TapEnd::TooLong { needed, allowed });
        }
        if header.magic.is_response() {
            self.check_response(&header)?;
        }
        let body = input.get(HEADER_LEN..).unwrap_or_default();
        let is_message = header.magic == Magic::CLIENT_REQUEST && Frame::is_message(header.opcode);
        let parsed = if is_message {
            self.handle_message(&header, body)
        } else {
            self.handle_other(&header, body)
        };
        match parsed.map_err(TapEnd::Malformed)? {
            Parsed::NeedMore { missing } => Ok(Parsed::NeedMore { missing }),
            Parsed::Complete { value, consumed } => {
                self.tally.fed(header.opcode, header.packet_len(), false);
                Ok(Parsed::Complete {
                    value,
                    consumed: consumed.saturating_add(HEADER_LEN),
                })
            }
        }
    }

    /// Only TAP_CONNECT was sent, so only that can be answered.
    fn check_response(&self, header: &Header) -> Result<(), TapEnd> {
        let answers = header.magic == Magic::CLIENT_RESPONSE
            && header.opcode == Opcode::TAP_CONNECT
            && header.opaque == self.opaque;
        if answers {
            return Ok(());
        }
        Err(TapEnd::UnexpectedResponse {
            magic: header.magic,
            opcode: header.opcode,
            opaque: header.opaque,
            expected: self.opaque,
        })
    }

    fn handle_message<'i>(
        &mut self,
        header: &Header,
        body: &'i [u8],
    ) -> Result<Parsed<Step<'i>>, ParseError> {
        let (frame, consumed) = match Frame::parse_body(header, body, &self.options.limits)? {
            Parsed::Complete { value, consumed } => (value, consumed),
            Parsed::NeedMore { missing } => return Ok(Parsed::NeedMore { missing }),
        };
        let message = Message::from_frame(&frame)?;
        let ack = message.ack();
        self.last = Some(ack);
        let step = if message.head().ttl == 0 {
            self.owed = Some(ack.with_status(Status::EINVAL));
            Step::Skip
        } else {
            if message.wants_ack() && self.options.acks == TapAcks::Automatic {
                self.owed = Some(ack);
            }
            if let Message::Opaque(opaque) = &message
                && opaque.subtype == Subtype::CLOSE_TAP_STREAM
            {
                self.state = State::Ending(TapEnd::Closed);
            }
            Step::Next(TapNext::Message(message))
        };
        Ok(Parsed::Complete {
            value: step,
            consumed,
        })
    }

    /// What is no message of TAP: keep-alives, the answer to TAP_CONNECT, and requests unheard of.
    fn handle_other<'i>(
        &mut self,
        header: &Header,
        body: &'i [u8],
    ) -> Result<Parsed<Step<'i>>, ParseError> {
        if header.magic.is_response() {
            let parsed = Response::parse_body(header, body, &self.options.limits)?;
            return Ok(parsed.map(|response| {
                // A success says nothing that the stream itself does not say.
                if response.status == Status::SUCCESS {
                    return Step::Skip;
                }
                self.state = State::Ending(TapEnd::Refused(response.status));
                Step::Next(TapNext::Refused(response))
            }));
        }
        let parsed = Packet::parse_body(header, body, &self.options.limits)?;
        Ok(parsed.map(|packet| {
            if packet.magic == Magic::CLIENT_REQUEST && packet.opcode == Opcode::NOOP {
                self.keep_alives = self.keep_alives.wrapping_add(1);
                return Step::Skip;
            }
            Step::Next(TapNext::Unknown(packet))
        }))
    }
}
