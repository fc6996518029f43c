//! The options of `bars`.
//!
//! Main thread, at the start.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::values;

/// The options.
#[derive(Debug, Clone, Args)]
pub struct BarsOptions {
    /// Recordings in the order in which they were made, such as op1-*.csv.gz op1.csv
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Length of a bar: whole seconds that divide a day
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = every)]
    pub every: Duration,

    /// Only these symbols
    #[arg(short, long, value_name = "SYMBOL,...", value_delimiter = ',', value_parser = values::symbol)]
    pub tickers: Vec<String>,

    /// Which trades of US shares count: all, or those of the regular session
    #[arg(long, value_name = "all|regular", default_value = "all")]
    pub hours: Hours,

    /// Print bars without a trade as well, where the ledger says that the symbol was recorded
    #[arg(long)]
    pub empty: bool,

    /// Go on with the last FILE while it is recorded, through rotation, until a stop
    #[arg(long)]
    pub follow: bool,

    /// With --follow: a bar is printed so long after its end
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = values::interval, requires = "follow")]
    pub grace: Duration,
}

/// Which trades of US shares count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Hours {
    /// All.
    All,
    /// 09:30–16:00 New York time on trading days, until 13:00 on an early close.
    Regular,
}

fn every(given: &str) -> Result<Duration, String> {
    const DAY_SECONDS: u64 = 86_400;
    values::duration(given)
        .filter(|every| every.subsec_millis() == 0)
        .filter(|every| every.as_secs() > 0 && DAY_SECONDS.is_multiple_of(every.as_secs()))
        .ok_or_else(|| {
            "give whole seconds that divide a day, such as 1s, 30s, 1m, 5m, 1h or 1d".to_owned()
        })
}
