#!/usr/bin/env bash
# finta 1.3 (PyPI): VWAP goes on over the night and never starts anew.
#
# Guess: VWAP is a figure of one day (the function's own description says "for the day"), and the
# rows have their dates in a DatetimeIndex, so each day begins with its own first bar.
# Seen: after a day at 100, the first minute of a day at 90 has a VWAP of 99.97 instead of 90.
# Why it matters: buy and sell rules compare the price with VWAP. From the second day of a
# recording on they compare with an average of the past, the more so the longer it is.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check finta==1.3 pandas==2.3.3 numpy==2.2.6

venv/bin/python - <<'PY' | tee seen.txt
import pandas as pd
from finta import TA

days = [pd.date_range(f"2026-11-{day} 09:30", periods=390, freq="min") for day in (24, 25)]
price = [100.0] * 390 + [90.0] * 390
bars = pd.DataFrame(
    {name: price for name in ("open", "high", "low", "close")} | {"volume": 100.0},
    index=days[0].append(days[1]),
)
vwap = TA.VWAP(bars)
print("24th, last minute", round(vwap.iloc[389], 2))
print("25th, first minute", round(vwap.iloc[390], 2))
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
24th, last minute 100.0
25th, first minute 99.97
END
