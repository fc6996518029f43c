//! `--out -`: the same CSV on standard output, for other programs.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::connection::Connection;
use crate::frames::Opcode;
use crate::harness::stopwatch::{Stopwatch, Waits};
use crate::harness::{DEADLINE, Run};
use crate::journal::{message, numbers_of};
use crate::recording::{FORETOLD_COLUMNS, assert_says, summary_line, trade_message};
use crate::server::Server;

const TRADE: &str = r#"{"p":1.5,"s":"A,B","t":1680300000123,"v":5}"#;

#[test]
fn rows_go_to_standard_output_and_everything_else_to_standard_error() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let mut recorder = run.arg("--out").arg("-").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade_message(&[TRADE, TRADE]));
    let expected = format!("{FORETOLD_COLUMNS}\n{}", "\"A,B\",1.5,5,1680300000123,\n".repeat(2));
    recorder.wait_until("the rows on standard output", |recorder| recorder.stdout() == expected);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(recorder.stdout(), expected);
    assert_says(&recorder, &summary_line(2, 0));
    let files: Vec<_> = recorder.all_files().into_iter().map(|(path, _)| path).collect();
    assert_eq!(files, [recorder.path("websocket_data.log")], "no ledger, no lock");
}

/// The program with both its outputs read by the test, which may close them.
pub(crate) fn piped(directory: &TempDir, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_finnhub-stream"))
        .args(arguments)
        .env("FINNHUB_API_KEY", "a-key-for-tests")
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program")
}

#[test]
fn when_the_reader_goes_away_the_program_stops_and_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut program = piped(&directory, &["--demo", "--tickers", "AAPL,MSFT", "--out", "-"]);
    let mut rows = BufReader::new(program.stdout.take().expect("its output"));
    for _ in 0..3 {
        rows.read_line(&mut String::new()).expect("a row");
    }
    drop(rows);
    let ended = program.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{said}");
    assert!(said.contains("standard output: the reader has gone away; stopping"), "{said}");
    assert!(said.contains("\nreceived "), "{said}");
}

#[test]
fn a_reader_that_is_gone_is_noticed_at_the_start_and_when_nothing_trades() {
    for at_the_start in [true, false] {
        let server = Server::plain();
        let directory = tempfile::tempdir().expect("a directory");
        let arguments = ["--url", &server.url(), "--tickers", "A", "--out", "-"];
        let mut program = piped(&directory, &arguments);
        let rows = program.stdout.take().expect("its output");
        if at_the_start {
            // Nobody answers the upgrade, and the program does not wait for it.
            drop(rows);
        } else {
            let mut connection = server.connect_and_wait_for_subscriptions(1);
            drop(rows);
            connection.answer_close();
        }
        let ended = program.wait_with_output().expect("its end");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{said}");
        assert!(said.contains("the reader has gone away; stopping"), "{said}");
    }
}

