//! `check`: tries everything that a recording needs, and says how to mend what fails.
//!
//! Main thread. Records nothing, changes no file and leaves none behind. The files are looked at
//! first although they are told of last: while another process records, connecting with the same
//! key would interrupt it.

mod network;
mod steps;

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use clap::Args;

use crate::config::{
    self, FileArguments, check_files, find_key, readable_by_others, tickers_file, values,
};
use crate::error::Error;
use crate::feed::{ApiKey, Endpoint};
use crate::protocol::trade::is_simulated;
use crate::recorder::columns::Column;
use crate::recorder::{self, OpenError};
use crate::text::file_size;
use network::{ALWAYS_TRADES, try_network};
use steps::Steps;

/// What is to be tried.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Symbols to try, comma-separated [default: BINANCE:BTCUSDT, which always trades]
    #[arg(short, long, value_name = "SYMBOL,...", value_delimiter = ',', value_parser = values::symbol)]
    tickers: Vec<String>,

    #[command(flatten)]
    files: FileArguments,
}

/// Tries everything, and writes one line for each step to `out`. Answers whether all is well.
///
/// # Errors
/// When an argument makes no sense, as it would for a recording.
pub fn run(
    CheckArguments { tickers, files }: CheckArguments,
    out: &mut dyn Write,
) -> Result<bool, Error> {
    let usage = |error: &dyn Display| Error::Usage(error.to_string());
    let (csv, columns) = (files.out(false), files.columns());
    let to_file = csv.as_os_str() != "-";
    if to_file {
        check_files(&csv, &files.log_file)?;
    }
    let endpoint = Endpoint::parse(&files.url).map_err(|error| usage(&error))?;
    let mut symbols = config::symbols(tickers)?;
    if let Some(file) = &files.tickers_file {
        symbols.extend(tickers_file::read(file, &symbols).map_err(|error| usage(&error))?);
    }
    if symbols.is_empty() {
        symbols.push(ALWAYS_TRADES.to_owned());
    }

    let recording = to_file.then(|| recorder::try_out(&csv));
    let mut steps = Steps::new(out);
    let key = try_key(&mut steps);
    try_network(&mut steps, &endpoint, key.as_ref(), &symbols, recording.as_ref());
    let simulated = symbols.iter().all(|symbol| is_simulated(symbol));
    try_files(&mut steps, &csv, &files.log_file, &columns, simulated, recording.as_ref());
    Ok(steps.all_well)
}

fn try_key(steps: &mut Steps<'_>) -> Option<ApiKey> {
    match find_key() {
        Ok(key) => {
            let warning = readable_by_others(&key);
            let warning = warning.map(|text| format!(" (warning: {text})")).unwrap_or_default();
            let found = format_args!("{}, from {}{warning}", key.variable(), key.source());
            steps.passed("API key", found);
            Some(key)
        }
        Err(error) => {
            steps.failed("API key", error);
            None
        }
    }
}

fn try_files(
    steps: &mut Steps<'_>,
    csv: &Path,
    log_file: &Path,
    columns: &[Column],
    simulated: bool,
    recording: Option<&Result<Option<u64>, OpenError>>,
) {
    match recording {
        None => steps.passed("output", "standard output"),
        Some(Ok(size)) => steps.passed("output", described(csv, *size)),
        Some(Err(error)) => steps.failed("output", error),
    }
    match recorder::try_log(log_file) {
        Ok(size) => steps.passed("log", described(log_file, size)),
        Err(error) => steps.failed("log", error),
    }
    let out = csv.display();
    match recording {
        None => steps.passed("header", "standard output will begin with one"),
        Some(Ok(_) | Err(OpenError::InUse(..))) => {
            match recorder::try_header(csv, columns, simulated) {
                Ok(true) => steps.passed("header", format_args!("{out} has the wanted columns")),
                Ok(false) => steps.passed("header", format_args!("{out} will begin with one")),
                Err(error) => steps.failed("header", error),
            }
        }
        Some(Err(_)) => steps.skipped(&["header"], "the output cannot be used"),
    }
}

fn described(path: &Path, size: Option<u64>) -> String {
    match size {
        None => format!("{} can be created", path.display()),
        Some(bytes) => {
            format!("{} can be appended to ({})", path.display(), file_size(bytes))
        }
    }
}
