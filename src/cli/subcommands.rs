//! What can be asked for instead of recording: `verify`, `check`, `ship`, `simulate`, and the hidden
//! `generate`.
//!
//! Main thread.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, StyledStr};
use clap::{Args, CommandFactory, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::{CommandLine, print};
use crate::check::{self, CheckArguments};
use crate::config::values::{address, interval};
use crate::error::{EXIT_CANNOT_GO_ON, EXIT_OK, Error, cannot_go_on};
use crate::ship::{self, DAMAGED, From, Limits, ShipOptions};
use crate::simulator::{Fault, Replay, SimulatorOptions, simulate};
use crate::verify::{self, VerifyError};

const VERIFY_HELP: &str = "\
A recording is compressed (.gz) or not. One that is being recorded is read up to its last whole
row; a torn row at the end of any other is malformed. Its ledger, which stands beside it
(op1.coverage.csv), says what was covered and what is missing.

Exit codes:
  0    every file could be read and every row is well-formed
  1    not so";

const CHECK_HELP: &str = "\
One line for each step, with what to do where one fails. Nothing is recorded and no file is left
behind or changed. Finnhub allows one connection per key: a recorder elsewhere that uses the same
key may lose its connection for a moment.

Exit codes:
  0    everything is ready
  1    something is not";

const SHIP_HELP: &str = "\
Each batch of whole rows goes to a new CMD on its standard input. Exit code 0 with everything read
means accepted; anything else, and the same batch comes again, after a pause of up to a minute.
In CMD's environment: FINNHUB_STREAM_BATCH (an id, the same at every repetition and for no other
batch), FINNHUB_STREAM_ROWS, FINNHUB_STREAM_FILE. How far it has come stands in FILE.ship-NAME.

  finnhub-stream ship op1.csv --name warehouse -- psql -q -f load.sql

Exit codes:
  0    stopped as asked; with --once, everything is shipped
  1    could not begin or go on
  2    wrong usage
  130  a second Ctrl-C";

/// More rows or bytes in a batch would not be one.
const MOST_ROWS: u64 = 10_000_000;
const MOST_BYTES: usize = 1 << 30;

/// A file name has at most 255 bytes, and the recording's own name is part of it.
const LONGEST_NAME: usize = 64;

/// A ping interval longer than this would not be one.
const LONGEST_PING_SECONDS: f64 = 86_400.0;

#[derive(Debug, Subcommand)]
pub(super) enum Subcommands {
    /// Say what is in recordings, and whether they are whole
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArguments),
    /// Try everything that recording needs, and say how to mend what fails
    #[command(after_help = CHECK_HELP)]
    Check(CheckArguments),
    /// Bring a recording to a command, batch by batch, with nothing lost on the way
    #[command(after_help = SHIP_HELP)]
    Ship(ShipArguments),
    /// Be a server like Finnhub's, with a simulated market; any Finnhub client can connect
    #[command(after_help = faults_help())]
    Simulate(SimulateArguments),
    /// Print shell completions or the man page, or write the React package
    #[command(
        subcommand,
        hide = true,
        disable_help_subcommand = true,
        arg_required_else_help = false
    )]
    Generate(Generated),
}

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Recordings, such as op1.csv or op1-2026-11-23.csv.gz
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// One JSON object: counts as numbers, times in UNIX milliseconds
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShipArguments {
    /// The recording, as its --out names it
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Whose place in the recording it is; others have other names
    #[arg(long, value_name = "NAME", value_parser = ship_name)]
    name: String,

    /// Where the first start begins: with the first row, or with those from now on
    #[arg(long, value_name = "start|now")]
    from: Option<From>,

    /// End with the last row that is there
    #[arg(long)]
    once: bool,

    /// Begin each batch with the file's header
    #[arg(long)]
    header: bool,

    /// Go on without files that were removed before they were shipped
    #[arg(long)]
    skip_missing: bool,

    /// Rows in a batch at most
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=MOST_ROWS))]
    batch_rows: u64,

    /// Bytes in a batch at most; a longer row goes alone
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = size)]
    batch_bytes: usize,

    /// A batch is sent at the latest this long after its first row came
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    batch_wait: Duration,

    /// How long CMD may take for a batch; then it is killed
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = interval)]
    timeout: Duration,

    /// The command, without a shell, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct SimulateArguments {
    /// Address and port to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000", value_parser = address)]
    listen: SocketAddr,

    /// Trades a second for each subscribed symbol
    #[arg(long, allow_negative_numbers = true, value_name = "N", default_value_t = SimulatorOptions::default().trades_per_second)]
    rate: f64,

    /// Decides prices, arrivals and faults; the same seed makes the same market
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Send the trades of this recording instead, with its own spacing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "seed"])]
    replay: Option<PathBuf>,

    /// How many times faster than it was recorded
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "X",
        default_value_t = 1.0,
        requires = "replay"
    )]
    speed: f64,

    /// What goes wrong on purpose (see below)
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = fault)]
    faults: Vec<Fault>,

    /// Symbols that a connection may subscribe to; the free plan has 50
    #[arg(long, value_name = "N", default_value_t = SimulatorOptions::default().max_symbols, value_parser = at_least_one)]
    max_symbols: usize,

    /// Send simulated symbols as they were asked for, not as DEMO:AAPL
    #[arg(long)]
    plain_symbols: bool,

    /// How often {"type":"ping"} is sent
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = ping_interval)]
    ping_every: Duration,
}

