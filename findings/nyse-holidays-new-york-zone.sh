#!/usr/bin/env bash
# nyse-holidays 1.2.0 (npm): in the exchange's own time zone, Christmas is a trading day.
#
# Guess: isHoliday(new Date("2026-12-25")), written as in the package's README, is true on any
# machine, and surely in New York.
# Seen: true with TZ=UTC and TZ=Asia/Tokyo, false with TZ=America/New_York; there 2026-12-26 is
# the holiday. JavaScript reads a bare date as midnight UTC, and the package compares the
# machine's local day.
# Why it matters: a recorder tested on a laptop elsewhere, or in a container on UTC, decides
# "closed or broken?" one day late when it runs on a machine that is set to New York.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund nyse-holidays@1.2.0

cat > probe.js <<'JS'
const { isHoliday } = require("nyse-holidays");
console.log(isHoliday(new Date("2026-12-25")), isHoliday(new Date("2026-12-26")));
JS

for zone in UTC Asia/Tokyo America/New_York; do
    echo "$zone $(TZ=$zone node probe.js)"
done | tee seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
UTC true false
Asia/Tokyo true false
America/New_York false true
END
