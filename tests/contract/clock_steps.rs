//! A machine whose clock is wrong, and is set right while the program records.
//!
//! Those that set the clock need Debian's `faketime`.

use std::fs;

use crate::connection::Connection;
use crate::harness::{Recorder, Run};
use crate::journal::message;
use crate::server::Server;
use crate::wall_clock::WallClock;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 2026-11-23T14:30:00Z
const HALF_PAST_MS: i64 = 1_795_444_200_000;
const HEADER: &str = "ticker,price,received_ms\n";

/// Records from this time on, into a new file each hour.
fn start(server: &Server, time_ms: i64, run: Run) -> (WallClock, Recorder, Connection) {
    let (clock, run) = WallClock::at(time_ms, run);
    let run = run.url(&server.url()).tickers("AAPL").columns(HEADER.trim_end());
    let recorder = run.arg("--rotate").arg("hourly").spawn();
    let connection = server.connect_and_wait_for_subscriptions(1);
    (clock, recorder, connection)
}

/// The names of the closed files.
fn closed(recorder: &Recorder) -> Vec<String> {
    let names = fs::read_dir(recorder.path("")).expect("the folder").flatten();
    let names = names.map(|entry| entry.file_name().into_string().expect("text"));
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.strip_prefix("op1-")?.strip_suffix(".csv")?.to_owned()))
        .filter(|name| !name.ends_with(".coverage"))
        .collect();
    names.sort();
    names
}

#[test]
#[ignore = "needs faketime"]
fn rows_of_yesterday_are_closed_under_their_date_whatever_the_clock_was_at_the_start() {
    let server = Server::plain();
    let yesterday_ms = HALF_PAST_MS - DAY_MS;
    let run = Run::new().file("op1.csv", format!("{HEADER}AAPL,1,{yesterday_ms}\n"));
    let (clock, mut recorder, mut connection) = start(&server, 60_000, run);
    recorder.wait_until("it is live", |now| now.ledger().contains("live"));
    clock.set(HALF_PAST_MS);
    connection.send_text(&message(2..=2));
    recorder.wait_until("the row", |now| now.csv().contains("AAPL,2,"));
    assert_eq!(closed(&recorder), ["2026-11-22T14"], "{}", recorder.seen());
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
#[ignore = "needs faketime"]
fn a_clock_that_was_ahead_for_a_moment_puts_no_rotation_off() {
    for ahead_ms in [9 * HOUR_MS, 3 * DAY_MS] {
        let server = Server::plain();
        let (clock, mut recorder, mut connection) = start(&server, HALF_PAST_MS, Run::new());
        connection.send_text(&message(1..=1));
        recorder.wait_until("the row", |now| now.csv().contains("AAPL,1,"));
        clock.set(HALF_PAST_MS + ahead_ms);
        connection.send_text(&message(2..=2));
        recorder.wait_until("the row", |now| now.csv().contains("AAPL,2,"));
        clock.set(HALF_PAST_MS + HOUR_MS / 2 - 2_000);
        connection.send_text(&message(3..=3));
        recorder.wait_until("the row", |now| now.csv().contains("AAPL,3,"));
        recorder.wait_until("the full hour", |now| closed(now).len() > 1);
        assert_eq!(closed(&recorder), ["2026-11-23T14", "2026-11-23T14-2"], "{}", recorder.seen());
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    }
}
