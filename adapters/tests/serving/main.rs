//! `serve` of the adapters without std, over streams in memory: every cut of the input, every cut of the output, every way to
//! end; and, over streams that are awaited, futures dropped at every poll and connections that share a handler.

#[cfg(feature = "asynch")]
mod awaited;
mod blocking;
#[cfg(feature = "asynch")]
mod shared;
mod stream;
mod talk;
