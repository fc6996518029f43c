#!/usr/bin/env bash
# chdb 4.4.0 (PyPI), which is ClickHouse 26.9: one price with an exponent makes a CSV column of
# prices text.
#
# Guess: 1e-07 is a number in a CSV file, as it is in ClickHouse's SQL.
# Seen: price is a Float64 without it and a String with it, so that max(price) of 9.5, 100.25 and
# 1e-07 is 9.5, the last one in the alphabet. No message.
# Why it matters: most programs write small coins' prices with an exponent. One such row in a
# day turns sums into errors and the highest and lowest price into nonsense.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: chdb==4.4.0

printf 'ticker,price\nA,9.5\nB,100.25\nC,0.0000001\n' > plain.csv
printf 'ticker,price\nA,9.5\nB,100.25\nC,1e-07\n' > exponent.csv

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
import chdb

for name in ("plain", "exponent"):
    sql = f"SELECT max(price), any(toTypeName(price)) FROM file('{name}.csv')"
    print(name, str(chdb.query(sql, "CSV")).strip().replace('"', ""))
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
plain 100.25,Nullable(Float64)
exponent 9.5,Nullable(String)
END
