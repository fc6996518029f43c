#!/usr/bin/env bash
# DuckDB 2.0.1 (PyPI): in a CSV file of one ticker, INF is a date and T is true.
#
# Guess: INF is text, or at worst the number infinity. (NAN is read as a number.)
# Seen: the ticker column of a file with only INF has the type DATE, which Python shows as
# 9999-12-31; of a file with only T (AT&T) it is BOOLEAN. One AAPL among them keeps all as text.
# Why it matters: a recording of one symbol, or one file for each symbol, is common. The ticker
# that comes out joins with nothing and matches no filter.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: duckdb==2.0.1

venv/bin/python - <<'PY' | tee seen.txt
import duckdb

for ticker in ("INF", "T", "AAPL"):
    with open("trades.csv", "w") as file:
        file.write("ticker,price\n" + f"{ticker},9.5\n" * 3)
    [row] = duckdb.sql("SELECT ticker, typeof(ticker) FROM 'trades.csv' LIMIT 1").fetchall()
    print(f"{ticker}: {row[0]} {row[1]}")
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
INF: 9999-12-31 DATE
T: True BOOLEAN
AAPL: AAPL VARCHAR
END
