//! Packets from elsewhere, for people: what each byte of them says.
//!
//! [`explain`] takes bytes as they were on a connection, one direction of it, and tells packet by packet every field with
//! its place, its value and its meaning, what is wrong or odd, and where and why the bytes stop being packets. What the
//! fields of a packet are is known to [`memlet_core::wire::fields`]; here are their lists, and the way from one packet to
//! the next.
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

mod explain;

pub use explain::{Explained, Explainer, Fault, explain};
