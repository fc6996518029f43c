//! What the ledger says after a power cut: played by a kill, and by what a power cut changes: the
//! boot id in the lock, and rows that the disk has lost. (Thousands of states that a disk may be
//! left in are built at the seam, in `recorder/tests.rs`.)

use std::fs;
use std::fs::File;
use std::path::PathBuf;

use finnhub_stream::recording::lock_line::read_synced;

use crate::harness::{Recorder, Run, Signal};
use crate::journal::message;
use crate::recording::{FORETOLD_COLUMNS, LedgerRow, ledger_rows};
use crate::server::{ClosedPort, Server};

const COLUMNS: &str = "price,received_ms";

fn lock(recorder: &Recorder) -> Vec<String> {
    let text = recorder.text_of("op1.csv.lock");
    text.split_whitespace().map(str::to_owned).collect()
}

fn time(field: &str) -> i64 {
    field.parse().expect("a time")
}

/// A program that has recorded three trades, has proved afterwards that it lived on without any,
/// and was killed.
fn killed(server: &Server, columns: &str) -> Recorder {
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").columns(columns).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&message(1..=2));
    recorder.wait_for_row_count(2);
    connection.send_text(&message(3..=3));
    recorder.wait_for_row_count(3);
    let length = recorder.csv().len();
    recorder.wait_until("rows forced to the disk, and a proof of life after that", |now| {
        let fields = lock(now);
        let synced = |fields: &[String]| fields[1] == length.to_string();
        fields.len() == 8 && synced(&fields) && time(&fields[5]) > last_received(now) + 100
    });
    recorder.signal(Signal::SIGKILL);
    assert_eq!(recorder.wait_exit(), -9);
    recorder
}

/// The reception time in the last row; 0 without that column.
fn last_received(recorder: &Recorder) -> i64 {
    let csv = recorder.csv();
    let last = csv.lines().last().unwrap_or_default();
    if csv.starts_with(COLUMNS) { time(last.split(',').next_back().expect("a field")) } else { 0 }
}

/// The machine is started again.
fn reboot(recorder: &Recorder) {
    let boot = lock(recorder)[3].clone();
    let text = recorder.text_of("op1.csv.lock");
    fs::write(recorder.path("op1.csv.lock"), text.replace(&boot, &"0".repeat(boot.len())))
        .expect("the lock file");
}

/// Starts it again; gives the first row that the ledger has got by that.
fn row_after_start(recorder: &Recorder, columns: &str) -> LedgerRow {
    let before = ledger_rows(recorder).len();
    let port = ClosedPort::new();
    let run = Run::beside(recorder).url(&port.url()).tickers("AAPL").columns(columns);
    let mut again = run.spawn();
    again.wait_until("a row of the ledger", |now| ledger_rows(now).len() > before);
    ledger_rows(&again)[before].clone()
}

#[test]
#[cfg(target_os = "linux")]
fn the_end_is_dated_by_the_last_row_that_the_disk_has_kept() {
    let server = Server::plain();
    for rows_lost in [0, 1] {
        let recorder = killed(&server, COLUMNS);
        let csv = recorder.csv();
        let kept: Vec<&str> = csv.split_inclusive('\n').collect();
        fs::write(recorder.path("op1.csv"), kept[..kept.len() - rows_lost].concat())
            .expect("the recording");
        reboot(&recorder);
        let end = row_after_start(&recorder, COLUMNS);
        assert_eq!((end.state.as_str(), end.reason.as_str()), ("down", "power cut"));
        assert_eq!(end.time_ms, last_received(&recorder), "{rows_lost}: {}", recorder.seen());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn without_reception_times_the_end_is_dated_by_what_was_forced_to_the_disk() {
    let server = Server::plain();
    let recorder = killed(&server, FORETOLD_COLUMNS);
    reboot(&recorder);
    let synced_ms = time(&lock(&recorder)[5]);
    let end = row_after_start(&recorder, FORETOLD_COLUMNS);
    assert_eq!((end.time_ms, end.reason.as_str()), (synced_ms, "power cut"));
}

/// A power cut soon after the start that followed a kill: the lock is on the disk, the rows of the
/// ledger are not. The new process's proof of life says nothing of the old one.
#[test]
fn the_proof_of_a_new_process_does_not_prolong_the_life_of_the_last_one() {
    let server = Server::plain();
    let recorder = killed(&server, COLUMNS);
    let proved_ms = time(&lock(&recorder)[0]);
    let names = ["op1.csv", "op1.coverage.csv"];
    let old: Vec<(PathBuf, Vec<u8>)> =
        names.iter().map(|name| (recorder.path(name), recorder.bytes_of(name))).collect();
    let run = Run::beside(&recorder).url(&server.url()).tickers("AAPL").columns(COLUMNS);
    let mut again = run.spawn();
    let _connection = server.connect_and_wait_for_subscriptions(1);
    again.wait_until("a proof of life", |now| {
        ledger_rows(now).last().is_some_and(|row| lock(now)[6] == row.time_ms.to_string())
    });
    again.signal(Signal::SIGKILL);
    assert_eq!(again.wait_exit(), -9);
    assert!(time(&lock(&again)[0]) > proved_ms);
    for (path, bytes) in old {
        fs::write(path, bytes).expect("the file as it was");
    }
    let end = row_after_start(&again, COLUMNS);
    assert_eq!((end.time_ms, end.reason.as_str()), (last_received(&again), "killed"));
}

/// For those who read along and must not be ahead of the disk.
#[test]
fn the_lock_says_how_much_is_on_the_disk_and_whether_that_goes_on() {
    let server = Server::plain();
    for (fsync, goes_on) in [("50ms", true), ("always", true), ("never", false)] {
        let run = Run::new().url(&server.url()).tickers("AAPL").columns(COLUMNS);
        let mut recorder = run.arg("--fsync").arg(fsync).spawn();
        let mut connection = server.connect_and_wait_for_subscriptions(1);
        recorder.wait_until("it is live", |now| now.ledger().contains("live"));
        connection.send_text(&message(1..=3));
        recorder.wait_for_row_count(3);
        let out = recorder.path("op1.csv");
        let live = File::open(&out).expect("the recording");
        let length = live.metadata().expect("its length").len();
        let synced = |_: &Recorder| read_synced(&out, &live).expect("the lock").expect("a proof");
        let header = u64::try_from(COLUMNS.len()).expect("short") + 1;
        let expected = if goes_on { length } else { header };
        recorder.wait_until("it says so", |now| {
            let found = synced(now);
            assert!(found.bytes <= length && found.goes_on == goes_on, "{fsync}: {found:?}");
            // What is not forced is not said to be, after a proof of life either.
            let proved = time(&lock(now)[0]) > last_received(now);
            proved && found.bytes == expected
        });
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
        assert_eq!(synced(&recorder).bytes, length, "{fsync}: all of it at the end");
    }
}
