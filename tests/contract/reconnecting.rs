//! A lost connection is made again, everything wanted is asked for again, nothing sent is lost.

use std::fmt::Write as _;
use std::time::Duration;

use crate::connection::Connection;
use crate::frames::{Opcode, append_frame};
use crate::harness::{Recorder, Run, Signal};
use crate::recording::{FORETOLD_COLUMNS, assert_says, summary_line, trade_message};
use crate::server::{ClosedPort, Server};

/// One trade with this price.
fn trade(price: usize) -> String {
    trade_message(&[&format!(r#"{{"p":{price},"s":"AAPL","t":1680300000123,"v":5}}"#)])
}

/// The whole file after the trades with the prices from 1 to `last`.
fn csv_up_to(last: usize) -> String {
    let mut csv = format!("{FORETOLD_COLUMNS}\n");
    for price in 1..=last {
        writeln!(csv, "AAPL,{price},5,1680300000123,").expect("memory");
    }
    csv
}

fn start(url: &str) -> Recorder {
    Run::new().url(url).tickers("AAPL,MSFT").columns(FORETOLD_COLUMNS).spawn()
}

/// Ways in which a server leaves, each after it has sent the trades 1 to 50.
type Leave = fn(&mut Connection);

#[test]
fn recording_goes_on_after_every_way_of_losing_a_connection() {
    let ways: [(&str, Leave); 5] = [
        ("close 1000", |connection| connection.send_close(1000, "")),
        ("close 1012 with a reason", |connection| connection.send_close(1012, "restart, now")),
        ("end of the stream", |_| {}),
        ("half a frame", |connection| connection.send_raw(&[0x81, 126, 0x01])),
        ("a frame of no known kind", |connection| connection.send_raw(&[0xff, 0x7f, 0xff, 0xff])),
    ];
    for (way, leave) in ways {
        let server = Server::plain();
        let mut recorder = start(&server.url());
        let mut first = server.connect_and_wait_for_subscriptions(2);
        for price in 1..=50 {
            first.send_text(&trade(price));
        }
        leave(&mut first);
        drop(first);
        let mut second = server.connect_and_wait_for_subscriptions(2);
        assert_eq!(second.subscribed, ["AAPL", "MSFT"], "{way}");
        second.send_text(&trade(51));
        recorder.wait_for_row_count(51);
        assert_eq!(recorder.stop(second), 0, "{way}: {}", recorder.seen());
        assert_eq!(recorder.csv(), csv_up_to(51), "{way}");
        assert_says(&recorder, &summary_line(51, 0));
        assert_ledger_states(&recorder, &["live", "down", "live", "down"]);
    }
}

/// Fails unless the ledger's rows have exactly these states, with times that never run backwards.
fn assert_ledger_states(recorder: &Recorder, expected: &[&str]) {
    let ledger = recorder.ledger();
    let mut lines = ledger.lines();
    assert_eq!(lines.next(), Some("time_ms,state,tickers,reason"), "{ledger}");
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let states: Vec<&str> = rows.iter().map(|row| row[1]).collect();
    assert_eq!(states, expected, "{ledger}");
    let times: Vec<u64> = rows.iter().map(|row| row[0].parse().expect("milliseconds")).collect();
    assert!(times.is_sorted(), "{ledger}");
}

#[test]
fn a_reset_connection_is_made_again() {
    let server = Server::plain();
    let mut recorder = start(&server.url());
    let mut first = server.connect_and_wait_for_subscriptions(2);
    first.send_text(&trade(1));
    // A reset throws away what the program has not read yet: wait until it has.
    recorder.wait_for_row_count(1);
    first.reset();
    let mut second = server.connect_and_wait_for_subscriptions(2);
    second.send_text(&trade(2));
    recorder.wait_for_row_count(2);
    assert_eq!(recorder.stop(second), 0, "{}", recorder.seen());
    assert_eq!(recorder.csv(), csv_up_to(2));
    assert_ledger_states(&recorder, &["live", "down", "live", "down"]);
}

#[test]
fn a_server_that_goes_away_and_comes_back_is_found_again() {
    let server = Server::plain();
    let mut recorder = start(&server.url());
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    connection.send_text(&trade(1));
    recorder.wait_for_row_count(1);
    let port = server.shut_down();
    drop(connection);
    recorder.wait_until_it_says("refused");
    let server = port.open();
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    connection.send_text(&trade(2));
    recorder.wait_for_row_count(2);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(recorder.csv(), csv_up_to(2));
}

#[test]
fn a_server_that_is_not_there_yet_is_waited_for() {
    let port = ClosedPort::new();
    let mut recorder = start(&port.url());
    recorder.wait_until_it_says("refused");
    let server = port.open();
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    connection.send_text(&trade(1));
    recorder.wait_for_row_count(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(recorder.csv(), csv_up_to(1));
}

#[test]
fn a_name_that_cannot_be_resolved_is_tried_again_and_named() {
    let mut recorder = start("wss://no-such-host.invalid");
    recorder.wait_until_it_says("no-such-host.invalid");
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "it was still trying: {}", recorder.seen());
}

#[test]
fn a_slow_answer_to_the_upgrade_is_waited_for() {
    let server = Server::plain();
    let mut recorder = start(&server.url());
    let handshake = server.accept();
    // Longer than any tick of a read loop; nothing may be given up or dialled anew meanwhile.
    assert!(!server.has_a_caller(Duration::from_secs(2)), "it dialled anew: {}", recorder.seen());
    let mut connection = handshake.upgrade();
    connection.wait_for_subscriptions(2);
    connection.send_text(&trade(1));
    recorder.wait_for_row_count(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn trades_that_come_in_one_piece_with_the_upgrade_are_recorded() {
    let server = Server::plain();
    let mut recorder = start(&server.url());
    let mut bytes = Vec::new();
    append_frame(&mut bytes, Opcode::Text, true, trade(1).as_bytes());
    let mut connection = server.accept().upgrade_with(&bytes);
    recorder.wait_for_row_count(1);
    connection.wait_for_subscriptions(2);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(recorder.csv(), csv_up_to(1));
}

#[test]
fn a_key_that_another_process_uses_is_recognised_by_its_shape() {
    let server = Server::plain();
    let mut recorder = start(&server.url());
    for _ in 0..3 {
        let mut connection = server.connect_and_wait_for_subscriptions(2);
        connection.send_close(1000, "");
    }
    recorder.wait_until_it_says("another process");
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}

#[test]
fn an_error_message_of_the_server_ends_nothing_and_is_shown() {
    let server = Server::plain();
    let mut recorder = start(&server.url());
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    connection.send_text(r#"{"msg":"Invalid symbol MSFT","type":"error"}"#);
    connection.send_text(r#"{"msg":"Subscribing to too many symbols","type":"error"}"#);
    connection.send_text(&trade(1));
    recorder.wait_for_row_count(1);
    recorder.wait_until_it_says("MSFT");
    recorder.wait_until_it_says("too many symbols");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

/// It sends one for each symbol above its limit.
#[test]
fn too_many_symbols_are_told_once_and_again_after_a_change_of_the_list() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).file("list.txt", "AAPL\nMSFT\nIBM\n");
    let mut recorder = run.arg("-f").arg("list.txt").columns(FORETOLD_COLUMNS).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(3);
    let told = |now: &Recorder| now.log().matches("too many symbols").count();
    for (times, price) in [(1, 1), (2, 2)] {
        for _ in 0..2 {
            connection.send_text(r#"{"msg":"Subscribing to too many symbols","type":"error"}"#);
        }
        connection.send_text(&trade(price));
        recorder.wait_for_row_count(price);
        recorder.wait_until("it is told", |now| told(now) >= times);
        if times == 1 {
            std::fs::write(recorder.path("list.txt"), "AAPL\nMSFT\nIBM\nTSLA\n").expect("the list");
            connection.wait_for_subscriptions(4);
        }
    }
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(told(&recorder), 2, "{}", recorder.seen());
}
