//! Somebody moves, removes or empties the files while they are being recorded.

use std::fs::{self, OpenOptions};

use crate::connection::Connection;
use crate::harness::{Recorder, Run};
use crate::journal::{message, numbers_of, recorded_up_to};
use crate::recording::{FORETOLD_COLUMNS, assert_says, ledger_rows, summary_line};
use crate::server::Server;

fn start(server: &Server) -> (Recorder, Connection) {
    recorded_up_to(3, server)
}

fn numbers_in(csv: &str) -> Vec<u64> {
    numbers_of(csv.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header"))
}

#[test]
fn a_recording_that_was_moved_away_goes_on_under_its_name_and_nothing_is_lost() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(&server);
    fs::rename(recorder.path("op1.csv"), recorder.path("yesterday.csv")).expect("to be moved");
    connection.send_text(&message(4..=6));
    recorder.wait_until_it_says("op1.csv was moved or removed");
    connection.send_text(&message(7..=9));
    recorder.wait_for_row_count(3);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(numbers_in(&recorder.text_of("yesterday.csv")), [1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers_in(&recorder.csv()), [7, 8, 9]);
    assert_eq!(recorder.stderr().matches("was moved or removed").count(), 1);
    assert_says(&recorder, &summary_line(9, 0));
    assert_eq!(ledger_rows(&recorder).len(), 2, "{}", recorder.ledger());
}

#[test]
fn every_file_that_was_removed_is_begun_anew() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(&server);
    for name in ["op1.csv", "op1.coverage.csv", "websocket_data.log"] {
        fs::remove_file(recorder.path(name)).expect("to be removed");
    }
    recorder.wait_until_it_says("op1.coverage.csv was moved or removed");
    connection.send_text(&message(4..=6));
    recorder.wait_for_row_count(3);
    recorder.wait_until("a log", |now| now.path("websocket_data.log").exists());
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(numbers_in(&recorder.csv()), [4, 5, 6]);
    let states: Vec<String> = ledger_rows(&recorder).into_iter().map(|row| row.state).collect();
    assert_eq!(states, ["live", "down"], "the state that holds is carried over");
    assert!(recorder.log().contains(&summary_line(6, 0)), "{}", recorder.seen());
}

/// As `logrotate` does with `copytruncate`.
#[test]
fn a_recording_that_was_emptied_gets_its_header_back() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(&server);
    let emptied = OpenOptions::new().write(true).truncate(true).open(recorder.path("op1.csv"));
    drop(emptied.expect("to be emptied"));
    connection.send_text(&message(4..=4));
    recorder.wait_until_it_says("was emptied or cut");
    connection.send_text(&message(5..=6));
    recorder.wait_for_row_count(3);
    assert_eq!(numbers_in(&recorder.csv()), [4, 5, 6]);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(numbers_in(&recorder.csv()), [4, 5, 6]);
    assert_says(&recorder, &summary_line(6, 0));
}

/// Its directory is gone: there is no place to begin anew, and no reason to stop.
#[test]
fn a_recording_without_a_directory_is_said_once_and_ends_cleanly() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let run = run.folder("data").arg("--out").arg("data/op1.csv");
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&message(1..=3));
    recorder.wait_until("the rows", |now| now.text_of("data/op1.csv").lines().count() == 4);
    fs::rename(recorder.path("data"), recorder.path("elsewhere")).expect("to be moved");
    recorder.wait_until_it_says("is not where it was");
    connection.send_text(&message(4..=6));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(numbers_in(&recorder.text_of("elsewhere/op1.csv")), [1, 2, 3, 4, 5, 6]);
    assert_eq!(recorder.stderr().matches("is not where it was").count(), 1);
}
