//! Somebody moves or removes the files, or their directory, while they are being recorded.

use std::fs;
use std::path::PathBuf;

use crate::connection::Connection;
use crate::harness::{Recorder, Run};
use crate::journal::{message, numbers_of, recorded_up_to};
use crate::recording::{
    FORETOLD_COLUMNS, assert_says, ledger_rows, now_ms, rows_of_ledger, summary_line,
};
use crate::server::Server;

fn start(server: &Server) -> (Recorder, Connection) {
    recorded_up_to(3, server)
}

fn numbers_in(csv: &str) -> Vec<u64> {
    numbers_of(csv.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header"))
}

#[test]
fn a_recording_that_was_moved_away_goes_on_under_its_name_and_nothing_is_lost() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(&server);
    fs::rename(recorder.path("op1.csv"), recorder.path("yesterday.csv")).expect("to be moved");
    connection.send_text(&message(4..=6));
    recorder.wait_until_it_says("op1.csv was moved or removed");
    connection.send_text(&message(7..=9));
    recorder.wait_for_row_count(3);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    // A look in the instant after the renaming begins the new file before 4 comes.
    let mut numbers = numbers_in(&recorder.text_of("yesterday.csv"));
    numbers.extend(numbers_in(&recorder.csv()));
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(numbers_in(&recorder.csv()).ends_with(&[7, 8, 9]));
    assert_eq!(recorder.stderr().matches("was moved or removed").count(), 1);
    assert_says(&recorder, &summary_line(9, 0));
    assert_eq!(ledger_rows(&recorder).len(), 2, "{}", recorder.ledger());
}

/// Nobody will find the rows of a removed file; those since the last look (which shows in the lock)
/// count as written only because they are brought back.
#[test]
fn every_file_that_was_removed_is_begun_anew_with_the_rows_since_the_last_look() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(&server);
    wait_for_a_look(&mut recorder);
    connection.send_text(&message(4..=6));
    recorder.wait_for_row_count(6);
    let before = recorder.ledger();
    for name in ["op1.csv", "op1.coverage.csv", "websocket_data.log", "op1.csv.lock"] {
        fs::remove_file(recorder.path(name)).expect("to be removed");
    }
    recorder.wait_until_it_says("op1.coverage.csv was moved or removed");
    connection.send_text(&message(7..=9));
    recorder.wait_until("the last row", |now| now.csv().contains("AAPL,9,"));
    for name in ["websocket_data.log", "op1.csv.lock"] {
        recorder.wait_until("a file of its own", |now| !now.bytes_of(name).is_empty());
    }
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(numbers_in(&recorder.csv()), [4, 5, 6, 7, 8, 9]);
    assert!(recorder.ledger().starts_with(&before), "the state that holds is carried over");
    assert_eq!(ledger_rows(&recorder).len(), 2, "{}", recorder.ledger());
    assert!(recorder.log().contains(&summary_line(9, 0)), "{}", recorder.seen());
}

/// Waits until the files have been looked after, which shows in the lock: a new proof of life.
fn wait_for_a_look(recorder: &mut Recorder) {
    let proof = |now: &Recorder| {
        let text = now.text_of("op1.csv.lock");
        text.split_whitespace().next().and_then(|time| time.parse().ok()).unwrap_or(0)
    };
    let rows_ms = now_ms();
    recorder.wait_until("a look at the files", |now| proof(now) > rows_ms);
}

#[test]
fn a_file_removed_just_before_the_stop_is_there_after_it() {
    let server = Server::plain();
    let (mut recorder, connection) = start(&server);
    fs::remove_file(recorder.path("op1.csv")).expect("to be removed");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    // The look that happens to come before the removal leaves none of them to be brought back.
    let numbers = numbers_in(&recorder.csv());
    assert!(numbers == [1, 2, 3] || numbers.is_empty(), "{}", recorder.seen());
    assert_says(&recorder, &summary_line(3, 0));
}

/// Records three trades to `data/op1.csv`, from inside of `data` (and a relative name) or outside.
fn start_in_data(server: &Server, inside: bool) -> (Recorder, Connection) {
    let run = Run::new().url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let run = if inside {
        run.working_directory("data")
    } else {
        let run = run.folder("data").arg("--out").arg("data/op1.csv");
        run.arg("--log-file").arg("data/websocket_data.log")
    };
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&message(1..=3));
    recorder.wait_until("the rows", |now| in_data(now, "op1.csv").lines().count() == 4);
    (recorder, connection)
}

fn data(recorder: &Recorder) -> PathBuf {
    recorder.home().path().join("data")
}

fn in_data(recorder: &Recorder, name: &str) -> String {
    fs::read_to_string(data(recorder).join(name)).unwrap_or_default()
}

/// Its directory was moved: rows wait, and go on in the same file when it is back.
#[test]
fn a_recording_whose_directory_was_moved_waits_for_it() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start_in_data(&server, false);
    let elsewhere = recorder.home().path().join("elsewhere");
    fs::rename(data(&recorder), &elsewhere).expect("to be moved");
    recorder
        .wait_until_it_says("a new one cannot be made: No such file or directory); trades wait");
    connection.send_text(&message(4..=6));
    let read = || fs::read_to_string(elsewhere.join("op1.csv")).expect("the file");
    assert_eq!(numbers_in(&read()), [1, 2, 3], "nothing goes where nobody looks for it");
    fs::rename(&elsewhere, data(&recorder)).expect("to be moved back");
    recorder.wait_until_it_says("writing again");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(numbers_in(&in_data(&recorder, "op1.csv")), [1, 2, 3, 4, 5, 6]);
    assert_eq!(recorder.stderr().matches("it was moved or removed, and").count(), 1);
    assert!(recorder.stderr().contains(&summary_line(6, 0)), "{}", recorder.seen());
}

