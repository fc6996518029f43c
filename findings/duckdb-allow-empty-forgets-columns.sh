#!/usr/bin/env bash
# DuckDB 2.0.1 (PyPI): read_csv with allow_empty = true and columns = {…} has none of these columns
# when no file is there.
#
# Guess: a table with the columns that were given, and no rows; that is what the option is for, and
# what a list gets in which one pattern matches a file of a header alone.
# Seen: one column called empty, a BOOLEAN. A query that names ticker is a binder error.
# Why it matters: a night job that reads yesterday's files fails on a day without any, and its
# message speaks of a column that is in the query, not of files that are missing.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: duckdb==2.0.1

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
import duckdb

with open("quiet.csv", "w") as file:
    file.write("ticker,price\n")
columns = "columns = {'ticker': 'VARCHAR', 'price': 'DOUBLE'}, header = true"
for files in (["none-*.csv", "quiet.csv"], ["none-*.csv"]):
    table = duckdb.sql(f"DESCRIBE FROM read_csv({files}, allow_empty = true, {columns})")
    print(*files, "->", *(f"{name} {kind}" for name, kind, *_ in table.fetchall()))
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
none-*.csv quiet.csv -> ticker VARCHAR price DOUBLE
none-*.csv -> empty BOOLEAN
END
