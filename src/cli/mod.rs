//! The command line: its words, its help, its errors on one line.
//!
//! Main thread, at the start.

mod subcommands;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser};

use crate::check::Plan;
use crate::config::settings::{Asked, Verbosity};
use crate::error::{EXIT_OK, Error};
use crate::recorder::Rotate;
use crate::ship::ShipOptions;
use crate::simulator::SimulatorOptions;
use subcommands::Subcommands;

const EXAMPLES: &str = "\
Examples:
  finnhub-stream --demo                           see it work, without a key: in demo.csv
  finnhub-stream --demo --dashboard               watch it in the browser
  finnhub-stream check                            is everything ready for the real one?
  finnhub-stream --tickers AAPL,BINANCE:BTCUSDT   record into op1.csv
  finnhub-stream verify op1.csv                   is the recording whole?
  finnhub-stream ship op1.csv --name db -- psql -f load.sql   into an engine, nothing lost

The API key comes from FINNHUB_API_KEY or API_KEY, in the environment or in a .env file
here or in a parent directory. Get a free one at https://finnhub.io/register.

Exit codes:
  0    stopped as asked
  1    could not go on
  2    wrong usage or settings
  130  a second Ctrl-C";

/// Where rows go unless told otherwise. Simulated ones never meet real ones.
const DEFAULT_OUT: &str = "op1.csv";
const DEFAULT_DEMO_OUT: &str = "demo.csv";

const COLUMNS_HELP: &str = "\
Which columns, in which order [default: all six:
ticker,price,volume,timestamp_ms,received_ms,conditions]; ticker,price,volume is the
original script's file";

/// Record every trade that Finnhub delivers to a CSV file, and say what was missed.
#[derive(Debug, Parser)]
#[command(
    name = "finnhub-stream",
    version,
    after_help = EXAMPLES,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct CommandLine {
    #[command(flatten)]
    stream: StreamArguments,
    #[command(subcommand)]
    instead: Option<Subcommands>,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct StreamArguments {
    /// Comma-separated Finnhub symbols: AAPL, BINANCE:BTCUSDT, "IC MARKETS:1"
    #[arg(short, long, value_name = "SYMBOL,...", action = ArgAction::Append)]
    tickers: Vec<String>,

    #[command(flatten)]
    places: Places,

    /// When rows are forced to the disk
    #[arg(long, value_name = "always|INTERVAL|never", default_value = "1s")]
    fsync: String,

    /// Live page in the browser [default address: 127.0.0.1:8787]
    #[arg(
        long,
        value_name = "ADDR:PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "127.0.0.1:8787"
    )]
    dashboard: Option<String>,

    /// A web page of this origin may read the dashboard's API; may be repeated
    #[arg(long, value_name = "ORIGIN", requires = "dashboard")]
    dashboard_origin: Vec<String>,

    /// At each UTC hour or day, close the file and start a new one
    #[arg(long, value_name = "never|hourly|daily", default_value = "never", value_parser = parse_rotate)]
    rotate: RotateArgument,

    /// gzip each closed file
    #[arg(long)]
    compress: bool,

    /// Run by sh at events that somebody should hear of: down, live, disk-full, disk-ok,
    /// key-refused, silent, stopped
    #[arg(long, value_name = "COMMAND")]
    on_event: Option<String>,

    /// Stream from a built-in simulated market; needs no key, no network and, if you like, no
    /// --tickers
    #[arg(long, conflicts_with = "url")]
    demo: bool,

    /// Less on the terminal: warnings and errors only
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,

    /// More on the terminal and in the log
    #[arg(short, long)]
    verbose: bool,
}

/// What a run reads from and writes to: the same words for recording and for `check`.
#[derive(Debug, Args)]
struct Places {
    /// One symbol per line, # starts a comment; read again whenever it changes
    #[arg(short = 'f', long, value_name = "FILE")]
    tickers_file: Option<PathBuf>,

    /// CSV to append to; - is standard output [default: op1.csv, with --demo demo.csv]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Log to append to
    #[arg(long, value_name = "FILE", default_value = "websocket_data.log")]
    log_file: PathBuf,

    /// Which columns, in which order [default: all six]
    #[arg(long, value_name = "NAME,...", long_help = COLUMNS_HELP)]
    columns: Option<String>,

    /// Another Finnhub-compatible server; ws:// only on this machine
    #[arg(long, value_name = "URL", default_value = "wss://ws.finnhub.io")]
    url: String,
}

