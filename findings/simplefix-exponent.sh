#!/usr/bin/env bash
# simplefix 1.0.17 (PyPI): a small price is written with an exponent, which FIX does not have.
#
# Guess: a library for FIX writes the price 0.0000001 in the form that FIX allows for a price:
# digits and a point.
# Seen: 270=1e-07 for a float, 270=1E-7 for a Decimal of the same price. Its checksum is right,
# so the message goes out as it is.
# Why it matters: coins are quoted far below 0.0001. The other side may reject such a message,
# or read the price 1, if its parser stops at the first letter. Prices from 0.0001 on are
# right, so tests with shares never show it.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check simplefix==1.0.17

venv/bin/python - <<'PY' | tee seen.txt
from decimal import Decimal

import simplefix

for price in (0.0001, 0.0000001, Decimal("0.0000001")):
    message = simplefix.FixMessage()
    message.append_pair(8, "FIX.4.4")
    message.append_pair(35, "W")
    message.append_pair(270, price)
    print(message.encode().replace(b"\x01", b"|").decode())
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
8=FIX.4.4|9=16|35=W|270=0.0001|10=242|
8=FIX.4.4|9=15|35=W|270=1e-07|10=252|
8=FIX.4.4|9=14|35=W|270=1E-7|10=171|
END
