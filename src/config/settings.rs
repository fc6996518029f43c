//! What was asked for, resolved and valid. The only type that travels from the command line to the
//! application.
//!
//! Main thread, before anything is started. Reads the environment, `.env` and the tickers file, and
//! looks where paths lead; it opens nothing for writing.

use std::env;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::Authority;

use crate::config::tickers_file;
use crate::error::{Error, printable};
use crate::feed::api_key::{ApiKey, KeyError, KeySource, VARIABLES};
use crate::feed::connection::Endpoint;
use crate::feed::subscriptions::{check_count, check_symbol, without_repeats};
use crate::protocol::trade::{DEMO_PREFIX, is_simulated};
use crate::recorder::columns::Column;
use crate::recorder::{Destination, Fsync, RecorderOptions, Rotate, belongs_to_recording};

/// How much is told on the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Warnings and errors.
    Quiet,
    /// And what happens.
    Normal,
    /// And details.
    Verbose,
}

/// Where trades come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A server, with the key for it.
    Server(Endpoint, ApiKey),
    /// The built-in simulated market.
    Demo,
}

/// Everything a recording needs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where trades come from.
    pub source: Source,
    /// The symbols of `--tickers`, each once.
    pub tickers: Vec<String>,
    /// `--tickers-file`, and the symbols in it now; none when it cannot be read yet.
    pub tickers_file: Option<(PathBuf, Vec<String>)>,
    /// The files.
    pub recorder: RecorderOptions,
    /// Where the live page is served, if at all.
    pub dashboard: Option<SocketAddr>,
    /// Origins whose web pages may read it.
    pub dashboard_origins: Vec<String>,
    /// What is run at events.
    pub on_event: Option<String>,
    /// How much is told.
    pub verbosity: Verbosity,
    /// Lines to warn with at the start.
    pub warnings: Vec<String>,
}

/// The words of the command line, not checked yet.
#[derive(Debug, Clone)]
pub struct Asked {
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
    /// `--fsync`.
    pub fsync: String,
    /// `--dashboard`, with its address.
    pub dashboard: Option<String>,
    /// `--dashboard-origin`, each as given.
    pub dashboard_origins: Vec<String>,
    /// `--rotate`.
    pub rotate: Option<Rotate>,
    /// `--compress`.
    pub compress: bool,
    /// `--url`.
    pub url: String,
    /// `--on-event`.
    pub on_event: Option<String>,
    /// `--demo`.
    pub demo: bool,
    /// `--quiet` and `--verbose`.
    pub verbosity: Verbosity,
}

fn usage(error: impl Display) -> Error {
    Error::Usage(error.to_string())
}

impl Settings {
    /// Checks everything that can be checked without starting anything.
    ///
    /// # Errors
    /// One line about the first thing that is wrong.
    pub fn resolve(asked: Asked) -> Result<Settings, Error> {
        let mut warnings = Vec::new();
        check_tickers_file(&asked)?;
        let (tickers, tickers_file) = wanted(&asked, &mut warnings)?;
        let simulated = asked.demo || are_simulated(&tickers, tickers_file.as_ref())?;
        let columns = asked.columns.as_deref().map_or(Ok(Column::ALL.to_vec()), parse_columns)?;
        let fsync = parse_fsync(&asked.fsync)?;
        let dashboard = asked.dashboard.as_deref().map(parse_dashboard).transpose()?;
        if let Some(address) = dashboard.filter(|address| !address.ip().is_loopback()) {
            warnings.push(format!(
                "--dashboard={address}: anyone on that network can see the page and change the list of symbols"
            ));
        }
        let dashboard_origins = asked
            .dashboard_origins
            .iter()
            .map(|given| parse_origin(given))
            .collect::<Result<_, _>>()?;
        if asked.on_event.as_deref().is_some_and(|command| command.trim().is_empty()) {
            return Err(usage(
                "--on-event: the command is empty; give one, or leave the option out",
            ));
        }
        let out = destination(&asked)?;
        let source = if asked.demo {
            Source::Demo
        } else {
            let endpoint = Endpoint::parse(&asked.url).map_err(usage)?;
            let key = find_key(&mut warnings)?;
            Source::Server(endpoint, key)
        };
        let (log_file, rotate, compress) = (asked.log_file, asked.rotate, asked.compress);
        let recorder =
            RecorderOptions { out, log_file, columns, fsync, rotate, compress, simulated };
        Ok(Settings {
            source,
            tickers,
            tickers_file,
            recorder,
            dashboard,
            dashboard_origins,
            on_event: asked.on_event,
            verbosity: asked.verbosity,
            warnings,
        })
    }
}

