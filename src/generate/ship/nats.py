#!/usr/bin/env python3
"""Rows of finnhub-stream in a NATS JetStream: each once, in order, without a window in time. Run with
nats-server 2.15.1 and nats-py 2.16.0; it needs nats-server 2.12 or later.

  finnhub-stream generate ship-nats > ship-nats && chmod +x ship-nats
  NATS_URL=nats://127.0.0.1:4222 finnhub-stream ship op1.csv --name nats -- ./ship-nats

It needs Python 3.8 or later with the package nats-py, which knows TLS, passwords, tokens and clusters.
NATS_URL (servers, with commas between them) is nats://127.0.0.1:4222 by default, NATS_CREDS names a file
of credentials, NATS_STREAM is TRADES, NATS_SUBJECT trades. The stream is made if it is not there; one
that is there needs allow_atomic (nats stream edit TRADES --allow-batch), and its retention must be by
limits. One subject is for one `ship --name`.

A message is a row without its line end. Up to 1,000 rows are stored at once or not at all (an atomic
batch); the last message of each has two headers: Finnhub-Stream-Batch is the batch's id,
Finnhub-Stream-Rows how many of its rows are stored, of how many. After a kill the rest follows. A batch
that is there already is skipped; one that does not follow the last is an error, such as one by a position
from a backup.

What the server has acknowledged survives its kill, but a power cut may take two minutes of it: set
`jetstream { sync_interval: always }` in its configuration, or use three servers.
"""

import asyncio
import json
import os
import re
import sys

ATOMIC = 1000  # messages in an atomic batch: the server's limit
CONNECT_WITHIN, ANSWER_WITHIN = 10, 20  # seconds
NO_MESSAGE, NO_STREAM = 10037, 10059  # the server's error codes
BATCH, ROWS = "Finnhub-Stream-Batch", "Finnhub-Stream-Rows"

# A quote counts at the beginning of a field; a line end inside quotes ends no row.
ROW = re.compile(rb'(?:"(?:[^"]|"")*"|[^,\n]*)(?:,(?:"(?:[^"]|"")*"|[^,\n]*))*\n')


class Refused(Exception):
    """For a person."""


def whole_batch():
    """The rows on standard input without their line ends, or an error if these are not the batch."""
    text = sys.stdin.buffer.read()
    if not text.endswith(b"\n"):
        raise Refused("the end of the last row is cut off")
    rows = [row[:-1] for row in ROW.findall(text)] if b'"' in text else text[:-1].split(b"\n")
    wanted = int(os.environ["FINNHUB_STREAM_ROWS"])
    if len(rows) != wanted:
        raise Refused(f"{len(rows)} of {wanted} rows came: not the whole batch")
    return rows


class Stream:
    def __init__(self, client):
        self.client = client
        self.name = os.environ.get("NATS_STREAM", "TRADES")
        self.subject = os.environ.get("NATS_SUBJECT", "trades")

    async def ask(self, call, question=None, may_be=None):
        """Asks the server; None when it answers with the error `may_be`."""
        body = json.dumps(question).encode() if question else b""
        answer = await self.client.request(f"$JS.API.{call}.{self.name}", body, ANSWER_WITHIN)
        answer = json.loads(answer.data)
        if answer.get("error", {}).get("err_code") == may_be is not None:
            return None
        return checked(answer)

    async def info(self):
        """Looks for the stream, and makes it."""
        found = await self.ask("STREAM.INFO", may_be=NO_STREAM)
        if found is None:
            wanted = {"name": self.name, "subjects": [self.subject], "storage": "file",
                      "retention": "limits", "allow_atomic": True, "allow_direct": True}
            found = await self.ask("STREAM.CREATE", wanted)
        if not found["config"].get("allow_atomic"):
            raise Refused(f"the stream {self.name} takes no atomic batches: nats stream edit {self.name} --allow-batch")
        return found

    async def last(self):
        """The number and the headers of the subject's last message, if there is one."""
        found = await self.ask("STREAM.MSG.GET", {"last_by_subj": self.subject}, may_be=NO_MESSAGE)
        if found is None:
            return 0, {}
        import base64

        lines = base64.b64decode(found["message"].get("hdrs", "")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        return found["message"]["seq"], headers

    async def stored(self, batch, after, total):
        """How many rows of the batch are there, and the number of the subject's last message."""
        info = await self.info()
        number, headers = await self.last()
        last, rows = headers.get(BATCH, ""), headers.get(ROWS, "0/0").split("/")
        if number > 0 and last == batch:
            return int(rows[0]), number
        # Old messages may have gone, and with them what came last.
        is_first = number == 0 and (after == "" or info["state"]["first_seq"] > 1)
        if is_first or (number > 0 and last == after and rows[0] == rows[1]):
            return 0, number
        raise Refused(
            f"the batch {batch} follows '{after}', but the last message of {self.subject} is of '{last}': "
            "is the position an old one? or is the subject used by others?"
        )

    async def store(self, rows, after_number, headers):
        """Stores these rows behind the message with this number, all or none; gives the last one's number."""
        group = os.urandom(16).hex()  # another one for each try
        for place, row in enumerate(rows, 1):
            numbers = {"Nats-Batch-Id": group, "Nats-Batch-Sequence": str(place)}
            if place == 1:
                numbers["Nats-Expected-Last-Subject-Sequence"] = str(after_number)
            if place == len(rows):
                numbers.update(headers, **{"Nats-Batch-Commit": "1"})
            if 1 < place < len(rows):
                await self.client.publish(self.subject, row, headers=numbers)
                continue
            answer = await self.client.request(self.subject, row, ANSWER_WITHIN, headers=numbers)
        return checked(json.loads(answer.data))["seq"]


def checked(answer):
    if "error" in answer:
        error = answer["error"]
        raise Refused(f"{error.get('description')} ({error.get('err_code')})")
    return answer


async def quiet(_error):
    """What fails is told once, by whoever waits for it."""


async def ship(rows):
    import nats

    servers = os.environ.get("NATS_URL", "nats://127.0.0.1:4222").split(",")
    connected = nats.connect(
        servers, allow_reconnect=False, max_reconnect_attempts=1, error_cb=quiet,
        user_credentials=os.environ.get("NATS_CREDS") or None,
    )
    try:
        client = await asyncio.wait_for(connected, CONNECT_WITHIN)
    except (asyncio.TimeoutError, OSError, nats.errors.NoServersError) as error:
        raise Refused(f"no server answers at NATS_URL: {error or 'time is over'}") from None
    try:
        stream, batch = Stream(client), os.environ["FINNHUB_STREAM_BATCH"]
        stored, number = await stream.stored(batch, os.environ["FINNHUB_STREAM_AFTER"], len(rows))
        while stored < len(rows):
            part = rows[stored : stored + ATOMIC]
            stored += len(part)
            number = await stream.store(part, number, {BATCH: batch, ROWS: f"{stored}/{len(rows)}"})
    finally:
        await client.close()


try:
    asyncio.run(ship(whole_batch()))
except Exception as error:
    sys.exit("ship-nats: " + (" ".join(f"{error}".split())[:400] or type(error).__name__))
