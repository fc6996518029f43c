#!/usr/bin/env bash
# chdb 4.4.0 (PyPI, ClickHouse 26.9): file() finds nothing, and says nothing, when a brace list has
# a wildcard in it.
#
# Guess: {today,day*}.csv is today.csv and each day*.csv, as in a shell; the manual has * and {a,b}
# side by side. Or an error.
# Seen: no rows, though both kinds of files are there. {today,day1}.csv and day*.csv find theirs.
# Why it matters: "the live file and its archives" is such a pattern. The query succeeds and counts
# 0 trades.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: chdb==4.4.0

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
import chdb

for name in ("today", "day1", "day2"):
    with open(f"{name}.csv", "w") as file:
        file.write("ticker,price\nAAPL,1\n")
for pattern in ("{today,day1}.csv", "day*.csv", "{today,day*}.csv", "{day*}.csv"):
    count = chdb.query(f"SELECT count() FROM file('{pattern}', CSVWithNames, 'ticker String, price Float64')")
    print(pattern, str(count).strip())
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
{today,day1}.csv 2
day*.csv 2
{today,day*}.csv 0
{day*}.csv 0
END
