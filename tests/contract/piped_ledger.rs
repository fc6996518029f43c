//! `--coverage FILE` with `--out -`: the ledger of rows that go into a pipe, with the care that the
//! ledger of a file gets.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::connection::Connection;
use crate::frames::Opcode;
use crate::harness::{DEADLINE, Recorder, Run};
use crate::journal::{message, numbers_of};
use crate::recording::{FORETOLD_COLUMNS, ledger_rows, now_ms, rows_of_ledger};
use crate::server::Server;
use crate::standard_output::piped;

/// Where these tests have their ledger: where the harness looks for one.
const LEDGER: &str = "op1.coverage.csv";

fn piping(run: Run, server: &Server) -> Run {
    let run = run.url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    run.arg("--out").arg("-").arg("--coverage").arg(LEDGER)
}

/// A program whose first trade came through.
fn first(run: Run, server: &Server) -> (Recorder, Connection) {
    let mut recorder = piping(run, server).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&message(1..=1));
    recorder.wait_until("the first row", |now| now.stdout().lines().count() == 2);
    (recorder, connection)
}

/// State, tickers and reason of each row of the ledger.
fn told(recorder: &Recorder) -> Vec<String> {
    let rows = ledger_rows(recorder).into_iter();
    rows.map(|row| [row.state, row.tickers, row.reason].join(",")).collect()
}

fn names(recorder: &Recorder) -> Vec<String> {
    let files = recorder.all_files().into_iter();
    files.map(|(path, _)| path.file_name().expect("a name").to_string_lossy().into()).collect()
}

#[test]
fn the_ledger_says_when_rows_went_into_the_pipe() {
    let server = Server::plain();
    let (mut recorder, connection) = first(Run::new(), &server);
    drop(connection);
    let connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until("the second live row", |now| now.ledger().matches(",live,").count() == 2);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let told = told(&recorder);
    assert_eq!((&told[0], &told[2]), (&"live,AAPL,".to_owned(), &"live,AAPL,".to_owned()));
    assert!(told[1].starts_with("down,,connection lost: "), "{told:?}");
    assert_eq!(told[3..], ["down,,stopped"]);
    let files = [LEDGER, "op1.coverage.csv.lock", "websocket_data.log"];
    assert_eq!(names(&recorder), files, "no recording");
}

#[test]
fn a_kill_is_in_the_ledger_after_the_next_start_and_the_last_sign_of_life_is_its_time() {
    let server = Server::plain();
    let (mut recorder, connection) = first(Run::new(), &server);
    let ledger = recorder.path(LEDGER);
    recorder.wait_until("the live row", |now| now.ledger().contains(",live,"));
    // A kill may leave half a row.
    let killed_ms = now_ms();
    recorder.signal(Signal::SIGKILL);
    assert_eq!(recorder.wait_exit(), -9);
    drop(connection);
    let torn = fs::read_to_string(&ledger).expect("the ledger") + "17";
    fs::write(&ledger, torn).expect("half a row");

    let (mut recorder, connection) = first(Run::beside(&recorder), &server);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(told(&recorder), ["live,AAPL,", "down,,killed", "live,AAPL,", "down,,stopped"]);
    let age = killed_ms - ledger_rows(&recorder)[1].time_ms;
    assert!((-1_000..=5_000).contains(&age), "{age} ms before the kill");
    let torn = names(&recorder).into_iter().find(|name| name.contains(".torn-"));
    assert_eq!(recorder.text_of(&torn.expect("the torn bytes")), "17");
}

