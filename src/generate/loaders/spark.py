"""Recordings of finnhub-stream in Spark. Run with pyspark 4.3.0 (Java 17), Python 3.11.

    finnhub-stream generate spark > ticks.py
    python3 -c 'import ticks; ticks.ticks(["op1-*.csv.gz", "op1.csv"]).show(); ticks.gaps("op1*.coverage.csv").show()'

`paths` is a name, a pattern, or a list of both, of files that every worker finds under that name.
Times are UNIX milliseconds. Needs pyarrow, also in the workers' Python (PYSPARK_PYTHON).
"""

import json
import sys

import pyarrow as pa
import pyarrow.csv
from pyspark import cloudpickle
from pyspark.sql import SparkSession
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.pandas.types import to_arrow_type

# The workers need no copy of this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def ticks(paths, numbers="double"):
    """The trades, in the order of the files. `numbers` may be "string" or "decimal(38,12)"."""
    spark = _spark()
    spark.dataSource.register(_Recordings)
    schema = (
        f"ticker string, price {numbers}, volume {numbers}, "
        "timestamp_ms long, received_ms long, conditions string"
    )
    source = spark.read.format(_Recordings.name()).schema(schema)
    return source.option("files", json.dumps(_files(paths))).load()


def _spark():
    return SparkSession.builder.getOrCreate()


class _Recordings(DataSource):
    """Spark's own reader takes half a row at the end for a row, and the largest file first."""

    @classmethod
    def name(cls):
        return "finnhub_stream"

    def reader(self, schema):
        return _Reader(json.loads(self.options["files"]), schema)


class _Reader(DataSourceReader):
    def __init__(self, files, schema):
        self.files = files
        self.types = {field.name: to_arrow_type(field.dataType) for field in schema}

    def partitions(self):
        return [InputPartition(file) for file in self.files]

    def read(self, partition):
        reader = pa.csv.open_csv(
            _open(partition.value),
            parse_options=pa.csv.ParseOptions(newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types=self.types,
                include_columns=list(self.types),
                include_missing_columns=True,  # of a recording with other --columns
                null_values=[],  # NA and NULL are tickers; no conditions are an empty text
            ),
        )
        with reader:
            yield from reader


def ledger(paths):
    """The ledger's rows, in the order of the files."""
    schema = "time_ms long, state string, tickers string, reason string"
    return _spark().createDataFrame(_ledger_rows(paths), schema)


def gaps(paths):
    """Time in which nothing was recorded, by these ledgers: not running where the reason is `stopped`,
    else missing. `until_ms` is null in a gap that has not ended."""
    schema = "from_ms long, until_ms long, reason string"
    return _spark().createDataFrame(_gap_rows(paths), schema)
