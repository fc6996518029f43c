//! The settings of a recording, resolved and valid: the only type that goes from the command line to the
//! application.
//!
//! Main thread, before anything is started. Reads the tickers file, and looks where paths lead; it
//! opens nothing for writing.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::arguments::{FileArguments, RecordArguments, ViewArguments};
use super::key_source::{find_key, oddity_of};
use super::tickers_file;
use crate::feed::{ApiKey, Endpoint};
use crate::market::spelling::spelling_warnings;
use crate::market::symbol::{DEMO_PREFIX, check_count, is_simulated, without_repeats};
use crate::process::error::Error;
use crate::recorder::{Destination, RecorderOptions};
use crate::recording::names::{belongs_to_recording, ledger_of, recording_of_ledger};
use crate::recording::paths::behind_links;

/// Everything a recording needs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where trades come from; without it, from the built-in simulated market.
    pub server: Option<Endpoint>,
    /// The key that the server wants.
    pub key: ApiKey,
    /// The symbols of `--tickers`, each once.
    pub tickers: Vec<String>,
    /// `--tickers-file`, and the symbols in it now; none when it cannot be read yet.
    pub tickers_file: Option<(PathBuf, Vec<String>)>,
    /// The files.
    pub recorder: RecorderOptions,
    /// The dashboard, the terminal, and the command for events.
    pub views: ViewArguments,
    /// Lines to warn with at the start.
    pub warnings: Vec<String>,
}

fn usage(error: impl Display) -> Error {
    Error::Usage(error.to_string())
}

impl Settings {
    /// Checks everything that can be checked without starting anything.
    ///
    /// # Errors
    /// The first thing that is wrong: no or too many symbols, simulated and real ones together, files
    /// that must be different and are not, options that do not fit together, the URL, or the key.
    pub(crate) fn resolve(arguments: RecordArguments) -> Result<Self, Error> {
        let RecordArguments { tickers, files, fsync, rotate, compress, demo, views } = arguments;
        let mut warnings = Vec::new();
        let out = destination(&files, demo)?;
        let (tickers, tickers_file) = wanted(tickers, files.tickers_file.as_deref(), demo)?;
        let listed = tickers_file.iter().flat_map(|(_, listed)| listed);
        let all: Vec<&str> = tickers.iter().chain(listed).map(String::as_str).collect();
        warnings.extend(spelling_warnings(all.iter().copied()));
        let simulated = demo || are_simulated(&all)?;
        warnings.extend(check_dashboard(&views)?);
        if views.table && !cfg!(feature = "table") {
            return Err(usage(
                "--table: this program was built without the table; build it with the feature `table`",
            ));
        }
        let columns = files.columns();
        check_rotation(&out, rotate.is_some(), compress)?;
        let (server, key) = if demo {
            (None, ApiKey::demo())
        } else {
            let endpoint = Endpoint::parse(&files.url).map_err(usage)?;
            check_market(simulated, &endpoint)?;
            (Some(endpoint), find_key().map_err(usage)?)
        };
        warnings.extend(oddity_of(&key));
        let log_file = files.log_file().to_owned();
        let recorder = RecorderOptions {
            out,
            log_file,
            columns,
            fsync,
            rotate,
            compress,
            simulated,
            candles: views.dashboard.is_some(),
        };
        Ok(Self { server, key, tickers, tickers_file, recorder, views, warnings })
    }
}

/// The symbols of a demo without `--tickers`: two shares, and a pair whose prices have many digits.
const DEMO_TICKERS: [&str; 3] = ["AAPL", "MSFT", "BINANCE:BTCUSDT"];

/// The symbols of `--tickers`, and `--tickers-file` with the symbols in it.
type Wanted = (Vec<String>, Option<(PathBuf, Vec<String>)>);

fn wanted(tickers: Vec<String>, file: Option<&Path>, demo: bool) -> Result<Wanted, Error> {
    let tickers = symbols(tickers)?;
    let Some(path) = file else {
        if tickers.is_empty() && demo {
            return Ok((DEMO_TICKERS.map(str::to_owned).into(), None));
        }
        if tickers.is_empty() {
            return Err(usage(
                "no symbols: give some with --tickers, for example --tickers AAPL,MSFT, or a --tickers-file; --demo needs none",
            ));
        }
        return Ok((tickers, None));
    };
    let listed = match tickers_file::read(path, &tickers) {
        Ok(listed) => listed,
        Err(error) if tickers.is_empty() || tickers_file::is_no_file(path) => {
            return Err(usage(error));
        }
        // The file may appear later; its watcher reports it.
        Err(_) => Vec::new(),
    };
    Ok((tickers, Some((path.to_owned(), listed))))
}

/// The symbols of `--tickers`, each once.
///
/// # Errors
/// When they are too many.
pub(crate) fn symbols(tickers: Vec<String>) -> Result<Vec<String>, Error> {
    let tickers = without_repeats(tickers);
    check_count(tickers.len()).map_err(|fault| usage(format!("--tickers: {fault}")))?;
    Ok(tickers)
}

