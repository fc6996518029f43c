#!/usr/bin/env bash
# serde_json 1.0.154 (crates.io): a double written as JSON and read back is often another one.
#
# Guess: Rust prints a double with just the digits that identify it, so reading them gives the
# same double, as "text".parse::<f64>() does.
# Seen: of 100,000 averages below 1,000 one in ten comes back as its neighbour; the text
# 103.83000000000001 is read as 103.83. The feature float_roundtrip mends it; it is off by default.
# Why it matters: averages (VWAP) have 17 digits. Bars that are written by one program and read
# by the next are not equal to themselves, so a comparison or a checksum of values fails.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"

[dependencies]
serde_json = "=1.0.154"
TOML
cat > src/main.rs <<'RUST'
fn main() {
    let read: f64 = serde_json::from_str("103.83000000000001").unwrap();
    println!("103.83000000000001 is read as {read}");
    let mut total = 0_u32;
    let mut other = 0_u32;
    for trade in 1..=100_000_u32 {
        let average = f64::from(trade) * 997.0 / 100_003.0;
        let text = serde_json::to_string(&average).unwrap();
        assert_eq!(text.parse::<f64>().unwrap(), average);
        total += 1;
        other += u32::from(serde_json::from_str::<f64>(&text).unwrap() != average);
    }
    println!("{other} of {total} averages come back as another number");
    std::process::exit(i32::from(read != 103.83 || other < 1_000));
}
RUST
cargo run --quiet || { echo "changed"; exit 1; }
