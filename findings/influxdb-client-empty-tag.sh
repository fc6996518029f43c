#!/usr/bin/env bash
# influxdb-client 1.50.0 (PyPI): an empty text in a tag column of a DataFrame becomes the tag
# value "nan".
#
# Guess: an empty tag is left out of the line, as the protocol demands and as Point does.
# Seen: Point leaves it out; the DataFrame writes conditions=nan.
# Why it matters: most crypto trades have no sale conditions. They all end up under a condition
# called "nan", a series of its own, beside the same trades written by Point without the tag.
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

time = pd.Timestamp("2026-11-30T14:30:00Z")
frame = pd.DataFrame({"conditions": ["12", ""], "price": [1.5, 2.5]}, index=[time, time])
for line in data_frame_to_list_of_points(
    frame,
    PointSettings(),
    data_frame_measurement_name="trade",
    data_frame_tag_columns=["conditions"],
):
    print("DataFrame", line)
point = Point("trade").tag("conditions", "").field("price", 2.5).time(time)
print("Point", point.to_line_protocol())
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
DataFrame trade,conditions=12 price=1.5 1796049000000000000
DataFrame trade,conditions=nan price=2.5 1796049000000000000
Point trade price=2.5 1796049000000000000
END