/// Gives a warning when others can reach the page.
fn check_dashboard(views: &ViewArguments) -> Result<Option<String>, Error> {
    let address = views.dashboard;
    if address.is_none() && !views.dashboard_origin.is_empty() {
        return Err(usage("--dashboard-origin is for the dashboard; add --dashboard"));
    }
    if address.is_some() && !cfg!(feature = "dashboard") {
        return Err(usage(
            "--dashboard: this program was built without the dashboard; build it with the feature `dashboard`",
        ));
    }
    let address = address.filter(|address| !address.ip().is_loopback());
    Ok(address.map(|address| {
        format!(
            "--dashboard={address}: anyone on that network can see the page and change the list of symbols"
        )
    }))
}

/// Whether these symbols are of a simulated market.
fn are_simulated(symbols: &[&str]) -> Result<bool, Error> {
    let first = symbols.first().is_some_and(|symbol| is_simulated(symbol));
    if symbols.iter().any(|symbol| is_simulated(symbol) != first) {
        return Err(usage(format!(
            "simulated symbols ({DEMO_PREFIX}…) and real ones cannot be in one recording; start one for each, with an --out of its own"
        )));
    }
    Ok(first)
}

/// Whether the server can have such symbols.
pub(crate) fn check_market(simulated: bool, server: &Endpoint) -> Result<(), Error> {
    if simulated && server.host.ends_with("finnhub.io") {
        return Err(usage(format!(
            "{server} has no symbols {DEMO_PREFIX}…: they come from --demo, or from finnhub-stream simulate with --url; leave {DEMO_PREFIX} out for the real ones"
        )));
    }
    Ok(())
}

/// Where rows go.
///
/// # Errors
/// When the list of symbols, the log, the recording and what belongs to it are not different files, or
/// `--coverage` is given for a file.
pub(crate) fn destination(files: &FileArguments, demo: bool) -> Result<Destination, Error> {
    let (out, log_file) = (files.out(demo), files.log_file());
    // Every reader, ours too, takes a file of such a name for a closed, compressed one.
    if let Some(plain) = out.to_str().and_then(|name| name.strip_suffix(".gz")) {
        return Err(usage(format!(
            "--out {}: rows are compressed when their file is closed; give --out {plain} --rotate daily --compress",
            out.display()
        )));
    }
    if let Some(list) = &files.tickers_file
        && spellings(log_file).iter().any(|log| spellings(list).contains(log))
    {
        return Err(usage(format!(
            "--log-file {} is the tickers file; give it another name",
            log_file.display()
        )));
    }
    let to_file = out.as_os_str() != "-";
    if let Some(path) = &files.coverage {
        check_coverage(path, to_file.then_some(&out))?;
    }
    if let Some(written) = if to_file { Some(&out) } else { files.coverage.as_ref() } {
        for (option, path) in
            [("--tickers-file", files.tickers_file.as_deref()), ("--log-file", Some(log_file))]
        {
            path.map_or(Ok(()), |path| check_apart(option, path, written))?;
        }
    }
    let coverage = files.coverage.clone();
    Ok(if to_file { Destination::File(out) } else { Destination::StandardOutput { coverage } })
}

/// Whether the ledger can be at `path`: not when rows go to a file, which has one beside it.
fn check_coverage(path: &Path, out: Option<&PathBuf>) -> Result<(), Error> {
    let shown = path.display();
    if let Some(out) = out {
        return Err(usage(format!(
            "--coverage {shown} is for --out - only; the ledger of a file stands beside it, here {}; leave --coverage out",
            ledger_of(out).display()
        )));
    }
    if path.as_os_str() == "-" {
        return Err(usage(
            "--coverage -: standard output carries the rows; give the name of a file",
        ));
    }
    if let Some(recording) = recording_of_ledger(path) {
        return Err(usage(format!(
            "--coverage {shown} is the ledger of {}; give it another name",
            recording.display()
        )));
    }
    Ok(())
}

/// Whether a recording can be rotated and compressed.
fn check_rotation(out: &Destination, rotated: bool, compress: bool) -> Result<(), Error> {
    if compress && !rotated {
        return Err(usage(
            "--compress: only closed files are compressed; add --rotate daily or --rotate hourly",
        ));
    }
    if rotated && matches!(out, Destination::StandardOutput { .. }) {
        return Err(usage(
            "--rotate: standard output cannot be rotated; give --out the name of a file",
        ));
    }
    Ok(())
}

fn check_apart(option: &str, path: &Path, out: &Path) -> Result<(), Error> {
    let (paths, outs) = (spellings(path), spellings(out));
    let ledgers = spellings(&ledger_of(out));
    if paths.iter().any(|path| {
        ledgers.contains(path) || outs.iter().any(|out| belongs_to_recording(path, out))
    }) {
        return Err(usage(format!(
            "{option} {} is {} or belongs to it; give it another name",
            path.display(),
            out.display()
        )));
    }
    Ok(())
}

/// The path in a form that can be compared with others, and where it leads if it is a link.
fn spellings(path: &Path) -> [PathBuf; 2] {
    [path.to_owned(), behind_links(path)].map(|path| {
        let absolute = std::path::absolute(&path).unwrap_or(path);
        let folder = absolute.parent().and_then(|folder| folder.canonicalize().ok());
        match (folder, absolute.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => absolute,
        }
    })
}
