#!/usr/bin/env bash
# Miller 6.6.0 (Debian 12): a price that is written as .5 in a CSV file makes JSON that no JSON
# reader takes.
#
# Guess: mlr --icsv --ojson writes JSON, so .5 becomes 0.5, or the text ".5".
# Seen: {"price": .5}, and likewise 5. for 5. and 0xff for a ticker 0xff: what looks like a number
# to Miller is copied as it stands. Python, Node and sqlite refuse such a line.
# Why it matters: several programs and vendors leave out the zero before the point. A conversion
# that ran well with shares breaks the next program at the first price below one.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get download --quiet miller > download.log 2>&1 || { cat download.log; exit 1; }
dpkg --extract miller_*.deb .
usr/bin/mlr --version | grep -qF 6.6.0 || { echo "changed: $(usr/bin/mlr --version)"; exit 1; }

printf 'ticker,price\nA,.5\nB,5.\n' > trades.csv
usr/bin/mlr --icsv --ojsonl cat trades.csv | tee seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
{"ticker": "A", "price": .5}
{"ticker": "B", "price": 5.}
END
while read -r line; do
    if python3 -c 'import json, sys; json.loads(sys.argv[1])' "$line" 2> error.txt; then
        echo "changed: $line is JSON"
        exit 1
    fi
    tail -n 1 error.txt
done < seen.txt
