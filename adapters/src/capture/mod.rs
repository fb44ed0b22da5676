//! Packets from elsewhere, for people: what each byte of them says.
//!
//! [`explain`] takes bytes as they were on a connection, one direction of it, and tells packet by packet every field with
//! its place, its value and its meaning, what is wrong or odd, and where and why the bytes stop being packets. What the
//! fields of a packet are is known to [`memlet_core::wire::fields`]; here are their lists, and the way from one packet to
//! the next.
//!
//! [`Decoder`] takes a capture file, pcap or pcapng, in pieces of any size, and tells its memcached packets, which request
//! each response answers, and where the capture is cut, lost or wrong. It does no I/O and holds a bounded part of the file:
//!
//! ```text
//!   file ─ frames ─ link, IP, fragments ─ segments ─ order per direction ─ packets ─ requests and their responses
//! ```
//!
//! | what is held | at most |
//! | --- | --- |
//! | connections | 16,384, or as [`CaptureOptions::connections_max`] says |
//! | of each direction: segments that came too early; the front of the packet at hand | 1 MiB; 1 MiB |
//! | of each direction: requests without an answer yet | 16,384 |
//! | datagrams in fragments | 64 of 64 KiB |
//!
//! ```
//! use memlet::capture::explain;
//! use memlet_core::wire::fields::Options;
//!
//! let bytes = [0x80, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0];
//! let noop = explain(&bytes, Options::default()).next().unwrap();
//! assert_eq!(noop.summary, "request NOOP, opaque 0x9");
//! assert_eq!((noop.fields[1].name, noop.fields[1].value.to_string().as_str()), ("magic", "client request"));
//! ```

mod decoder;
mod event;
mod explain;
mod file;
mod filter;
mod fragments;
mod link;
mod packets;
mod reassembly;
mod session;
mod statistics;
mod top;

pub use decoder::{CaptureOptions, Decoder};
pub use event::{Event, Notice, NoticeKind, Record, Silence, Way};
pub use explain::{Explained, Explainer, Fault, explain};
pub use filter::{Filter, FilterError};
pub use session::{Asked, Feed, Unanswered};
pub use statistics::{OpcodeStatistics, Statistics};
pub use top::{Counted, TopKeys};
