//! memlet-server
fn main() {}
