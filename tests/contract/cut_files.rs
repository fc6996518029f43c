//! Somebody empties or cuts the recording while it is being recorded, as `logrotate` does with
//! `copytruncate`: later rows are whole and have a header above them, no whole row is lost, and what
//! is damaged is in a file of its own.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Recorder, Run, Signal};
use crate::journal::{Journal, message, numbers_of, recorded_up_to};
use crate::recording::{FORETOLD_COLUMNS, assert_says, summary_line};
use crate::server::Server;

fn row(number: u64) -> String {
    format!("AAPL,{number},5,1680300000123,1\n")
}

fn numbers_in(recorder: &Recorder) -> Vec<u64> {
    numbers_of(recorder.csv().strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header"))
}

/// Cuts the recording to `length` bytes, as `truncate -s` does.
fn cut(recorder: &Recorder, length: u64) {
    let file = OpenOptions::new().write(true).open(recorder.path("op1.csv")).expect("the file");
    file.set_len(length).expect("to be cut");
}

/// What is in the files beside the recording that hold damaged rows.
fn torn(recorder: &Recorder) -> String {
    let files = recorder.all_files().into_iter();
    let torn = files.filter(|(path, _)| path.to_string_lossy().contains("op1.csv.torn-"));
    torn.map(|(_, content)| String::from_utf8(content).expect("text")).collect()
}

#[test]
fn a_recording_that_was_emptied_gets_its_header_back() {
    let server = Server::plain();
    let (mut recorder, mut connection) = recorded_up_to(3, &server);
    cut(&recorder, 0);
    connection.send_text(&message(4..=4));
    recorder.wait_until_it_says("was emptied or cut");
    connection.send_text(&message(5..=6));
    recorder.wait_for_row_count(3);
    assert_eq!(numbers_in(&recorder), [4, 5, 6]);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(numbers_in(&recorder), [4, 5, 6]);
    assert_eq!(torn(&recorder), "");
    assert_says(&recorder, &summary_line(6, 0));
}

/// A kill between the emptying and the look leaves rows without a header.
#[test]
fn a_recording_that_lost_its_header_before_a_kill_is_continued_with_one() {
    let rows = format!("{}{}", row(1), row(2));
    let ledger = "1680300000000,live,AAPL,\n";
    let server = Server::plain();
    let run = Run::new().file("op1.csv", format!("{rows}AAPL,3,5,1680")).restrict("op1.csv", 0o640);
    let run = run.file("op1.coverage.csv", ledger).columns(FORETOLD_COLUMNS);
    let mut recorder = run.url(&server.url()).tickers("AAPL").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&message(4..=4));
    recorder.wait_for_row_count(3);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(numbers_in(&recorder), [1, 2, 4]);
    assert_eq!(torn(&recorder), "AAPL,3,5,1680");
    assert_says(&recorder, "op1.csv had lost its header");
    let head = format!("time_ms,state,tickers,reason\n{ledger}");
    assert!(recorder.ledger().starts_with(&head), "{}", recorder.ledger());
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(recorder.path(name)).expect("the file").permissions().mode() & 0o777
    };
    assert_eq!(mode("op1.csv"), 0o640);
    assert_eq!(recorder.names_with("redo"), Vec::<String>::new());
}

/// What is no recording is refused as before, and not touched.
#[test]
fn a_file_whose_lines_do_not_fit_the_columns_is_refused() {
    for content in [
        "AAPL,1,5,1680300000123\n",
        "AAPL,one,5,1680300000123,1\n",
        "AAPL,1,5,yesterday,1\n",
        "AAPL,1,5,1680300000123,1\n,1,5,1680300000123,1\n",
        "AAPL,1,5,1680300000123,1",
    ] {
        let run = Run::new().file("op1.csv", content).columns(FORETOLD_COLUMNS).tickers("AAPL");
        let (code, recorder) = run.url("ws://127.0.0.1:9").run_to_its_end();
        assert_eq!(code, 1, "{content}: {}", recorder.seen());
        assert!(recorder.only_error_line().contains("op1.csv has other columns"));
        assert_eq!(recorder.csv(), content);
    }
    // Words alone are no sign of a recording.
    let run = Run::new().file("op1.csv", "hello,1\n").columns("ticker,conditions").tickers("AAPL");
    assert_eq!(run.url("ws://127.0.0.1:9").run_to_its_end().0, 1);
}