/// There is no place for its rows any more, also from the working directory itself: they wait, and
/// at the end they are not called written.
#[test]
fn a_recording_whose_directory_was_removed_calls_nothing_written_that_nobody_can_find() {
    for inside in [false, true] {
        let server = Server::plain();
        let (mut recorder, mut connection) = start_in_data(&server, inside);
        // The recorder may make a file in it meanwhile.
        let directory = data(&recorder);
        recorder.wait_until("it to be removed", |_| {
            fs::remove_dir_all(&directory).is_ok() || !directory.exists()
        });
        recorder.wait_until_it_says("file is gone");
        connection.send_text(&message(4..=6));
        assert_eq!(recorder.stop(connection), 1, "{}", recorder.seen());
        // The first look comes two seconds after the start; a slow machine may need as long to send
        // three trades and remove a directory.
        let dropped = |lost: u64| {
            let sum = format!("received 6 = written {} + rejected 0 + dropped {lost}", 6 - lost);
            let error = format!("error: file is gone: {lost} trades could not be written");
            recorder.stderr().contains(&sum) && recorder.stderr().contains(&error)
        };
        assert!(dropped(6) || dropped(3), "{}", recorder.seen());
        assert_eq!(recorder.stderr().matches("cannot write").count(), 1, "{}", recorder.seen());
        assert!(!data(&recorder).exists());
    }
}

#[test]
fn a_recording_goes_on_when_its_directory_is_made_anew() {
    for inside in [false, true] {
        let server = Server::plain();
        let (mut recorder, mut connection) = start_in_data(&server, inside);
        fs::remove_dir_all(data(&recorder)).expect("to be removed");
        recorder.wait_until_it_says("file is gone");
        connection.send_text(&message(4..=6));
        fs::create_dir(data(&recorder)).expect("to be made anew");
        recorder.wait_until("the rows", |now| in_data(now, "op1.csv").contains("AAPL,6,"));
        recorder.wait_until_it_says("op1.coverage.csv was moved or removed");
        // Nobody else can begin to record there.
        let second = Run::beside(&recorder).url(&server.url()).tickers("AAPL");
        let (code, second) = second.arg("--out").arg("data/op1.csv").run_to_its_end();
        assert!(code == 1 && second.stderr().contains("another process"), "{}", second.seen());
        connection.send_text(&message(7..=7));
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
        let numbers = numbers_in(&in_data(&recorder, "op1.csv"));
        assert!(numbers == [1, 2, 3, 4, 5, 6, 7] || numbers == [4, 5, 6, 7], "{numbers:?}");
        let ledger = rows_of_ledger(&in_data(&recorder, "op1.coverage.csv"));
        let states: Vec<&str> = ledger.iter().map(|row| row.state.as_str()).collect();
        assert_eq!(states, ["live", "down"], "{ledger:?}");
        let log = in_data(&recorder, "websocket_data.log");
        assert!(log.contains(&summary_line(7, 0)), "{}", recorder.seen());
    }
}

/// A directory in its place: its rows wait, trades do not, and the end says it.
#[test]
fn a_ledger_that_cannot_be_written_is_named_and_costs_no_trade() {
    for made_well in [false, true] {
        let server = Server::plain();
        let (mut recorder, mut connection) = start(&server);
        let ledger = recorder.path("op1.coverage.csv");
        // The program may be faster, and make a new one in between.
        recorder.wait_until("a directory", |_| {
            let _ = fs::remove_file(&ledger);
            fs::create_dir(&ledger).is_ok()
        });
        recorder.wait_until_it_says("op1.coverage.csv (it was moved or removed, and");
        connection.send_text(&message(4..=6));
        recorder.wait_for_row_count(6);
        // A change of state, and trades behind it.
        connection.reset();
        let mut connection = server.connect_and_wait_for_subscriptions(1);
        connection.send_text(&message(7..=9));
        recorder.wait_for_row_count(9);
        if made_well {
            fs::remove_dir(&ledger).expect("to be removed");
            recorder.wait_until_it_says("op1.coverage.csv: writing again");
        }
        let code = recorder.stop(connection);
        assert_eq!(code, i32::from(!made_well), "{}", recorder.seen());
        assert_eq!(numbers_in(&recorder.csv()), (1..=9).collect::<Vec<_>>());
        assert_says(&recorder, &summary_line(9, 0));
        let error = recorder.stderr().lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(error, usize::from(!made_well), "{}", recorder.seen());
        assert_eq!(recorder.stderr().matches("cannot write").count(), 1, "{}", recorder.seen());
        if made_well {
            let states = ledger_rows(&recorder).into_iter().map(|row| row.state);
            let states: Vec<String> = states.collect();
            assert!(states.ends_with(&["down", "live", "down"].map(str::to_owned)), "{states:?}");
        } else {
            assert!(recorder.stderr().contains("the last rows of"), "{}", recorder.seen());
        }
    }
}
