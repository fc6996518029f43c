//! Loaders that read a recording right in other tools: with types, without a half row or a false gap.
//!
//! Main thread. The texts are files in `loaders/`, with comments on the traps that they avoid. `files.py` is
//! the end of all three in Python.

use clap::Subcommand;

/// A tool that reads recordings.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Loader {
    /// Print SQL for DuckDB: the macros ticks(files), ledger(files) and gaps(files)
    #[command(name = "duckdb")]
    DuckDb,
    /// Print a Python module for pandas: ticks(paths), ledger(paths), gaps(paths)
    Pandas,
    /// Print a Python module for polars: ticks(paths), ledger(paths), gaps(paths)
    Polars,
    /// Print SQL for sqlite3: the tables ticks and ledger, filled, and the view gaps
    Sqlite,
    /// Print SQL for ClickHouse: the views ticks(files), ledger(files) and gaps(files)
    #[command(name = "clickhouse")]
    ClickHouse,
    /// Print a Python module for Spark: ticks(paths), ledger(paths), gaps(paths)
    Spark,
}

impl Loader {
    /// The text of its loader, ready to be run.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::DuckDb => include_str!("loaders/duckdb.sql"),
            Self::Pandas => {
                concat!(include_str!("loaders/pandas.py"), include_str!("loaders/files.py"))
            }
            Self::Polars => {
                concat!(include_str!("loaders/polars.py"), include_str!("loaders/files.py"))
            }
            Self::Sqlite => include_str!("loaders/sqlite.sql"),
            Self::ClickHouse => include_str!("loaders/clickhouse.sql"),
            Self::Spark => {
                concat!(include_str!("loaders/spark.py"), include_str!("loaders/files.py"))
            }
        }
    }
}
