//! How much this run does, read once from the environment. Runs on the main thread of the bench.

use std::time::Duration;

use crate::Outcome;
use crate::recorders::Recorder;

/// The size of the run.
pub(crate) struct Plan {
    /// Trades each recorder gets in each round of the throughput part.
    pub(crate) trades: usize,
    /// Rounds of each part; the medians are taken over them.
    pub(crate) rounds: usize,
    /// How long each recorder is sent paced messages in each round.
    pub(crate) paced: Duration,
    /// How long all of them get nothing but pings.
    pub(crate) idle: Duration,
    /// Rows of the recording that is watched growing.
    pub(crate) growth_rows: usize,
    /// The names of the parts that are to run, if not all of them.
    parts: Option<String>,
    /// Who takes part, in the order of the tables.
    pub(crate) recorders: Vec<Recorder>,
}

impl Plan {
    /// Whether this part of the benchmark is to run.
    pub(crate) fn has_part(&self, name: &str) -> bool {
        self.parts.as_ref().is_none_or(|parts| parts.split(',').any(|part| part.trim() == name))
    }

    /// The recorders whose rows are visible as they come.
    pub(crate) fn prompt_recorders(&self) -> impl Iterator<Item = Recorder> {
        self.recorders.iter().copied().filter(|recorder| !recorder.holds_rows_back())
    }

    /// The builds of the real binary.
    pub(crate) fn programs(&self) -> impl Iterator<Item = Recorder> {
        self.recorders.iter().copied().filter(|recorder| recorder.program().is_some())
    }

    /// A million trades give the fastest recorder over a tenth of a second of work, far above the
    /// millisecond at which the file is looked at; five rounds give a median that one bad round
    /// does not move. Started without cargo's `--bench` (by `cargo test --all-targets`) the run is
    /// a quick one: it then only proves that the benchmark works.
    ///
    /// # Errors
    /// A variable that is set to something other than a positive number, or an unknown recorder.
    pub(crate) fn from_environment(arguments: &[String]) -> Outcome<Self> {
        let quick = std::env::var_os("BENCH_QUICK").is_some_and(|value| value != "0")
            || !arguments.iter().any(|argument| argument == "--bench");
        let (trades, rounds, paced_seconds, idle_seconds) =
            if quick { (100_000, 2, 0.5, 1.0) } else { (1_000_000, 5, 2.0, 60.0) };
        Ok(Self {
            trades: number("BENCH_TRADES", trades)?,
            rounds: number("BENCH_ROUNDS", rounds)?,
            paced: Duration::from_secs_f64(number("BENCH_PACED_SECONDS", paced_seconds)?),
            idle: Duration::from_secs_f64(number("BENCH_IDLE_SECONDS", idle_seconds)?),
            growth_rows: number("BENCH_GROWTH_ROWS", 10 * trades)?,
            parts: std::env::var("BENCH_PARTS").ok(),
            recorders: recorders()?,
        })
    }
}

/// A positive number from the environment, or the default when the variable is not set.
fn number<N: std::str::FromStr + PartialOrd + Default>(name: &str, default: N) -> Outcome<N> {
    let Ok(text) = std::env::var(name) else { return Ok(default) };
    match text.parse() {
        Ok(value) if value > N::default() => Ok(value),
        _ => Err(format!("{name}={text}: give a positive number").into()),
    }
}

fn recorders() -> Outcome<Vec<Recorder>> {
    let mut all = Recorder::ALL.to_vec();
    all.retain(|recorder| *recorder != Recorder::Before || recorder.program().is_some());
    let Ok(asked) = std::env::var("BENCH_RECORDERS") else { return Ok(all) };
    let names = || asked.split(',').map(str::trim);
    if let Some(unknown) = names().find(|name| all.iter().all(|r| r.name() != *name)) {
        let known = all.iter().map(|r| r.name()).collect::<Vec<_>>().join(", ");
        return Err(format!("BENCH_RECORDERS: no recorder {unknown:?}; there are {known}").into());
    }
    all.retain(|r| names().any(|name| name == r.name()));
    Ok(all)
}
