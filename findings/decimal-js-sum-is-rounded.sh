#!/usr/bin/env bash
# decimal.js 10.6.0 (npm): adding 0 to a decimal changes its digits.
#
# Guess: a decimal library adds exactly and rounds only what cannot be written down, such as 1/3;
# so big.js and bignumber.js do it. What it can hold, it can add.
# Seen: the constructor keeps 12345678901234.123456789012, and plus(0) makes 12345678901234.123457
# of it: each result, sums as well, is rounded to 20 significant digits by default, in silence.
# Why it matters: volumes of tokens have 18 decimals. A running total over a day of trades stops
# counting their last digits once it is above a hundred, and all of a trade that is small enough.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund \
    decimal.js@10.6.0 big.js@7.0.1 bignumber.js@11.1.5

node - <<'JS' | tee seen.txt
const Decimal = require("decimal.js");
const Big = require("big.js");
const { BigNumber } = require("bignumber.js");

const total = "12345678901234.123456789012";
console.log("kept", new Decimal(total).toString());
console.log("plus 0", new Decimal(total).plus(0).toString());
console.log("big.js", new Big(total).plus(0).toString());
console.log("bignumber.js", new BigNumber(total).plus(0).toString());
JS
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
kept 12345678901234.123456789012
plus 0 12345678901234.123457
big.js 12345678901234.123456789012
bignumber.js 12345678901234.123456789012
END
