//! What can be asked for instead of recording: `verify`, `check`, `simulate`, and the hidden
//! `generate`.
//!
//! Main thread, at the start. Words and their checks only; nothing is run here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, StyledStr};
use clap::{ArgAction, Args, Command, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::{Places, Task};
use crate::check::Plan;
use crate::error::Error;
use crate::simulator::{Fault, Replay, SimulatorOptions};

const VERIFY_HELP: &str = "\
A recording is compressed (.gz) or not, and may be one that is still being written. Its ledger,
which stands beside it (op1.coverage.csv), says what was covered and what is missing.

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
    /// Be a server like Finnhub's, with a simulated market; any Finnhub client can connect
    #[command(after_help = faults_help())]
    Simulate(SimulateArguments),
    /// Print shell completions or the man page
    #[command(hide = true)]
    Generate {
        /// For what
        what: Generated,
    },
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
pub(super) struct CheckArguments {
    /// Symbols to try, comma-separated [default: BINANCE:BTCUSDT, which always trades]
    #[arg(short, long, value_name = "SYMBOL,...", action = ArgAction::Append)]
    tickers: Vec<String>,

    #[command(flatten)]
    places: Places,
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

    /// How often {"type":"ping"} is sent
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = ping_interval)]
    ping_every: Duration,
}

/// What `generate` prints.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Generated {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
    Man,
}

impl Subcommands {
    /// What is asked for. `definition` is the whole command line, for `generate`.
    ///
    /// # Errors
    /// When the man page cannot be put together.
    pub(super) fn into_task(self, definition: &mut Command) -> Result<Task, Error> {
        match self {
            Subcommands::Verify(VerifyArguments { files, json }) => {
                Ok(Task::Verify { files, json })
            }
            Subcommands::Check(arguments) => Ok(Task::Check(arguments.into_plan())),
            Subcommands::Simulate(arguments) => Ok(arguments.into_task()),
            Subcommands::Generate { what } => what.print(definition).map(Task::Print),
        }
    }
}

impl CheckArguments {
    fn into_plan(self) -> Plan {
        let CheckArguments { tickers, places } = self;
        let Places { tickers_file, out, log_file, columns, url } = places;
        Plan { tickers, tickers_file, out, log_file, columns, url }
    }
}

impl SimulateArguments {
    fn into_task(self) -> Task {
        let speed = self.speed;
        let options = SimulatorOptions {
            trades_per_second: self.rate,
            seed: self.seed,
            max_symbols: self.max_symbols,
            ping_every: self.ping_every,
            faults: self.faults,
            replay: self.replay.map(|path| Replay { path, speed }),
            ..SimulatorOptions::default()
        };
        Task::Simulate { listen: self.listen, options }
    }
}

impl Generated {
    fn print(self, definition: &mut Command) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        let shell = match self {
            Generated::Bash => Shell::Bash,
            Generated::Zsh => Shell::Zsh,
            Generated::Fish => Shell::Fish,
            Generated::Elvish => Shell::Elvish,
            Generated::Powershell => Shell::PowerShell,
            Generated::Man => {
                clap_mangen::Man::new(definition.clone())
                    .render(&mut text)
                    .map_err(|error| Error::CannotGoOn(format!("no man page: {error}")))?;
                return Ok(text);
            }
        };
        let name = definition.get_name().to_owned();
        clap_complete::generate(shell, definition, name, &mut text);
        Ok(text)
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
    format!("Faults:\n{lines}\nAny key is accepted. It runs until Ctrl-C.").into()
}

fn fault(given: &str) -> Result<Fault, String> {
    Fault::from_str(given.trim(), false).map_err(|_| {
        let names: Vec<String> = faults().map(|fault| fault.get_name().to_owned()).collect();
        format!("there are {}", names.join(", "))
    })
}

fn address(given: &str) -> Result<SocketAddr, String> {
    let numbers = given.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numbers
        .as_deref()
        .unwrap_or(given)
        .parse()
        .map_err(|_| "give an address and a port, like 127.0.0.1:9000".to_owned())
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