/// In the middle of a row and of a first field; with and without rows that come
/// before it is noticed; also when the file has grown again beyond its old length by then.
#[test]
fn a_recording_cut_in_the_middle_of_a_row_keeps_its_whole_rows_and_all_later_ones() {
    let server = Server::plain();
    let (mut recorder, mut connection) = recorded_up_to(3, &server);
    let header = FORETOLD_COLUMNS.len() as u64 + 1;
    let one = row(1).len() as u64;
    let mut next = 4;
    let mut kept = vec![1, 2, 3];
    let (mut mended, mut damaged) = (0, Vec::new());
    for (rows, bytes, later) in [(2, 7, 0), (1, 1, 3), (2, one - 1, 9), (0, 2, 2)] {
        recorder.wait_until("all rows", |now| numbers_in(now) == kept);
        let length = header + rows as u64 * one + bytes;
        let stump = usize::try_from(length - bytes).expect("a few")
            ..usize::try_from(length).expect("a few");
        damaged.extend_from_slice(&recorder.bytes_of("op1.csv")[stump]);
        kept.truncate(rows);
        cut(&recorder, length);
        if later > 0 {
            connection.send_text(&message(next..=next + later - 1));
            kept.extend(next..next + later);
            next += later;
        }
        mended += 1;
        recorder.wait_until("it is mended", |now| {
            now.stderr().matches("it was moved to").count() == mended
        });
    }
    connection.send_text(&message(next..=next));
    kept.push(next);
    recorder.wait_until("all rows", |now| now.csv().ends_with(&row(next)));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(numbers_in(&recorder), kept);
    // Their names are the times, of which each is later than the one before.
    assert_eq!(torn(&recorder), String::from_utf8(damaged).expect("text"));
    assert_says(&recorder, &summary_line(usize::try_from(next).expect("a few"), 0));
}

/// The same for the ledger: its rows go on under a header, and the state that holds is said again.
#[test]
fn a_ledger_that_was_emptied_says_again_what_holds() {
    let server = Server::plain();
    let (mut recorder, connection) = recorded_up_to(1, &server);
    let before = recorder.ledger();
    fs::write(recorder.path("op1.coverage.csv"), "").expect("to be emptied");
    recorder.wait_until_it_says("op1.coverage.csv was emptied or cut");
    recorder.wait_until("the state", |now| now.ledger().lines().count() == 2);
    assert_eq!(recorder.ledger(), before);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(recorder.ledger().starts_with(&before) && recorder.ledger().contains("stopped"));
}

/// Far more than may be in memory at once.
const MANY_ROWS: usize = 2_000_000;

/// The promise for everything but the trades that wait.
#[cfg(target_os = "linux")]
const MEMORY_KIB: u64 = 32 << 10;

#[cfg(target_os = "linux")]
#[test]
fn repairing_a_large_recording_takes_no_memory_for_it() {
    let whole = format!("{FORETOLD_COLUMNS}\n{}", row(1).repeat(MANY_ROWS));
    let server = Server::plain();
    let run = Run::new().file("op1.csv", &whole).columns(FORETOLD_COLUMNS);
    let mut recorder = run.url(&server.url()).tickers("AAPL").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    cut(&recorder, whole.len() as u64 - 9);
    connection.send_text(&message(2..=2));
    recorder.wait_until_it_says("it was moved to");
    let memory = recorder.status_number("VmHWM");
    assert!(memory < MEMORY_KIB, "{memory} KiB");
    recorder.wait_until("the row", |now| now.ends_with("op1.csv", &row(2)));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(recorder.csv().len(), whole.len());
}

