//! A machine whose clock is wrong, and is set right while the program records.
//!
//! Those that set the clock need Debian's `faketime`.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::connection::Connection;
use crate::harness::{Recorder, Run, Signal};
use crate::journal::message;
use crate::recording::ledger_rows;
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
    let (mut clock, mut recorder, mut connection) = start(&server, 60_000, run);
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
        let (mut clock, mut recorder, mut connection) = start(&server, HALF_PAST_MS, Run::new());
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

/// Time, state and reason of each row.
fn instants(recorder: &Recorder) -> Vec<(i64, String, String)> {
    let rows = ledger_rows(recorder).into_iter();
    rows.map(|row| (row.time_ms, row.state, row.reason)).collect()
}

/// The `received_ms` of each row of `op1.csv`.
fn received(recorder: &Recorder) -> Vec<i64> {
    let csv = recorder.csv();
    let rows = csv.lines().skip(1);
    rows.map(|row| row.rsplit(',').next().and_then(|it| it.parse().ok()).expect(row)).collect()
}

/// What `verify` calls covered and missing.
fn verified(recorder: &Recorder) -> (i64, i64) {
    let run = Run::beside(recorder).arg("verify").arg("--json").arg("op1.csv");
    let (_, verified) = run.run_to_its_end();
    let report: serde_json::Value = serde_json::from_str(&verified.stdout()).expect("JSON");
    let time = |name: &str| report["total"][name].as_i64().expect("a time");
    (time("covered_ms"), time("missing_ms"))
}

#[test]
#[ignore = "needs faketime"]
fn what_a_clock_skips_is_not_called_recorded() {
    let server = Server::plain();
    let (mut clock, run) = WallClock::at(60_000, Run::new());
    let run = run.url(&server.url()).tickers("AAPL").columns(HEADER.trim_end());
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&message(1..=1));
    recorder.wait_until("the row", |now| now.csv().contains("AAPL,1,"));
    // With a trade soon after, and without one.
    clock.set(HALF_PAST_MS);
    connection.send_text(&message(2..=2));
    recorder.wait_until("the row", |now| now.csv().contains("AAPL,2,"));
    clock.set(HALF_PAST_MS + DAY_MS);
    recorder.wait_until("it is noticed", |now| now.ledger().matches("set forward").count() == 2);
    // Corrections by less, and backwards, are no skips.
    clock.set_by(1_500);
    connection.send_text(&message(3..=3));
    recorder.wait_until("the row", |now| now.csv().contains("AAPL,3,"));
    clock.set_by(-10_000);
    connection.send_text(&message(4..=4));
    recorder.wait_until("the row", |now| now.csv().contains("AAPL,4,"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());

    let (rows, received) = (instants(&recorder), received(&recorder));
    let states: Vec<(&str, &str)> = rows.iter().map(|row| (&*row.1, &*row.2)).collect();
    let skip = [("down", "clock set forward"), ("live", "")];
    let expected = [[("live", "")].as_slice(), &skip, &skip, &[("down", "stopped")]].concat();
    assert_eq!(states, expected, "{}", recorder.seen());
    let near = |ms: i64, at_ms: i64| (at_ms..at_ms + 10_000).contains(&ms);
    assert!(received[0] <= rows[1].0 && near(rows[1].0, 60_000), "{}", recorder.seen());
    assert!(rows[2].0 <= received[1] && near(rows[2].0, HALF_PAST_MS), "{}", recorder.seen());
    assert!(received[1] <= rows[3].0 && near(rows[3].0, HALF_PAST_MS), "{}", recorder.seen());
    assert!(near(rows[4].0, HALF_PAST_MS + DAY_MS), "{}", recorder.seen());
    let (covered_ms, missing_ms) = verified(&recorder);
    assert!(covered_ms < 30_000, "covered {covered_ms} ms: {}", recorder.seen());
    assert!(missing_ms > HALF_PAST_MS, "missing {missing_ms} ms: {}", recorder.seen());
}

/// A kill before anybody has noticed, and one after it; and the same while a file is closed.
#[test]
#[ignore = "needs faketime"]
fn what_a_clock_skips_is_not_called_recorded_by_the_start_after_a_kill() {
    for noticed in [false, true] {
        let server = Server::plain();
        let (mut clock, mut recorder, mut connection) = start(&server, HALF_PAST_MS, Run::new());
        connection.send_text(&message(1..=1));
        recorder.wait_until("the row", |now| now.csv().contains("AAPL,1,"));
        clock.set(HALF_PAST_MS + 3 * DAY_MS);
        if noticed {
            recorder.wait_until("it is noticed", |now| now.ledger().contains("live,AAPL"));
            recorder.wait_until("it is noticed", |now| closed(now).len() == 1);
        } else {
            // Longer than a heartbeat, shorter than the session's look.
            thread::sleep(Duration::from_millis(2_500));
        }
        recorder.signal(Signal::SIGKILL);
        recorder.wait_exit();
        let run = clock.show_to(Run::beside(&recorder)).url(&server.url()).tickers("AAPL");
        let mut recorder = run.columns(HEADER.trim_end()).arg("--rotate").arg("hourly").spawn();
        let connection = server.connect_and_wait_for_subscriptions(1);
        recorder.wait_until("it is live", |now| now.ledger().ends_with(",live,AAPL,\n"));
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
        let names = closed(&recorder).into_iter().map(|name| format!("op1-{name}.csv"));
        let run = Run::beside(&recorder).arg("verify").arg("--json").arg("op1.csv");
        let (_, verified) = names.fold(run, Run::arg).run_to_its_end();
        let report: serde_json::Value = serde_json::from_str(&verified.stdout()).expect("JSON");
        let covered_ms = report["total"]["covered_ms"].as_i64().expect("a time");
        assert!(covered_ms < 30_000, "covered {covered_ms} ms, {noticed}: {}", recorder.seen());
    }
}
