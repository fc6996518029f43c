#!/usr/bin/env bash
# websockets 17.4 (PyPI): a client that pauses between messages ends its own connection with
# 1011, although the server answers each ping.
#
# Guess: the library reads in the background, so pongs arrive while the program is busy; a slow
# program gets its messages late, and the connection lives.
# Seen: after 16 messages that nobody took, reading stops. The pong stands behind them, so the
# client's own ping runs into its time-out: keepalive ping timeout, code 1011. With the defaults
# (20 s and 20 s) that is after about 40 s; here both are 2 s.
# Why it matters: a slow disk or a debugger's breakpoint looks like a server fault, and the log
# of a recorder blames the vendor.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: websockets==17.4

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
import asyncio

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve


async def feed(socket):
    """Sends many trades at once, then waits; the library answers pings meanwhile."""
    for number in range(20_000):
        await socket.send(f"{number} " + "x" * 200)
    await socket.wait_closed()


async def run(pause):
    async with serve(feed, "127.0.0.1", 0, ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(
            f"ws://127.0.0.1:{port}", ping_interval=2, ping_timeout=2
        ) as client:
            await client.recv()
            await asyncio.sleep(pause)
            try:
                for _ in range(19_999):
                    await client.recv()
                return "all messages"
            except Exception as error:
                return f"{error}"


print("pause of 0 s:", asyncio.run(run(0)))
print("pause of 8 s:", asyncio.run(run(8)))
PY
grep -q '^pause of 0 s: all messages$' seen.txt || { echo "changed"; exit 1; }
grep -q '^pause of 8 s: .*1011.*keepalive ping timeout' seen.txt || { echo "changed"; exit 1; }