/// What `generate` makes.
#[derive(Debug, Subcommand)]
pub(super) enum Generated {
    /// Print completions for bash
    Bash,
    /// Print completions for zsh
    Zsh,
    /// Print completions for fish
    Fish,
    /// Print completions for elvish
    Elvish,
    /// Print completions for PowerShell
    Powershell,
    /// Print the man page
    Man,
    /// Write the React package: the live chart, the table and the hooks under them
    #[cfg(feature = "dashboard")]
    React {
        /// Folder to write it to; made if it is not there
        #[arg(value_name = "DIR")]
        directory: PathBuf,

        /// Write over files that differ
        #[arg(long)]
        force: bool,
    },
}

impl Subcommands {
    /// Does it; gives the exit code.
    ///
    /// # Errors
    /// When it could not be done.
    pub(super) fn run(self) -> Result<u8, Error> {
        match self {
            Self::Verify(arguments) => arguments.run(),
            Self::Check(arguments) => {
                let all_well = check::run(arguments, &mut io::stdout().lock())?;
                Ok(if all_well { EXIT_OK } else { EXIT_CANNOT_GO_ON })
            }
            Self::Ship(arguments) => ship::run(&arguments.into_options()),
            Self::Simulate(arguments) => arguments.run(),
            Self::Generate(what) => what.run(),
        }
    }
}

impl VerifyArguments {
    fn run(self) -> Result<u8, Error> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        match verify::run(&self.files, self.json, &mut out, &mut io::stderr()) {
            Ok(true) => Ok(EXIT_OK),
            // What is wrong stands in the report.
            Ok(false) => Ok(EXIT_CANNOT_GO_ON),
            // Nobody reads on. Not everything was looked at, so it is not known to be well.
            Err(VerifyError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(EXIT_CANNOT_GO_ON)
            }
            Err(error) => Err(cannot_go_on(error)),
        }
    }
}

impl ShipArguments {
    fn into_options(self) -> ShipOptions {
        let Self { file, name, from, once, header, skip_missing, .. } = self;
        let limits = Limits { rows: self.batch_rows, bytes: self.batch_bytes };
        let Self { batch_wait, timeout, command, .. } = self;
        ShipOptions {
            file,
            name,
            from,
            once,
            header,
            skip_missing,
            limits,
            batch_wait,
            timeout,
            command,
        }
    }
}

