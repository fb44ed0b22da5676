//! Operations on a store, decoded from bytes: what it returns is what a map with a clock knows, evictions aside.
//!
//! The first four bytes choose the memory, the number of keys and the largest value; six bytes are an operation.

#[path = "../../tests/store_model/mod.rs"]
mod store_model;

pub(crate) use store_model::run;
