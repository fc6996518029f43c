"""Recordings of finnhub-stream in polars. Run with polars 2.1.0, Python 3.11 and 3.13.

    finnhub-stream generate polars > ticks.py
    python3 -c 'import ticks; print(ticks.ticks(["op1-*.csv.gz", "op1.csv"]), ticks.gaps("op1*.coverage.csv"))'

`paths` is a name, a pattern, or a list of both. Times are UNIX milliseconds.
"""

import polars as pl


def ticks(paths, numbers=pl.Float64):
    """The trades, in the order of the files. `numbers=pl.String` keeps the digits of price and volume."""
    types = {
        # Else 0012 is a number, TRUE true, and a late 1;12 an error.
        "ticker": pl.String,
        "price": numbers,
        "volume": numbers,
        "timestamp_ms": pl.Int64,
        "received_ms": pl.Int64,
        "conditions": pl.String,
    }
    frames = []
    for path in _files(paths):
        with _open(path) as rows:
            frame = pl.read_csv(rows.read(), schema_overrides=types, empty_string_is_null=False)
        # polars fills a row with too few fields up.
        if any(column.null_count() for column in frame):
            raise ValueError(f"{path} has a malformed row; finnhub-stream verify says where")
        frames.append(frame)
    return pl.concat(frames)


def ledger(paths):
    """The ledger's rows, in the order of the files."""
    types = {"time_ms": pl.Int64, "state": pl.String, "tickers": pl.String, "reason": pl.String}
    return pl.DataFrame(_ledger_rows(paths), schema=types, orient="row")


def gaps(paths):
    """Time in which nothing was recorded, by these ledgers: not running where the reason is `stopped`,
    else missing. `until_ms` is null in a gap that has not ended."""
    types = {"from_ms": pl.Int64, "until_ms": pl.Int64, "reason": pl.String}
    return pl.DataFrame(_gap_rows(paths), schema=types, orient="row")
