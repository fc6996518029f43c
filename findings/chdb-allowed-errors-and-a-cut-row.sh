#!/usr/bin/env bash
# chdb 4.4.0 (PyPI, ClickHouse 26.9): whether input_format_allow_errors_num forgives a cut last row
# of CSV depends on the byte at which it is cut.
#
# Guess: a last row without its last fields is one error, and one error is allowed: the rows before
# it are the answer.
# Seen: cut behind a digit ("1,2" of "1,2,3") the row is left out. Cut behind the comma before the
# last number ("1,2,") it is a row whose number is 0. Cut behind an earlier comma ("1,") the query
# fails with "Attempt to read after eof", which is no error that can be allowed.
# Why it matters: a file that is still being written ends anywhere. The same query answers, fails,
# and invents a zero, from one moment to the next.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: chdb==4.4.0

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
import chdb

for end in ("1,2", "1,2,", "1,"):
    with open("rows.csv", "w") as file:
        file.write("a,b,c\n7,8,9\n" + end)
    try:
        rows = chdb.query(
            "SELECT * FROM file('rows.csv', CSVWithNames, 'a Int64, b Int64, c Int64')"
            " SETTINGS input_format_allow_errors_num = 1"
        )
        rows = " and ".join(str(rows).split())
        print(f"{end:4} -> {rows}")
    except Exception as error:
        said = "read after eof" if "Attempt to read after eof" in str(error) else error
        print(f"{end:4} -> {said}")
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
1,2  -> 7,8,9
1,2, -> 7,8,9 and 1,2,0
1,   -> read after eof
END
