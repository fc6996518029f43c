#!/usr/bin/env bash
# fastparquet 2026.9.0 (PyPI): the decimal 100.10 in a Parquet file is read as the double
# 100.10000000000001.
#
# Guess: a decimal column comes back as Decimal, or as the double that is nearest to it (100.1),
# as float("100.10") gives it.
# Seen: the neighbour of that double, so that price == 100.1 is False. pyarrow and DuckDB read
# Decimal("100.10") from the same file.
# Why it matters: prices are stored as decimals to keep them exact. Here a filter for a price
# finds nothing, and prices that were equal in the file differ from those of a CSV file.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: \
    fastparquet==2026.9.0 pyarrow==26.0.1 pandas==2.3.3 numpy==2.2.6

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
from decimal import Decimal

import fastparquet
import pyarrow as pa
import pyarrow.parquet as pq

prices = pa.array([Decimal("100.10")], pa.decimal128(16, 2))
pq.write_table(pa.table({"price": prices}), "trades.parquet")
read = float(fastparquet.ParquetFile("trades.parquet").to_pandas()["price"].iloc[0])
print("pyarrow", pq.read_table("trades.parquet")["price"][0])
print("fastparquet", read, "equal to 100.10:", read == 100.10)
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
pyarrow 100.10
fastparquet 100.10000000000001 equal to 100.10: False
END
