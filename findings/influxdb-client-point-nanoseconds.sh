#!/usr/bin/env bash
# influxdb-client 1.50.0 (PyPI): a Point drops the last three digits of a time in nanoseconds,
# though nanoseconds are its default precision.
#
# Guess: a pandas Timestamp has nanoseconds, the precision is nanoseconds, so all nine digits
# are written. A DataFrame with the same Timestamp writes them.
# Seen: ...123456789 becomes ...123456000 in the Point.
# Why it matters: exchanges stamp trades in nanoseconds, and InfluxDB replaces a point by the
# next one that has the same tags and time. Two trades within one microsecond become one.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: \
    influxdb-client==1.50.0 pandas==2.3.3 numpy==2.2.6

venv/bin/python - <<'PY' | tee seen.txt
import pandas as pd
from influxdb_client import Point
from influxdb_client.client.write.dataframe_serializer import data_frame_to_list_of_points
from influxdb_client.client.write_api import PointSettings

times = pd.to_datetime(["2026-11-30T14:30:00.123456789Z", "2026-11-30T14:30:00.123456999Z"])
frame = pd.DataFrame({"price": [1.5, 2.5]}, index=times)
for line in data_frame_to_list_of_points(
    frame, PointSettings(), data_frame_measurement_name="trade"
):
    print("DataFrame", line)
for time, price in zip(times, frame["price"]):
    print("Point", Point("trade").field("price", price).time(time).to_line_protocol())
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
DataFrame trade price=1.5 1796049000123456789
DataFrame trade price=2.5 1796049000123456999
Point trade price=1.5 1796049000123456000
Point trade price=2.5 1796049000123456000
END
