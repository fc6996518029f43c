//! Part (f): how fast `verify` reads a recording, beside the least that reading can be (`wc -l`) and
//! an engine that reads it with all cores (`duckdb`). The file is in the page cache for all of them.
//! Runs on the main thread of the bench.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::Outcome;
use crate::plan::Plan;
use crate::shipping::write_recording;

/// What one of them did in each round.
pub(crate) struct Reading {
    pub(crate) name: &'static str,
    pub(crate) gigabytes_per_second: Vec<f64>,
}

/// Rows in relation to the trades of a round, so that starting a process hardly counts.
const ROWS_PER_TRADE: usize = 8;

/// # Errors
/// One of them fails.
pub(crate) fn compare(plan: &Plan) -> Outcome<Vec<Reading>> {
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let recording = directory.path().join("op1.csv");
    write_recording(&recording, ROWS_PER_TRADE * plan.trades)?;
    let mut all = vec![
        ("verify", command(env!("CARGO_BIN_EXE_finnhub-stream"), &["verify"], &recording)),
        ("wc -l", command("wc", &["-l"], &recording)),
    ];
    if let Some(python) = std::env::var_os("FINNHUB_TEST_PYTHON") {
        let script = "import duckdb, sys; duckdb.sql(f\"select count(*) from read_csv('{sys.argv[1]}')\").fetchall()";
        all.push((
            "DuckDB count(*)",
            command(&python.to_string_lossy(), &["-c", script], &recording),
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "no file has 2^52 bytes")]
    let gigabytes = recording.metadata()?.len() as f64 / 1e9;
    let mut readings: Vec<Reading> =
        all.iter().map(|(name, _)| Reading { name, gigabytes_per_second: Vec::new() }).collect();
    for _ in 0..plan.rounds {
        for ((name, command), reading) in all.iter_mut().zip(&mut readings) {
            let start = Instant::now();
            if !command.status()?.success() {
                return Err(format!("{name} failed").into());
            }
            reading.gigabytes_per_second.push(gigabytes / start.elapsed().as_secs_f64());
        }
    }
    Ok(readings)
}

fn command(program: &str, arguments: &[&str], recording: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg(recording).stdout(Stdio::null());
    command
}
