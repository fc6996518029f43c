//! Servers that fall silent in every way there is, and servers that only look so.
//!
//! With shorter timeouts than the promised one, inside the test; once in real time with the binary.

use std::thread;
use std::time::{Duration, Instant};

use finnhub_stream::feed::{Command, Timeouts};

use crate::connection::Connection;
use crate::frames::{Opcode, whole_frame};
use crate::harness::Signal;
use crate::inside::Inside;
use crate::journal::{message, recorded_up_to};
use crate::recording::{LedgerRow, ledger_rows, now_ms, rows_of_ledger};
use crate::server::Server;

const SILENCE: Duration = Duration::from_millis(1_500);
/// A little earlier, because the program heard the last message before the test saw its row.
const NEARLY: Duration = Duration::from_millis(1_400);
const PING: &str = r#"{"type":"ping"}"#;

/// In the order of the promised ones: a ping is answered, or not, before the next one.
const TIMEOUTS: Timeouts = Timeouts {
    silence: SILENCE,
    ping_every: Duration::from_millis(600),
    answer_within: Duration::from_millis(500),
};

/// The same, but silence alone would take longer than the test.
const LONG_TIMEOUTS: Timeouts = Timeouts { silence: Duration::from_secs(60), ..TIMEOUTS };

/// A busy machine still has this long for a step; less than the silence that would end any of them.
const SLOW_MACHINE: Duration = Duration::from_secs(30);

fn start(timeouts: Timeouts) -> (Server, Inside, Connection) {
    let server = Server::plain();
    let inside = Inside::start(&server.url(), &["AAPL"], timeouts);
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&message(1..=1));
    inside.wait_until("the first row", |now| now.csv().ends_with(",1\n"));
    (server, inside, connection)
}

/// Waits for the second connection; fails when it comes before `least` has passed since `since`, or
/// much later.
fn expect_reconnection(server: &Server, since: Instant, least: Duration) -> Connection {
    let connection = server.connect_and_wait_for_subscriptions(1);
    let elapsed = since.elapsed();
    assert!(elapsed >= least, "it gave up after {elapsed:?}");
    assert!(elapsed < least + SLOW_MACHINE, "it took {elapsed:?}");
    connection
}

/// Stops, and gives the row about the loss of the first connection.
fn row_about_the_loss(inside: Inside) -> LedgerRow {
    let (_, _, ledger) = inside.stop();
    let rows = rows_of_ledger(&ledger);
    let states: Vec<&str> = rows.iter().map(|row| row.state.as_str()).collect();
    assert_eq!(states, ["live", "down", "live", "down"], "{ledger}");
    assert_eq!(rows[3].reason, "stopped", "{ledger}");
    rows[1].clone()
}

#[test]
fn a_server_that_says_nothing_any_more_is_left_and_the_ledger_says_since_when() {
    let (server, inside, _silent) = start(TIMEOUTS);
    let silent_since = Instant::now();
    let (silent_since_ms, tolerance) = (now_ms(), 50);
    let _second = expect_reconnection(&server, silent_since, NEARLY);
    let row = row_about_the_loss(inside);
    assert_eq!(row.reason, "silent");
    assert!(row.time_ms <= silent_since_ms + tolerance, "{row:?}, silent from {silent_since_ms}");
}

#[test]
fn a_server_that_pings_but_does_not_trade_is_not_left() {
    let (server, inside, mut connection) = start(TIMEOUTS);
    let until = Instant::now() + 3 * SILENCE;
    while Instant::now() < until {
        connection.send_text(PING);
        let caller = server.has_a_caller(Duration::from_millis(100));
        assert!(!caller, "no trades is no fault: {}", inside.ledger());
    }
    let (_, _, ledger) = inside.stop();
    assert_eq!(rows_of_ledger(&ledger).len(), 2, "{ledger}");
}

/// It never reads, and so never answers a WebSocket ping; trades come all the same.
#[test]
fn a_server_that_never_answers_websocket_pings_is_not_left() {
    let (server, inside, mut connection) = start(TIMEOUTS);
    let until = Instant::now() + 3 * SILENCE;
    let mut number = 1_u64;
    while Instant::now() < until {
        number += 1;
        connection.send_text(&message(number..=number));
        // Longer than a ping may go unanswered where one was answered before.
        let caller = server.has_a_caller(Duration::from_millis(1_200));
        assert!(!caller, "it has never answered one: {}", inside.ledger());
    }
    inside.wait_until("all rows", |now| now.csv().contains(&format!("AAPL,{number},")));
    let (report, _, ledger) = inside.stop();
    assert_eq!((report.counts.written, rows_of_ledger(&ledger).len()), (number, 2), "{ledger}");
}

/// Half-open: the other end is gone without a word, as when a router forgets the connection.
#[test]
fn a_server_that_stops_answering_websocket_pings_is_left_soon() {
    let (server, inside, mut connection) = start(LONG_TIMEOUTS);
    connection.wait_for(Opcode::Ping);
    // That one was answered. From here on nothing comes.
    let gone_since = Instant::now();
    let _second = expect_reconnection(&server, gone_since, LONG_TIMEOUTS.answer_within);
    assert_eq!(row_about_the_loss(inside).reason, "silent: a ping was not answered");
}

#[test]
fn a_server_that_answers_websocket_pings_but_sends_no_text_is_left() {
    let (server, inside, mut connection) = start(TIMEOUTS);
    let silent_since = Instant::now();
    let answering = thread::spawn(move || {
        // Ends with the connection.
        while connection.try_answer_pings().is_ok() {}
    });
    let _second = expect_reconnection(&server, silent_since, NEARLY);
    assert_eq!(row_about_the_loss(inside).reason, "silent");
    answering.join().expect("the answering thread");
}

