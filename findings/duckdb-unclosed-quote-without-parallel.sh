#!/usr/bin/env bash
# DuckDB 2.0.1 (PyPI): with parallel = false, read_csv passes over all that follows a quote which is
# never closed, in silence.
#
# Guess: "Value with unterminated quote found", as with parallel = true; which thread reads decides
# about speed, not about rows.
# Seen: of 504 rows the 3 before the quote, and no error. The default is an error.
# Why it matters: parallel = false is what DuckDB's own message advises for line ends inside quotes
# with null_padding. One damaged byte then hides the rest of the file, and each sum is too small.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: duckdb==2.0.1

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
import duckdb

with open("trades.csv", "w") as file:
    file.write("ticker,price\n" + "AAPL,1\n" * 3 + '"MSFT,2\n' + "AAPL,3\n" * 500)
for parallel in ("true", "false"):
    query = f"""SELECT count(*), sum(price) FROM read_csv('trades.csv', parallel = {parallel},
        auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
        columns = {{'ticker': 'VARCHAR', 'price': 'DOUBLE'}})"""
    try:
        print(f"parallel = {parallel}:", *duckdb.sql(query).fetchall())
    except duckdb.InvalidInputException as error:
        said = "unterminated quote" if "unterminated quote" in str(error) else error
        print(f"parallel = {parallel}: {said}")
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
parallel = true: unterminated quote
parallel = false: (3, 3.0)
END
