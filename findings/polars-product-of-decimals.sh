#!/usr/bin/env bash
# polars 2.1.0 (PyPI): price times size in decimals is rounded to the places of the longer factor.
#
# Guess: a product of decimals is exact, 0.0123 times 0.05 is 0.000615, as in Python's decimal and
# in DuckDB; or it is an error if it does not fit.
# Seen: 0.0006, though the type has 38 digits, so there is room for all of them.
# Why it matters: the value of a trade is what turnover and VWAP are made of. Small trades lose
# digits or become 0 one by one, before they are added up, in the type that is meant to be exact.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: \
    polars==2.1.0 duckdb==2.0.1

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
from decimal import Decimal

import duckdb
import polars as pl

price, size = Decimal("0.0123"), Decimal("0.05")
print("Python", price * size)
print("DuckDB", duckdb.sql(f"SELECT {price} * {size}").fetchall()[0][0])
product = pl.Series([price]) * pl.Series([size])
print("polars", product[0], product.dtype)
PY
grep -q '^DuckDB 0.000615$' seen.txt || { echo "changed"; exit 1; }
grep -q '^polars 0.0006 ' seen.txt || { echo "changed"; exit 1; }
