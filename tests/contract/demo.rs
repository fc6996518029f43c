//! `--demo`: a market of its own, for a first look without a key.

use crate::harness::{Run, Signal};
use crate::recording::{assert_says, summary_line};

#[test]
fn the_demo_needs_no_key_and_marks_its_symbols() {
    let mut recorder = Run::without_key().arg("--demo").tickers("AAPL,MSFT").spawn();
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
    let mut recorder = run.spawn();
    recorder.wait_for_row_count(1);
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}
