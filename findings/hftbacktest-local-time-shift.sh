#!/usr/bin/env bash
# hftbacktest 2.4.4 (PyPI): correct_local_timestamp moves all rows because of one, and adds the
# base latency only if there is such a row.
#
# Guess, from its description (local + min(latency, 0) + base): each row is mended by its own
# latency, and the base latency is added to every row in any case.
# Seen, base latency 5: latencies 10, 10, -50, 10 become 65, 65, 5, 65. One trade whose exchange
# stamp is 50 too high delays the whole file by 55. Without that row nothing is added at all.
# Why it matters: one trade with a stamp from a fast clock makes a backtest of the whole day
# react a few seconds late, and two files of one feed get different latencies.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: hftbacktest==2.4.4

timeout 120 venv/bin/python - <<'PY' | grep -v ahead | tee seen.txt
import numpy as np
from hftbacktest import event_dtype
from hftbacktest.data import correct_local_timestamp

for latencies in ([10, 10, -50, 10], [10, 10, 0, 10]):
    events = np.zeros(4, event_dtype)
    events["exch_ts"] = [1000, 2000, 3000, 4000]
    events["local_ts"] = events["exch_ts"] + latencies
    mended = correct_local_timestamp(events, 5)
    print(latencies, "->", (mended["local_ts"] - mended["exch_ts"]).tolist())
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
[10, 10, -50, 10] -> [65, 65, 5, 65]
[10, 10, 0, 10] -> [10, 10, 0, 10]
END
