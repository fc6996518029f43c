#!/usr/bin/env bash
# bigdecimal 0.4.11 with its serde feature (crates.io): the JSON number 100.10 is read as
# 100.099999999999994315658113919198513031005859375.
#
# Guess: a crate for exact decimals reads a JSON number digit by digit, or at worst gives the
# shortest decimal of the double between (100.1).
# Seen: the number goes through a double and comes out with all 45 decimals of its binary value.
# Only its extra feature serde-json together with a field attribute keeps the digits.
# Why it matters: feeds send prices as JSON numbers, and decimals are chosen so that
# price == 100.10 holds. Here it does not, and nothing says so.
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
bigdecimal = { version = "=0.4.11", features = ["serde"] }
serde_json = "=1.0.154"
TOML
cat > src/main.rs <<'RUST'
use bigdecimal::BigDecimal;

fn main() {
    let read: BigDecimal = serde_json::from_str("100.10").unwrap();
    let parsed: BigDecimal = "100.10".parse().unwrap();
    println!("from JSON {read}");
    println!("from text {parsed}");
    println!("equal {}", read == parsed);
}
RUST
cargo run --quiet | tee seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
from JSON 100.099999999999994315658113919198513031005859375
from text 100.10
equal false
END
