#!/usr/bin/env bash
# rust_decimal 1.43.0 (crates.io): format!("{:.2}") cuts digits off where round_dp(2) rounds.
#
# Guess: a price printed with two places is rounded, as for f64 and in other decimal crates:
# 164.0699 prints as 164.07.
# Seen: 164.06. And 0.999 prints as 0.99, which is not even nearest; bigdecimal 0.4.11 prints
# 164.07 and 1.00.
# Why it matters: prices printed so are too low, by half of the last place on average, and their
# totals drift from totals of rounded numbers. The same line with f64 was right.
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
bigdecimal = "=0.4.11"
rust_decimal = "=1.43.0"
TOML
cat > src/main.rs <<'RUST'
use bigdecimal::BigDecimal;
use rust_decimal::Decimal;

fn main() {
    for text in ["164.0699", "0.999"] {
        let decimal: Decimal = text.parse().unwrap();
        let big: BigDecimal = text.parse().unwrap();
        let float: f64 = text.parse().unwrap();
        let rounded = decimal.round_dp(2);
        println!("{text}: rust_decimal {decimal:.2}, round_dp {rounded}, bigdecimal {big:.2}, f64 {float:.2}");
    }
}
RUST
cargo run --quiet | tee seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
164.0699: rust_decimal 164.06, round_dp 164.07, bigdecimal 164.07, f64 164.07
0.999: rust_decimal 0.99, round_dp 1.00, bigdecimal 1.00, f64 1.00
END
