//! The file itself: its columns, what is appended to, and when a row can be seen.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::harness::Run;
use crate::recording::trade_message;
use crate::server::Server;

const TRADE: &str = r#"{"c":["1","12"],"p":100.10,"s":"AAPL","t":1680286537580,"v":5}"#;
const ALL_COLUMNS: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions";

/// Streams one trade into the file that `run` describes and gives the whole file.
fn csv_after_one_trade(run: Run) -> String {
    let server = Server::plain();
    let mut recorder = run.url(&server.url()).tickers("AAPL").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let lines_before = recorder.csv().lines().count();
    connection.send_text(&trade_message(&[TRADE]));
    recorder.wait_until("one row more", |now| now.csv().lines().count() > lines_before);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    recorder.csv()
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis()
}

#[test]
fn the_six_columns_are_written_with_a_plausible_time_of_receipt() {
    let before = now_ms();
    let csv = csv_after_one_trade(Run::new());
    let after = now_ms();
    let row = csv.strip_prefix(&format!("{ALL_COLUMNS}\n")).expect("the header");
    let fields: Vec<&str> = row.strip_suffix('\n').expect("one whole row").split(',').collect();
    assert_eq!(fields.len(), 6, "{csv}");
    assert_eq!(&fields[..4], ["AAPL", "100.10", "5", "1680286537580"]);
    let received: u128 = fields[4].parse().expect("milliseconds");
    assert!((before..=after).contains(&received), "{before} <= {received} <= {after}");
    assert_eq!(fields[5], "1;12");
}

#[test]
fn columns_can_be_chosen_and_ordered() {
    for (columns, row) in [
        ("ticker,price,volume", "AAPL,100.10,5"),
        ("conditions,timestamp_ms,ticker", "1;12,1680286537580,AAPL"),
        ("price", "100.10"),
    ] {
        let csv = csv_after_one_trade(Run::new().columns(columns));
        assert_eq!(csv, format!("{columns}\n{row}\n"));
    }
}

#[test]
fn the_file_can_have_another_name_and_its_ledger_follows() {
    let server = Server::plain();
    let run = Run::new().folder("data").url(&server.url()).tickers("AAPL").columns("price");
    let run = run.arg("--out").arg("data/today.csv").arg("--log-file").arg("data/today.log");
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade_message(&[TRADE]));
    recorder.wait_until("the row", |now| now.text_of("data/today.csv") == "price\n100.10\n");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(recorder.text_of("data/today.coverage.csv").contains("live"), "{}", recorder.seen());
    assert!(recorder.text_of("data/today.log").contains("received 1"), "{}", recorder.seen());
    for default in ["op1.csv", "op1.coverage.csv", "websocket_data.log"] {
        assert!(!recorder.path(default).exists(), "{default} was not asked for");
    }
}

#[test]
fn an_existing_file_is_appended_to() {
    let old = "ticker,price,volume\n\"A,B\",1.50,2\nAAPL,100.10,5\n";
    let csv = csv_after_one_trade(Run::new().columns("ticker,price,volume").file("op1.csv", old));
    assert_eq!(csv, format!("{old}AAPL,100.10,5\n"));
}

#[test]
fn a_file_that_a_windows_program_wrote_is_appended_to() {
    let old = "ticker,price,volume\r\nAAPL,1.50,2\r\n";
    let csv = csv_after_one_trade(Run::new().columns("ticker,price,volume").file("op1.csv", old));
    assert_eq!(csv, format!("{old}AAPL,100.10,5\n"));
}

#[test]
fn an_empty_file_gets_a_header() {
    let csv = csv_after_one_trade(Run::new().columns("ticker,price").file("op1.csv", ""));
    assert_eq!(csv, "ticker,price\nAAPL,100.10\n");
}

#[test]
fn a_file_with_other_columns_is_refused_before_connecting() {
    for (old_header, asked) in [
        ("ticker,price,volume", ALL_COLUMNS),
        ("ticker,volume,price", "ticker,price,volume"),
        ("Symbol,Last", "ticker,price"),
    ] {
        let server = Server::plain();
        let old = format!("{old_header}\nAAPL,1.5,2\n");
        let run = Run::new().url(&server.url()).tickers("AAPL").columns(asked);
        let (code, recorder) = run.file("op1.csv", &old).run_to_its_end();
        assert_eq!(code, 1, "{}", recorder.seen());
        let line = recorder.only_error_line();
        assert!(line.contains("op1.csv") && line.contains(old_header), "{line}");
        assert_eq!(recorder.csv(), old, "the file is untouched");
        assert!(!server.has_a_caller(Duration::ZERO), "it must not connect");
    }
}

#[test]
fn the_refusal_of_other_columns_says_how_to_match_them() {
    let run = Run::new().url("ws://127.0.0.1:9").tickers("AAPL");
    let (_, recorder) = run.file("op1.csv", "ticker,price,volume\n").run_to_its_end();
    let line = recorder.only_error_line();
    assert!(line.contains("--columns ticker,price,volume"), "{line}");
}

/// A row must be seen within milliseconds; a machine busy with other tests gets this long.
const SOON: Duration = Duration::from_millis(250);

#[test]
fn a_row_is_visible_within_milliseconds_while_the_connection_stays_open() {
    let server = Server::plain();
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").columns("price").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let mut delays = Vec::new();
    for number in 1..=20 {
        let sent = recorder.stopwatch();
        connection.send_text(&trade_message(&[TRADE]));
        recorder.wait_for_row_count(number);
        delays.push(recorder.took(&sent));
    }
    // The median, because a single one can be the machine's doing.
    delays.sort();
    assert!(delays[10] < SOON, "{delays:?}");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn a_file_that_is_being_recorded_is_refused_to_a_second_process() {
    let server = Server::plain();
    let mut first = Run::new().url(&server.url()).tickers("AAPL").spawn();
    let connection = server.connect_and_wait_for_subscriptions(1);
    let second = Run::beside(&first).url(&server.url()).tickers("AAPL");
    let (code, second) = second.run_to_its_end();
    assert_eq!(code, 1, "{}", second.seen());
    assert!(second.only_error_line().contains("op1.csv"), "{}", second.seen());
    assert!(!server.has_a_caller(Duration::ZERO), "it must not connect");
    assert_eq!(first.stop(connection), 0, "{}", first.seen());
}

#[test]
fn a_log_on_standard_error_makes_no_file() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL");
    let mut recorder = run.arg("--log-file").arg("-").spawn();
    let connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until("a line of the log", |now| now.stderr().contains("INFO  connected to "));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(recorder.stderr().contains("to op1.csv, log here only\n"), "{}", recorder.seen());
    assert_eq!(recorder.stderr().matches("connected to").count(), 1, "each line once");
    let files: Vec<_> = recorder.all_files().into_iter().map(|(path, _)| path).collect();
    let made = ["op1.coverage.csv", "op1.csv", "op1.csv.lock"].map(|name| recorder.path(name));
    assert_eq!(files, made);
}