/// What a demo records unless told otherwise: two shares, and something that trades in many digits.
const DEMO_TICKERS: [&str; 3] = ["AAPL", "MSFT", "BINANCE:BTCUSDT"];

/// The symbols of `--tickers`, and `--tickers-file` with the symbols in it.
type Wanted = (Vec<String>, Option<(PathBuf, Vec<String>)>);

fn wanted(asked: &Asked, warnings: &mut Vec<String>) -> Result<Wanted, Error> {
    let tickers = parse_tickers(&asked.tickers)?;
    let Some(path) = &asked.tickers_file else {
        if tickers.is_empty() && asked.demo {
            return Ok((DEMO_TICKERS.map(str::to_owned).into(), None));
        }
        if tickers.is_empty() {
            return Err(usage(
                "no symbols: give some with --tickers, for example --tickers AAPL,MSFT, or a --tickers-file",
            ));
        }
        return Ok((tickers, None));
    };
    match tickers_file::read(path, &tickers) {
        Ok(listed) => Ok((tickers, Some((path.clone(), listed)))),
        Err(error) if tickers.is_empty() => Err(usage(error)),
        Err(error) => {
            warnings.push(format!("{error}; recording what --tickers names until then"));
            Ok((tickers, Some((path.clone(), Vec::new()))))
        }
    }
}

/// Whether these symbols are of a simulated market.
fn are_simulated(
    tickers: &[String],
    tickers_file: Option<&(PathBuf, Vec<String>)>,
) -> Result<bool, Error> {
    let mut all = tickers.iter().chain(tickers_file.into_iter().flat_map(|(_, listed)| listed));
    let first = all.next().is_some_and(|symbol| is_simulated(symbol));
    if all.any(|symbol| is_simulated(symbol) != first) {
        return Err(usage(format!(
            "simulated symbols ({DEMO_PREFIX}…) and real ones never meet in one recording; start one for each, with an --out of its own"
        )));
    }
    Ok(first)
}

/// The symbols of `--tickers`: space around each is cut, space inside and case are kept.
pub(crate) fn parse_tickers(given: &[String]) -> Result<Vec<String>, Error> {
    let mut tickers = Vec::new();
    for symbol in given.iter().flat_map(|list| list.split(',')).map(str::trim) {
        check_symbol(symbol).map_err(|fault| {
            usage(format!("--tickers {:?}: {fault}", printable(&given.join(","), 200)))
        })?;
        tickers.push(symbol.to_owned());
    }
    let tickers = without_repeats(tickers);
    check_count(tickers.len()).map_err(|fault| usage(format!("--tickers: {fault}")))?;
    Ok(tickers)
}

