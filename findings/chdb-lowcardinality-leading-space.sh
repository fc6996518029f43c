#!/usr/bin/env bash
# chdb 4.4.0 (PyPI, ClickHouse 26.9): a leading space of an unquoted CSV field is kept in a String,
# and lost in a LowCardinality(String), although input_format_csv_trim_whitespaces is off.
#
# Guess: LowCardinality is a way to store a text, so that it reads the same text.
# Seen: " A " is " A " as String and "A " as LowCardinality(String). In quotes both keep it. With
# trimming on, both give "A".
# Why it matters: LowCardinality is what everybody takes for a column of symbols. A key that begins
# with a space no longer joins with the same key in a table that has String.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: chdb==4.4.0

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
import chdb

with open("rows.csv", "w") as file:
    file.write(' A ,1\n" A ",2\n')
for kind in ("String", "LowCardinality(String)"):
    for trim in (0, 1):
        rows = chdb.query(
            f"SELECT concat('[', toString(s), ']') FROM file('rows.csv', CSV, 's {kind}, n Int64')"
            f" ORDER BY n SETTINGS input_format_csv_trim_whitespaces = {trim}",
            "TSVRaw",
        )
        print(f"{kind}, trim {trim}: {' '.join(str(rows).splitlines())}")
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
String, trim 0: [ A ] [ A ]
String, trim 1: [A] [ A ]
LowCardinality(String), trim 0: [A ] [ A ]
LowCardinality(String), trim 1: [A] [ A ]
END
