//! syft.
fn main() {}