pub(crate) fn parse_columns(given: &str) -> Result<Vec<Column>, Error> {
    let mut columns = Vec::new();
    for name in given.split(',').map(str::trim) {
        let column: Column = name.parse().map_err(|error| usage(format!("--columns: {error}")))?;
        if columns.contains(&column) {
            return Err(usage(format!(
                "--columns {given:?}: {name} is there twice; name each column once"
            )));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// An address and a port; `localhost` is understood too.
fn parse_dashboard(given: &str) -> Result<SocketAddr, Error> {
    if !cfg!(feature = "dashboard") {
        return Err(usage(
            "--dashboard: this program was built without the dashboard; build it with the feature `dashboard`",
        ));
    }
    let number = given.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    number.as_deref().unwrap_or(given).parse().map_err(|_| {
        usage(format!(
            "--dashboard={}: give an address and a port, like --dashboard=127.0.0.1:8787",
            printable(given, 100)
        ))
    })
}

/// The origin of a web page, spelled as browsers send it: lower case, no default port.
fn parse_origin(given: &str) -> Result<String, Error> {
    let wrong = || {
        usage(format!(
            "--dashboard-origin {}: give the scheme, host and port of a web page, like http://localhost:5173",
            printable(given, 100)
        ))
    };
    let lower = given.to_ascii_lowercase();
    let (scheme, host) = lower.split_once("://").ok_or_else(wrong)?;
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return Err(wrong()),
    };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    let authority: Authority = host.parse().map_err(|_| wrong())?;
    let is_name = |letter: u8| letter.is_ascii_alphanumeric() || b"-._[]:".contains(&letter);
    let is_whole = !authority.host().is_empty() && host.bytes().all(is_name);
    let has_port = host.len() == authority.host().len() || authority.port_u16().is_some();
    if is_whole && has_port { Ok(format!("{scheme}://{host}")) } else { Err(wrong()) }
}

fn parse_fsync(given: &str) -> Result<Fsync, Error> {
    let wrong =
        || usage(format!("--fsync {given:?}: give always, never, or an interval like 1s or 500ms"));
    match given {
        "always" => Ok(Fsync::Always),
        "never" => Ok(Fsync::Never),
        _ => interval(given).map(Fsync::Every).ok_or_else(wrong),
    }
}

/// `1s`, `500ms`, `2m`: a millisecond up to a day, which is longer than anybody can mean, and short
/// enough for every clock.
pub(crate) fn interval(given: &str) -> Option<Duration> {
    let digits = given.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let milliseconds = match &given[digits.len()..] {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    milliseconds.filter(|ms| (1..=86_400_000).contains(ms)).map(Duration::from_millis)
}

/// Where rows go, and whether that can be rotated and compressed.
fn destination(asked: &Asked) -> Result<Destination, Error> {
    if asked.compress && asked.rotate.is_none() {
        return Err(usage(
            "--compress: only closed files are compressed; add --rotate daily or --rotate hourly",
        ));
    }
    if asked.out.as_os_str() != "-" {
        check_files(&asked.out, &asked.log_file)?;
        return Ok(Destination::File(asked.out.clone()));
    }
    if asked.rotate.is_some() {
        return Err(usage(
            "--rotate: standard output cannot be rotated; give --out the name of a file",
        ));
    }
    Ok(Destination::StandardOutput)
}

/// What is written to must not be the list of symbols.
fn check_tickers_file(asked: &Asked) -> Result<(), Error> {
    let Some(list) = asked.tickers_file.as_deref() else { return Ok(()) };
    if spellings(&asked.log_file).iter().any(|log| spellings(list).contains(log)) {
        return Err(usage(format!(
            "--log-file {} is the tickers file; give it another name",
            asked.log_file.display()
        )));
    }
    check_apart("--tickers-file", list, &asked.out)
}

/// The log, the recording and what stands beside it must be different files.
pub(crate) fn check_files(out: &Path, log_file: &Path) -> Result<(), Error> {
    if out.as_os_str().is_empty() || log_file.as_os_str().is_empty() {
        return Err(usage("a file name is empty; give --out and --log-file a name"));
    }
    check_apart("--log-file", log_file, out)
}

fn check_apart(option: &str, path: &Path, out: &Path) -> Result<(), Error> {
    let (paths, outs) = (spellings(path), spellings(out));
    if paths.iter().any(|path| outs.iter().any(|out| belongs_to_recording(path, out))) {
        return Err(usage(format!(
            "{option} {} is the recording {} or belongs to it; give it another name",
            path.display(),
            out.display()
        )));
    }
    Ok(())
}

/// A path by which a file can be compared with others, and the one that it leads to if it is a link.
fn spellings(path: &Path) -> [PathBuf; 2] {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().and_then(|folder| folder.canonicalize().ok());
    let here = match (folder, absolute.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => absolute,
    };
    let target = here.canonicalize().unwrap_or_else(|_| here.clone());
    [here, target]
}

/// Finds the key: each variable in the environment first, then in `.env`.
///
/// # Errors
/// When there is none, or none that can be one.
pub fn find_key(warnings: &mut Vec<String>) -> Result<ApiKey, Error> {
    let dot_env = DotEnv::find();
    for variable in VARIABLES {
        let found = match env::var(variable) {
            Ok(value) => Some((value, KeySource::Environment)),
            Err(env::VarError::NotUnicode(_)) => Some((" ".to_owned(), KeySource::Environment)),
            Err(env::VarError::NotPresent) => dot_env.as_ref().and_then(|file| {
                let value = file.values.iter().find(|(name, _)| name == variable)?.1.clone();
                Some((value, KeySource::DotEnv(file.path.clone())))
            }),
        };
        if let Some((value, place)) = found {
            let key = ApiKey::new(value, variable, place).map_err(usage)?;
            if let KeySource::DotEnv(path) = key.source() {
                warnings.extend(readable_by_others(path));
            }
            return Ok(key);
        }
    }
    match dot_env.and_then(|file| Some((file.path, file.fault?))) {
        Some((path, fault)) => Err(usage(KeyError::DotEnv { path, fault })),
        None => Err(usage(KeyError::Missing)),
    }
}

/// The nearest `.env` file, here or in a parent directory.
struct DotEnv {
    path: PathBuf,
    values: Vec<(String, String)>,
    fault: Option<String>,
}

impl DotEnv {
    fn find() -> Option<DotEnv> {
        let here = env::current_dir().ok()?;
        let path =
            here.ancestors().map(|directory| directory.join(".env")).find(|path| path.is_file())?;
        let mut file = DotEnv { path, values: Vec::new(), fault: None };
        match dotenvy::from_path_iter(&file.path) {
            Err(error) => file.fault = Some(dot_env_fault(&error)),
            Ok(lines) => {
                for line in lines {
                    match line {
                        Ok(pair) => file.values.push(pair),
                        Err(error) => {
                            file.fault = Some(dot_env_fault(&error));
                            // After a read error there would be the same one again and again.
                            if matches!(error, dotenvy::Error::Io(_)) {
                                break;
                            }
                        }
                    }
                }
            }
        }
        Some(file)
    }
}

/// What is wrong with a `.env` file, without its text: that may be the key.
fn dot_env_fault(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::Io(error) => format!("cannot be read ({error})"),
        _ => "has a line that is not NAME=value".to_owned(),
    }
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o044 != 0).then(|| {
        format!("{} holds the API key and others can read it; run: chmod 600 {0}", path.display())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[cfg(feature = "dashboard")]
    use super::parse_dashboard;
    use super::{Error, Fsync, parse_columns, parse_fsync, parse_origin, parse_tickers};

    fn tickers(given: &[&str]) -> Result<Vec<String>, Error> {
        parse_tickers(&given.iter().map(|list| (*list).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn symbols_are_trimmed_and_repeats_dropped() {
        assert_eq!(
            tickers(&[" AAPL ,IC MARKETS:1", "aapl,AAPL"]).unwrap(),
            ["AAPL", "IC MARKETS:1", "aapl"]
        );
        for wrong in [vec![""], vec!["AAPL,,MSFT"], vec!["AAPL,"], vec!["A\tB"], vec!["A\u{1b}B"]] {
            let message = tickers(&wrong).expect_err("refused").to_string();
            assert!(!message.contains(['\n', '\u{1b}', '\t']), "{message}");
        }
    }

    #[cfg(feature = "dashboard")]
    #[test]
    fn the_dashboard_has_an_address_and_a_port() {
        for (given, shown) in [
            ("127.0.0.1:8787", "127.0.0.1:8787"),
            ("localhost:0", "127.0.0.1:0"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:9000", "[::1]:9000"),
        ] {
            assert_eq!(parse_dashboard(given).unwrap().to_string(), shown);
        }
        for wrong in ["", "8787", ":8787", "localhost", "127.0.0.1", "example.com:80", "1:99999"] {
            assert!(parse_dashboard(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_spelled_as_browsers_send_it() {
        for (given, sent) in [
            ("http://localhost:5173", "http://localhost:5173"),
            ("HTTPS://App.Example.com", "https://app.example.com"),
            ("http://localhost:80", "http://localhost"),
            ("https://example.com:443", "https://example.com"),
            ("https://example.com:80", "https://example.com:80"),
            ("http://[::1]:5173", "http://[::1]:5173"),
        ] {
            assert_eq!(parse_origin(given).unwrap(), sent);
        }
        for wrong in [
            "",
            "*",
            "null",
            "localhost:5173",
            "http://",
            "http://*",
            "http://*.example.com",
            "http://localhost:5173/",
            "http://a/b",
            "http://a?b",
            "http://a@b",
            "http://a:",
            "http://a:99999",
            "http://a b",
            "http://:80",
            "ftp://a",
            "file://",
            "http://a,http://b",
            "http://ä.example",
        ] {
            let error = parse_origin(wrong).expect_err(wrong).to_string();
            assert!(error.contains("like http://localhost:5173"), "{error}");
        }
    }

    #[test]
    fn columns_are_named_once_each() {
        assert_eq!(parse_columns("price, ticker").unwrap().len(), 2);
        for wrong in ["", "prize", "price,price", "price,"] {
            assert!(parse_columns(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn fsync_is_a_word_or_an_interval() {
        assert_eq!(parse_fsync("always").unwrap(), Fsync::Always);
        assert_eq!(parse_fsync("never").unwrap(), Fsync::Never);
        for (given, ms) in [("1s", 1000), ("250ms", 250), ("2m", 120_000)] {
            assert_eq!(parse_fsync(given).unwrap(), Fsync::Every(Duration::from_millis(ms)));
        }
        for wrong in ["", "1", "0s", "-1s", "1h", "s", "always ", "99999999999999999999s", "2000m"]
        {
            assert!(parse_fsync(wrong).is_err(), "{wrong}");
        }
    }
}
