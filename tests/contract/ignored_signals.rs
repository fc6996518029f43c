//! A signal that was ignored when the program started stays ignored, in every subcommand: a recorder
//! that was started with `nohup` lives on when its terminal goes. Linux only, because macOS says
//! nobody what is ignored.

use std::fs::OpenOptions;
use std::io::Write;

use crate::harness::{Recorder, Run, Signal};
use crate::recording::{FORETOLD_COLUMNS, ledger_rows, trade_message};
use crate::server::Server;
use crate::ship::{recording, rows, ship};
use crate::simulate_command::{simulate, url};

const TRADE: &str = r#"{"p":1.5,"s":"AAPL","t":1680300000123,"v":5}"#;

/// Started by a shell that ignores these, as `nohup` and a script's `command &` do.
fn ignoring(signals: &str, run: Run) -> Run {
    let script = format!(r#"trap "" {signals}; exec "$0" "$@""#);
    run.through(&["sh", "-c", &script])
}

/// Each of them twice, which would be a second Ctrl-C, too.
fn send_what_is_ignored(recorder: &Recorder) {
    for signal in [Signal::SIGHUP, Signal::SIGINT] {
        recorder.signal(signal);
        recorder.insist();
        recorder.signal(signal);
    }
}

fn assert_ends_when_terminated(recorder: &mut Recorder) {
    assert!(!recorder.stderr().contains("stopping"), "{}", recorder.seen());
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}

#[test]
fn a_recorder_goes_on_until_it_is_terminated() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).file("list.txt", "AAPL\n").columns(FORETOLD_COLUMNS);
    let mut recorder = ignoring("HUP INT TERM", run.arg("-f").arg("list.txt")).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    send_what_is_ignored(&recorder);
    // A list that changes is followed, which ends with a stop.
    std::fs::write(recorder.path("list.txt"), "AAPL\nMSFT\n").expect("the list");
    connection.wait_for_subscriptions(2);
    connection.send_text(&trade_message(&[TRADE]));
    recorder.wait_for_row_count(1);
    recorder.signal(Signal::SIGTERM);
    connection.answer_close();
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let rows = ledger_rows(&recorder);
    let states: Vec<&str> = rows.iter().map(|row| row.state.as_str()).collect();
    assert_eq!(states, ["live", "live", "down"], "{}", recorder.seen());
}

#[test]
fn what_was_not_ignored_ends_it_all_the_same() {
    for (ignored, signal) in [("HUP", Signal::SIGINT), ("INT", Signal::SIGHUP)] {
        let server = Server::plain();
        let run = Run::new().url(&server.url()).tickers("AAPL");
        let mut recorder = ignoring(ignored, run).spawn();
        let mut connection = server.connect_and_wait_for_subscriptions(1);
        recorder.signal(signal);
        connection.answer_close();
        assert_eq!(recorder.wait_exit(), 0, "{ignored}: {}", recorder.seen());
        assert!(recorder.ledger().ends_with(",down,,stopped\n"), "{}", recorder.seen());
    }
}

#[test]
fn ship_goes_on_until_it_is_terminated() {
    let run = ship(recording(0..3), "--from now", "cat >> got");
    let mut shipped = ignoring("HUP INT", run).spawn();
    shipped.wait_until("its position", |now| now.path("op1.csv.ship-t").exists());
    send_what_is_ignored(&shipped);
    let live = OpenOptions::new().append(true).open(shipped.path("op1.csv"));
    live.and_then(|mut live| live.write_all(rows(3..5).as_bytes())).expect("the recording");
    shipped.wait_until("the rows", |now| now.text_of("got") == rows(3..5));
    assert_ends_when_terminated(&mut shipped);
}

#[test]
fn a_simulated_server_goes_on_until_it_is_terminated() {
    let mut simulator = ignoring("HUP INT", simulate()).spawn();
    let url = url(&mut simulator);
    send_what_is_ignored(&simulator);
    let mut recorder = Run::new().url(&url).tickers("AAPL").spawn();
    recorder.wait_for_row_count(2);
    assert_ends_when_terminated(&mut recorder);
    assert_ends_when_terminated(&mut simulator);
}
