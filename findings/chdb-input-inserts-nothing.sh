#!/usr/bin/env bash
# chdb 4.4.0 (PyPI, ClickHouse 26.9): INSERT … SELECT … FROM input(…) with the rows behind FORMAT in
# the same query inserts nothing and reports no error.
#
# Guess: as with clickhouse-client and over HTTP, input() gives the rows that follow the query, so
# that columns can be made of them while they are inserted.
# Seen: the query succeeds, and the table stays empty. The same rows without input() are inserted.
# Why it matters: a loader that computes a column believes that its rows are stored.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: chdb==4.4.0

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
from chdb.session import Session

session = Session("store")
session.query("CREATE DATABASE market")
for name, insert in (
    ("with input()", "INSERT INTO market.t SELECT n FROM input('n Int64') FORMAT CSV 1\n2\n"),
    ("without", "INSERT INTO market.t FORMAT CSV 1\n2\n"),
):
    session.query("CREATE OR REPLACE TABLE market.t (n Int64) ENGINE = MergeTree ORDER BY n")
    session.query(insert)
    count = str(session.query("SELECT count() FROM market.t")).strip()
    print(f"{name}: {count} rows")
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
with input(): 0 rows
without: 2 rows
END
