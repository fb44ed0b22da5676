//! What each byte of a packet says, and what is odd about it.

#![allow(missing_docs)]

mod agreement;
mod conversations;
mod golden;
mod lints;
mod support;
mod tiling;
