//! `memlet::embassy` on two embassy-net stacks with a wire between them, in simulated time.

mod answers;
mod network;
mod peers;
mod talk;
