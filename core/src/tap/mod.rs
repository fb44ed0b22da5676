//! TAP: a stream of every change, from a producer that has the items to a consumer that wants them.
//!
//! Couchbase's older replication protocol (memcached binary protocol: TAP), which gomemcached speaks; servers have
//! since moved to DCP. A consumer connects, sends one [`Connect`], and from then on only the producer asks: each
//! [`Message`] is a request with a layout of its own, answered, where it says so, by an [`Ack`].
//!
//! ```text
//!  consumer                                        producer
//!     │  TAP_CONNECT name, flags                       │
//!     ├───────────────────────────────────────────────▶│
//!     │       OPAQUE backfill begins, MUTATION…,       │
//!     │       OPAQUE backfill ends, MUTATION, DELETE…  │
//!     │◀───────────────────────────────────────────────┤
//!     │  answers to the messages that ask for one      │
//!     ├───────────────────────────────────────────────▶│
//!     │       OPAQUE end of the stream                 │
//!     │◀───────────────────────────────────────────────┤
//! ```
//!
//! What sets TAP apart is the place of the engine-private bytes: they follow the extras, but the header counts them to
//! neither extras nor key; their length is the first field of the extras.
//!
//! ```text
//!  ┌────────┬───────────────────────────────────────┬──────────────┬─────┬───────┐
//!  │ header │ extras (8 or 16)                      │ engine bytes │ key │ value │
//!  │ (24)   │ E, flags, ttl, reserved [flags, exp.] │ (E)          │     │       │
//!  └────────┴───────────────────────────────────────┴──────────────┴─────┴───────┘
//! ```
//!
//! Three levels, each of which gives the same bytes back that it was read from: [`Packet`](crate::wire::Packet) takes
//! engine-private bytes for the start of the key; [`Frame`] tells them apart and judges nothing else; [`Message`] knows
//! what the parts mean and which must be there.
//!
//! ```
//! use memlet_core::tap::{Head, ItemFields, Message, Mutation};
//! use memlet_core::wire::{Limits, Parsed};
//!
//! let mutation = Message::Mutation(Mutation {
//!     head: Head { vbucket: 3, sequence: 1, cas: 7, ..Head::default() },
//!     item: ItemFields::default(),
//!     engine: &Mutation::engine_bytes(12, 0),
//!     key: b"Hello",
//!     value: b"World",
//! });
//! let mut bytes = [0; 128];
//! let len = mutation.emit(&mut bytes)?;
//! assert_eq!(len, 24 + 16 + 9 + 5 + 5);
//!
//! let Parsed::Complete { value, consumed } = Message::parse(&bytes[..len], &Limits::default())? else {
//!     panic!("all of it is there");
//! };
//! assert_eq!((value, consumed), (mutation, len));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod ack;
mod checkpoint;
mod connect;
mod deletion;
mod flags;
mod flush;
mod frame;
mod list;
mod message;
mod mutation;
mod opaque;
mod shape;
mod vbucket_set;

pub use ack::{Ack, AckVerdict};
pub use checkpoint::Checkpoint;
pub use connect::Connect;
pub use deletion::Deletion;
pub use flags::{ConnectFlags, MessageFlags};
pub use flush::Flush;
pub(crate) use frame::Parts;
pub use frame::{Frame, Head, ItemFields};
pub use list::{CheckpointList, VbucketList};
pub use message::Message;
pub use mutation::Mutation;
pub use opaque::{Opaque, Subtype};
pub use vbucket_set::{VbucketSet, VbucketState};
