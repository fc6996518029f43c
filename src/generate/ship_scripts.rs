//! Commands for `ship`: each brings batches into one engine, every row once, in order, digit for digit.
//!
//! Main thread. The texts are files of their own in `ship/`, which say what they need, what they make,
//! and with which release they were run.

use clap::Subcommand;

/// An engine that rows are shipped to.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ShipScript {
    /// Print a command for ship that fills Postgres, by psql
    #[command(name = "ship-postgres")]
    Postgres,
    /// Print a command for ship that fills a NATS stream, by Python
    #[command(name = "ship-nats")]
    Nats,
    /// Print a command for ship that fills a Kafka topic, by kcat
    #[command(name = "ship-kafka")]
    Kafka,
    /// Print a command for ship that fills ClickHouse, by curl
    #[command(name = "ship-clickhouse")]
    ClickHouse,
    /// Print a command for ship that fills a DuckDB file, by Python
    #[command(name = "ship-duckdb")]
    DuckDb,
}

impl ShipScript {
    /// Its text, to be made executable.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Postgres => include_str!("ship/postgres.sh"),
            Self::Nats => include_str!("ship/nats.py"),
            Self::Kafka => include_str!("ship/kafka.sh"),
            Self::ClickHouse => include_str!("ship/clickhouse.sh"),
            Self::DuckDb => include_str!("ship/duckdb.py"),
        }
    }
}
