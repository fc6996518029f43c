//! `check`: tries everything that a recording needs, and says how to mend what fails.
//!
//! Main thread. Records nothing, changes no file and leaves none behind. The files are looked at
//! first although they are told of last: while another process records, connecting with the same
//! key would interrupt it.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::api_key::{ApiKey, KeySource};
use crate::clock::now_ms;
use crate::columns::Column;
use crate::connection::{
    Connection, DIAL_TIMEOUT, DialError, Endpoint, Incoming, Wait, open_stream, resolve, upgrade,
};
use crate::error::{Error, printable};
use crate::figures::file_size;
use crate::market_hours::{MarketState, human_duration, is_us_stock, us_market};
use crate::recorder::{self, Found, OpenError};
use crate::settings::{check_files, find_key, parse_columns, parse_tickers};
use crate::tickers_file;
use crate::wire::{self, Decoder, Element, Message};

/// Trades day and night, at the weekend too.
const ALWAYS_TRADES: &str = "BINANCE:BTCUSDT";

/// How long a trade or a ping is waited for.
const DATA_WITHIN: Duration = Duration::from_secs(10);

/// How long the server's half of the closing handshake is waited for: a session that is not
/// closed properly may still count when a recording starts right after.
const CLOSING: Duration = Duration::from_secs(1);

/// Width of the steps' names, so that what is said of them begins in one column.
const NAME_WIDTH: usize = 11;

/// Characters of a server's text that are shown.
const SHOWN_CHARACTERS: usize = 200;

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
    check_files(&plan.out, &plan.log_file)?;
    let endpoint = Endpoint::parse(&plan.url).map_err(|error| usage(&error))?;
    let mut symbols =
        if plan.tickers.is_empty() { Vec::new() } else { parse_tickers(&plan.tickers)? };
    if let Some(file) = &plan.tickers_file {
        symbols.extend(tickers_file::read(file).map_err(|error| usage(&error))?);
    }
    if symbols.is_empty() {
        symbols.push(ALWAYS_TRADES.to_owned());
    }

    let recording = recorder::try_out(&plan.out);
    let mut steps = Steps { out, all_well: true };
    let key = try_key(&mut steps);
    try_network(&mut steps, &endpoint, key.as_ref(), &symbols, &recording);
    try_files(&mut steps, plan, &columns, recording);
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

/// Name, TCP and TLS, upgrade, data: each needs the one before.
fn try_network(
    steps: &mut Steps<'_>,
    endpoint: &Endpoint,
    key: Option<&ApiKey>,
    symbols: &[String],
    recording: &Result<Found, OpenError>,
) {
    let addresses = match resolve(endpoint) {
        Ok(addresses) => addresses,
        Err(error) => {
            steps.failed("name", error);
            return steps.skipped(&["TCP and TLS", "upgrade", "data"], "the server has no address");
        }
    };
    let first = addresses.first().map_or_else(String::new, |address| address.ip().to_string());
    if first == endpoint.host {
        steps.passed("name", format_args!("{first} is an address already"));
    } else {
        steps.passed("name", format_args!("{} is {first}", endpoint.host));
    }
    let started = Instant::now();
    let stream = match open_stream(endpoint, &addresses, started + DIAL_TIMEOUT) {
        Ok(stream) => stream,
        Err(error) => {
            steps.failed("TCP and TLS", with_fix(&error, None));
            return steps.skipped(&["upgrade", "data"], "there is no connection");
        }
    };
    let tls = if endpoint.tls { "certificate valid" } else { "TCP only, on this machine" };
    steps.passed(
        "TCP and TLS",
        format_args!("{endpoint}, {} ms, {tls}", started.elapsed().as_millis()),
    );
    let Some(key) = key else {
        return steps.skipped(&["upgrade", "data"], "there is no key");
    };
    if let Err(OpenError::InUse(..)) = recording {
        return steps.skipped(
            &["upgrade", "data"],
            "another process is recording, and connecting with its key would interrupt it",
        );
    }
    match upgrade(endpoint, key, stream) {
        Ok(connection) => {
            steps.passed("upgrade", "the key is accepted");
            try_data(steps, connection, key, symbols);
        }
        Err(error) => {
            steps.failed("upgrade", with_fix(&error, Some(key)));
            steps.skipped(&["data"], "the server does not let us in");
        }
    }
}

/// An error of the dial with what to do about it, where it does not say so itself.
fn with_fix(error: &DialError, key: Option<&ApiKey>) -> String {
    let fix = match (error, key) {
        (DialError::Http { status: 401 | 403, .. }, Some(key)) => format!(
            "; the API key in {} (from {}) is refused: compare it with the one on https://finnhub.io/dashboard",
            key.variable(),
            key.source()
        ),
        (DialError::Http { status: 429, .. }, _) => {
            "; another process is probably using this key (Finnhub allows one connection per key): stop that one, or wait a minute".to_owned()
        }
        (DialError::Http { .. } | DialError::Upgrade { .. }, _) => {
            "; a fault of the server, or not a Finnhub server: try again later, or check --url".to_owned()
        }
        (DialError::Tcp { .. }, _) => {
            "; check the network, the firewall and --url".to_owned()
        }
        (DialError::Name { .. } | DialError::Tls { .. }, _) => String::new(),
    };
    format!("{error}{fix}")
}

