//! Somebody moves the ledger away while it is being written, alone or with its recording: what it says
//! ends there, and goes on in the next one.

use std::fs;

use crate::harness::{Recorder, Run};
use crate::journal::{message, recorded_up_to};
use crate::recording::{LedgerRow, ledger_rows, now_ms, rows_of_ledger};
use crate::server::Server;

/// Long enough to be told from nothing, in milliseconds.
const A_WHILE_MS: i64 = 300;

fn wait_a_while(recorder: &mut Recorder) {
    let until_ms = now_ms() + A_WHILE_MS;
    recorder.wait_until("a while to pass", |_| now_ms() > until_ms);
}

/// When the files were looked after last, which shows in the lock.
fn proof_of_life(recorder: &Recorder) -> i64 {
    let text = recorder.text_of("op1.csv.lock");
    text.split_whitespace().next().and_then(|time| time.parse().ok()).unwrap_or(0)
}

fn instants(rows: &[LedgerRow]) -> Vec<(i64, &str, &str)> {
    rows.iter().map(|row| (row.time_ms, row.state.as_str(), row.reason.as_str())).collect()
}

#[test]
fn a_ledger_that_was_moved_away_ends_where_the_next_one_begins() {
    for with_recording in [true, false] {
        let server = Server::plain();
        let (mut recorder, mut connection) = recorded_up_to(3, &server);
        wait_a_while(&mut recorder);
        connection.send_text(&message(4..=6));
        recorder.wait_for_row_count(6);
        let known_ms = now_ms();
        recorder.wait_until("a look at the files", |now| proof_of_life(now) > known_ms);
        let live = ledger_rows(&recorder);
        let away = |name: &str| name.replace("op1", "away");
        for name in ["op1.csv", "op1.coverage.csv"] {
            if with_recording || name != "op1.csv" {
                fs::rename(recorder.path(name), recorder.path(&away(name))).expect("to be moved");
            }
        }
        recorder.wait_until_it_says("op1.coverage.csv was moved or removed");
        connection.send_text(&message(7..=9));
        recorder.wait_until("the last row", |now| now.csv().contains("AAPL,9,"));
        wait_a_while(&mut recorder);
        connection.send_text(&message(10..=10));
        recorder.wait_until("the last row", |now| now.csv().contains("AAPL,10,"));
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());

        let moved = rows_of_ledger(&recorder.text_of("away.coverage.csv"));
        let goes_on_ms = moved[moved.len() - 1].time_ms;
        let expected = [(live[0].time_ms, "live", ""), (goes_on_ms, "down", "rotated")];
        assert_eq!(instants(&moved), expected, "{}", recorder.seen());
        let next = ledger_rows(&recorder);
        let stopped_ms = next[next.len() - 1].time_ms;
        let expected = [(goes_on_ms, "live", ""), (stopped_ms, "down", "stopped")];
        assert_eq!(instants(&next), expected, "{}", recorder.seen());
        assert_eq!(next[0].tickers, live[0].tickers);
        let (began_ms, checked_ms) = (live[0].time_ms, goes_on_ms);
        assert!(began_ms + A_WHILE_MS <= checked_ms && checked_ms <= known_ms, "{moved:?}");

        let verify = Run::beside(&recorder).arg("verify").arg("--json").arg("op1.csv");
        let files = if with_recording { vec!["away.csv"] } else { Vec::new() };
        let (code, verified) = files.into_iter().fold(verify, Run::arg).run_to_its_end();
        let report: serde_json::Value = serde_json::from_str(&verified.stdout()).expect("JSON");
        let since_ms = if with_recording { began_ms } else { goes_on_ms };
        assert_eq!(code, 0, "{report}");
        assert_eq!(report["total"]["covered_ms"], stopped_ms - since_ms, "{report}");
        assert_eq!(report["total"]["missing_ms"], 0, "{report}");
    }
}

/// An outage is no less one in the next ledger.
#[test]
fn what_was_down_is_down_in_the_next_ledger() {
    let server = Server::plain();
    let (mut recorder, connection) = recorded_up_to(3, &server);
    let closed = server.shut_down();
    drop(connection);
    recorder.wait_until("the outage", |now| now.ledger().contains("down"));
    let before = recorder.ledger();
    fs::rename(recorder.path("op1.coverage.csv"), recorder.path("away")).expect("to be moved");
    recorder.wait_until_it_says("op1.coverage.csv was moved or removed");
    let last = rows_of_ledger(&before).pop().expect("a row");
    recorder.wait_until("the outage in the next one", |now| now.ledger().contains("down"));
    assert_eq!(ledger_rows(&recorder), [last], "{}", recorder.seen());
    assert_eq!(recorder.text_of("away"), before);
    let server = closed.open();
    let connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until("it is live", |now| now.ledger().contains("live"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}
