//! The subcommands: each, or a family that differs in a word, has its arguments and what it does in a file of its own.

pub(crate) mod admin;
pub(crate) mod bench;
pub(crate) mod counter;
pub(crate) mod decode;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod locate;
pub(crate) mod observe;
pub(crate) mod stats;
pub(crate) mod store;
pub(crate) mod tap;
pub(crate) mod touch;
pub(crate) mod upr;
