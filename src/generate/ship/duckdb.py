#!/usr/bin/env python3
"""Rows of finnhub-stream in a DuckDB file: each once, in order, with its digits. Run with DuckDB 2.0.1.

  finnhub-stream generate ship-duckdb > ship-duckdb && chmod +x ship-duckdb
  DUCKDB_FILE=ticks.duckdb finnhub-stream ship op1.csv --name duckdb -- ./ship-duckdb

It needs Python 3.8 or later with the package duckdb. DUCKDB_FILE is ticks.duckdb by default. One
process may have the file open: while another one does, batches wait. It is for recordings with all six
columns, and makes two tables:

  trades      the rows; price_text and volume_text are the digits as they came, price and volume the
              same as numbers, and ORDER BY n is the order of the recording
  shippings   one row for each `ship --name`: the batch that came last, and how many rows came

A batch that is there already is skipped; one that does not follow the last is an error, such as one
by a position from a backup.
"""

import os
import sys
import tempfile

TABLES = """
CREATE TABLE IF NOT EXISTS trades (
    n BIGINT, ticker VARCHAR NOT NULL, price DOUBLE, volume DOUBLE, timestamp_ms BIGINT NOT NULL,
    received_ms BIGINT NOT NULL, conditions VARCHAR NOT NULL, price_text VARCHAR NOT NULL,
    volume_text VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS shippings (shipping VARCHAR PRIMARY KEY, batch VARCHAR NOT NULL, rows BIGINT NOT NULL);
"""

# Every type is given: DuckDB would guess from the rows.
INSERT = """
INSERT INTO trades
SELECT $1 + row_number() OVER () - 1, ticker, price::DOUBLE, volume::DOUBLE, timestamp_ms::BIGINT,
       received_ms::BIGINT, conditions, price, volume
FROM read_csv($2, auto_detect = false, header = false, delim = ',', quote = '"', escape = '"',
              new_line = '\\n', nullstr = chr(0), parallel = false,
              columns = {'ticker': 'VARCHAR', 'price': 'VARCHAR', 'volume': 'VARCHAR',
                         'timestamp_ms': 'VARCHAR', 'received_ms': 'VARCHAR', 'conditions': 'VARCHAR'})
"""


def whole_batch():
    """What is on standard input, or an error if this cannot be the batch."""
    text = sys.stdin.buffer.read()
    if not text.endswith(b"\n"):
        raise ValueError("the end of the last row is cut off")
    return text


def insert(database, text):
    batch, after = (os.environ[f"FINNHUB_STREAM_{name}"] for name in ("BATCH", "AFTER"))
    shipping, wanted = batch.split("-")[0], int(os.environ["FINNHUB_STREAM_ROWS"])
    database.execute(TABLES)
    found = database.execute("SELECT batch FROM shippings WHERE shipping = ?", [shipping]).fetchone()
    last = found[0] if found else ""
    if last == batch:
        return
    if last != after:
        raise ValueError(
            f"the batch {batch} follows '{after}', but the last one in the table shippings is '{last}': "
            "is the position an old one?"
        )
    (n,) = database.execute("SELECT coalesce(sum(rows), 0)::BIGINT FROM shippings").fetchone()
    database.execute("BEGIN")
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.flush()
        (count,) = database.execute(INSERT, [n, f"/dev/fd/{file.fileno()}"]).fetchone()
    if count != wanted:
        raise ValueError(f"{count} of {wanted} rows came: not the whole batch")
    database.execute(
        "INSERT INTO shippings VALUES ($1, $2, $3) ON CONFLICT (shipping)"
        " DO UPDATE SET batch = excluded.batch, rows = rows + excluded.rows",
        [shipping, batch, count],
    )
    database.execute("COMMIT")


def main():
    import duckdb

    text = whole_batch()
    with duckdb.connect(os.environ.get("DUCKDB_FILE", "ticks.duckdb")) as database:
        insert(database, text)


try:
    main()
except Exception as error:
    sys.exit("ship-duckdb: " + " ".join(f"{error}".split())[:400])
