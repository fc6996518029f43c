#!/usr/bin/env bash
# tardis-dev 13.35.3 (npm): a late trade is counted in the next bar, and the last bar of a
# stream never comes.
#
# Guess: computeTradeBars puts each trade into the bar of its own time, or leaves late ones out,
# and gives the last bar when the stream ends.
# Seen, with bars of a minute: a trade of 14:46:59 that arrives at 14:47:02 becomes the low of
# the bar 14:47, in which nobody paid its price, and four trades in three minutes make two bars.
# Why it matters: off-exchange trades are reported up to ten seconds late, so bars computed live
# differ from bars computed from the sorted record, and a replay always lacks its last minute.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund tardis-dev@13.35.3

cat > probe.mjs <<'JS'
import tardis from "tardis-dev";

const { compute, computeTradeBars } = tardis;
async function* trades() {
  for (const [time, arrival, price] of [
    ["14:46:10", "14:46:10", 100],
    ["14:47:01", "14:47:01", 101],
    ["14:46:59", "14:47:02", 99],
    ["14:48:00", "14:48:00", 102],
  ]) {
    yield {
      type: "trade", exchange: "test", symbol: "AAPL", price, amount: 1, side: "buy",
      timestamp: new Date(`2026-11-30T${time}Z`),
      localTimestamp: new Date(`2026-11-30T${arrival}Z`),
    };
  }
}
const bars = compute(trades(), computeTradeBars({ kind: "time", interval: 60_000 }));
for await (const bar of bars) {
  if (bar.type === "trade_bar") {
    const from = bar.openTimestamp.toISOString().slice(11, 16);
    console.log(`${from} low ${bar.low} high ${bar.high} trades ${bar.trades}`);
  }
}
JS
timeout 60 node probe.mjs | tee seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
14:46 low 100 high 100 trades 1
14:47 low 99 high 101 trades 2
END
