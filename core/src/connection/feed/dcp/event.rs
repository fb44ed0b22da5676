//! What a consumer hears of, and what it needs.

use super::DcpFailure;
use crate::dcp::{FailoverLog, Message, StreamOpaque, VbucketSeqnos};
#[cfg(feature = "defmt")]
use crate::wire::Escaped;
use crate::wire::{Header, Opcode, Status};

/// What one call of [`DcpConsumer::poll`](super::DcpConsumer::poll) has done.
#[doc(alias = "UprProgress")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DcpProgress<'i> {
    /// Bytes at the front of the input that are done with. The rest belongs at the front of the next input.
    pub consumed: usize,
    /// Bytes at the front of the output that are to be sent.
    pub written: usize,
    /// Bytes that the event counts for in flow control: what [`DcpConsumer::take`](super::DcpConsumer::take) is told once
    /// the event is done with.
    pub counted: u64,
    /// What the consumer has or needs.
    pub next: DcpNext<'i>,
}

/// What a consumer has for its caller, or needs.
#[doc(alias = "UprNext")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DcpNext<'i> {
    /// Something happened; take it and call again with the rest of the input.
    Event(DcpEvent<'i>),
    /// What comes next is an event, or ends the feed; only from [`DcpConsumer::settle`](super::DcpConsumer::settle).
    Ready,
    /// More input: call again when something has arrived.
    Read {
        /// How many bytes must follow the unconsumed ones until there is something to do.
        missing: u64,
    },
    /// Room in the output: send what is written, then call again.
    Write {
        /// How many bytes must be free in the output.
        room: usize,
    },
    /// The feed is over: send what is written, then close.
    Failed(DcpFailure),
}

/// What happened on a feed.
#[doc(alias = "UprEvent")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DcpEvent<'i> {
    /// OPEN was accepted: commands may follow.
    Opened,
    /// A property was set, or not. Success with what the options ask for is not told.
    ControlAnswered {
        /// Which one.
        setting: DcpSetting,
        /// How it went.
        status: Status,
    },
    /// The failover log of a vbucket, as asked for; empty unless the status is success.
    FailoverLog {
        /// The vbucket.
        vbucket: u16,
        /// How it went.
        status: Status,
        /// The log.
        log: FailoverLog<'i>,
    },
    /// How far each vbucket has come, as asked for; empty unless the status is success.
    VbucketSeqnos {
        /// How it went.
        status: Status,
        /// The vbuckets.
        seqnos: VbucketSeqnos<'i>,
    },
    /// A stream is open: its changes follow.
    StreamOpened {
        /// The stream.
        stream: StreamOpaque,
        /// The histories of its vbucket, the newest first.
        log: FailoverLog<'i>,
    },
    /// A stream is not opened before the consumer has dropped all changes beyond `seqno`. Its position has been set
    /// there; [`DcpConsumer::resume_stream`](super::DcpConsumer::resume_stream) goes on.
    Rollback {
        /// The stream.
        stream: StreamOpaque,
        /// The last change that both have.
        seqno: u64,
    },
    /// A stream is not opened.
    StreamRefused {
        /// The stream.
        stream: StreamOpaque,
        /// Why.
        status: Status,
        /// A text of the producer's, mostly nothing.
        text: &'i [u8],
    },
    /// The answer to [`DcpConsumer::close_stream`](super::DcpConsumer::close_stream): the stream is over, or with another
    /// status than success, 0x01 and 0x0a it goes on.
    StreamClosed {
        /// The stream.
        stream: StreamOpaque,
        /// How it went.
        status: Status,
    },
    /// The answer to [`DcpConsumer::add_stream`](super::DcpConsumer::add_stream).
    StreamAdded {
        /// The vbucket.
        vbucket: u16,
        /// How it went.
        status: Status,
        /// The opaque of the stream's messages; `None` unless the status is success.
        opaque: Option<StreamOpaque>,
    },
    /// A request of the peer, with the bounds of its stream's snapshots and its end among them. Where an answer has to be
    /// sent, it has been written; ADD_STREAM and CLOSE_STREAM are left to
    /// [`DcpConsumer::answer`](super::DcpConsumer::answer).
    Message(Message<'i>),
    /// A request was passed over. Its bytes count as any other's.
    Skipped {
        /// The header of the request.
        header: Header,
        /// Why.
        reason: DcpSkipReason,
    },
    /// The producer refused what it answers only then: BUFFER_ACK or SEQNO_ACKNOWLEDGED.
    Refused {
        /// Which.
        opcode: Opcode,
        /// Why.
        status: Status,
    },
}

#[cfg(feature = "defmt")]
impl defmt::Format for DcpEvent<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        use DcpEvent as E;
        match self {
            E::Opened => defmt::write!(f, "Opened"),
            E::ControlAnswered { setting, status } => {
                defmt::write!(
                    f,
                    "ControlAnswered {{ setting: {}, status: {} }}",
                    setting,
                    status
                );
            }
            E::FailoverLog {
                vbucket,
                status,
                log,
            } => defmt::write!(
                f,
                "FailoverLog {{ vbucket: {=u16}, status: {}, log: {} }}",
                vbucket,
                status,
                log
            ),
            E::VbucketSeqnos { status, seqnos } => {
                defmt::write!(
                    f,
                    "VbucketSeqnos {{ status: {}, seqnos: {} }}",
                    status,
                    seqnos
                );
            }
            E::StreamOpened { stream, log } => {
                defmt::write!(f, "StreamOpened {{ stream: {}, log: {} }}", stream, log);
            }
            E::Rollback { stream, seqno } => {
                defmt::write!(f, "Rollback {{ stream: {}, seqno: {=u64} }}", stream, seqno);
            }
            E::StreamRefused {
                stream,
                status,
                text,
            } => defmt::write!(
                f,
                "StreamRefused {{ stream: {}, status: {}, text: {} }}",
                stream,
                status,
                Escaped(text)
            ),
            E::StreamClosed { stream, status } => {
                defmt::write!(
                    f,
                    "StreamClosed {{ stream: {}, status: {} }}",
                    stream,
                    status
                );
            }
            E::StreamAdded {
                vbucket,
                status,
                opaque,
            } => defmt::write!(
                f,
                "StreamAdded {{ vbucket: {=u16}, status: {}, opaque: {} }}",
                vbucket,
                status,
                opaque
            ),
            E::Message(message) => defmt::write!(f, "Message({})", message),
            E::Skipped { header, reason } => {
                defmt::write!(f, "Skipped {{ header: {}, reason: {} }}", header, reason);
            }
            E::Refused { opcode, status } => {
                defmt::write!(f, "Refused {{ opcode: {}, status: {} }}", opcode, status);
            }
        }
    }
}

/// Which property a CONTROL was for.
#[doc(alias = "UprSetting")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DcpSetting {
    /// The window: there is no flow control.
    Window,
    /// Signs of life: a dead producer will not be noticed.
    Noop,
    /// The interval of the signs of life: the producer keeps its own.
    NoopInterval,
    /// One that the caller asked for, by the opaque that [`DcpConsumer::control`](super::DcpConsumer::control) gave.
    Other {
        /// The opaque.
        opaque: u32,
    },
}

/// Why a request was passed over.
#[doc(alias = "UprSkipReason")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DcpSkipReason {
    /// No stream with this opaque and vbucket is open.
    UnknownStream,
    /// The opcode is none that a consumer is sent.
    UnknownOpcode,
    /// The packet is longer than the caller's buffer.
    TooLong,
}