#[test]
fn a_second_process_a_file_of_another_kind_and_a_directory_are_refused() {
    let server = Server::plain();
    let (mut recorder, connection) = first(Run::new(), &server);
    let before = recorder.all_files();
    let (code, second) = piping(Run::beside(&recorder), &server)
        .arg("--log-file")
        .arg("second.log")
        .run_to_its_end();
    assert_eq!(code, 1, "{}", second.seen());
    let line = second.only_error_line();
    assert!(line.contains(LEDGER) && line.contains("another process ("), "{line}");
    assert!(line.ends_with("or give another --coverage"), "{line}");
    assert_eq!(second.all_files().len(), before.len(), "it leaves nothing behind");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());

    for (run, words) in [
        (Run::new().file(LEDGER, "ticker,price\nA,1\n"), "has other columns: ticker,price; add"),
        (
            Run::new().file(LEDGER, "hello\n"),
            "it is no recording of this program; give another --coverage",
        ),
        (Run::new().folder(LEDGER), "is not an ordinary file"),
        (
            Run::new().file(LEDGER, "time_ms,state,tickers,reason\n1,live,DEMO:AAPL,\n"),
            "holds trades of DEMO:AAPL",
        ),
    ] {
        let (code, refused) = piping(run, &server).run_to_its_end();
        assert_eq!(code, 1, "{}", refused.seen());
        let line = refused.only_error_line();
        assert!(line.contains(LEDGER) && line.contains(words), "{line}");
        assert!(!refused.path("websocket_data.log").exists(), "it leaves nothing behind");
    }
    assert!(!server.has_a_caller(Duration::ZERO), "nobody connected");
}

#[test]
fn a_ledger_that_was_removed_is_begun_anew() {
    let server = Server::plain();
    let (mut recorder, connection) = first(Run::new(), &server);
    recorder.wait_until("the live row", |now| now.ledger().contains(",live,"));
    fs::remove_file(recorder.path(LEDGER)).expect("the ledger");
    fs::remove_file(recorder.path("op1.coverage.csv.lock")).expect("the lock");
    recorder.wait_until("both again", |now| {
        now.ledger().contains(",live,AAPL,") && now.path("op1.coverage.csv.lock").exists()
    });
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(told(&recorder), ["live,AAPL,", "down,,stopped"]);
}

