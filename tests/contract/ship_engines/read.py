"""Prints the rows that an engine has, in their order, as CSV: read.py nats | duckdb."""

import asyncio
import csv
import os
import sys


async def nats():
    import nats

    client = await nats.connect(os.environ["NATS_URL"])
    stream = client.jetstream()
    messages = (await stream.stream_info("TRADES")).state.messages
    subscription = await stream.subscribe("trades", ordered_consumer=True)
    for _ in range(messages):
        sys.stdout.buffer.write((await subscription.next_msg(30)).data + b"\n")
    await client.close()


def duckdb():
    import duckdb

    with duckdb.connect(os.environ["DUCKDB_FILE"], read_only=True) as database:
        rows = database.execute(
            "SELECT ticker, price_text, volume_text, timestamp_ms, received_ms, conditions FROM trades ORDER BY n"
        ).fetchall()
    csv.writer(sys.stdout, lineterminator="\n").writerows(rows)


if sys.argv[1] == "nats":
    asyncio.run(nats())
else:
    duckdb()
