//! `--demo`: a market of its own, for a first look without a key.

use crate::harness::{Recorder, Run, Signal};
use crate::recording::{assert_says, summary_line};

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
