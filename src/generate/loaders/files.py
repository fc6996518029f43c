

# What follows is the same in the loaders for pandas, polars and Spark.

import csv
import glob
import gzip
import io
import os


def _files(paths):
    """The files that are there, each pattern's by name. A pattern may match none if another does."""
    paths = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    found = []
    for path in map(os.fspath, paths):
        # Without the ending op1-2026-11-23-2.csv comes after op1-2026-11-23.csv, as it was recorded.
        matches = sorted(glob.glob(path), key=lambda name: name.split(".csv")[0])
        found += [path] if os.path.exists(path) else matches
    if not found:
        raise FileNotFoundError(f"no such recording or ledger: {', '.join(map(str, paths))}")
    return found


class _WholeRows(io.RawIOBase):
    """A file, compressed or not, up to its last line end. While it is recorded a reader may see half
    a row at its end, and after a crash one may stay: readers take it for a row with shorter values."""

    def __init__(self, path):
        self.source = (gzip.open if path.endswith(".gz") else open)(path, "rb")
        self.ready = memoryview(b"")
        self.held = b""  # behind the last line end so far

    def readable(self):
        return True

    def readinto(self, buffer):
        while not self.ready:
            piece = self.source.read(1 << 20)
            if not piece:
                return 0
            whole, line_end, rest = piece.rpartition(b"\n")
            if line_end:
                self.ready, self.held = memoryview(self.held + whole + line_end), rest
            else:
                self.held += rest
        length = min(len(buffer), len(self.ready))
        buffer[:length] = self.ready[:length]
        self.ready = self.ready[length:]
        return length

    def close(self):
        self.source.close()
        super().close()


def _open(path):
    return io.BufferedReader(_WholeRows(path), 1 << 20)


def _ledger_rows(paths):
    """Lists of time_ms, state, tickers and reason."""
    # A list of 5,000 tickers is longer than a field may be to Python.
    csv.field_size_limit(1 << 24)
    rows = []
    for path in _files(paths):
        with io.TextIOWrapper(_open(path), encoding="utf-8", newline="") as text:
            reader = csv.reader(text)
            next(reader, None)  # the header
            rows += [[int(time_ms), *others] for time_ms, *others in reader]
    return rows


def _gap_rows(paths):
    """Lists of from_ms, until_ms and reason."""
    # `rotated` only says that the next file goes on.
    rows = [row for row in _ledger_rows(paths) if row[3] != "rotated"]
    # Rows of one millisecond stand in their order; this sort is stable and keeps it.
    rows.sort(key=lambda row: row[0])
    gaps, since_ms, why = [], None, None
    for time_ms, state, _, reason in [*rows, (None, "", "", None)]:
        now = reason if state == "down" else None
        if now == why and time_ms is not None:
            continue  # the same again: another list of tickers, or the next file of an outage
        if why is not None and time_ms != since_ms:
            gaps.append([since_ms, time_ms, why])
        since_ms, why = time_ms, now
    return gaps
