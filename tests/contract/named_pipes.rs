//! Named pipes in the place of files: read once where that serves, else refused in one line; never
//! waited for without end.

use std::fs;
use std::process::Command;
use std::thread;

use crate::harness::{KEY, Run};
use crate::server::Server;

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
