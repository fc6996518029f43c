#!/usr/bin/env bash
# TA-Lib 0.8.2 (PyPI): one missing price turns RSI into 0.0, for good.
#
# Guess: after one NaN in a series of closes, RSI is NaN, for a while or to the end. That is what
# 0.6.8 does.
# Seen: from the NaN on, RSI is 0.0 to the end of the series. (The Hilbert trend line does the
# like in both versions: it slides from 94 to 0.0 within four bars and stays there.)
# Why it matters: a minute that had only odd lots has a volume but no price, so its close is
# NaN. A strategy then reads "deeply oversold" for the rest of the day, and no check for NaN
# catches it, because no NaN is there.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > probe.py <<'PY'
import numpy as np
import talib

closes = 100 + np.cumsum(np.random.default_rng(1).normal(0, 1, 200))
closes[100] = np.nan
rsi = talib.RSI(closes, 14)
trend = talib.HT_TRENDLINE(closes)
print("RSI 99 to 102:", np.round(rsi[99:103], 2), "last:", rsi[-1])
print("trend line 99 to 104:", np.round(trend[99:105], 2), "last:", trend[-1])
assert np.isfinite(rsi[99])
PY

show() {
    python3 -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: "TA-Lib==$1" numpy==2.2.6
    echo "TA-Lib $1"
    "$1/bin/python" probe.py
}

old=$(show 0.6.8)
new=$(show 0.8.2)
printf '%s\n\n%s\n' "$old" "$new"
grep -q 'RSI .* last: nan$' <<< "$old" || { echo "changed: 0.6.8 gives no NaN"; exit 1; }
grep -q 'RSI .* last: 0.0$' <<< "$new" || { echo "changed: 0.8.2 gives no 0.0"; exit 1; }
