//! `--on-event`: somebody who does not look hears of it, and neither the recording nor a stop waits
//! for that.

use std::io::{BufRead, BufReader};
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::harness::{DEADLINE, KEY, Recorder, Run, Signal};
use crate::recording::trade_message;
use crate::server::Server;
use crate::standard_output::piped;

/// Appends a line for each event to the file `told`.
const TELL: &str = "printf '%s|%s|%s|%s\\n' \"$FINNHUB_STREAM_EVENT\" \"$FINNHUB_STREAM_REASON\" \
                    \"$FINNHUB_STREAM_TIME_MS\" \"$FINNHUB_STREAM_OUT\" >>told";

const TRADE: &str = r#"{"p":1.5,"s":"AAPL","t":1680300000123,"v":5}"#;

/// A stop takes this long at most.
const STOP: Duration = Duration::from_secs(5);

fn start(run: Run, command: &str, server: &Server) -> (Recorder, Connection) {
    let run = run.url(&server.url()).tickers("AAPL").arg("--on-event").arg(command);
    (run.spawn(), server.connect_and_wait_for_subscriptions(1))
}

fn told(recorder: &Recorder) -> String {
    recorder.text_of("told")
}

/// The events in `told`, each with its reason, when their times and files are what they should be.
fn events(recorder: &Recorder) -> Vec<String> {
    let line = |line: &str| {
        let [kind, reason, time_ms, out] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("{line:?}")
        };
        assert!(time_ms.parse::<i64>().expect(line) > 1_700_000_000_000, "{line}");
        assert_eq!(out, "op1.csv", "{line}");
        format!("{kind}: {reason}")
    };
    told(recorder).lines().map(line).collect()
}

fn wait_until_told(recorder: &mut Recorder, event: &str) {
    recorder.wait_until(&format!("{event} to be told"), |now| told(now).contains(event));
}

#[test]
fn the_end_is_reported_to_a_command_that_does_not_get_the_key() {
    let server = Server::plain();
    let run = Run::new().env("API_KEY", KEY).env("OTHER", "there");
    let command = format!("{TELL}; env >environment; cat >stdin; echo out; echo err >&2");
    let (mut recorder, connection) = start(run, &command, &server);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    // It is waited for.
    assert_eq!(events(&recorder), ["stopped: as asked"], "{}", recorder.seen());
    let environment = recorder.text_of("environment");
    assert!(environment.contains("OTHER=there") && !environment.contains(KEY), "{environment}");
    assert_eq!(recorder.stdout(), "", "standard output carries nothing but data");
    assert!(!recorder.stderr().contains("--on-event"), "{}", recorder.seen());
}

#[test]
fn a_key_refused_at_the_first_connection_is_reported_before_the_end() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").arg("--on-event").arg(TELL);
    let mut recorder = run.spawn();
    server.accept().refuse("401 Unauthorized", "", "");
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    let events = events_up_to_the_last(&recorder);
    assert_eq!(events[0], "key-refused: the server refuses the API key");
    assert!(events[1].starts_with("stopped: ") && events[1].contains("HTTP 401"), "{events:?}");
    assert!(events.len() == 2 && !told(&recorder).contains(KEY), "{events:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_its_end_are_reported() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new().file_size_limit(1_003), TELL, &server);
    for _ in 0..100 {
        connection.send_text(&trade_message(&[TRADE]));
    }
    wait_until_told(&mut recorder, "disk-full|disk full (file size limit)|");
    recorder.lift_file_size_limit();
    wait_until_told(&mut recorder, "disk-ok|");
    recorder.wait_for_row_count(100);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let expected =
        ["disk-full: disk full (file size limit)", "disk-ok: writing again", "stopped: as asked"];
    assert_eq!(events(&recorder), expected);
}

#[cfg(target_os = "linux")]
#[test]
fn a_stop_while_the_disk_is_full_is_no_end_of_that() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new().file_size_limit(1_003), TELL, &server);
    for _ in 0..100 {
        connection.send_text(&trade_message(&[TRADE]));
    }
    wait_until_told(&mut recorder, "disk-full|");
    assert_eq!(recorder.stop(connection), 1, "{}", recorder.seen());
    let events = events(&recorder);
    assert_eq!(events[0], "disk-full: disk full (file size limit)");
    assert!(events.len() == 2 && events[1].starts_with("stopped: disk full"), "{events:?}");
}

#[test]
fn a_command_that_hangs_delays_neither_the_recording_nor_a_stop() {
    let server = Server::plain();
    // It does not care for signals that ask, and all of its events but the last one hang.
    let command = format!(
        "{TELL}; trap '' TERM INT HUP; [ $FINNHUB_STREAM_EVENT = stopped ] || while :; do sleep 1; done"
    );
    let (mut recorder, connection) = start(Run::new(), &command, &server);
    drop(connection);
    server.accept().refuse("403 Forbidden", "", "");
    wait_until_told(&mut recorder, "key-refused|");
    let asked = recorder.stopwatch();
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < STOP, "it took {took:?}");
    wait_for_the_last(
        &recorder,
        &["key-refused: the server refuses the API key", "stopped: as asked"],
    );
    assert!(recorder.stderr().contains("--on-event: the command for key-refused failed"));
}

