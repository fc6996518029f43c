//! Part (f): how fast `verify` reads a recording and its `.gz`, beside the least that reading can be
//! (`wc -l`, `zcat`) and an engine that reads it with all cores (`duckdb`). The files are in the page
//! cache for all of them. Runs on the main thread of the bench.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::Outcome;
use crate::candles::write_recording;
use crate::plan::Plan;

/// All figures of this part.
pub(crate) struct Readings {
    pub(crate) rows: usize,
    /// Of the text, not of the `.gz`.
    pub(crate) bytes: u64,
    pub(crate) all: Vec<Reading>,
}

/// What one of them did in each round; nothing if it is not there.
pub(crate) struct Reading {
    pub(crate) name: String,
    pub(crate) seconds: Vec<f64>,
}

/// Rows in relation to the trades of a round, so that starting a process hardly counts.
const ROWS_PER_TRADE: usize = 8;

/// # Errors
/// One of them fails.
pub(crate) fn compare(plan: &Plan) -> Outcome<Readings> {
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let (recording, compressed) =
        (directory.path().join("op1.csv"), directory.path().join("op1.csv.gz"));
    let rows = ROWS_PER_TRADE * plan.trades;
    write_recording(directory.path(), rows)?;
    run(&mut command("gzip", &["--keep"], &recording))?;
    let mut commands = Vec::new();
    for (file, kind) in [(&recording, ""), (&compressed, " of its .gz")] {
        for recorder in plan.programs() {
            let name = format!("{} verify{kind}", recorder.name());
            let program = recorder.program().unwrap_or_default();
            commands.push((name, command(&program.to_string_lossy(), &["verify"], file)));
        }
    }
    commands.push(("wc -l".to_owned(), command("wc", &["-l"], &recording)));
    commands.push(("zcat".to_owned(), command("zcat", &[], &compressed)));
    let python = std::env::var("FINNHUB_TEST_PYTHON").unwrap_or_default();
    let script = "import duckdb, sys; duckdb.sql(f\"select count(*) from read_csv('{sys.argv[1]}')\").fetchall()";
    commands.push(("DuckDB count(*)".to_owned(), command(&python, &["-c", script], &recording)));
    let has_duckdb = run(Command::new(&python).args(["-c", "import duckdb"])).is_ok();
    let mut all: Vec<Reading> = commands
        .iter()
        .map(|(name, _)| Reading { name: name.clone(), seconds: Vec::new() })
        .collect();
    for _ in 0..plan.rounds {
        for ((name, command), reading) in commands.iter_mut().zip(&mut all) {
            if !has_duckdb && name.starts_with("DuckDB") {
                continue;
            }
            let start = Instant::now();
            run(command)?;
            reading.seconds.push(start.elapsed().as_secs_f64());
        }
    }
    Ok(Readings { rows, bytes: recording.metadata()?.len(), all })
}

fn command(program: &str, arguments: &[&str], file: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg(file);
    command
}

fn run(command: &mut Command) -> Outcome<()> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}
