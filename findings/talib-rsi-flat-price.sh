#!/usr/bin/env bash
# TA-Lib 0.8.2 and ta 0.11.0 (PyPI): the RSI of a price that never moves is 0 in one library
# and 100 in the other.
#
# Guess: with neither gains nor losses, RSI is 50, or NaN because it is a division of 0 by 0.
# Seen: TA-Lib says 0.0 (as oversold as can be), ta says 100.0 (as overbought as can be).
# Why it matters: halted and thin shares trade at one price for an hour, and so do pegged
# coins. Two programs that read the same recording then give opposite signals, both extreme.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check setuptools==80.9.0 wheel==0.45.1
venv/bin/pip install --quiet --disable-pip-version-check TA-Lib==0.8.2 ta==0.11.0 numpy==2.2.6 pandas==2.3.3

seen=$(venv/bin/python - <<'PY'
import pandas as pd
import ta
import talib

closes = pd.Series([50.0] * 60)
print("TA-Lib", talib.RSI(closes.to_numpy(), 14)[-1])
print("ta", ta.momentum.rsi(closes, 14).iloc[-1])
PY
)
echo "$seen"
[ "$seen" = $'TA-Lib 0.0\nta 100.0' ] || { echo "changed"; exit 1; }
