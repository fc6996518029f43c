//! `--demo`: a market of its own, for a first look without a key.

use crate::harness::{Recorder, Run, Signal};
use crate::recording::{assert_says, summary_line, trade_message};
use crate::server::Server;
use crate::simulate_command::url as simulator_url;

const ROW: &str = "1.5,5,1680300000123,1680300000200,\n";
const HEADER: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions\n";

fn stop(mut recorder: Recorder) -> Recorder {
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    recorder
}

#[test]
fn the_demo_alone_has_symbols_and_a_file_of_its_own() {
    let mut recorder = Run::without_key().arg("--demo").spawn();
    recorder.wait_until("rows of all three symbols", |now| {
        let csv = now.text_of("demo.csv");
        ["AAPL", "MSFT", "BINANCE:BTCUSDT"]
            .iter()
            .all(|symbol| csv.contains(&format!("\nDEMO:{symbol},")))
    });
    let recorder = stop(recorder);
    let told = recorder.stderr();
    let first = told.lines().next().expect("a line");
    let words = ["recording 3 simulated symbols to demo.csv", "; add --dashboard to see it"];
    assert!(words.iter().all(|word| first.contains(word)), "{first}");
    assert!(first.chars().count() <= 160, "more than two lines of a terminal: {first}");
    assert!(!recorder.path("op1.csv").exists(), "{}", recorder.seen());
    let ledger = recorder.text_of("demo.coverage.csv");
    assert!(ledger.contains(",live,DEMO:AAPL;DEMO:MSFT;DEMO:BINANCE:BTCUSDT,"), "{ledger}");
    // And it goes on with it.
    let mut again = Run::beside(&recorder).arg("--demo").spawn();
    let before = recorder.text_of("demo.csv").len();
    again.wait_until("more rows", |now| now.text_of("demo.csv").len() > before);
    stop(again);
}

/// Fails unless the run is refused with one line that holds `words`, and the recording stays.
fn assert_refused(run: Run, words: &[&str]) {
    let before = std::fs::read(run.directory().join("op1.csv")).expect("the recording");
    let (code, recorder) = run.run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    let line = recorder.only_error_line();
    for word in words {
        assert!(line.contains(word), "{word}: {line}");
    }
    assert_eq!(recorder.bytes_of("op1.csv"), before);
    assert!(!recorder.path("op1.csv.lock").exists(), "nothing is left behind");
}

#[test]
fn simulated_and_real_rows_never_meet_in_one_file() {
    let demo = || Run::new().arg("--demo").arg("--out").arg("op1.csv");
    let real = || Run::new().url("ws://127.0.0.1:9").tickers("MSFT");
    let many = |ticker: &str| format!("{ticker},{ROW}").repeat(1000);
    for (ticker, run) in [("AAPL", &demo as &dyn Fn() -> Run), ("DEMO:AAPL", &real)] {
        let words = ["op1.csv", ticker, "--out"];
        let other = if ticker == "AAPL" { "DEMO:MSFT" } else { "MSFT" };
        assert_refused(run().file("op1.csv", format!("{HEADER}{ticker},{ROW}")), &words);
        // One row of the wrong kind at either end is enough.
        let first = format!("{HEADER}{ticker},{ROW}{}", many(other));
        assert_refused(run().file("op1.csv", first), &words);
        let last = format!("{HEADER}{}{ticker},{ROW}", many(other));
        assert_refused(run().file("op1.csv", last), &words);
        // Without the column, and without a row, the ledger has it.
        let ledger = format!("time_ms,state,tickers,reason\n1,live,{ticker},\n2,down,,stopped\n");
        let run = run().file("op1.csv", "price\n1.5\n").columns("price");
        assert_refused(run.file("op1.coverage.csv", ledger), &words);
    }
    let (code, mixed) = Run::new().tickers("AAPL,DEMO:MSFT").run_to_its_end();
    assert_eq!(code, 2, "{}", mixed.seen());
    assert!(mixed.only_error_line().contains("cannot be in one recording"), "{}", mixed.seen());
}

