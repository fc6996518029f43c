#!/usr/bin/env bash
# csv 1.4.0 with serde (crates.io): #[serde(flatten)] makes tickers such as INF and NAN, and
# every price kept as String, unreadable.
#
# Guess: moving fields into a struct of their own and flattening it changes nothing for the
# reader: a String field takes any text, as it does without flatten.
# Seen: "invalid type: floating point `inf`, expected a string" for the ticker INF, the same for
# NAN, 1 and true; and for the price 100.10 in a String field, the way to keep its digits.
# Why it matters: a reader that was split into two structs passes all tests with AAPL and MSFT
# and stops at the first row of a ticker that looks like a number.
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
serde = { version = "1", features = ["derive"] }
TOML
cat > src/main.rs <<'RUST'
use serde::de::DeserializeOwned;
use serde::Deserialize;

#[derive(Deserialize)]
#[allow(dead_code)]
struct Flat {
    ticker: String,
    received_ms: u64,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Symbol {
    ticker: String,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Nested {
    #[serde(flatten)]
    symbol: Symbol,
    received_ms: u64,
}

fn reads<T: DeserializeOwned>(ticker: &str) -> bool {
    let file = format!("ticker,received_ms\n{ticker},1796050000123\n");
    csv::Reader::from_reader(file.as_bytes()).deserialize::<T>().all(|row| row.is_ok())
}

fn main() {
    for ticker in ["AAPL", "INF", "NAN", "1"] {
        println!("{ticker}: plain {}, flattened {}", reads::<Flat>(ticker), reads::<Nested>(ticker));
    }
}
RUST
cargo run --quiet | tee seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
AAPL: plain true, flattened true
INF: plain true, flattened false
NAN: plain true, flattened false
1: plain true, flattened false
END
