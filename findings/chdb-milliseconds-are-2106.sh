#!/usr/bin/env bash
# chdb 4.4.0 (PyPI), which is ClickHouse 26.9: a time in milliseconds becomes the last date there
# is, the same for all rows, without an error.
#
# Guess: toDateTime takes seconds, so 1796050000123 is out of range: an error. toDateTime64 with
# three decimals counts milliseconds, so there it is right.
# Seen: toDateTime says 2106-02-07 06:28:15 and toDateTime64 9999-12-31 23:59:59.999, for each
# number of milliseconds of our time. fromUnixTimestamp64Milli is right.
# Why it matters: feeds send milliseconds. A query by minute then finds one minute with all
# trades of all days in it, and a rule that deletes rows by date never deletes one.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: chdb==4.4.0

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
import chdb

for ms in (1796050000123, 1796053600456):
    for call in (
        f"toDateTime({ms}, 'UTC')",
        f"toDateTime64({ms}, 3, 'UTC')",
        f"fromUnixTimestamp64Milli({ms}, 'UTC')",
    ):
        print(call, str(chdb.query(f"SELECT {call}", "TSV")).strip())
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
toDateTime(1796050000123, 'UTC') 2106-02-07 06:28:15
toDateTime64(1796050000123, 3, 'UTC') 9999-12-31 23:59:59.999
fromUnixTimestamp64Milli(1796050000123, 'UTC') 2026-11-30 14:46:40.123
toDateTime(1796053600456, 'UTC') 2106-02-07 06:28:15
toDateTime64(1796053600456, 3, 'UTC') 9999-12-31 23:59:59.999
fromUnixTimestamp64Milli(1796053600456, 'UTC') 2026-11-30 15:46:40.456
END
