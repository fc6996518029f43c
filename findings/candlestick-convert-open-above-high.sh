#!/usr/bin/env bash
# candlestick-convert 7.0.0 (npm): bars made from trades have an open above their own high.
#
# Guess: the open of a bar is the price of its first trade.
# Seen: the open is the close of the bar before, and high and low do not cover it. After a
# close of 103 and a minute whose only price is 101:
#     open 103, high 101, low 101, close 101
# Why it matters: the price 103 was never paid in that minute. Backtests fill orders at the
# open, and chart libraries and bar checks demand low <= open <= high.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund candlestick-convert@7.0.0

node - <<'JS'
const { batchTicksToCandle } = require("candlestick-convert");

const minute = 1796049960000;
const trades = [
  { time: minute + 1000, price: 100, quantity: 1 },
  { time: minute + 59000, price: 103, quantity: 2 },
  { time: minute + 61000, price: 101, quantity: 3 },
  { time: minute + 90000, price: 101, quantity: 4 },
];
const second = batchTicksToCandle(trades, 60, true)[1];
console.log(second);
if (!(second.open === 103 && second.high === 101)) {
  console.log("changed: the open is within the bar");
  process.exit(1);
}
JS
