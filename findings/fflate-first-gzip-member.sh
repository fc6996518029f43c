#!/usr/bin/env bash
# fflate 0.8.3 (npm): gunzipSync reads the first gzip member of a file and drops the rest.
#
# Guess: a gzip file may have several members one after the other, as `cat a.gz b.gz` makes
# them, and a reader gives all of it. Its own streaming Gunzip, pako and Node's zlib do.
# Seen: of two members gunzipSync and decompressSync give the first one only, without an error.
# Why it matters: a recorder that appends to a compressed archive after a restart, or once an
# hour, makes one member each time. A page that shows the day's file ends at the first restart.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund fflate@0.8.3

node - <<'JS' | tee seen.txt
const { gunzipSync, decompressSync, Gunzip } = require("fflate");
const { gzipSync, gunzipSync: nodeGunzip } = require("zlib");

const text = (bytes) => Buffer.from(bytes).toString();
const file = Buffer.concat([gzipSync("first "), gzipSync("second ")]);
let streamed = "";
new Gunzip((chunk) => { streamed += text(chunk); }).push(file, true);
console.log("zlib", text(nodeGunzip(file)));
console.log("Gunzip", streamed);
console.log("gunzipSync", text(gunzipSync(file)));
console.log("decompressSync", text(decompressSync(file)));
JS
sed -i 's/ *$//' seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
zlib first second
Gunzip first second
gunzipSync first
decompressSync first
END
