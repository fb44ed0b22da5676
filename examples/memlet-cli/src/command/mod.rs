//! The subcommands: each has its arguments and what it does in a file of its own.

pub(crate) mod bench;
pub(crate) mod decode;
pub(crate) mod locate;