/// `--rotate`; a type of its own, because clap takes an `Option` for an option left out.
#[derive(Debug, Clone, Copy)]
struct RotateArgument(Option<Rotate>);

fn parse_rotate(word: &str) -> Result<RotateArgument, String> {
    match word {
        "never" => Ok(RotateArgument(None)),
        "hourly" => Ok(RotateArgument(Some(Rotate::Hourly))),
        "daily" => Ok(RotateArgument(Some(Rotate::Daily))),
        _ => Err("give never, hourly or daily".to_owned()),
    }
}

/// What the command line asks for.
pub enum Task {
    /// Record.
    Stream(Asked),
    /// Read recordings and say whether they are whole.
    Verify {
        /// The recordings.
        files: Vec<PathBuf>,
        /// As JSON.
        json: bool,
    },
    /// Try everything that recording needs.
    Check(Plan),
    /// Bring a recording to a command.
    Ship(ShipOptions),
    /// Be a server like Finnhub's.
    Simulate {
        /// Where to listen.
        listen: SocketAddr,
        /// What to do.
        options: SimulatorOptions,
    },
    /// Write the React package.
    #[cfg(feature = "dashboard")]
    WriteReactPackage {
        /// The folder.
        directory: PathBuf,
        /// Also over files that differ.
        force: bool,
    },
    /// Print this on standard output, and end.
    Print(Vec<u8>),
}

/// Reads the command line.
///
/// # Errors
/// One line about what is wrong with it.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Task, Error> {
    match CommandLine::try_parse_from(arguments) {
        Ok(CommandLine { instead: Some(subcommand), .. }) => {
            subcommand.into_task(&mut CommandLine::command())
        }
        Ok(CommandLine { stream, instead: None }) => Ok(Task::Stream(stream.into_asked())),
        Err(error) if error.exit_code() == i32::from(EXIT_OK) => {
            Ok(Task::Print(error.to_string().into_bytes()))
        }
        Err(error) => Err(Error::Usage(one_line(&error))),
    }
}

impl StreamArguments {
    fn into_asked(self) -> Asked {
        let verbosity = match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        };
        let Places { tickers_file, out, log_file, columns, url } = self.places;
        let default_out = if self.demo { DEFAULT_DEMO_OUT } else { DEFAULT_OUT };
        let out = out.unwrap_or_else(|| default_out.into());
        Asked {
            tickers: self.tickers,
            tickers_file,
            out,
            log_file,
            columns,
            fsync: self.fsync,
            dashboard: self.dashboard,
            dashboard_origins: self.dashboard_origin,
            rotate: self.rotate.0,
            compress: self.compress,
            url,
            on_event: self.on_event,
            demo: self.demo,
            verbosity,
        }
    }
}

/// clap explains over several lines; its first ones say all, the rest is the usage.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let told = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let told: Vec<&str> = told.filter(|line| !line.is_empty()).collect();
    let told = told.join("; ").replace(":; ", ": ");
    let told = told
        .trim_start_matches("error: ")
        .trim_end_matches("; For more information, try '--help'.");
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => told.to_owned(),
        _ => format!("{told}; see --help"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{CommandLine, Task, parse};

    fn words(line: &str) -> impl Iterator<Item = std::ffi::OsString> {
        std::iter::once("finnhub-stream").chain(line.split_whitespace()).map(Into::into)
    }

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn help_and_version_are_printed() {
        for (line, expected) in
            [("--help", "Exit codes:"), ("--version", "finnhub-stream 0."), ("-h", "--tickers")]
        {
            let Ok(Task::Print(text)) = parse(words(line)) else { panic!("{line}") };
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_fits_one_line() {
        for line in [
            "--tickrs A",
            "--out",
            "-q -v",
            "--demo --url ws://localhost",
            "--fsync",
            "x",
            "verify",
            "-t A verify x.csv",
            "simulate --listen nowhere",
            "simulate --faults rest",
            "simulate --speed 2",
            "simulate --replay x.csv --rate 1",
            "simulate --rate x",
            "simulate --ping-every 0",
            "simulate --max-symbols 0",
            "generate",
            "generate tcsh",
            "generate react",
            "generate bash x",
            "-t A --dashboard-origin http://localhost:5173",
        ] {
            let Err(error) = parse(words(line)) else { panic!("{line}") };
            let message = error.to_string();
            assert!(!message.contains('\n') && message.ends_with("see --help"), "{message}");
            assert!(!message.starts_with("error"), "{message}");
        }
    }
}
