//! Binds `memlet-core` to the world: one module per world, each behind a feature.

#[cfg(all(feature = "load", unix))]
pub mod load;
#[cfg(all(feature = "std", unix))]
pub mod std;

/// The README's Rust is compiled along with the documentation's.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;