/// How often the recording is damaged; more with this variable in the environment.
const TIMES: usize = 5;
const TIMES_VARIABLE: &str = "FINNHUB_TEST_CUTS";

/// Emptied, cut anywhere, appended to and removed, between one look and the next each time, while
/// trades come.
#[test]
#[expect(clippy::print_stderr, reason = "the counts and the seed belong into the test's record")]
fn whatever_is_done_to_the_recording_its_rows_are_whole_and_later_ones_are_there() {
    let times = env::var(TIMES_VARIABLE).map_or(TIMES, |number| number.parse().expect("a number"));
    let seed = fastrand::u64(..);
    let mut dice = fastrand::Rng::with_seed(seed);
    eprintln!("{times} times, seed {seed}");
    let journal = Journal::start();
    let run = Run::new().url(&journal.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let mut recorder = run.spawn();
    let mut last_done = Instant::now();
    let mut kept = Vec::<u64>::new();
    recorder.wait_for_row_count(1);
    for number in 0..times {
        // Half a row in two places is more than the next look can separate.
        recorder.wait_until("it is mended", |now| {
            // The terminal says the same thing once.
            let said = now.log();
            said.matches(" by somebody").count() + said.matches("moved or removed").count()
                >= number
        });
        thread::sleep(Duration::from_millis(dice.u64(0..1_500)));
        let csv = recorder.csv();
        let cut_to = match dice.u8(0..6) {
            0 => {
                fs::remove_file(recorder.path("op1.csv")).expect("to be removed");
                0
            }
            1 => {
                append(&recorder, b"AAPL,0,5,16803");
                csv.len()
            }
            other => {
                let cut_to = if other == 2 { 0 } else { dice.usize(0..csv.len()) };
                cut(&recorder, cut_to as u64);
                cut_to
            }
        };
        last_done = Instant::now();
        kept = csv[..cut_to].lines().filter_map(number_of).collect();
        // A header may have come between the look and the cut.
        kept.truncate(kept.len().saturating_sub(3));
    }
    thread::sleep(Duration::from_millis(dice.u64(0..700)));
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let numbers = numbers_in(&recorder);
    assert!(numbers.is_sorted_by(|a, b| a < b), "in order, and none twice");
    let sent = journal.sent();
    let later = sent.iter().filter(|sent| sent.at > last_done);
    let later: Vec<u64> = later.flat_map(|sent| sent.numbers.clone()).collect();
    let first = kept.first().and_then(|first| numbers.binary_search(first).ok()).unwrap_or(0);
    assert!(numbers[first..].starts_with(&kept), "every row before the last cut");
    let received = later.iter().take_while(|number| Some(*number) <= numbers.last()).count();
    assert!(numbers.ends_with(&later[..received]), "every later row");
    eprintln!("{} rows at the end, {received} since the last time", numbers.len());
}

fn append(recorder: &Recorder, bytes: &[u8]) {
    let file = OpenOptions::new().append(true).open(recorder.path("op1.csv"));
    file.expect("the file").write_all(bytes).expect("to be written");
}

/// The number of a whole row of a [`message`].
fn number_of(line: &str) -> Option<u64> {
    line.strip_prefix("AAPL,")?.strip_suffix(",5,1680300000123,1")?.parse().ok()
}

/// Somebody else's rows in between are theirs; only half a row of theirs would spoil ours.
#[test]
fn half_a_row_that_somebody_appended_does_not_spoil_the_next_one() {
    let server = Server::plain();
    let (mut recorder, mut connection) = recorded_up_to(3, &server);
    append(&recorder, b"AAPL,77");
    connection.send_text(&message(4..=4));
    recorder.wait_until_it_says("was written to by somebody");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!((numbers_in(&recorder), torn(&recorder).as_str()), (vec![1, 2, 3, 4], "AAPL,77"));
}
