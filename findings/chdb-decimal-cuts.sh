#!/usr/bin/env bash
# chdb 4.4.0 (PyPI), which is ClickHouse 26.9: digits that do not fit into a Decimal are cut off
# when a CSV file is read, not rounded, and not refused.
#
# Guess: too many decimals are rounded, as DuckDB does it and ClickHouse's own round() of a
# Decimal; or they are an error.
# Seen: 100.109 read as Decimal(10, 2) is 100.1, and 0.009 is 0; round(…, 2) of the same Decimals
# gives 100.11 and 0.01. DuckDB 2.0.1 reads 100.11 and 0.01.
# Why it matters: sub-penny prices and sizes of coins lose up to a whole unit of the last place,
# always downwards, so totals drift; and a small trade has the size 0.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: \
    chdb==4.4.0 duckdb==2.0.1

printf 'price\n100.109\n0.009\n' > prices.csv

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
import chdb
import duckdb

for sql in (
    "SELECT price FROM file('prices.csv', 'CSVWithNames', 'price Decimal(10, 2)')",
    "SELECT round(price, 2) FROM file('prices.csv', 'CSVWithNames', 'price Decimal(10, 3)')",
):
    print("ClickHouse", *str(chdb.query(sql, "TSV")).split())
rows = duckdb.sql("FROM read_csv('prices.csv', types = {'price': 'DECIMAL(10, 2)'})").fetchall()
print("DuckDB", *(row[0] for row in rows))
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
ClickHouse 100.1 0
ClickHouse 100.11 0.01
DuckDB 100.11 0.01
END
