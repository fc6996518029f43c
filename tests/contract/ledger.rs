//! The ledger's instants: when a row is dated, whatever the machine's clock does.

use std::time::{Duration, Instant};

use crate::harness::{Recorder, Run, Signal};
use crate::journal::message;
use crate::recording::{FORETOLD_COLUMNS, ledger_rows, now_ms};
use crate::server::Server;

const HEADER: &str = "time_ms,state,tickers,reason\n";

fn start(server: &Server, run: Run) -> Recorder {
    run.url(&server.url()).tickers("AAPL,MSFT").columns(FORETOLD_COLUMNS).spawn()
}

/// As after a clock that was set back: all that is new has the time of the last row.
#[test]
fn times_never_run_backwards_also_when_the_clock_does() {
    let future_ms = now_ms() + 3_600_000;
    for (end, states) in [
        ("live,AAPL,", ["live", "down", "live", "down", "live", "down"].as_slice()),
        ("down,,stopped", ["down", "live", "down", "live", "down"].as_slice()),
    ] {
        let server = Server::plain();
        let ledger = format!("{HEADER}{future_ms},{end}\n");
        let mut recorder = start(&server, Run::new().file("op1.coverage.csv", &ledger));
        let mut connection = server.connect_and_wait_for_subscriptions(2);
        recorder.wait_until_it_says("the ledger's time stands still until then; check the clock");
        connection.send_text(&message(1..=1));
        recorder.wait_for_row_count(1);
        drop(connection);
        let connection = server.connect_and_wait_for_subscriptions(2);
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
        assert!(recorder.ledger().starts_with(&ledger), "append-only");
        // Fails when they run backwards.
        let rows = ledger_rows(&recorder);
        let found: Vec<&str> = rows.iter().map(|row| row.state.as_str()).collect();
        assert_eq!(found, states, "{}", recorder.ledger());
        assert!(rows.iter().all(|row| row.time_ms == future_ms), "{}", recorder.ledger());
    }
}

/// The end is dated by the last frame, not by the stop; what is between was not proved.
#[test]
fn a_stop_is_dated_by_the_last_frame() {
    let server = Server::plain();
    let mut recorder = start(&server, Run::new());
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    connection.send_text(&message(1..=1));
    recorder.wait_for_row_count(1);
    let last_frame_ms = now_ms();
    let quiet = Instant::now() + Duration::from_millis(1_200);
    while Instant::now() < quiet {
        recorder.wait_until("it runs", |_| true);
    }
    recorder.signal(Signal::SIGTERM);
    // It answers nothing, and so no frame comes any more.
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let rows = ledger_rows(&recorder);
    assert_eq!(rows[1].reason, "stopped", "{}", recorder.ledger());
    assert!(rows[1].time_ms <= last_frame_ms, "{} after {last_frame_ms}", recorder.ledger());
}

#[test]
fn a_refused_symbol_is_not_in_the_ledger_and_asked_for_again() {
    let server = Server::plain();
    let mut recorder = start(&server, Run::new());
    for _ in 0..2 {
        let mut connection = server.connect_and_wait_for_subscriptions(2);
        assert_eq!(connection.subscribed, ["AAPL", "MSFT"], "everything is asked for each time");
        connection.send_text(r#"{"msg":"Invalid symbol MSFT","type":"error"}"#);
        // Logged once, however often the server says it; and of symbols nobody asked for, not at all.
        connection.send_text(r#"{"msg":"Invalid symbol MSFT","type":"error"}"#);
        connection.send_text(r#"{"msg":"Invalid symbol XYZ","type":"error"}"#);
        connection.send_text(r#"{"msg":"Subscribing to too many symbols","type":"error"}"#);
        connection.send_close(1000, "");
    }
    let connection = server.connect_and_wait_for_subscriptions(2);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let rows = ledger_rows(&recorder);
    let tickers: Vec<&str> = rows.iter().map(|row| row.tickers.as_str()).collect();
    let each = ["AAPL;MSFT", "AAPL", ""];
    let expected = [each.as_slice(), &each, &["AAPL;MSFT", ""]].concat();
    assert_eq!(tickers, expected, "{}", recorder.ledger());
}

#[test]
fn outages_from_the_very_first_try_are_in_the_ledger_once() {
    let server = Server::plain();
    let mut recorder = start(&server, Run::new());
    for _ in 0..3 {
        server.accept().refuse("524 A Timeout Occurred", "", "");
    }
    let connection = server.connect_and_wait_for_subscriptions(2);
    recorder.wait_until("it is live", |now| now.ledger().contains("live"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let rows = ledger_rows(&recorder);
    let reasons: Vec<&str> = rows.iter().map(|row| row.reason.as_str()).collect();
    let [first, "", "stopped"] = reasons[..] else { panic!("{}", recorder.ledger()) };
    assert!(first.contains("HTTP 524"), "{first}");
}

/// Five hundred of fifteen hundred symbols, each refused by a message of its own.
#[test]
fn refusals_that_come_together_make_one_row() {
    let server = Server::plain();
    let name = |number: usize| format!("SYMBOL{number}");
    let list: Vec<String> = (0..1_500).map(name).collect();
    let run = Run::new().url(&server.url()).file("list.txt", list.join("\n"));
    let mut recorder = run.arg("--tickers-file").arg("list.txt").columns(FORETOLD_COLUMNS).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1_500);
    for number in 0..500 {
        let symbol = name(number);
        connection.send_text(&format!(r#"{{"msg":"Invalid symbol {symbol}","type":"error"}}"#));
        // Trades between them are no pause, and no reason for a row.
        connection.send_text(&message(1..=1));
    }
    recorder.wait_for_row_count(500);
    let kept = list[500..].join(";");
    recorder.wait_until("the refusals in the ledger", |now| {
        now.ledger().contains(&format!(",live,{kept},"))
    });
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let rows = ledger_rows(&recorder);
    assert!(rows.len() <= 4, "{} rows", rows.len());
    assert_eq!(rows[rows.len() - 2].tickers, kept);
}