impl SimulateArguments {
    fn run(self) -> Result<u8, Error> {
        let speed = self.speed;
        let options = SimulatorOptions {
            trades_per_second: self.rate,
            seed: self.seed,
            max_symbols: self.max_symbols,
            plain_symbols: self.plain_symbols,
            ping_every: self.ping_every,
            faults: self.faults,
            replay: self.replay.map(|path| Replay { path, speed }),
            ..SimulatorOptions::default()
        };
        simulate(self.listen, options).map(|()| EXIT_OK)
    }
}

impl Generated {
    fn run(self) -> Result<u8, Error> {
        let mut definition = CommandLine::command();
        let mut text = Vec::new();
        let shell = match self {
            Self::Bash => Shell::Bash,
            Self::Zsh => Shell::Zsh,
            Self::Fish => Shell::Fish,
            Self::Elvish => Shell::Elvish,
            Self::Powershell => Shell::PowerShell,
            Self::Man => {
                clap_mangen::Man::new(definition)
                    .render(&mut text)
                    .map_err(|error| Error::CannotGoOn(format!("no man page: {error}")))?;
                return Ok(print(&text));
            }
            #[cfg(feature = "dashboard")]
            Self::React { directory, force } => {
                let told = crate::dashboard::react_package::write(&directory, force)?;
                return Ok(print(told.as_bytes()));
            }
        };
        let name = definition.get_name().to_owned();
        clap_complete::generate(shell, &mut definition, name, &mut text);
        Ok(print(&text))
    }
}

fn faults() -> impl Iterator<Item = PossibleValue> {
    Fault::value_variants().iter().filter_map(ValueEnum::to_possible_value)
}

fn faults_help() -> StyledStr {
    let width = faults().map(|fault| fault.get_name().len()).max().unwrap_or_default();
    let lines = faults().map(|fault| {
        let help = fault.get_help().map(ToString::to_string).unwrap_or_default();
        format!("  {:<width$}  {help}\n", fault.get_name())
    });
    let lines: String = lines.collect();
    format!("Faults:\n{lines}\nWho subscribes to AAPL gets trades of DEMO:AAPL, so that they can never be taken for real ones;\n--plain-symbols leaves the mark out.\n\nAny key is accepted. It runs until Ctrl-C.").into()
}

fn fault(given: &str) -> Result<Fault, String> {
    Fault::from_str(given.trim(), false).map_err(|_| {
        let names: Vec<String> = faults().map(|fault| fault.get_name().to_owned()).collect();
        format!("there are {}", names.join(", "))
    })
}

fn ship_name(given: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    // Names of files that stand beside the position.
    let taken = [".lock", ".new"].iter().any(|ending| given.ends_with(ending));
    let fits = (1..=LONGEST_NAME).contains(&given.len()) && given.chars().all(allowed);
    if fits && !taken && !given.contains(DAMAGED) {
        return Ok(given.to_owned());
    }
    Err(format!(
        "give up to {LONGEST_NAME} letters, digits, -, _ and ., not ending with .lock or .new"
    ))
}

fn size(given: &str) -> Result<usize, String> {
    let digits = given.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &given[digits.len()..] {
        "" | "B" => Some(1),
        "kB" | "KB" => Some(1_000),
        "KiB" => Some(1 << 10),
        "MB" => Some(1_000_000),
        "MiB" => Some(1 << 20),
        _ => None,
    };
    let bytes = digits.parse::<usize>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(unit));
    bytes
        .filter(|bytes| (1..=MOST_BYTES).contains(bytes))
        .ok_or_else(|| "give a size like 1MiB, 512KiB or 100000, up to 1024MiB".to_owned())
}

fn at_least_one(given: &str) -> Result<usize, String> {
    match given.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err("give a whole number above 0".to_owned()),
    }
}

fn ping_interval(given: &str) -> Result<Duration, String> {
    let seconds = given.parse::<f64>().ok();
    seconds
        .filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST_PING_SECONDS)
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("give seconds above 0 and up to {LONGEST_PING_SECONDS}"))
}
