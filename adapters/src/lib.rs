//! Binds `memlet-core` to the world: one module per world, each behind a feature.

#[cfg(feature = "std")]
pub mod std;
