#!/usr/bin/env bash
# rust_decimal 1.43.0 with csv 1.4.0 (crates.io): a Decimal field read from a CSV file went
# through a double.
#
# Guess: all values in a CSV file are texts, so a Decimal is parsed from the text and keeps each
# digit, up to the 28 it can hold.
# Seen: 12345678.123456789012 becomes 12345678.12345679, and 100.10 becomes 100.1. The csv
# crate guesses the type of the text for it, and its guess is f64.
# Why it matters: amounts of tokens have 18 decimals, and exact prices are the reason for taking
# Decimal. The loss is silent; #[serde(with = "rust_decimal::serde::str")] (with its feature) is
# what keeps the digits.
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
csv = "=1.4.0"
rust_decimal = { version = "=1.43.0", features = ["serde", "serde-with-str"] }
serde = { version = "1", features = ["derive"] }
TOML
cat > src/main.rs <<'RUST'
use rust_decimal::Decimal;
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    plain: Decimal,
    #[serde(with = "rust_decimal::serde::str")]
    with_str: Decimal,
}

fn main() {
    let file = "plain,with_str\n\
        100.10,100.10\n\
        12345678.123456789012,12345678.123456789012\n";
    for row in csv::Reader::from_reader(file.as_bytes()).deserialize() {
        let row: Row = row.unwrap();
        println!("plain {}, with str {}", row.plain, row.with_str);
    }
}
RUST
cargo run --quiet | tee seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
plain 100.1, with str 100.10
plain 12345678.12345679, with str 12345678.123456789012
END
