//! Named pipes in the place of files: read once where that serves, else refused in one line; never
//! waited for without end.

use std::fs;
use std::process::Command;
use std::thread;

use crate::harness::{KEY, Run};
use crate::server::Server;
use crate::ship::ship;

/// Makes a named pipe in the directory of the run.
fn pipe(run: Run, name: &str) -> Run {
    let status = Command::new("mkfifo").arg(run.directory().join(name)).status();
    assert!(status.expect("mkfifo").success());
    run.restrict(name, 0o600)
}

/// As a password manager does it, which writes as soon as somebody reads.
#[test]
fn the_key_may_come_out_of_a_pipe_which_is_said() {
    let server = Server::plain();
    let run = pipe(Run::without_key(), ".env");
    let path = run.directory().join(".env");
    let writer = thread::spawn(move || fs::write(path, format!("API_KEY={KEY}\n")));
    let mut recorder = run.url(&server.url()).tickers("AAPL").spawn();
    let handshake = server.accept();
    writer.join().expect("the writer").expect("a reader");
    assert_eq!(handshake.token(), KEY);
    assert_eq!(recorder.stop(handshake.upgrade()), 0, "{}", recorder.seen());
    assert!(recorder.stderr().contains(".env is a pipe; it was read once"), "{}", recorder.seen());
}

#[test]
fn a_pipe_is_not_read_when_the_key_is_in_the_environment() {
    let server = Server::plain();
    let run = pipe(Run::new(), ".env").url(&server.url()).tickers("AAPL");
    let mut recorder = run.spawn();
    let handshake = server.accept();
    assert_eq!(handshake.token(), KEY);
    assert_eq!(recorder.stop(handshake.upgrade()), 0, "{}", recorder.seen());
}

/// It could not be read again whenever it changes.
#[test]
fn a_pipe_in_the_place_of_the_tickers_file_is_refused_at_once() {
    for given in [&[][..], &["--tickers", "AAPL"]] {
        for subcommand in [None, Some("check")] {
            let run = pipe(Run::new(), "list.txt");
            let run = subcommand.into_iter().fold(run, Run::arg).arg("-f").arg("list.txt");
            let (code, recorder) = given.iter().fold(run, Run::arg).run_to_its_end();
            assert_eq!(code, 2, "{}", recorder.seen());
            let line = recorder.only_error_line();
            assert!(line.contains("the tickers file list.txt: it is no file"), "{line}");
            let names = fs::read_dir(recorder.path("")).expect("the folder");
            assert_eq!(names.count(), 1, "nothing is left behind");
        }
    }
}

#[test]
fn a_pipe_that_takes_the_place_of_the_tickers_file_later_holds_nothing_up() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).file("list.txt", "AAPL\n").arg("-f").arg("list.txt");
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    fs::remove_file(recorder.path("list.txt")).expect("to be removed");
    let status = Command::new("mkfifo").arg(recorder.path("list.txt")).status();
    assert!(status.expect("mkfifo").success());
    recorder.wait_until_it_says("list.txt: it is no file");
    fs::remove_file(recorder.path("list.txt")).expect("to be removed");
    fs::write(recorder.path("list.txt"), "AAPL\nMSFT\n").expect("a file");
    connection.wait_for_subscriptions(2);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn a_pipe_in_the_place_of_a_recording_or_its_ledger_is_refused_at_once() {
    for name in ["op1.csv", "op1.coverage.csv"] {
        let run = pipe(Run::new(), name).url("ws://127.0.0.1:9").tickers("AAPL");
        let (code, recorder) = run.run_to_its_end();
        assert_eq!(code, 1, "{}", recorder.seen());
        let fault = format!("{name} is not an ordinary file");
        assert!(recorder.only_error_line().contains(&fault), "{}", recorder.seen());
    }
}

#[test]
fn a_pipe_in_the_place_of_a_recording_is_not_shipped() {
    let (code, shipped) = ship(pipe(Run::without_key(), "op1.csv"), "", "cat").run_to_its_end();
    assert_eq!(code, 1, "{}", shipped.seen());
    let fault = "error: cannot read op1.csv: it is not an ordinary file";
    assert!(shipped.stderr().contains(fault), "{}", shipped.seen());
}
