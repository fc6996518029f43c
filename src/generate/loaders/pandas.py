"""Recordings of finnhub-stream in pandas. Run with pandas 3.1.1 (Python 3.11, 3.13) and 2.3.3 (3.10).

    finnhub-stream generate pandas > ticks.py
    python3 -c 'import ticks; print(ticks.ticks(["op1-*.csv.gz", "op1.csv"]), ticks.gaps("op1*.coverage.csv"))'

`paths` is a name, a pattern, or a list of both. Times are UNIX milliseconds.
"""

import pandas as pd


def ticks(paths, numbers="float64"):
    """The trades, in the order of the files. `numbers=str` keeps the digits of price and volume."""
    types = {
        # Else 0012 is a number, TRUE true, and a late 1;12 gives one column of two types.
        "ticker": str,
        "price": numbers,
        "volume": numbers,
        "timestamp_ms": "int64",
        "received_ms": "int64",
        "conditions": str,
    }
    frames = [
        pd.read_csv(
            _open(path),
            dtype=types,
            na_filter=False,  # NA and NULL are tickers; no conditions are an empty text
            float_precision="round_trip",  # else pandas 2 misses the last bit of long numbers
        )
        for path in _files(paths)
    ]
    # To sort by received_ms use kind="stable", or trades of one message change places.
    return pd.concat(frames, ignore_index=True)


def ledger(paths):
    """The ledger's rows, in the order of the files."""
    types = {"time_ms": "int64", "state": str, "tickers": str, "reason": str}
    return pd.DataFrame(_ledger_rows(paths), columns=list(types)).astype(types)


def gaps(paths):
    """Time in which nothing was recorded, by these ledgers: not running where the reason is `stopped`,
    else missing. `until_ms` is missing in a gap that has not ended."""
    types = {"from_ms": "int64", "until_ms": "Int64", "reason": str}
    return pd.DataFrame(_gap_rows(paths), columns=list(types), dtype=object).astype(types)
