#!/usr/bin/env bash
# hftbacktest 2.4.4 (PyPI): validate_event_order accepts events in any order when they carry
# no flag that says whose event they are.
#
# Guess: a check of the order compares the times of all rows, or refuses rows that it cannot
# place.
# Seen: three trades with times 300, 100, 200 pass; with EXCH_EVENT and LOCAL_EVENT added to the
# same rows they raise "exchange events are out of order".
# Why it matters: a converter for a new feed forgets these flags first. The check that should
# find its faults then looks at no row at all.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: hftbacktest==2.4.4

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
import numpy as np
from hftbacktest import BUY_EVENT, EXCH_EVENT, LOCAL_EVENT, TRADE_EVENT, event_dtype
from hftbacktest.data import validate_event_order

events = np.zeros(3, event_dtype)
events["ev"] = TRADE_EVENT | BUY_EVENT
events["exch_ts"] = [300, 100, 200]
events["local_ts"] = [310, 110, 210]
events["px"] = 100.0
events["qty"] = 1.0
for name, flags in (("without flags", 0), ("with flags", EXCH_EVENT | LOCAL_EVENT)):
    events["ev"] |= np.uint64(flags)
    try:
        validate_event_order(events)
        print(f"{name}: accepted")
    except ValueError as error:
        print(f"{name}: {error}")
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
without flags: accepted
with flags: exchange events are out of order.
END
