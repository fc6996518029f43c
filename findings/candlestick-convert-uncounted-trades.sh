#!/usr/bin/env bash
# candlestick-convert 7.0.0 (npm): from the second bar on, the first trade is in the volume,
# but neither in the count of trades nor in the buyers' volume.
#
# Guess: batchTradeToExtCandle counts each trade once, and where all trades are buys, the
# buyers' volume is the volume.
# Seen, for two minutes with two buys each (sizes 1 and 2, then 3 and 4):
#     first bar   volume 3, tx 2, buyVolume 3
#     second bar  volume 7, tx 1, buyVolume 4
# Why it matters: order flow (buys minus sells) leans to one side in every bar but the first,
# most in the minutes with few trades; a minute with one trade has a volume and no trade.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund candlestick-convert@7.0.0

node - <<'JS'
const { batchTradeToExtCandle, TradeSide } = require("candlestick-convert");

const minute = 1796049960000;
const trades = [1000, 2000, 61000, 62000].map((offset, index) => (
  { time: minute + offset, price: 100, quantity: index + 1, side: TradeSide.BUY }
));
const seen = batchTradeToExtCandle(trades, 60, true)
  .map((bar) => `volume ${bar.volume}, tx ${bar.tx}, buyVolume ${bar.buyVolume}`);
console.log(seen);
if (seen[0] !== "volume 3, tx 2, buyVolume 3" || seen[1] !== "volume 7, tx 1, buyVolume 4") {
  console.log("changed");
  process.exit(1);
}
JS
