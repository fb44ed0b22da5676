//! Every check that CI runs, by name.
fn main() {}