/// The command for the end may still be on its way after the program.
fn wait_for_the_last(recorder: &Recorder, expected: &[&str]) {
    assert_eq!(events_up_to_the_last(recorder), expected);
}

fn events_up_to_the_last(recorder: &Recorder) -> Vec<String> {
    wait_for_file(recorder, "told", |text| text.lines().any(|line| line.starts_with("stopped|")));
    events(recorder)
}

/// Waits for what a command writes that was left behind by a program that has ended.
fn wait_for_file(recorder: &Recorder, name: &str, is_there: impl Fn(&str) -> bool) {
    let ended = Instant::now();
    while !is_there(&recorder.text_of(name)) {
        assert!(ended.elapsed() < DEADLINE, "{name}: {:?}", recorder.text_of(name));
        thread::sleep(Duration::from_millis(4));
    }
}

#[test]
fn a_command_for_the_end_that_hangs_does_not_hold_the_program() {
    let server = Server::plain();
    let command = format!("{TELL}; echo $$ >shell; exec sleep 100");
    let (mut recorder, mut connection) = start(Run::new(), &command, &server);
    connection.send_text(&trade_message(&[TRADE]));
    recorder.wait_for_row_count(1);
    let (asked, asked_at) = (recorder.stopwatch(), Instant::now());
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(asked_at.elapsed() > Duration::from_millis(900), "{:?}", asked_at.elapsed());
    let took = recorder.took(&asked);
    assert!(took < STOP, "it took {took:?}");
    // On a busy machine it may come to begin only now.
    wait_for_file(&recorder, "shell", |text| text.ends_with('\n'));
    let process = recorder.text_of("shell").trim().parse().expect("its number");
    let process = nix::unistd::Pid::from_raw(process);
    nix::sys::signal::kill(process, Signal::SIGKILL).expect("it was left to end by itself");
}

#[test]
fn the_end_is_reported_also_when_the_main_thread_is_stuck() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").arg("--on-event").arg(TELL);
    let mut recorder = run.spawn();
    // The upgrade is not answered, and nothing ends the wait for it.
    let _handshake = server.accept();
    let asked = recorder.stopwatch();
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < STOP, "it took {took:?}");
    wait_for_the_last(&recorder, &["stopped: as asked"]);
}

#[test]
fn a_command_that_does_not_exist_is_reported_at_the_start_and_at_each_failure() {
    let server = Server::plain();
    for command in ["no-such-command --now", "./no-such-command"] {
        let (mut recorder, mut connection) = start(Run::new(), command, &server);
        recorder.wait_until_it_says("--on-event: there is no command ");
        connection.send_text(&trade_message(&[TRADE]));
        recorder.wait_for_row_count(1);
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
        let failed = "--on-event: the command for stopped failed: sh cannot find a command in it";
        assert_eq!(recorder.stderr().matches(failed).count(), 1, "{}", recorder.seen());
        assert_eq!(recorder.stderr().matches("--on-event").count(), 2, "{}", recorder.seen());
    }
}

#[test]
fn an_empty_command_is_refused() {
    let run = Run::new().tickers("AAPL").arg("--on-event").arg(" ");
    let (code, recorder) = run.run_to_its_end();
    assert_eq!(code, 2, "{}", recorder.seen());
    assert!(recorder.only_error_line().contains("--on-event"), "{}", recorder.seen());
}

#[test]
fn a_reader_that_goes_away_is_no_fault_of_the_disk() {
    let server = Server::plain();
    let directory = tempfile::tempdir().expect("a directory");
    let command = "echo $FINNHUB_STREAM_EVENT $FINNHUB_STREAM_OUT >>told";
    let url = server.url();
    let arguments = ["--url", &url, "--tickers", "AAPL", "--out", "-", "--on-event", command];
    let mut program = piped(&directory, &arguments);
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let mut rows = BufReader::new(program.stdout.take().expect("its output"));
    rows.read_line(&mut String::new()).expect("the header");
    drop(rows);
    connection.send_text(&trade_message(&[TRADE]));
    // The Close frame is not answered, so that there is time for more events.
    let ended = program.wait_with_output().expect("its end");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    let told = std::fs::read_to_string(directory.path().join("told"));
    assert_eq!(told.expect("what was told"), "stopped -\n");
}

#[test]
#[ignore = "takes more than a minute: an outage is told after one"]
fn an_outage_of_a_minute_and_its_end_are_reported() {
    let server = Server::plain();
    let (mut recorder, connection) = start(Run::new(), TELL, &server);
    let closed = server.shut_down();
    drop(connection);
    let lost = Instant::now();
    // A wait for something that can be seen is not as long as that.
    thread::sleep(Duration::from_secs(50));
    wait_until_told(&mut recorder, "down|");
    assert!(lost.elapsed() > Duration::from_secs(58), "after {:?}", lost.elapsed());
    let server = closed.open();
    // The next try may be a minute away.
    let patience = Duration::from_secs(65);
    assert!(server.has_a_caller(patience), "it tries again\n{}", recorder.seen());
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade_message(&[TRADE]));
    wait_until_told(&mut recorder, "live|after 1 m");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let events = events(&recorder);
    let expected = ["down: ", "live: after ", "stopped: as asked"];
    assert!(events.len() == 3, "{events:?}");
    assert!(events.iter().zip(expected).all(|(event, start)| event.starts_with(start)));
}
