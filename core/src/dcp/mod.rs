//! The messages of DCP, which was called UPR when it was new: the changes of a server's items as a stream, vbucket by
//! vbucket, from which a consumer builds and keeps a copy.
//!
//! [`Message`] is what either side asks or tells, [`Reply`] what is answered. Both are read from a [`Packet`] and
//! written into the caller's buffer; what is read is written again as the same bytes, unless reading has refused it.
//! Which layout a message has is told by its opcode and its lengths: a snapshot marker has had three, a deletion and an
//! expiration two each.
//!
//! ```text
//!   consumer                                             producer
//!      | OPEN name, CONTROL connection_buffer_size = n      |
//!      |--------------------------------------------------->|   [`Open`], [`Control`]
//!      | STREAM_REQ vbucket, from, to, uuid                 |
//!      |--------------------------------------------------->|   [`StreamRequest`]
//!      |              success: failover log, or rollback: to|
//!      |<---------------------------------------------------|   [`ReplyBody::FailoverLog`], [`ReplyBody::Rollback`]
//!      |                            SNAPSHOT_MARKER from, to|
//!      |<---------------------------------------------------|   [`SnapshotMarker`]
//!      |             MUTATION, DELETION, EXPIRATION at seqno|
//!      |<---------------------------------------------------|   [`Mutation`], [`Deletion`], [`Expiration`]
//!      | BUFFER_ACK bytes                                   |
//!      |--------------------------------------------------->|   [`BufferAck`]
//!      |                                   STREAM_END reason|
//!      |<---------------------------------------------------|   [`StreamEnd`]
//! ```
//!
//! A sequence number (seqno) counts the changes of one vbucket. Its history has a uuid, which changes when another server
//! takes the vbucket over: the [`FailoverLog`] tells where. A consumer that comes back names uuid and seqno, and is told
//! to roll back what the producer does not know of.
//!
//! ```
//! use memlet_core::dcp::{Body, Message, Mutation};
//! use memlet_core::wire::{Limits, Packet, Parsed};
//!
//! let mutation = Mutation { seqno: 7, key: b"Hello", value: b"World", ..Mutation::default() };
//! let message = Message::new(513, 0x0001_0201, Body::Mutation(mutation));
//! let mut bytes = [0; 128];
//! let len = message.emit(&mut bytes)?;
//! assert_eq!(len, 24 + 31 + 5 + 5);
//!
//! let Parsed::Complete { value: packet, .. } = Packet::parse(&bytes[..len], &Limits::NONE)? else {
//!     panic!("all of it is there");
//! };
//! assert_eq!(Message::parse(&packet)?, message);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! [`Packet`]: crate::wire::Packet

mod buffer_ack;
mod cache_transfer;
mod collection;
mod control;
mod deletion;
mod durability;
mod expiration;
mod failover_log;
mod fields;
mod message;
mod mutation;
mod opaque;
mod open;
mod oso_snapshot;
mod reply;
mod seqno_advanced;
mod snapshot_marker;
mod stream_end;
mod stream_filter;
mod stream_request;
mod system_event;
mod vbucket_seqnos;
mod vbucket_state;
mod xattr;

pub use buffer_ack::BufferAck;
pub use cache_transfer::{CacheRecord, CacheRecords, CacheRecordsIter};
pub use collection::CollectionKey;
pub use control::Control;
pub use deletion::{Deletion, DeletionForm};
pub use durability::{Abort, Commit, Prepare, SeqnoAcknowledged};
pub use expiration::{Expiration, ExpirationForm};
pub use failover_log::{FailoverEntries, FailoverEntry, FailoverLog};
pub use message::{Body, Message};
pub use mutation::Mutation;
pub use opaque::StreamOpaque;
pub use open::{Open, OpenFlags};
pub use oso_snapshot::{OsoFlags, OsoSnapshot};
pub use reply::{Reply, ReplyBody};
pub use seqno_advanced::SeqnoAdvanced;
pub use snapshot_marker::{MarkerForm, SnapshotFlags, SnapshotMarker};
pub use stream_end::{StreamEnd, StreamEndReason};
pub use stream_filter::StreamFilter;
pub use stream_request::{AddStream, StreamFlags, StreamRequest};
pub use system_event::{SystemEvent, SystemEventDetails, SystemEventKind};
pub use vbucket_seqnos::{VbucketSeqno, VbucketSeqnos, VbucketSeqnosIter};
pub use vbucket_state::VbucketState;
pub use xattr::{Xattr, Xattrs, XattrsIter};
