#!/usr/bin/env bash
# apache-arrow 21.2.0 (npm): the price 100.10 in a decimal column is shown as 10010.
#
# Guess: a value of a Decimal(16, 2) column prints as 100.10, or refuses to be made a number.
# Seen: String(), Number() and JSON.stringify() all give the integer that is stored, without the
# point; the two decimals are only to be found in the type of the column.
# Why it matters: a page that gets ticks as Arrow shows a share at a hundred times its price, and
# more with more decimals. Nothing fails, and a chart of it looks right but for its axis.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: pyarrow==26.0.1
npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund apache-arrow@21.2.0

venv/bin/python - <<'PY'
from decimal import Decimal

import pyarrow as pa

table = pa.table({"price": pa.array([Decimal("100.10")], pa.decimal128(16, 2))})
with pa.ipc.new_file("trades.arrow", table.schema) as file:
    file.write_table(table)
PY
node - <<'JS' | tee seen.txt
const { readFileSync } = require("fs");
const { tableFromIPC } = require("apache-arrow");

const table = tableFromIPC(readFileSync("trades.arrow"));
const price = table.get(0).price;
console.log(String(table.schema.fields[0].type));
console.log(String(price), Number(price), JSON.stringify({ price }));
JS
grep -qF '10010 10010 {"price":"\"10010\""}' seen.txt || { echo "changed"; exit 1; }
