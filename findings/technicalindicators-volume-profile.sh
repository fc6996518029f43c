#!/usr/bin/env bash
# technicalindicators 3.1.0 (npm): the bins of a volume profile add up to more than was traded, and
# to more the finer the bins are.
#
# Guess: the volume of a bar is shared out among the price bins that it touches, or given to one of
# them, so all bins together hold the volume of all bars.
# Seen: each bin that a bar touches gets the bar's whole volume.
# Why it matters: a profile is read as "so many shares changed hands at this price". Wide bars
# count many times, so the heaviest price is the one that most bars touch, not the one with the
# most trades; and profiles with other bins cannot be compared.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund technicalindicators@3.1.0

node - <<'JS'
const { VolumeProfile } = require("technicalindicators");

const bars = {
  open: [100, 101, 103], high: [102, 104, 105], low: [99, 100, 102], close: [101, 103, 104],
  volume: [10, 20, 30],
};
const sums = [2, 4, 8].map((noOfBars) => {
  const profile = VolumeProfile.calculate({ ...bars, noOfBars });
  return profile.reduce((sum, bin) => sum + bin.totalVolume, 0);
});
console.log("traded 60; sums of 2, 4 and 8 bins:", sums);
if (!(sums[0] > 60 && sums[2] > sums[1] && sums[1] > sums[0])) {
  console.log("changed");
  process.exit(1);
}
JS