#[test]
fn the_demo_needs_no_key_and_marks_its_symbols() {
    let run = Run::without_key().arg("--demo").tickers("AAPL,MSFT").arg("--out").arg("op1.csv");
    let mut recorder = run.spawn();
    recorder.wait_until("rows of both symbols", |now| {
        let csv = now.csv();
        csv.contains("\nDEMO:AAPL,") && csv.contains("\nDEMO:MSFT,")
    });
    recorder.signal(Signal::SIGINT);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let csv = recorder.csv();
    let rows: Vec<&str> = csv.lines().skip(1).collect();
    for row in &rows {
        let fields: Vec<&str> = row.split(',').collect();
        assert_eq!(fields.len(), 6, "{row}");
        assert!(["DEMO:AAPL", "DEMO:MSFT"].contains(&fields[0]), "{row}");
        assert!(fields[1].parse::<f64>().is_ok_and(|price| price > 0.0), "{row}");
        assert!(fields[2].parse::<f64>().is_ok_and(|volume| volume >= 0.0), "{row}");
        assert!(fields[3].len() == 13 && fields[4].len() == 13, "{row}");
    }
    assert_says(&recorder, &summary_line(rows.len(), 0));
}

#[test]
fn the_demo_never_uses_a_key_that_is_there() {
    let run = Run::new().env("FINNHUB_API_KEY", "two words").arg("--demo").tickers("AAPL");
    let mut recorder = run.arg("--out").arg("op1.csv").spawn();
    recorder.wait_for_row_count(1);
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}

/// The arguments of a command of the README that records or simulates, if `line` is one.
fn command(line: &str) -> Option<Vec<&str>> {
    // The first one installs packages before.
    let line = line.rsplit(" && ").next().unwrap_or_default();
    let line = line.trim_start().trim_start_matches("FINNHUB_API_KEY=anything ");
    let rest = ["cargo run --release -- ", "finnhub-stream "].map(|start| line.strip_prefix(start));
    // What needs a shell is left to the tests of the options in it.
    let rest = rest.into_iter().flatten().next().filter(|rest| !rest.contains(['|', '\'']))?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let first = ["--demo", "--tickers", "--tickers-file", "--url", "simulate"];
    first.contains(words.first()?).then_some(words)
}

/// Runs a command that records, until a row more is in its file, and stops it.
fn record_a_row(folder: &Recorder, words: &[&str], server: &Server, market: &str) {
    let demo = words.contains(&"--demo");
    let out = words.iter().position(|word| *word == "--out").map(|at| words[at + 1]);
    let out = out.unwrap_or(if demo { "demo.csv" } else { "op1.csv" });
    let rows = |recorder: &Recorder| recorder.text_of(out).lines().count();
    let before = rows(folder).max(1);
    let given = words.iter().map(|word| match *word {
        MARKET => market,
        "--dashboard" => "--dashboard=127.0.0.1:0",
        word => word,
    });
    let run = given.fold(Run::beside(folder), Run::arg);
    if demo || words.contains(&MARKET) {
        let mut recorder = run.spawn();
        recorder.wait_until("rows", |now| rows(now) > before);
        stop(recorder);
        return;
    }
    let mut recorder = run.url(&server.url()).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade_message(&[r#"{"p":1,"s":"AAPL","t":1,"v":1}"#]));
    recorder.wait_until("a row", |now| rows(now) > before);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

/// Where the README's simulator listens.
const MARKET: &str = "ws://127.0.0.1:9000";

#[test]
fn the_commands_of_the_readme_one_after_the_other_mix_nothing() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let readme = readme.expect("the README");
    let (_, folder) = Run::new().file("symbols.txt", "AAPL\n").arg("--version").run_to_its_end();
    let server = Server::plain();
    let simulator = Run::beside(&folder).arg("simulate").arg("--listen=127.0.0.1:0");
    let mut simulator = simulator.spawn();
    let market = simulator_url(&mut simulator);
    let mut done = Vec::new();
    for words in readme.lines().filter_map(command) {
        if words[0] != "simulate" {
            record_a_row(&folder, &words, &server, &market);
        }
        done.push(words[0]);
    }
    stop(simulator);
    for kind in ["--demo", "--tickers", "simulate", "--url"] {
        assert!(done.contains(&kind), "{kind} is not among {done:?}");
    }
    for (file, simulated) in [("demo.csv", true), ("op1.csv", false), ("simulated.csv", true)] {
        let text = folder.text_of(file);
        assert!(text.lines().count() > 1, "{file}");
        for row in text.lines().skip(1) {
            assert_eq!(row.starts_with("DEMO:"), simulated, "{file}: {row}");
        }
    }
}