/// No row waits for the ledger of a pipe.
#[cfg(target_os = "linux")]
#[test]
fn a_ledger_on_a_full_disk_costs_no_trade() {
    let server = Server::plain();
    // The header finds room, a row does not.
    let run = Run::new().file_size_limit(40);
    let (mut recorder, mut connection) = first(run, &server);
    recorder.wait_until_it_says("disk full (file size limit): cannot write op1.coverage.csv");
    connection.send_text(&message(2..=9));
    recorder.wait_until("the rows", |now| now.stdout().lines().count() == 10);
    recorder.lift_file_size_limit();
    recorder.wait_until("the live row", |now| now.ledger().contains(",live,AAPL,"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(told(&recorder), ["live,AAPL,", "down,,stopped"]);
}

/// Both outputs, read by the test.
fn in_hand(directory: &TempDir, server: &Server) -> (Child, Connection) {
    let url = server.url();
    let given = ["--url", &url, "--tickers", "AAPL", "--columns", FORETOLD_COLUMNS, "--out", "-"];
    let child = piped(directory, &[&given[..], &["--coverage", LEDGER]].concat());
    (child, server.connect_and_wait_for_subscriptions(1))
}

fn ledger_in(directory: &TempDir) -> Vec<(String, String)> {
    let text = fs::read_to_string(directory.path().join(LEDGER)).expect("the ledger");
    rows_of_ledger(&text).into_iter().map(|row| (row.state, row.reason)).collect()
}

#[test]
fn a_reader_that_goes_away_is_the_reason_in_the_ledger() {
    let server = Server::plain();
    let directory = tempfile::tempdir().expect("a directory");
    let (mut program, mut connection) = in_hand(&directory, &server);
    let mut rows = BufReader::new(program.stdout.take().expect("its output"));
    connection.send_text(&message(1..=1));
    for _ in 0..2 {
        rows.read_line(&mut String::new()).expect("a row");
    }
    drop(rows);
    connection.answer_close();
    let ended = program.wait_with_output().expect("its end");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    let reasons: Vec<String> = ledger_in(&directory).into_iter().map(|(_, why)| why).collect();
    assert_eq!(reasons, ["", "the reader has gone away", "stopped"]);
}

#[test]
fn what_a_slow_reader_did_not_get_is_in_the_ledger() {
    const TRADES: u64 = 20_000;
    let server = Server::plain();
    let directory = tempfile::tempdir().expect("a directory");
    let (mut program, mut connection) = in_hand(&directory, &server);
    for first in (1..=TRADES).step_by(100) {
        connection.send_text(&message(first..=first + 99));
    }
    connection.send_ping(b"there?");
    assert_eq!(connection.wait_for(Opcode::Pong), b"there?");
    kill(Pid::from_raw(program.id().try_into().expect("an id")), Signal::SIGTERM).expect("a stop");
    connection.answer_close();
    let began = Instant::now();
    while program.try_wait().expect("its state").is_none() {
        assert!(began.elapsed() < DEADLINE, "it has to end");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(program.wait().expect("its end").code(), Some(1));
    let mut rows = String::new();
    program.stdout.take().expect("its output").read_to_string(&mut rows).expect("rows");
    let taken = numbers_of(rows.split_once('\n').expect("the header").1).len() as u64;
    let dropped = format!("the reader is too slow: {} trades dropped", TRADES - taken);
    let expected = [("live", ""), ("down", &dropped), ("down", "stopped")];
    let expected = expected.map(|(state, why)| (state.to_owned(), why.to_owned()));
    assert_eq!(ledger_in(&directory), expected);
}

#[test]
fn check_looks_at_it_as_a_start_would() {
    let server = Server::plain();
    let url = server.url();
    let check = |run: Run| {
        let run = run.arg("check").url(&url);
        run.arg("-o").arg("-").arg("--coverage").arg(LEDGER)
    };
    let mut recorder = check(Run::new()).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(r#"{"type":"ping"}"#);
    connection.answer_close();
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let said = format!("✓ output       standard output; its ledger {LEDGER} can be created\n");
    assert!(recorder.stdout().contains(&said), "{}", recorder.seen());
    assert_eq!(recorder.all_files(), [], "nothing is left behind");
    drop(server);

    let (code, recorder) = check(Run::new().file(LEDGER, "hello\n")).run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    let said = format!("✗ output       {LEDGER} has other columns: hello");
    assert!(recorder.stdout().contains(&said), "{}", recorder.seen());
}

/// It takes a little, now and then: the writer is not held inside one write.
#[test]
fn a_reader_that_takes_little_at_a_time_holds_up_no_heartbeat_and_may_go_away() {
    // Before the reader has taken them, minutes pass.
    const TRADES: u64 = 20_000;
    const LOOKS: usize = 3;
    let server = Server::plain();
    let directory = tempfile::tempdir().expect("a directory");
    let (mut program, mut connection) = in_hand(&directory, &server);
    let mut out = program.stdout.take().expect("its output");
    let enough = Arc::new(AtomicBool::new(false));
    let had_enough = Arc::clone(&enough);
    let reading = thread::spawn(move || {
        while !had_enough.load(Ordering::Relaxed) && matches!(out.read(&mut [0; 4096]), Ok(1..)) {
            thread::sleep(Duration::from_millis(1_500));
        }
    });
    for first in (1..=TRADES).step_by(100) {
        connection.send_text(&message(first..=first + 99));
    }
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap_or_default();
    let slow = "the reader is too slow: cannot write standard output (it takes only ";
    let mut began = Instant::now();
    while !read("websocket_data.log").contains(slow) {
        assert!(began.elapsed() < DEADLINE, "{}", read("websocket_data.log"));
        thread::sleep(Duration::from_millis(10));
    }
    let renewed = || {
        let lock = fs::metadata(directory.path().join("op1.coverage.csv.lock"));
        lock.and_then(|lock| lock.modified()).expect("the time of the lock")
    };
    began = Instant::now();
    for _ in 0..LOOKS {
        let last = renewed();
        while renewed() == last {
            // One write of all that waits would take longer than all of them.
            assert!(began.elapsed() < DEADLINE / 2, "a heartbeat");
            thread::sleep(Duration::from_millis(10));
        }
    }
    // Nor is the server.
    connection.send_ping(b"there?");
    assert_eq!(connection.wait_for(Opcode::Pong), b"there?");
    enough.store(true, Ordering::Relaxed);
    reading.join().expect("the reading thread");
    connection.answer_close();
    let ended = program.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{said}");
    assert!(said.contains("standard output: the reader has gone away; stopping"), "{said}");
    assert_eq!(said.matches("too slow").count(), 1, "{said}");
    let reasons: Vec<String> = ledger_in(&directory).into_iter().map(|(_, why)| why).collect();
    let (first, last) = (&reasons[1], reasons.last());
    assert!(first.starts_with("the reader has gone away"), "{reasons:?}");
    assert_eq!(last.map(String::as_str), Some("stopped"), "{reasons:?}");
}