/// What came while data was waited for.
#[derive(Default)]
struct Heard {
    pong: bool,
    errors: Vec<String>,
}

fn try_data(steps: &mut Steps<'_>, mut connection: Connection, key: &ApiKey, symbols: &[String]) {
    let started = Instant::now();
    let mut heard = Heard::default();
    let sign = wait_for_data(&mut connection, symbols, &mut heard);
    let seconds = started.elapsed().as_secs_f64();
    let errors = match heard.errors.as_slice() {
        [] => String::new(),
        errors => format!(" (the server says: {})", key.redact(&errors.join("; "))),
    };
    match sign {
        Ok(Some(sign)) => {
            steps.passed("data", format_args!("{sign} after {seconds:.1} s{errors}"));
        }
        Ok(None) if heard.pong && heard.errors.len() < symbols.len() => steps.passed(
            "data",
            format_args!("the server answers, but no trade came in {seconds:.0} s: {}{errors}", why_quiet(symbols)),
        ),
        Ok(None) if !heard.errors.is_empty() => steps.failed(
            "data",
            format_args!("no trade{errors}; check the spelling of the symbols on https://finnhub.io/docs/api/stock-symbols"),
        ),
        Ok(None) => steps.failed(
            "data",
            format_args!("not a word from the server in {seconds:.0} s; try again, and should it stay so, ask Finnhub for its status"),
        ),
        Err(lost) => steps.failed(
            "data",
            format_args!("{lost}{errors}; another process is probably using this key (Finnhub allows one connection per key): stop that one"),
        ),
    }
    close(connection);
}

/// The first sign of life, in words.
fn wait_for_data(
    connection: &mut Connection,
    symbols: &[String],
    heard: &mut Heard,
) -> Result<Option<String>, crate::connection::ConnectionLost> {
    for symbol in symbols {
        connection.send(&wire::subscribe(symbol))?;
    }
    connection.ping()?;
    let until = Instant::now() + DATA_WITHIN;
    while Instant::now() < until {
        let Some(incoming) = connection.read(Wait::Tick)? else { continue };
        let Incoming::Text(text) = incoming else {
            heard.pong |= matches!(incoming, Incoming::Pong);
            continue;
        };
        match wire::classify(&text) {
            Message::Trades => {
                if let Some(symbol) = first_symbol(&text) {
                    return Ok(Some(format!("a trade of {symbol}")));
                }
            }
            Message::Ping => return Ok(Some("a ping".to_owned())),
            Message::Error(message) => {
                heard.errors.push(printable(&message, SHOWN_CHARACTERS));
                // All are refused: nothing more will come.
                if heard.errors.len() >= symbols.len() {
                    return Ok(None);
                }
            }
            Message::Other(_) | Message::Unreadable => {}
        }
    }
    Ok(None)
}

fn first_symbol(text: &str) -> Option<String> {
    let mut symbol = None;
    // A message that cannot be decoded has none.
    let _ = Decoder::default().decode(text, |element| {
        if let (Element::Trade(trade), None) = (element, &symbol) {
            symbol = Some(printable(&trade.ticker, SHOWN_CHARACTERS));
        }
    });
    symbol
}

fn why_quiet(symbols: &[String]) -> String {
    let all_us = symbols.iter().all(|symbol| is_us_stock(symbol));
    match us_market(now_ms()) {
        MarketState::Closed { opens_in_ms } if all_us => {
            format!("US market closed, opens in {}", human_duration(opens_in_ms))
        }
        _ => format!("quiet symbols, or a closed market; try --tickers {ALWAYS_TRADES}"),
    }
}

fn close(mut connection: Connection) {
    let until = Instant::now() + CLOSING;
    let mut open = connection.close().is_ok();
    while open && Instant::now() < until {
        open = connection.read(Wait::Tick).is_ok();
    }
}

fn try_files(
    steps: &mut Steps<'_>,
    plan: &Plan,
    columns: &[Column],
    recording: Result<Found, OpenError>,
) {
    let out = plan.out.display();
    let readable = match recording {
        Ok(found) => {
            steps.passed("output", described(&plan.out, found));
            true
        }
        Err(error @ OpenError::InUse(..)) => {
            steps.failed("output", error);
            true
        }
        Err(error) => {
            steps.failed("output", error);
            false
        }
    };
    match recorder::try_log(&plan.log_file) {
        Ok(found) => steps.passed("log", described(&plan.log_file, found)),
        Err(error) => steps.failed("log", error),
    }
    if !readable {
        return steps.skipped(&["header"], "the output cannot be used");
    }
    match recorder::try_header(&plan.out, columns) {
        Ok(true) => steps.passed("header", format_args!("{out} has the wanted columns")),
        Ok(false) => steps.passed("header", format_args!("{out} will begin with one")),
        Err(error) => steps.failed("header", error),
    }
}

fn described(path: &Path, found: Found) -> String {
    match found {
        Found::Nothing => format!("{} can be created", path.display()),
        Found::File(bytes) => {
            format!("{} can be appended to ({})", path.display(), file_size(bytes))
        }
    }
}
