#!/usr/bin/env bash
# websockets 17.4 (PyPI): an interim answer "103 Early Hints" before the 101 ends the handshake.
#
# Guess: HTTP says that a client reads on after an interim answer (1xx) and takes the final one,
# here 101, also when it did not ask for interim answers.
# Seen: InvalidStatus, "server rejected WebSocket connection: HTTP 103". npm's ws, aiohttp and
# Node's own WebSocket read on and get the first message from the same server.
# Why it matters: proxies and content networks send early hints by a setting of their own.
# Behind one, a feed works in Node and is "rejected" in Python, by an answer that says nothing.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: \
    websockets==17.4 aiohttp==3.14.5

timeout 60 venv/bin/python - <<'PY' | tee seen.txt
import asyncio
import base64
import hashlib

import aiohttp
import websockets

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def answer(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    fields = [line.split(": ", 1) for line in head.splitlines()[1:] if line]
    key = next(value for name, value in fields if name.lower() == "sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()
    writer.write(
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        + b"\x81\x05hello"
    )
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"http://127.0.0.1:{port}/")
        print("aiohttp:", (await socket.receive()).data)
        await socket.close()
    try:
        async with websockets.connect(f"ws://127.0.0.1:{port}/") as socket:
            print("websockets:", await socket.recv())
    except websockets.InvalidStatus as error:
        print("websockets:", error)


asyncio.run(main())
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
aiohttp: hello
websockets: server rejected WebSocket connection: HTTP 103
END
