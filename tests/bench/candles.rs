//! Part (h): how fast `bars` is, beside DuckDB with a query for the same bars, and what `--follow` costs
//! on a live feed. Runs on the main thread of the bench.
//!
//! The recording is 50 symbols over two days, from a seeded generator. DuckDB takes part where
//! `FINNHUB_TEST_PYTHON` names a Python that has it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Outcome;
use crate::load::Load;
use crate::measure;
use crate::plan::Plan;
use crate::recorders::Recorder;
use crate::rows::HEADER;
use crate::sender::Sender;
use crate::shipping::{LIVE_RATE, end};

/// Rows in relation to the trades of a round: ten million.
const ROWS_PER_TRADE: usize = 10;

/// 2026-11-23T00:00:00Z, and how long trades come from there on.
const START_MS: u64 = 1_795_392_000_000;
const TWO_DAYS_MS: u64 = 172_800_000;

/// What the README had before `bars` was there.
const QUERY: &str = include_str!("candles.sql");

/// Conditions of the trades, some more often than others.
const CONDITIONS: [&str; 10] =
    ["", "1", "1", "1;12", "1;12", "1;8", "1;24", "12", "1;41", "1;8;12"];

/// Looks at the memory of a run that takes a second or so.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// All figures of this part.
pub(crate) struct Candles {
    pub(crate) rows: usize,
    pub(crate) all: Vec<Run>,
    /// Of one core, on a live feed.
    pub(crate) follow_share: f64,
}

/// What one of them did in each round.
pub(crate) struct Run {
    pub(crate) name: &'static str,
    pub(crate) seconds: Vec<f64>,
    pub(crate) peak_memory_bytes: Vec<u64>,
}

/// # Errors
/// One of them fails, or a trade is in no bar.
pub(crate) fn measure(plan: &Plan, load: &Load) -> Outcome<Candles> {
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let rows = ROWS_PER_TRADE * plan.trades;
    write_recording(directory.path(), rows)?;
    let mut all = vec![("bars", bars(Path::new("op1.csv")))];
    if let Some(python) = std::env::var_os("FINNHUB_TEST_PYTHON") {
        let mut duckdb = Command::new(python);
        let script =
            format!("import duckdb; duckdb.sql(\"\"\"COPY ({QUERY}) TO 'duckdb.csv'\"\"\")");
        duckdb.args(["-c", &script]);
        all.push(("DuckDB", duckdb));
    }
    let run = |(name, _): &(&'static str, Command)| Run {
        name,
        seconds: Vec::new(),
        peak_memory_bytes: Vec::new(),
    };
    let mut runs: Vec<Run> = all.iter().map(run).collect();
    for _ in 0..plan.rounds {
        for ((name, command), run) in all.iter_mut().zip(&mut runs) {
            let out = directory.path().join("bars.csv");
            command.current_dir(directory.path()).stdout(File::create(&out)?);
            let start = Instant::now();
            let mut child = command.spawn()?;
            let mut memory = 0;
            while child.try_wait()?.is_none() {
                memory = memory.max(measure::peak_memory_bytes(child.id()).unwrap_or(0));
                thread::sleep(LOOK_EVERY);
            }
            run.seconds.push(start.elapsed().as_secs_f64());
            run.peak_memory_bytes.push(memory);
            if !child.wait()?.success() {
                return Err(format!("{name} has failed").into());
            }
            if *name == "bars" {
                check(&fs::read_to_string(out)?, rows)?;
            }
        }
    }
    Ok(Candles { rows, all: runs, follow_share: follow(plan, load)? })
}

fn bars(recording: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_finnhub-stream"));
    command.arg("bars").arg(recording).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Every trade must be in a bar.
fn check(bars: &str, rows: usize) -> Outcome<()> {
    let trades = bars.lines().skip(1).map(|bar| bar.rsplit(',').nth(1)?.parse::<usize>().ok());
    let trades: Option<usize> = trades.sum();
    if trades == Some(rows) {
        return Ok(());
    }
    Err(format!("{trades:?} of {rows} trades are in bars").into())
}

/// A recording and its ledger.
pub(crate) fn write_recording(folder: &Path, rows: usize) -> Outcome<()> {
    let mut random = fastrand::Rng::with_seed(7);
    let symbols = Load::usual_symbols();
    let mut prices: Vec<f64> = symbols.iter().map(|_| 10.0 + 390.0 * random.f64()).collect();
    let mut file = io::BufWriter::new(File::create(folder.join("op1.csv"))?);
    writeln!(file, "{HEADER}")?;
    for number in 0..rows as u64 {
        let symbol = random.usize(..symbols.len());
        let price = &mut prices[symbol];
        *price *= 1.0 + (random.f64() - 0.5) * 0.0004;
        let received_ms = START_MS + number * TWO_DAYS_MS / rows as u64;
        let (symbol, volume) = (symbols[symbol], random.u32(1..=400));
        let (time_ms, conditions) = (received_ms - random.u64(30..130), random.choice(CONDITIONS));
        let conditions = conditions.unwrap_or_default();
        writeln!(file, "{symbol},{price:.2},{volume},{time_ms},{received_ms},{conditions}")?;
    }
    file.flush()?;
    let end_ms = START_MS + TWO_DAYS_MS;
    let tickers = symbols.join(";");
    let ledger = format!(
        "time_ms,state,tickers,reason\n{START_MS},live,{tickers},\n{end_ms},down,,stopped\n"
    );
    Ok(fs::write(folder.join("op1.coverage.csv"), ledger)?)
}

/// A recorder at a live feed's pace, and what it costs to follow it.
fn follow(plan: &Plan, load: &Load) -> Outcome<f64> {
    let (recorder, mut sender) = Sender::start(Recorder::FinnhubStream, load.symbols())?;
    let mut follower: Child =
        bars(recorder.out()).arg("--follow").stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let (start, mut sent, mut since) = (Instant::now(), 0, None);
    for message in 0..load.message_count() {
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let due = Duration::from_secs_f64(sent as f64 / LIVE_RATE);
        if due > plan.paced * 10 {
            break;
        }
        thread::sleep(due.saturating_sub(start.elapsed()));
        // Its start is none of what it costs.
        if since.is_none() && due > Duration::from_secs(1) {
            since = Some((measure::cpu_of_running(follower.id())?, Instant::now()));
        }
        sender.send_frames(load.frame(message))?;
        sent += load.trades_of(message).len();
    }
    let (before, start) = since.ok_or("more than a second of trades")?;
    let cpu = measure::cpu_of_running(follower.id())?.saturating_sub(before);
    let share = cpu.as_secs_f64() / start.elapsed().as_secs_f64();
    end(&mut follower)?;
    recorder.interrupt()?;
    sender.answer_until_closed();
    recorder.finish()?;
    Ok(share)
}
