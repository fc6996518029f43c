//! The options of `simulate`.
//!
//! Main thread, at the start.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::StyledStr;
use clap::{Args, ValueEnum};

/// The longest ping interval that makes sense: a day.
const LONGEST_PING_SECONDS: f64 = 86_400.0;

/// How long after its first subscription a connection ends by `reset`, `stall` or `cut`, each one anew: long
/// enough to see trades, and short enough to wait for a reconnect.
pub(super) const ENDING_AFTER: Range<Duration> = Duration::from_secs(5)..Duration::from_secs(15);

/// What the simulated server does.
#[derive(Clone, Debug, Args)]
pub struct SimulatorOptions {
    /// Trades a second for each subscribed symbol
    // On average; 0 for none.
    #[arg(long = "rate", allow_negative_numbers = true, value_name = "N", default_value_t = Self::default().trades_per_second)]
    pub trades_per_second: f64,

    /// Decides prices, arrivals and faults; the same seed makes the same market
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Trades from a recording instead of the simulated market.
    #[command(flatten)]
    pub replay: Option<Replay>,

    /// What goes wrong on purpose (see below)
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', hide_possible_values = true)]
    pub faults: Vec<Fault>,

    /// Symbols that a connection may subscribe to; the free plan has 50
    #[arg(long, value_name = "N", default_value_t = Self::default().max_symbols, value_parser = at_least_one)]
    pub max_symbols: usize,

    /// Send simulated symbols as they were asked for, not as DEMO:AAPL
    #[arg(long)]
    pub plain_symbols: bool,

    /// How often {"type":"ping"} is sent
    // On each connection.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = ping_interval)]
    pub ping_every: Duration,

    /// How long after its first subscription a connection ends by `reset`, `stall` or `cut`.
    #[arg(skip = ENDING_AFTER)]
    pub ending_after: Range<Duration>,
}

impl Default for SimulatorOptions {
    /// Ten trades a second a symbol, and the numbers of Finnhub's free plan.
    fn default() -> Self {
        Self {
            trades_per_second: 10.0,
            seed: 0,
            max_symbols: 50,
            plain_symbols: true,
            ping_every: Duration::from_secs(60),
            faults: Vec::new(),
            ending_after: ENDING_AFTER,
            replay: None,
        }
    }
}

/// A recording to play back. It begins when the first client subscribes; after its end only pings
/// are sent.
#[derive(Clone, Debug, Args)]
pub struct Replay {
    /// Send the trades of this recording (also .gz) instead, with its own spacing
    // A CSV with at least the columns `ticker`, `price`, `volume` and one of `timestamp_ms` and
    // `received_ms`.
    #[arg(
        long = "replay",
        id = "replay",
        required = false,
        value_name = "FILE",
        conflicts_with_all = ["trades_per_second", "seed"]
    )]
    pub path: PathBuf,

    /// How many times faster than it was recorded
    // Above 0.
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "X",
        default_value_t = 1.0,
        requires = "replay"
    )]
    pub speed: f64,
}

/// Something that a real server was seen to do wrong. Its name and its help on the command line
/// are those given here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// TCP reset, 5 to 15 s after subscribing
    Reset,
    /// nothing sent any more 5 to 15 s after subscribing, not even pongs
    Stall,
    /// closed about 1 s after subscribing
    Kick,
    /// every third symbol answered with `Invalid symbol`
    Refuse,
    /// now and then no JSON, or elements that are no trades
    Garbage,
    /// closed inside a frame, 5 to 15 s after subscribing
    Cut,
    /// pings but no trades
    PingsOnly,
    /// HTTP 401 at the handshake
    Unauthorized,
    /// HTTP 429 at the handshake
    TooMany,
    /// the upgrade takes 5 s
    Slow,
}

/// What `simulate --help` ends with.
pub(crate) fn faults_help() -> StyledStr {
    let faults = || Fault::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let width = faults().map(|fault| fault.get_name().len()).max().unwrap_or_default();
    let lines = faults().map(|fault| {
        let help = fault.get_help().map(ToString::to_string).unwrap_or_default();
        format!("  {:<width$}  {help}\n", fault.get_name())
    });
    let lines: String = lines.collect();
    format!("Faults:\n{lines}\nWho subscribes to AAPL gets trades of DEMO:AAPL, so that they can never be taken for real ones;\n--plain-symbols leaves the mark out.\n\nAny key is accepted. It runs until Ctrl-C.").into()
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
