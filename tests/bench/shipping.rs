//! Part (g): `ship`. How fast it is into a command that only counts, what it costs while there is
//! nothing to ship, and how late the rows of a live feed arrive. Runs on the main thread of the
//! bench, which only starts processes and reads the kernel's counters.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::Outcome;
use crate::load::Load;
use crate::measure::{self, Spread};
use crate::plan::Plan;
use crate::recorders::Recorder;
use crate::sender::Sender;

/// Looks at the memory of a run that takes a second or so.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// So long nothing is shipped while the cost of waiting is measured.
const WAITING: Duration = Duration::from_secs(5);

/// Trades a second of a live feed with 50 liquid shares, averaged over a day.
pub(crate) const LIVE_RATE: f64 = 57.0;

/// A run that takes longer has failed.
const WITHIN: Duration = Duration::from_secs(120);

/// All figures of this part.
pub(crate) struct Shipping {
    pub(crate) rows_per_second: Vec<f64>,
    pub(crate) peak_memory_bytes: Vec<u64>,
    /// Of one core, while it waits.
    pub(crate) waiting_share: f64,
    /// Milliseconds from a row's `received_ms` to its arrival in the command.
    pub(crate) lags_ms: Vec<f64>,
}

/// # Errors
/// `ship` fails, or rows are missing.
pub(crate) fn measure(plan: &Plan, load: &Load) -> Outcome<Shipping> {
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let recording = directory.path().join("op1.csv");
    // Twice the trades: half a second at the promised speed.
    let rows = 2 * plan.trades;
    write_recording(&recording, rows)?;
    let (mut rows_per_second, mut peak_memory_bytes) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let (seconds, memory) = count(&recording, round, rows)?;
        #[expect(clippy::cast_precision_loss, reason = "a count of rows is far below 2^52")]
        rows_per_second.push(rows as f64 / seconds);
        peak_memory_bytes.push(memory);
    }
    let waiting_share = wait(&recording)?;
    let lags_ms = live(plan, load)?;
    Ok(Shipping { rows_per_second, peak_memory_bytes, waiting_share, lags_ms })
}

fn write_recording(path: &Path, rows: usize) -> Outcome<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    file.write_all(b"ticker,price,volume,timestamp_ms,received_ms,conditions\n")?;
    let mut row = String::new();
    for number in 0..rows {
        row.clear();
        let time_ms = 1_680_286_537_580 + number;
        writeln!(
            row,
            "AAPL,{}.{:04},5,{time_ms},{},1;12",
            100 + number % 90,
            number % 10_000,
            time_ms + 51
        )?;
        file.write_all(row.as_bytes())?;
    }
    file.flush()?;
    Ok(())
}

fn ship(recording: &Path, name: &str, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_finnhub-stream"));
    command.arg("ship").arg(recording).args(["--name", name]).args(options).arg("--");
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Seconds from start to exit, and peak memory. Every row must have been counted.
fn count(recording: &Path, round: usize, rows: usize) -> Outcome<(f64, u64)> {
    let start = Instant::now();
    let mut child = ship(recording, &format!("count{round}"), &["--once"])
        .args(["wc", "-l"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut memory = 0;
    while child.try_wait()?.is_none() {
        memory = memory.max(measure::peak_memory_bytes(child.id()).unwrap_or(0));
        thread::sleep(LOOK_EVERY);
    }
    let seconds = start.elapsed().as_secs_f64();
    let (mut counted, mut said) = (String::new(), String::new());
    child.stdout.take().ok_or("no standard output")?.read_to_string(&mut counted)?;
    child.stderr.take().ok_or("no standard error")?.read_to_string(&mut said)?;
    let sum: usize = counted.lines().filter_map(|line| line.trim().parse::<usize>().ok()).sum();
    if sum != rows || !child.wait()?.success() {
        return Err(format!("ship has given {sum} of {rows} rows: {said}").into());
    }
    Ok((seconds, memory))
}

fn wait(recording: &Path) -> Outcome<f64> {
    // All of it has been shipped under this name.
    let mut child = ship(recording, "count0", &[]).arg("false").spawn()?;
    thread::sleep(Duration::from_millis(500));
    let before = measure::cpu_of_running(child.id())?;
    thread::sleep(WAITING);
    let spent = measure::cpu_of_running(child.id())?.saturating_sub(before);
    end(&mut child)?;
    Ok(spent.as_secs_f64() / WAITING.as_secs_f64())
}

/// Ends it as a person would.
///
/// # Errors
/// It does not end well.
pub(crate) fn end(child: &mut Child) -> Outcome<()> {
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(format!("it has failed: {status}").into()) }
}

/// A recorder at a live feed's pace, and how late its rows arrive.
fn live(plan: &Plan, load: &Load) -> Outcome<Vec<f64>> {
    let (recorder, mut sender) = Sender::start(Recorder::FinnhubStream, load.symbols())?;
    let arrivals = recorder.out().with_file_name("arrivals");
    let mut shipping = ship(recorder.out(), "live", &[])
        .arg(std::env::current_exe()?)
        .arg("--arrivals")
        .arg(&arrivals)
        .spawn()?;
    let (start, mut sent) = (Instant::now(), 0);
    for message in 0..load.message_count() {
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let due = Duration::from_secs_f64(sent as f64 / LIVE_RATE);
        // Long enough to see the worst of a second's rhythm several times.
        if due > plan.paced * 5 {
            break;
        }
        thread::sleep(due.saturating_sub(start.elapsed()));
        sender.send_frames(load.frame(message))?;
        sent += load.trades_of(message).len();
    }
    let lags = wait_for_arrivals(&arrivals, sent)?;
    end(&mut shipping)?;
    recorder.interrupt()?;
    sender.answer_until_closed();
    recorder.finish()?;
    Ok(lags)
}

fn wait_for_arrivals(arrivals: &Path, sent: usize) -> Outcome<Vec<f64>> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let text = fs::read_to_string(arrivals).unwrap_or_default();
        let lags: Vec<f64> = text.lines().filter_map(|line| line.parse().ok()).collect();
        if lags.len() >= sent && text.ends_with('\n') {
            return Ok(lags);
        }
        if Instant::now() > deadline {
            return Err(format!("{} of {sent} rows have arrived", lags.len()).into());
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// The command of the live part: this very executable with `--arrivals FILE`. Appends to the file,
/// for each row on standard input, how many milliseconds ago it was received.
///
/// # Errors
/// A row without its time, or a file that cannot be written.
pub(crate) fn note_arrivals(path: &str) -> Outcome<()> {
    let rows = io::read_to_string(io::stdin())?;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut text = String::new();
    for row in rows.lines() {
        let received_ms: i64 = row.split(',').nth(4).ok_or("a row of six columns")?.parse()?;
        writeln!(text, "{}", now_ms - received_ms)?;
    }
    let mut file = File::options().create(true).append(true).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// The largest of these.
pub(crate) fn largest(values: &[f64]) -> f64 {
    Spread::of(values.iter().copied()).high
}
