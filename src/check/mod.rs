//! `check`: tries everything that a recording needs, and says what to do about what fails.
//!
//! Main thread. Records nothing, changes no file and leaves none behind. The files are tried first and
//! reported last: while another process records to them, a connection with the same key would interrupt that
//! process.

mod network;
mod steps;

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use clap::Args;

use crate::config::{self, FileArguments, NO_LOG_FILE, find_key, oddity_of, tickers_file, values};
use crate::feed::{ApiKey, Endpoint};
use crate::market::spelling::spelling_warnings;
use crate::market::symbol::is_simulated;
use crate::process::error::Error;
use crate::recorder::{self, Destination, Inspection};
use crate::text::file_size;
use network::{ALWAYS_TRADES, try_network};
use steps::Steps;

/// What is to be tried.
#[derive(Debug, Args)]
#[command(mut_arg("out", |out| out.help("CSV to append to; - is standard output [default: op1.csv]")))]
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
/// When the URL, the list of symbols or the files that are named are wrong, as for a recording; when
/// `out` cannot be written to.
pub fn run(
    CheckArguments { tickers, files }: CheckArguments,
    out: &mut dyn Write,
) -> Result<bool, Error> {
    let usage = |error: &dyn Display| Error::Usage(error.to_string());
    let destination = config::destination(&files, false)?;
    let endpoint = Endpoint::parse(&files.url).map_err(|error| usage(&error))?;
    let mut symbols = config::symbols(tickers)?;
    if let Some(file) = &files.tickers_file {
        symbols.extend(tickers_file::read(file, &symbols).map_err(|error| usage(&error))?);
    }
    if symbols.is_empty() {
        symbols.push(ALWAYS_TRADES.to_owned());
    }

    let simulated = symbols.iter().all(|symbol| is_simulated(symbol));
    config::check_market(simulated, &endpoint)?;

    let columns = files.columns();
    let recording = recorder::try_out(&destination, &columns, simulated);
    let mut steps = Steps::new(out);
    for warning in spelling_warnings(symbols.iter().map(String::as_str)) {
        steps.warned("symbols", warning);
    }
    let key = try_key(&mut steps);
    try_network(&mut steps, &endpoint, key.as_ref(), &symbols, recording.as_ref());
    try_files(&mut steps, &destination, files.log_file(), recording.as_ref());
    steps.end()
}

fn try_key(steps: &mut Steps<'_>) -> Option<ApiKey> {
    match find_key() {
        Ok(key) => {
            let warning = oddity_of(&key);
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
    destination: &Destination,
    log_file: &Path,
    recording: Option<&Inspection>,
) {
    match (recording.map(|found| &found.output), destination) {
        (Some(Err(error)), _) => steps.failed("output", error),
        (Some(Ok(size)), Destination::File(csv)) => steps.passed("output", described(csv, *size)),
        (Some(Ok(size)), Destination::StandardOutput { coverage: Some(ledger) }) => {
            let ledger = described(ledger, *size);
            steps.passed("output", format_args!("standard output; its ledger {ledger}"));
        }
        _ => steps.passed("output", "standard output"),
    }
    match recorder::try_log(log_file) {
        Ok(_) if log_file == NO_LOG_FILE => steps.passed("log", "standard error alone"),
        Ok(size) => steps.passed("log", described(log_file, size)),
        Err(error) => steps.failed("log", error),
    }
    match (recording, destination) {
        (_, Destination::StandardOutput { .. }) => {
            steps.passed("header", "standard output will begin with one");
        }
        (Some(Inspection { header: Some(header), .. }), Destination::File(csv)) => {
            let out = csv.display();
            match header {
                Ok(true) => steps.passed("header", format_args!("{out} has the wanted columns")),
                Ok(false) => steps.passed("header", format_args!("{out} will begin with one")),
                Err(error) => steps.failed("header", error),
            }
        }
        _ => steps.skipped(&["header"], "the output cannot be used"),
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