#[test]
fn a_reader_that_is_slow_gets_every_row_in_the_end() {
    const TRADES: usize = 200_000;
    let server = Server::plain();
    let directory = tempfile::tempdir().expect("a directory");
    let mut program = Command::new(env!("CARGO_BIN_EXE_finnhub-stream"))
        .args(["--url", &server.url(), "--tickers", "A", "--columns", "price", "--out", "-", "-q"])
        .env("FINNHUB_API_KEY", "a-key-for-tests")
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    // Several times what fits into the pipe, before anybody reads.
    for first in (0..TRADES).step_by(100) {
        let trades: Vec<String> =
            (first..first + 100).map(|p| format!(r#"{{"p":{p},"s":"A","t":1,"v":1}}"#)).collect();
        connection
            .send_text(&trade_message(&trades.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    let rows = BufReader::new(program.stdout.take().expect("its output"));
    for (number, row) in rows.lines().take(TRADES + 1).enumerate() {
        let expected = if number == 0 { "price".to_owned() } else { (number - 1).to_string() };
        assert_eq!(row.expect("a row"), expected);
    }
    drop(connection);
    drop(server);
    let _ = nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(program.id().try_into().expect("a process id")),
        nix::sys::signal::Signal::SIGTERM,
    );
    assert!(program.wait().expect("its end").success());
}

/// A program whose outputs the test reads. Ended by its own id, also when a test fails.
struct Started {
    directory: TempDir,
    child: Child,
    waits: Waits,
    said: ChildStderr,
}

impl Started {
    fn new(server: &Server) -> (Self, Connection) {
        let directory = tempfile::tempdir().expect("a directory");
        let url = server.url();
        let arguments = ["--url", &url, "--tickers", "AAPL", "--columns", FORETOLD_COLUMNS];
        let mut child = piped(&directory, &[&arguments[..], &["--out", "-"]].concat());
        let said = child.stderr.take().expect("its standard error");
        let waits = Waits::of(child.id());
        (Self { directory, child, waits, said }, server.connect_and_wait_for_subscriptions(1))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("websocket_data.log")).unwrap_or_default()
    }

    /// Asks it to end; gives when.
    fn terminate(&mut self) -> Stopwatch {
        let process = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a process id"));
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).expect("a process");
        self.waits.start()
    }

    /// All that it has said, when it has ended as a full disk would end it: within five seconds of
    /// `asked`, and with exit code 1. And for how long it had to wait for a processor meanwhile.
    fn end(mut self, asked: &Stopwatch) -> (String, Duration) {
        while self.child.try_wait().expect("its state").is_none() {
            self.waits.look_now_and_then();
            thread::sleep(Duration::from_millis(4));
        }
        let (took, waited) = (self.waits.since(asked), self.waits.waited_since(asked));
        let mut said = String::new();
        self.said.read_to_string(&mut said).expect("text");
        assert_eq!(self.child.wait().expect("its end").code(), Some(1), "{said}");
        assert!(took < Duration::from_secs(5), "it took {took:?}: {said}");
        (said, waited)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fails unless the sums that it said are right: of the trades `sent`, `out` was written.
fn check_the_sums(out: &str, sent: u64, said: &str) {
    let rows = out.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header");
    let numbers = numbers_of(rows);
    let (written, lost) = (numbers.len() as u64, sent - numbers.len() as u64);
    assert!(rows.ends_with('\n') && numbers.into_iter().eq(1..=written), "whole rows, in order");
    let sum = format!("received {sent} = written {written} + rejected 0 + dropped {lost}");
    assert!(said.contains(&format!("\n{sum}\n")), "{sum} in {said}");
    let error =
        format!("the reader is too slow: {lost} trades could not be written before the end");
    assert!(said.contains(&format!("\nerror: {error}\n")), "{error} in {said}");
}

#[test]
fn a_reader_that_takes_nothing_is_reported_once_and_a_stop_ends_with_the_sums() {
    const TRADES: u64 = 20_000;
    let server = Server::plain();
    let (mut program, mut connection) = Started::new(&server);
    for first in (1..=TRADES).step_by(100) {
        connection.send_text(&message(first..=first + 99));
    }
    let began = Instant::now();
    let stuck =
        "the reader is too slow: cannot write standard output (no room for 2 s); trades wait";
    while !program.log().contains(stuck) {
        assert!(began.elapsed() < DEADLINE, "{}", program.log());
        thread::sleep(Duration::from_millis(10));
    }
    // The server is still served.
    connection.send_ping(b"there?");
    assert_eq!(connection.wait_for(Opcode::Pong), b"there?");
    let asked = program.terminate();
    connection.answer_close();
    let mut out = program.child.stdout.take().expect("its output");
    let (said, _) = program.end(&asked);
    assert_eq!(said.matches("cannot write").count(), 1, "{said}");
    // What is in the pipe can be read, also after the end.
    let mut rows = String::new();
    out.read_to_string(&mut rows).expect("rows");
    check_the_sums(&rows, TRADES, &said);
}

/// Slower than the feed, but never quite still: neither a stop nor the server waits for it.
#[test]
fn a_stop_does_not_wait_for_a_slow_reader() {
    const TRADES: u64 = 100_000;
    let server = Server::plain();
    let (mut program, mut connection) = Started::new(&server);
    let mut out = program.child.stdout.take().expect("its output");
    let reading = thread::spawn(move || {
        let (mut rows, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = out.read(&mut piece) {
            rows.extend_from_slice(&piece[..count]);
            thread::sleep(Duration::from_millis(20));
        }
        String::from_utf8(rows).expect("text")
    });
    for first in (1..=TRADES).step_by(100) {
        connection.send_text(&message(first..=first + 99));
    }
    // All of it has been read from the socket, though most of it waits for the reader.
    connection.send_ping(b"there?");
    assert_eq!(connection.wait_for(Opcode::Pong), b"there?");
    let asked = program.terminate();
    connection.answer_close();
    let took = program.waits.since(&asked);
    assert!(took < Duration::from_secs(2), "it closed after {took:?}");
    let (said, waited) = program.end(&asked);
    let rows = reading.join().expect("the reading thread");
    if !said.contains("could not be written in time") || waited < Duration::from_secs(1) {
        check_the_sums(&rows, TRADES, &said);
    }
}

#[test]
fn standard_output_cannot_be_rotated() {
    let run = Run::new().tickers("A").arg("--out").arg("-").arg("--rotate").arg("daily");
    let (code, recorder) = run.run_to_its_end();
    assert_eq!(code, 2);
    assert!(recorder.only_error_line().contains("standard output cannot be rotated"));
}
