//! `check`: tries everything that a recording needs, and says how to mend what fails.
//!
//! Main thread. Records nothing, changes no file and leaves none behind. The files are looked at
//! first although they are told of last: while another process records, connecting with the same
//! key would interrupt it.

mod network;

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::config::settings::{check_files, find_key, parse_columns, parse_tickers};
use crate::config::tickers_file;
use crate::error::Error;
use crate::feed::api_key::{ApiKey, KeySource};
use crate::feed::connection::Endpoint;
use crate::protocol::trade::is_simulated;
use crate::recorder::columns::Column;
use crate::recorder::{self, OpenError};
use crate::text::file_size;
use network::try_network;

/// Trades day and night, at the weekend too.
const ALWAYS_TRADES: &str = "BINANCE:BTCUSDT";

/// Width of the steps' names, so that what is said of them begins in one column.
const NAME_WIDTH: usize = 11;

/// The words of the command line, not checked yet.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `--tickers`, each as given.
    pub tickers: Vec<String>,
    /// `--tickers-file`.
    pub tickers_file: Option<PathBuf>,
    /// `--out`.
    pub out: PathBuf,
    /// `--log-file`.
    pub log_file: PathBuf,
    /// `--columns`.
    pub columns: Option<String>,
    /// `--url`.
    pub url: String,
}

/// Tries everything, and writes one line for each step to `out`. Answers whether all is well.
///
/// # Errors
/// When the words of the command line make no sense, as they would for a recording.
pub fn run(plan: &Plan, out: &mut dyn Write) -> Result<bool, Error> {
    let usage = |error: &dyn Display| Error::Usage(error.to_string());
    let columns = match &plan.columns {
        Some(columns) => parse_columns(columns)?,
        None => Column::ALL.to_vec(),
    };
    let to_file = plan.out.as_os_str() != "-";
    if to_file {
        check_files(&plan.out, &plan.log_file)?;
    }
    let endpoint = Endpoint::parse(&plan.url).map_err(|error| usage(&error))?;
    let mut symbols =
        if plan.tickers.is_empty() { Vec::new() } else { parse_tickers(&plan.tickers)? };
    if let Some(file) = &plan.tickers_file {
        symbols.extend(tickers_file::read(file, &symbols).map_err(|error| usage(&error))?);
    }
    if symbols.is_empty() {
        symbols.push(ALWAYS_TRADES.to_owned());
    }

    let recording = to_file.then(|| recorder::try_out(&plan.out));
    let mut steps = Steps { out, all_well: true };
    let key = try_key(&mut steps);
    try_network(&mut steps, &endpoint, key.as_ref(), &symbols, recording.as_ref());
    let simulated = symbols.iter().all(|symbol| is_simulated(symbol));
    try_files(&mut steps, plan, &columns, simulated, recording.as_ref());
    Ok(steps.all_well)
}

/// The lines said so far.
struct Steps<'a> {
    out: &'a mut dyn Write,
    all_well: bool,
}

impl Steps<'_> {
    fn line(&mut self, mark: char, name: &str, text: &dyn Display) {
        // With nobody to read the lines, the exit code still says whether all is well.
        let _ = writeln!(self.out, "{mark} {name:<NAME_WIDTH$}  {text}");
        let _ = self.out.flush();
    }

    fn passed(&mut self, name: &str, text: impl Display) {
        self.line('✓', name, &text);
    }

    fn failed(&mut self, name: &str, text: impl Display) {
        self.all_well = false;
        self.line('✗', name, &text);
    }

    fn skipped(&mut self, names: &[&str], why: &str) {
        for name in names {
            self.line('-', name, &format_args!("skipped: {why}"));
        }
    }
}

fn try_key(steps: &mut Steps<'_>) -> Option<ApiKey> {
    let mut warnings = Vec::new();
    match find_key(&mut warnings) {
        Ok(key) => {
            let place = match key.source() {
                KeySource::DotEnv(path) => format!("from {}", path.display()),
                other => format!("from {other}"),
            };
            let warning = warnings.first().map(|text| format!(" (warning: {text})"));
            let warning = warning.unwrap_or_default();
            steps.passed("API key", format_args!("{}, {place}{warning}", key.variable()));
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
    plan: &Plan,
    columns: &[Column],
    simulated: bool,
    recording: Option<&Result<Option<u64>, OpenError>>,
) {
    match recording {
        None => steps.passed("output", "standard output"),
        Some(Ok(size)) => steps.passed("output", described(&plan.out, *size)),
        Some(Err(error)) => steps.failed("output", error),
    }
    match recorder::try_log(&plan.log_file) {
        Ok(size) => steps.passed("log", described(&plan.log_file, size)),
        Err(error) => steps.failed("log", error),
    }
    let out = plan.out.display();
    match recording {
        None => steps.passed("header", "standard output will begin with one"),
        Some(Ok(_) | Err(OpenError::InUse(..))) => {
            match recorder::try_header(&plan.out, columns, simulated) {
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
