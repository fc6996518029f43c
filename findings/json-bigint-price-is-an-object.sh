#!/usr/bin/env bash
# json-bigint 1.0.0 (npm): a price of more than 15 characters is read as an object, and sums with
# it are text.
#
# Guess: the package is for whole numbers beyond 2^53 (times in nanoseconds, ids); a price with a
# point stays a number, as it is in JSON.parse.
# Seen: 97214.12345678 is a number; 97214.123456789012 is a BigNumber object, so that adding the
# two gives "97214.1234567897214.123456789012", and === finds two equal prices different.
# Why it matters: whoever takes it for the times of trades gets this for the prices, and only for
# those with many digits: average prices and small coins, hours after the tests passed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund json-bigint@1.0.0

node - <<'JS' | tee seen.txt
const { parse } = require("json-bigint");

const short = parse("97214.12345678");
const long = parse("97214.123456789012");
console.log(typeof short, typeof long);
console.log("sum", short + long);
console.log("equal", long === parse("97214.123456789012"));
JS
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
number object
sum 97214.1234567897214.123456789012
equal false
END
