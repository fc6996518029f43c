"""Reads files with a loader in its own tool: read.py TOOL LOADER QUESTIONS ANSWERS.

QUESTIONS is a JSON list of [what, files], where `what` is ticks, digits (ticks with the digits of the
numbers), ledger or gaps. ANSWERS gets a list of answers: rows as lists of texts and nulls, or the text
of an error. Numbers are written so that nothing of them is lost.
"""

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys


def main(tool, loader, questions, answers):
    ask = {
        "duckdb": duckdb,
        "pandas": pandas,
        "polars": polars,
        "sqlite": sqlite,
        "clickhouse": clickhouse,
        "spark": spark,
    }[tool](loader)
    with open(questions, encoding="utf-8") as file:
        questions = json.load(file)
    found = []
    for what, files in questions:
        try:
            found.append([[cell(value) for value in row] for row in ask(what, files)])
        except Exception as error:  # it is the test that knows whether one is expected
            found.append(f"{type(error).__name__}: {error}")
    with open(answers, "w", encoding="utf-8") as file:
        json.dump(found, file)


def cell(value):
    if isinstance(value, float):
        return repr(value)
    return value if value is None else str(value)


def module(path):
    spec = importlib.util.spec_from_file_location("ticks", path)
    found = importlib.util.module_from_spec(spec)
    sys.modules["ticks"] = found
    spec.loader.exec_module(found)
    return found


def frames(loader, text):
    """Asks a module whose ticks() gives digits with numbers=text."""
    loaded = module(loader)

    def ask(what, files):
        if what == "digits":
            return loaded.ticks(files, numbers=text)
        return getattr(loaded, what)(files)

    return ask


def pandas(loader):
    ask = frames(loader, str)

    def rows(what, files):
        frame = ask(what, files)
        assert str(frame.dtypes.iloc[0]) in ("int64", "object", "str"), frame.dtypes
        return frame.astype(object).where(frame.notna(), None).values.tolist()

    return rows


def polars(loader):
    import polars as pl

    ask = frames(loader, pl.String)
    return lambda what, files: ask(what, files).rows()


def spark(loader):
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    ask = frames(loader, "string")
    return lambda what, files: ask(what, files).collect()


def duckdb(loader):
    import duckdb

    connection = duckdb.connect()
    with open(loader, encoding="utf-8") as file:
        connection.execute(file.read())

    def rows(what, files):
        call = {"digits": "ticks(?, numbers := '')"}.get(what, f"{what}(?)")
        literal = "[" + ", ".join(map(quoted, files)) + "]" if isinstance(files, list) else quoted(files)
        return connection.sql(f"FROM {call.replace('?', literal)}").fetchall()

    return rows


def quoted(name):
    return "'" + name.replace("'", "''") + "'"


def clickhouse(loader):
    from chdb.session import Session

    session = Session()
    with open(loader, encoding="utf-8") as file:
        session.query(file.read())

    def rows(what, files):
        view = {"digits": "ticks_text"}.get(what, what)
        literal = "[" + ", ".join(map(quoted, files)) + "]" if isinstance(files, list) else quoted(files)
        answer = session.query(f"SELECT * FROM {view}(files = {literal})", "JSONCompactEachRow")
        text = str(answer)
        return [json.loads(line) for line in text.splitlines()]

    return rows


def sqlite(loader):
    with open(loader, encoding="utf-8") as file:
        tables = file.read()

    def rows(what, files):
        names = ",".join([files] if isinstance(files, str) else files)
        is_recording = what in ("ticks", "digits")
        if os.path.exists("test.db"):
            os.remove("test.db")
        run = subprocess.run(
            ["sqlite3", "test.db"],
            # The way to the digits that the loader names.
            input=tables.replace("REAL", "TEXT") if what == "digits" else tables,
            env=dict(os.environ, **{"FILES" if is_recording else "LEDGERS": names}),
            capture_output=True,
            text=True,
        )
        # Only one of the two is named.
        complaints = [line for line in run.stderr.splitlines() if not line.startswith("no file: op1")]
        if run.returncode or complaints:
            raise RuntimeError(complaints)
        with sqlite3.connect("test.db") as connection:
            table = "ticks" if is_recording else what
            return connection.execute(f"SELECT * FROM {table}").fetchall()

    return rows


main(*sys.argv[1:])
