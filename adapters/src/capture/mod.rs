//! Packets from elsewhere, for people: what each byte of them says.
//!
//! [`explain`] takes bytes as they were on a connection, one direction of it, and tells packet by packet every field with
//! its place, its number and its meaning, what a server would object to, and where and why the bytes stop being packets.
//!
//! ```
//! use memlet::capture::explain;
//! use memlet_core::wire::Dialect;
//!
//! let bytes = [0x80, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0];
//! let noop = explain(&bytes, Dialect::Memcached).next().unwrap();
//! assert_eq!(noop.summary, "request NOOP, opaque 9");
//! assert_eq!((noop.fields[0].name.as_str(), noop.fields[0].text.as_str()), ("magic", "client request"));
//! ```

mod explain;
mod fields;
mod layout;
mod tap;

pub use explain::{Explained, Explainer, Fault, explain};
pub use fields::{ExplainedField, FieldValue};
