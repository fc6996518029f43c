#!/usr/bin/env bash
# pyarrow 26.0.1 (PyPI): the mean of decimals is rounded to the decimals of the column.
#
# Guess: the mean of 1.00 and 1.01 is 1.005: a double, or a decimal with more places, as pyarrow's
# own multiplication and division give.
# Seen: Decimal("1.01"), the higher of the two prices. polars 2.1.0 says 1.005.
# Why it matters: an average price of thousands of trades is only known to a whole cent, and the
# average of bid and ask is always one of the two when they are a cent apart.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: \
    pyarrow==26.0.1 polars==2.1.0

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

prices = [Decimal("1.00"), Decimal("1.01")]
print("pyarrow", pc.mean(pa.array(prices)))
print("polars", pl.Series(prices).mean())
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
pyarrow 1.01
polars 1.005
END
