#!/usr/bin/env bash
# scapy 2.8.0 (PyPI): a packet at the very end of a second is written to a pcap file with a time
# one second too late.
#
# Guess: reading a capture in nanoseconds and writing it again keeps each time, or rounds it to
# the nearest microsecond.
# Seen: 0.999999999 s past a second is written as 1.999999999 s with nano=True; without it as
# one second and 1,000,000 microseconds more, a field that must stay below a million, which is
# read back as 2.000000 s. 0.999999499 s is right.
# Why it matters: captures of market data are filtered and cut with scapy, and latencies are
# taken from their times. A few packets of a busy day jump by a second, behind packets that
# came later.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: scapy==2.8.0

venv/bin/python - 2> warnings.txt <<'PY' | tee seen.txt
import struct

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap, wrpcap

addresses = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
packet = bytes(addresses / IP(src="127.0.0.1", dst="127.0.0.2") / UDP() / b"trade")
second = 1796050000
for nanos in (999_999_499, 999_999_999):
    with open("in.pcap", "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        file.write(struct.pack("<IIII", second, nanos, len(packet), len(packet)))
        file.write(packet)
    packets = rdpcap("in.pcap")
    wrpcap("nano.pcap", packets, nano=True)
    wrpcap("micro.pcap", packets)
    times = [rdpcap(name)[0].time - second for name in ("in.pcap", "nano.pcap", "micro.pcap")]
    print("read {}, written nano {} micro {}".format(*times))
PY
diff seen.txt - <<'END' || { echo "changed"; cat warnings.txt; exit 1; }
read 0.999999499, written nano 0.999999499 micro 0.999999
read 0.999999999, written nano 1.999999999 micro 2.000000
END
