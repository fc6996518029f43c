#!/usr/bin/env bash
# aiohttp 3.14.5 (PyPI): when the server resets the connection, "async for" over a WebSocket ends
# as if the stream were over.
#
# Guess: a connection that breaks in the middle raises, as it does in the library websockets
# (ConnectionClosedError); only a Close frame ends the loop quietly.
# Seen: the loop ends without an exception, and the line after it runs. Only close_code, 1006,
# tells that the connection broke.
# Why it matters: a recorder written as one such loop ends with exit code 0 at the first drop of
# the line, and whoever watches it believes that the day is complete.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: \
    aiohttp==3.14.5 websockets==17.4

timeout 60 venv/bin/python - <<'PY' | tee seen.txt
import asyncio
import socket
import struct

import aiohttp
import websockets
from aiohttp import web


async def feed(request):
    """Sends one trade, then resets the connection."""
    stream = web.WebSocketResponse()
    await stream.prepare(request)
    await stream.send_str("trade")
    await asyncio.sleep(0.5)
    raw = request.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
    return stream


async def main():
    app = web.Application()
    app.router.add_get("/", feed)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]

    async with aiohttp.ClientSession() as session:
        stream = await session.ws_connect(f"http://127.0.0.1:{port}/")
        count = 0
        async for _ in stream:
            count += 1
        print(f"aiohttp: {count} trade, then the loop ended, code {stream.close_code}")
    async with websockets.connect(f"ws://127.0.0.1:{port}/") as stream:
        try:
            async for _ in stream:
                pass
            print("websockets: the loop ended")
        except websockets.ConnectionClosedError:
            print("websockets: ConnectionClosedError")
    await runner.cleanup()


asyncio.run(main())
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
aiohttp: 1 trade, then the loop ended, code 1006
websockets: ConnectionClosedError
END
