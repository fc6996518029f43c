#!/usr/bin/env bash
# csvkit 2.2.0 (PyPI): the ticker MAR is the first of March in the year 1.
#
# Guess: a date needs a number in it; three letters are text. (Spreadsheets turn MAR1 into a date,
# but leave MAR alone.)
# Seen: csvjson prints 0001-03-01 for MAR (Marriott) and 0001-01-07 for SUN (Sunoco), in files with
# only such tickers; F is false there, and NA is null. One AAPL among them keeps all as text.
# Why it matters: one file for each symbol is common, and csvkit is what one reaches for to sort,
# join and convert such files. The ticker that comes out is lost for good.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check csvkit==2.2.0

for ticker in MAR SUN F NA AAPL; do
    printf 'ticker,price\n%s,9.5\n' "$ticker" > trades.csv
    echo "$ticker $(venv/bin/csvjson trades.csv)"
done | tee seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
MAR [{"ticker": "0001-03-01", "price": 9.5}]
SUN [{"ticker": "0001-01-07", "price": 9.5}]
F [{"ticker": false, "price": 9.5}]
NA [{"ticker": null, "price": 9.5}]
AAPL [{"ticker": "AAPL", "price": 9.5}]
END
