//! The consumer's side of DCP against producers that are written down or played.

#![allow(missing_docs)]

mod commands;
mod defects;
mod delivery;
mod failures;
mod flow;
mod producer;
mod resume;
mod support;
