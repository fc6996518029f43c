//! The options of a recording, as the command line takes them.
//!
//! Main thread, at the start. The checks of single values are in `values`, those of values that
//! must fit together in `settings`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use super::values;
use crate::recorder::{Fsync, Rotate};
use crate::recording::columns::Column;

/// Where rows go without `--out`. Simulated and real rows have different defaults: they must never be in one
/// file.
const DEFAULT_OUT: &str = "op1.csv";
const DEFAULT_DEMO_OUT: &str = "demo.csv";

/// The log without `--log-file`.
pub(crate) const DEFAULT_LOG_FILE: &str = "websocket_data.log";

/// Discards every line.
pub(crate) const NO_LOG_FILE: &str = "/dev/null";

const COLUMNS_HELP: &str = "\
Which columns, in which order [default: all six:
ticker,price,volume,timestamp_ms,received_ms,conditions]; ticker,price,volume is the
original script's file";

/// The options of a recording.
// clap takes a type with its full path, such as `std::option::Option`, as one value.
#[derive(Debug, Args)]
pub(crate) struct RecordArguments {
    /// Comma-separated Finnhub symbols: AAPL, BINANCE:BTCUSDT, "IC MARKETS:1"
    #[arg(short, long, value_name = "SYMBOL,...", value_delimiter = ',', value_parser = values::symbol)]
    pub(super) tickers: Vec<String>,

    #[command(flatten)]
    pub(super) files: FileArguments,

    /// When rows are forced to the disk
    #[arg(long, value_name = "always|INTERVAL|never", default_value = "1s", value_parser = values::fsync)]
    pub(super) fsync: Fsync,

    /// At each UTC hour or day, close the file and start a new one
    #[arg(long, value_name = "never|hourly|daily", default_value = "never", value_parser = values::rotate)]
    pub(super) rotate: std::option::Option<Rotate>,

    /// gzip each closed file
    #[arg(long)]
    pub(super) compress: bool,

    /// Stream from a built-in simulated market; needs no key, no network and, if you like, no
    /// --tickers
    #[arg(long, conflicts_with = "url")]
    pub(super) demo: bool,

    #[command(flatten)]
    pub(super) views: ViewArguments,
}

impl RecordArguments {
    /// The log to append to.
    pub(crate) fn log_file(&self) -> &Path {
        self.files.log_file()
    }
}

/// The views of a recording while it runs.
#[derive(Debug, Clone, Args)]
pub(crate) struct ViewArguments {
    /// Live page in the browser; a port alone is on this machine [default address: 127.0.0.1:8787]
    #[arg(
        long,
        value_name = "ADDR:PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "127.0.0.1:8787",
        value_parser = values::address
    )]
    pub dashboard: Option<SocketAddr>,

    /// A web page of this origin may read the dashboard's API; may be repeated
    #[arg(long, value_name = "ORIGIN", value_parser = values::origin)]
    pub dashboard_origin: Vec<String>,

    /// A table of the symbols in the terminal instead of the live line; ? shows its keys
    #[arg(long, conflicts_with = "quiet")]
    pub table: bool,

    /// Command that sh runs at events that a person should know of: down, live, disk-full,
    /// disk-ok, key-refused, silent, stopped
    #[arg(long, value_name = "COMMAND", value_parser = values::command)]
    pub on_event: Option<String>,

    /// Less on the terminal: warnings and errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// More on the terminal and in the log
    #[arg(short, long)]
    pub verbose: bool,
}

/// The files and the server: the same options for a recording and for `check`.
#[derive(Debug, Args)]
pub(crate) struct FileArguments {
    /// One symbol per line, # starts a comment; read again whenever it changes
    #[arg(short = 'f', long, value_name = "FILE")]
    pub tickers_file: Option<PathBuf>,

    /// CSV to append to; - is standard output [default: op1.csv, with --demo demo.csv]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Where the coverage ledger goes with --out -; the ledger of a file stands beside it
    #[arg(long, value_name = "FILE")]
    pub(super) coverage: Option<PathBuf>,

    /// Log to append to; - is standard error alone
    #[arg(long, value_name = "FILE", default_value = DEFAULT_LOG_FILE)]
    log_file: PathBuf,

    /// Which columns, in which order [default: all six]
    #[arg(long, value_name = "NAME,...", long_help = COLUMNS_HELP, value_parser = values::columns)]
    columns: Option<std::vec::Vec<Column>>,

    /// Another Finnhub-compatible server; ws:// only on this machine
    // Not checked by clap, which would show a wrong value, and this one may hold a password.
    #[arg(long, value_name = "URL", default_value = "wss://ws.finnhub.io")]
    pub url: String,
}

impl FileArguments {
    /// Where rows go.
    pub(super) fn out(&self, demo: bool) -> PathBuf {
        let default = if demo { DEFAULT_DEMO_OUT } else { DEFAULT_OUT };
        self.out.clone().unwrap_or_else(|| default.into())
    }

    /// The log file. Each line is on standard error, too, so that `-` needs no file.
    pub(crate) fn log_file(&self) -> &Path {
        if self.log_file.as_os_str() == "-" { Path::new(NO_LOG_FILE) } else { &self.log_file }
    }

    /// The columns, in their order.
    pub(crate) fn columns(&self) -> Vec<Column> {
        self.columns.clone().unwrap_or_else(|| Column::ALL.to_vec())
    }
}
