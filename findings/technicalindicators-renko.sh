#!/usr/bin/env bash
# technicalindicators 3.1.0 (npm): Renko bricks have a low above their open.
#
# Guess: a rising brick goes from its open up to its close, one brick size, so its low is the
# open and its high the close, or at least all four are in order.
# Seen, for closes that rise by 0.4 and a brick of 1: low and high are both the price that
# completed the brick, so the first is open 100, close 101, high 101.2, low 101.2.
# Why it matters: no brick keeps low <= open, the first thing that backtesters and chart
# libraries demand of a bar.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund technicalindicators@3.1.0

node - <<'JS'
const { renko } = require("technicalindicators");

const closes = Array.from({ length: 12 }, (_, bar) => Number((100 + 0.4 * bar).toFixed(1)));
const bricks = renko({
  open: closes, high: closes, low: closes, close: closes,
  volume: closes.map(() => 1), timestamp: closes.map((_, bar) => bar),
  brickSize: 1, useATR: false,
});
const wrong = bricks.open.filter((open, brick) => bricks.low[brick] > open);
console.log(bricks);
console.log(`${wrong.length} of ${bricks.open.length} bricks have a low above their open`);
if (bricks.open.length === 0 || wrong.length !== bricks.open.length) {
  console.log("changed");
  process.exit(1);
}
JS
