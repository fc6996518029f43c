#!/usr/bin/env bash
# DuckDB 2.0.1 (PyPI): ten CSV files with only a header make the prices of the eleventh texts.
#
# Guess: files without rows say nothing about types, so the types come from the files with rows.
# Seen: with nine such files in front max(price) of 9.5 and 100.25 is 100.25; with ten it is the
# text '9.5'. Only the first ten files are looked at, and no message says so.
# Why it matters: hourly files of a quiet night are ten headers. The day's highest price is then
# the one that comes last in the alphabet.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: duckdb==2.0.1

venv/bin/python - <<'PY' | tee seen.txt
from pathlib import Path

import duckdb

for empty in (9, 10):
    folder = Path(str(empty))
    folder.mkdir()
    for hour in range(empty):
        (folder / f"{hour:02}.csv").write_text("ticker,price\n")
    (folder / "23.csv").write_text("ticker,price\nAAPL,9.5\nAAPL,100.25\n")
    [row] = duckdb.sql(
        f"SELECT max(price), any_value(typeof(price)) FROM '{empty}/*.csv'"
    ).fetchall()
    print(empty, *row)
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
9 100.25 DOUBLE
10 9.5 VARCHAR
END
