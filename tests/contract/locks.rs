//! One recording, one process: under whatever name, and only as long as that process runs.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::time::Duration;

use crate::connection::Connection;
use crate::harness::{Recorder, Run, Signal};
use crate::journal::{message, recorded_up_to};
use crate::recording::FORETOLD_COLUMNS;
use crate::server::Server;

/// A program that records to `op1.csv`.
fn first(server: &Server) -> (Recorder, Connection) {
    recorded_up_to(1, server)
}

/// Fails unless a second process for `out` ends with 1 and one line that names it, without having
/// called the server or touched anything.
fn assert_refused(server: &Server, first: &Recorder, out: &str) {
    let before = (first.csv(), first.ledger());
    let run = Run::beside(first).url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let run = run.arg("--log-file").arg("second.log").arg("--out").arg(out);
    let (code, second) = run.run_to_its_end();
    assert_eq!(code, 1, "{out}: {}", second.seen());
    let line = second.only_error_line();
    assert!(line.contains(out) && line.contains("another process"), "{line}");
    assert!(!server.has_a_caller(Duration::ZERO), "it must not connect");
    assert_eq!((first.csv(), first.ledger()), before, "{out}");
    assert!(!first.path("second.log").exists(), "{out}: it leaves nothing behind");
}

#[test]
fn a_second_process_is_refused_under_any_name_of_the_file() {
    let server = Server::plain();
    let (mut recorder, connection) = first(&server);
    symlink("op1.csv", recorder.path("symbolic.csv")).expect("a link");
    fs::hard_link(recorder.path("op1.csv"), recorder.path("hard.csv")).expect("a link");
    fs::create_dir(recorder.path("folder")).expect("a folder");
    symlink("..", recorder.path("folder/up")).expect("a link");
    for out in ["op1.csv", "./op1.csv", "symbolic.csv", "hard.csv", "folder/up/op1.csv"] {
        assert_refused(&server, &recorder, out);
    }
    // Also when somebody has tidied up.
    fs::remove_file(recorder.path("op1.csv.lock")).expect("the lock file");
    assert_refused(&server, &recorder, "op1.csv");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

/// `op1` and `op1.csv` have the same ledger.
#[test]
fn a_second_process_is_refused_when_only_the_ledger_is_the_same() {
    let server = Server::plain();
    let (mut recorder, connection) = first(&server);
    let run = Run::beside(&recorder).url(&server.url()).tickers("AAPL");
    let (code, second) = run.arg("--out").arg("op1").run_to_its_end();
    assert_eq!(code, 1, "{}", second.seen());
    assert!(second.only_error_line().contains("op1.coverage.csv"), "{}", second.seen());
    assert!(!recorder.path("op1").exists() && !recorder.path("op1.lock").exists());
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn the_lock_goes_with_the_process_however_it_ends() {
    let server = Server::plain();
    let (mut recorder, _connection) = first(&server);
    for rows in 2..5 {
        recorder.signal(Signal::SIGKILL);
        assert_eq!(recorder.wait_exit(), -9);
        let run = Run::beside(&recorder).url(&server.url()).tickers("AAPL");
        recorder = run.columns(FORETOLD_COLUMNS).spawn();
        let mut connection = server.connect_and_wait_for_subscriptions(1);
        connection.send_text(&message(1..=1));
        recorder.wait_for_row_count(rows);
    }
}

#[test]
fn files_that_cannot_be_written_are_named_before_connecting() {
    let server = Server::plain();
    let start = |run: Run| run.url(&server.url()).tickers("AAPL").run_to_its_end();
    let directory = Run::new().folder("op1.csv");
    let missing = Run::new().arg("--out").arg("nowhere/op1.csv");
    let log = Run::new().folder("websocket_data.log");
    let ledger = Run::new().folder("op1.coverage.csv");
    for (run, name) in [
        (directory, "op1.csv"),
        (missing, "nowhere/op1.csv"),
        (log, "websocket_data.log"),
        (ledger, "op1.coverage.csv"),
    ] {
        let (code, recorder) = start(run);
        assert_eq!(code, 1, "{name}: {}", recorder.seen());
        assert!(recorder.only_error_line().contains(name), "{}", recorder.seen());
    }
    // Permissions mean nothing to root.
    let root = fs::metadata(env!("CARGO_TARGET_TMPDIR")).is_ok_and(|found| found.uid() == 0);
    if !root {
        let (code, recorder) = start(Run::new().file("op1.csv", "").restrict("op1.csv", 0o400));
        assert_eq!(code, 1, "{}", recorder.seen());
        assert!(recorder.only_error_line().contains("op1.csv"), "{}", recorder.seen());
    }
    assert!(!server.has_a_caller(Duration::ZERO), "it must not connect");
}
