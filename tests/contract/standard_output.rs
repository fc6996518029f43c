//! `--out -`: the same CSV on standard output, for other programs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::Run;
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

/// The program with both its outputs in the hands of the test, which may let go of them.
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
    let server = Server::plain();
    for rows_to_read in [0, 1] {
        let directory = tempfile::tempdir().expect("a directory");
        let arguments = ["--url", &server.url(), "--tickers", "A", "--out", "-"];
        let mut program = piped(&directory, &arguments);
        let mut rows = BufReader::new(program.stdout.take().expect("its output"));
        for _ in 0..rows_to_read {
            rows.read_line(&mut String::new()).expect("the header");
        }
        drop(rows);
        let mut connection = server.connect_and_wait_for_subscriptions(1);
        connection.answer_close();
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

#[test]
fn standard_output_cannot_be_rotated() {
    let run = Run::new().tickers("A").arg("--out").arg("-").arg("--rotate").arg("daily");
    let (code, recorder) = run.run_to_its_end();
    assert_eq!(code, 2);
    assert!(recorder.only_error_line().contains("standard output cannot be rotated"));
}
