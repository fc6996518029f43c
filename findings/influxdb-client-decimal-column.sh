#!/usr/bin/env bash
# influxdb-client 1.50.0 (PyPI): a Decimal price is a number in a Point and a text in a
# DataFrame.
#
# Guess: both ways of writing a Decimal make the same line, price=100.10 (or both refuse).
# Seen: Point writes price=100.10, the DataFrame writes price="100.10", in silence.
# Why it matters: who keeps prices as Decimal for the sake of their digits gets a text field, on
# which mean() and max() do not work; and InfluxDB gives a field one type, so that the first
# writer decides and the other one's points are refused.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: \
    influxdb-client==1.50.0 pandas==2.3.3 numpy==2.2.6

venv/bin/python - <<'PY' | tee seen.txt
from decimal import Decimal

import pandas as pd
from influxdb_client import Point
from influxdb_client.client.write.dataframe_serializer import data_frame_to_list_of_points
from influxdb_client.client.write_api import PointSettings

time = pd.Timestamp("2026-11-30T14:30:00Z")
frame = pd.DataFrame({"price": [Decimal("100.10")]}, index=[time])
for line in data_frame_to_list_of_points(
    frame, PointSettings(), data_frame_measurement_name="trade"
):
    print("DataFrame", line)
print("Point", Point("trade").field("price", Decimal("100.10")).time(time).to_line_protocol())
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
DataFrame trade price="100.10" 1796049000000000000
Point trade price=100.10 1796049000000000000
END
