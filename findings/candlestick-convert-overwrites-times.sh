#!/usr/bin/env bash
# candlestick-convert 7.0.0 (npm): making bars from trades destroys the times of the trades.
#
# Guess: a function that makes bars out of trades reads them and leaves them alone.
# Seen: it sorts the caller's array and writes the start of its minute into each trade:
#     before 1796049961123, 1796050019500   after 1796049960000, 1796049960000
# Why it matters: whoever makes 60-second bars first and 5-second bars next from one array gets
# one bar a minute the second time, and whoever stores the trades afterwards stores wrong times.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund candlestick-convert@7.0.0

node - <<'JS'
const { batchTicksToCandle } = require("candlestick-convert");

const trades = [
  { time: 1796049961123, price: 100, quantity: 1 },
  { time: 1796050019500, price: 103, quantity: 2 },
];
const fresh = batchTicksToCandle(structuredClone(trades), 5, true).length;
batchTicksToCandle(trades, 60, true);
console.log("times afterwards:", trades.map((trade) => trade.time));
const again = batchTicksToCandle(trades, 5, true).length;
console.log(`bars of 5 s: ${fresh} from fresh trades, ${again} from used ones`);
if (!(trades[0].time === 1796049960000 && fresh === 2 && again === 1)) {
  console.log("changed: the trades keep their times");
  process.exit(1);
}
JS
