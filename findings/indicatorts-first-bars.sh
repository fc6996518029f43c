#!/usr/bin/env bash
# indicatorts 2.2.2 (npm): indicators have values before they have enough bars.
#
# Guess: like elsewhere, a 14-bar RSI begins at bar 14, and a 3-bar average at bar 3; before
# that there is no value, or NaN.
# Seen: the average of fewer bars is passed off as the 3-bar one (2, 3, 4, 6 for 2, 4, 6, 8), and
# RSI begins with 0, then 100: the strongest buy and the strongest sell signal there are, on
# the first two bars of a rising series.
# Why it matters: a strategy that starts with the stream, or anew after each gap, trades on
# these. In other libraries the missing values make such a strategy wait.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund indicatorts@2.2.2

node - <<'JS' > seen.txt
const { rsi, sma } = require("indicatorts");
const closes = Array.from({ length: 30 }, (_, bar) => 100 + bar + (bar % 3));
console.log("sma", sma([2, 4, 6, 8], { period: 3 }).join(" "));
console.log("rsi", rsi(closes, { period: 14 }).slice(0, 2).join(" "));
JS
cat seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
sma 2 3 4 6
rsi 0 100
END
