#!/usr/bin/env bash
# DuckDB 2.0.1 (PyPI): fractions that come late in a CSV file are rounded to whole numbers, in
# silence.
#
# Guess: a value that does not fit the type chosen from the first rows is an error, as a text is
# there ("Could not convert"), or widens the column.
# Seen: the type is chosen from the first 20,480 lines. After 30,000 whole volumes, 300 volumes of
# 0.00008 sum to 0, and 300 volumes of 0.6 sum to 300.
# Why it matters: one file of a recorder holds shares first and a crypto pair that was added
# later. Its volume is zero in each query, and no message says so.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: duckdb==2.0.1

venv/bin/python - <<'PY' | tee seen.txt
import duckdb

for volume in ("0.00008", "0.6"):
    with open("trades.csv", "w") as file:
        file.write("ticker,volume\n" + "AAPL,1\n" * 30_000 + f"BTCUSDT,{volume}\n" * 300)
    [(total, kind)] = duckdb.sql(
        "SELECT sum(volume), any_value(typeof(volume)) FROM 'trades.csv'"
        " WHERE ticker = 'BTCUSDT'"
    ).fetchall()
    print(f"300 times {volume}: {total} ({kind})")
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
300 times 0.00008: 0 (BIGINT)
300 times 0.6: 300 (BIGINT)
END
