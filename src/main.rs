//! The command `finnhub-stream`.
fn main() {}