/// What it wants to send finds no place any more. It goes on reading all the time.
#[test]
fn a_server_that_stops_reading_is_left_after_the_same_time_whatever_it_sends() {
    const TIMEOUTS: Timeouts = Timeouts { silence: Duration::from_secs(2), ..LONG_TIMEOUTS };
    let server = Server::plain();
    server.take_little_at_a_time();
    let inside = Inside::start(&server.url(), &["AAPL"], TIMEOUTS);
    let mut stuck = server.connect_and_wait_for_subscriptions(1);
    // More than the buffers on the way take.
    let many: Vec<String> = (0..2_000).map(|number| format!("SYMBOL{number:01000}")).collect();
    // Before they are sent: on a busy machine the program may be done before this thread goes on.
    let since = Instant::now();
    inside.commands.send(Command::Watch(many));
    inside.commands.send(Command::Watch(vec!["AAPL".to_owned()]));
    let mut number = 0_u64;
    while !server.has_a_caller(Duration::from_millis(20)) {
        assert!(since.elapsed() < TIMEOUTS.silence + SLOW_MACHINE, "it is not left");
        number += 1;
        if stuck
            .try_send_raw(&whole_frame(Opcode::Text, message(number..=number).as_bytes()))
            .is_ok()
        {
            let row = format!("AAPL,{number},");
            inside.wait_until("its row", |now| {
                now.csv().contains(&row) || now.ledger().contains("down")
            });
        }
    }
    assert!(since.elapsed() >= TIMEOUTS.silence, "it gave up after {:?}", since.elapsed());
    let _second = server.connect_and_wait_for_subscriptions(1);
    let (_, _, ledger) = inside.stop();
    let rows = rows_of_ledger(&ledger);
    let reasons: Vec<&str> = rows.iter().map(|row| row.reason.as_str()).collect();
    let loss = "connection lost: the server has read nothing for 2 s";
    // What was never asked for is not live.
    assert_eq!(reasons, ["", loss, "", "stopped"]);
    assert!(number > 20, "trades were read meanwhile: {number}");
}

#[test]
fn a_server_that_trickles_a_frame_without_end_is_silent() {
    let (server, inside, connection) = start(TIMEOUTS);
    let silent_since = Instant::now();
    let trickling = connection.trickle();
    let _second = expect_reconnection(&server, silent_since, NEARLY);
    assert_eq!(row_about_the_loss(inside).reason, "silent");
    trickling.join().expect("the trickling thread");
}

/// It never reads the answers, either.
#[test]
fn a_server_that_floods_pings_and_says_nothing_is_silent() {
    let (server, inside, mut connection) = start(TIMEOUTS);
    let silent_since = Instant::now();
    let flooding = thread::spawn(move || {
        let pings = whole_frame(Opcode::Ping, &[b'x'; 125]).repeat(500);
        while connection.try_send_raw(&pings).is_ok() {}
    });
    let _second = expect_reconnection(&server, silent_since, NEARLY);
    assert_eq!(row_about_the_loss(inside).reason, "silent");
    flooding.join().expect("the flooding thread");
}

/// With trades among the pings, and nobody to read the answers: the trades are recorded as they come.
#[test]
fn answers_that_nobody_reads_do_not_hold_up_trades_nor_a_stop() {
    let server = Server::plain();
    server.take_little_at_a_time();
    let (mut recorder, mut connection) = recorded_up_to(1, &server);
    // Several times what the buffers on the way take, and what waits in the program.
    let pings = whole_frame(Opcode::Ping, &[b'x'; 125]).repeat(500);
    for number in 2..=200 {
        connection.send_raw(&pings);
        connection.send_text(&message(number..=number));
    }
    recorder.wait_for_row_count(200);
    recorder.signal(Signal::SIGTERM);
    let asked = recorder.stopwatch();
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < Duration::from_secs(3), "it took {took:?}");
    assert_eq!(ledger_rows(&recorder).len(), 2, "{}", recorder.seen());
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
#[ignore = "takes three minutes"]
fn the_promised_patience_is_a_hundred_and_fifty_seconds() {
    let (silent, pinging) = (Server::plain(), Server::plain());
    let start = |server: &Server| recorded_up_to(1, server);
    let (mut left, _silent_connection) = start(&silent);
    let (began, began_ms) = (Instant::now(), now_ms());
    let (mut stays, mut connection) = start(&pinging);
    let mut pinged = Instant::now();
    let second = loop {
        if silent.has_a_caller(Duration::from_millis(500)) {
            break silent.connect_and_wait_for_subscriptions(1);
        }
        assert!(began.elapsed() < Duration::from_secs(170), "{}", left.seen());
        if pinged.elapsed() >= MINUTE {
            pinged = Instant::now();
            connection.send_text(PING);
        }
    };
    let elapsed = began.elapsed().as_secs();
    assert!((149..=160).contains(&elapsed), "it took {elapsed} s");
    assert_eq!(left.stop(second), 0, "{}", left.seen());
    let row = ledger_rows(&left)[1].clone();
    assert_eq!(row.reason, "silent");
    assert!((row.time_ms - began_ms).abs() < 1_000, "{row:?}, the trade came at {began_ms}");
    // Nothing but Finnhub's own pings, and no answer to any WebSocket ping: that is a quiet market.
    let until = began + Duration::from_secs(180);
    while Instant::now() < until {
        assert!(!pinging.has_a_caller(Duration::from_millis(500)), "{}", stays.seen());
        if pinged.elapsed() >= MINUTE {
            pinged = Instant::now();
            connection.send_text(PING);
        }
    }
    assert_eq!(stays.stop(connection), 0, "{}", stays.seen());
    assert_eq!(ledger_rows(&stays).len(), 2, "{}", stays.seen());
}
