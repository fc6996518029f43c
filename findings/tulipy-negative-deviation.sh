#!/usr/bin/env bash
# tulipy 0.4.0 (PyPI; built from source, so a C compiler is needed): the standard deviation of
# prices near 140,000,000 is negative.
#
# Guess: moving all prices up by the same amount leaves their deviation as it is, but for the
# last digits of a double.
# Seen: 1.48 for prices near 100, and -44.0 for the same moves near 140,000,000 (a bitcoin in
# Korean won).
# Why it matters: a deviation below zero passes every check for NaN, and puts an upper band
# that is built on it below the lower one. TA-Lib gets the same series right: 1.48.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check setuptools==80.9.0 wheel==0.45.1 Cython==3.1.4 numpy==2.2.6
venv/bin/pip install --quiet --disable-pip-version-check tulipy==0.4.0 TA-Lib==0.8.2

venv/bin/python - <<'PY'
import numpy as np
import talib
import tulipy

moves = np.cumsum(np.random.default_rng(1).normal(0, 1, 200))
near_100 = tulipy.stddev(100 + moves, 20)[-1]
won = 140_000_000 + moves
near_won = tulipy.stddev(won, 20)[-1]
reference = talib.STDDEV(won, 20)[-1]
print(f"tulipy near 100: {near_100:.2f}")
print(f"tulipy near 140,000,000: {near_won:.2f}")
print(f"TA-Lib near 140,000,000: {reference:.2f}")
if not (abs(near_100 - reference) < 0.01 and near_won < 0):
    raise SystemExit("changed")
PY
