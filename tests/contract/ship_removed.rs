//! The live file is removed or replaced while it is recorded and shipped: the command gets each row
//! once, also those that the recorder brings back into the new file.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::harness::{Recorder, Run, Signal};
use crate::journal::{Journal, message, numbers_of, recorded_up_to};
use crate::recording::FORETOLD_COLUMNS;
use crate::server::Server;
use crate::ship::{KEEP, beside, kept_rows};

fn record(journal: &Journal, run: Run, fsync: &str) -> Recorder {
    let run = run.url(&journal.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    run.arg("--fsync").arg(fsync).spawn()
}

/// The trades that the command got, in the order of its batches.
fn shipped_numbers(recorder: &Recorder) -> Vec<u64> {
    numbers_of(&kept_rows(&recorder.path("")))
}

/// Stops the recorder, ships what is left, and gives the last run of `ship`.
fn end(mut recorder: Recorder, mut shipped: Recorder) -> Recorder {
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    let mut last = beside(&shipped, "--once", KEEP);
    assert_eq!(last.wait_exit(), 0, "{}", last.seen());
    last
}

/// How often the file is removed.
const REMOVALS: usize = 3;

#[test]
fn a_live_file_that_is_removed_again_and_again_is_shipped_row_by_row_and_once() {
    for fsync in ["1s", "50ms", "always", "never"] {
        let journal = Journal::start();
        let mut recorder = record(&journal, Run::new(), fsync);
        recorder.wait_for_row_count(1);
        let mut shipped = beside(&recorder, "--batch-wait 20ms --batch-rows 300", KEEP);
        shipped.wait_until_it_says("reading op1.csv");
        for removed in 1..=REMOVALS {
            recorder.wait_for_row_count(50);
            thread::sleep(Duration::from_millis(fastrand::u64(0..700)));
            fs::remove_file(recorder.path("op1.csv")).expect("to be removed");
            // Before the next one goes: who has not opened a file cannot ship it.
            shipped.wait_until("the new file", |now| {
                now.stderr().matches("going on with op1.csv").count() >= removed
            });
        }
        let journaled = journal.sent().len();
        recorder.wait_until("a few more", |_| journal.sent().len() > journaled + 20);
        let last = end(recorder, shipped);
        let numbers = shipped_numbers(&last);
        let expected: Vec<u64> = (1..=*numbers.last().expect("rows")).collect();
        assert!(numbers == expected, "--fsync {fsync}: {}", difference(&numbers));
        assert!(last.csv().ends_with(&format!("AAPL,{},5,1680300000123,1\n", numbers.len())));
    }
}

/// Where the numbers do not go on by one.
fn difference(numbers: &[u64]) -> String {
    let pairs = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1);
    format!("{} rows; {:?}", numbers.len(), pairs.collect::<Vec<_>>())
}

#[test]
fn rows_that_were_brought_back_are_shipped_although_no_trade_follows() {
    let server = Server::plain();
    let (mut recorder, mut connection) = recorded_up_to(3, &server);
    let mut shipped = beside(&recorder, "--batch-wait 1ms", KEEP);
    shipped.wait_until("the first rows", |now| shipped_numbers(now) == [1, 2, 3]);
    connection.send_text(&message(4..=6));
    recorder.wait_for_row_count(6);
    fs::remove_file(recorder.path("op1.csv")).expect("to be removed");
    shipped.wait_until("the others", |now| shipped_numbers(now) == [1, 2, 3, 4, 5, 6]);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    assert_eq!(shipped_numbers(&shipped), [1, 2, 3, 4, 5, 6]);
}

/// A recording of three trades that are shipped, and a copy that was put in its place, changed by
/// `change`; three more trades came before the recorder has noticed.
fn replaced(server: &Server, change: impl Fn(String) -> String) -> (Recorder, Recorder) {
    let (recorder, mut connection) = recorded_up_to(3, server);
    let mut shipped = beside(&recorder, "--batch-wait 1ms", KEEP);
    // What is shipped has been looked at: it is not brought back any more.
    shipped.wait_until("the first rows", |now| shipped_numbers(now) == [1, 2, 3]);
    fs::write(recorder.path("copy"), change(recorder.csv())).expect("a file");
    fs::rename(recorder.path("copy"), recorder.path("op1.csv")).expect("to be replaced");
    connection.send_text(&message(4..=6));
    let mut recorder = recorder;
    recorder.wait_until("the rows in the new file", |now| now.csv().contains("AAPL,6,"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    (recorder, shipped)
}

#[test]
fn a_copy_that_is_put_in_its_place_is_not_shipped_again() {
    let server = Server::plain();
    let (_recorder, mut shipped) = replaced(&server, |csv| csv);
    shipped.wait_until("the others", |now| shipped_numbers(now) == [1, 2, 3, 4, 5, 6]);
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    let mut last = beside(&shipped, "--once", KEEP);
    assert_eq!(last.wait_exit(), 0, "{}", last.seen());
    assert_eq!(shipped_numbers(&last), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_copy_that_was_changed_before_the_position_is_an_error() {
    let server = Server::plain();
    let without_the_second = |csv: String| csv.replace("AAPL,2,5,1680300000123,1\n", "");
    let (_recorder, mut shipped) = replaced(&server, without_the_second);
    assert_eq!(shipped.wait_exit(), 1, "{}", shipped.seen());
    assert!(shipped.stderr().contains("error: op1.csv"), "{}", shipped.seen());
    assert_eq!(shipped_numbers(&shipped), [1, 2, 3]);
}

/// How often one of both is killed; more with this variable in the environment.
const KILLS: u32 = 4;
const KILLS_VARIABLE: &str = "FINNHUB_TEST_KILLS";

/// A kill may take rows that were in the removed file alone. None comes twice, and what is in a file
/// that has a name is shipped.
#[test]
#[expect(clippy::print_stderr, reason = "the seed belongs into the test's record")]
fn kills_while_the_live_file_is_removed_bring_no_row_twice() {
    let kills = std::env::var(KILLS_VARIABLE).map_or(KILLS, |n| n.parse().expect("a number"));
    let seed = fastrand::u64(..);
    eprintln!("{kills} kills, seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let journal = Journal::start();
    let mut recorder = record(&journal, Run::new(), "50ms");
    recorder.wait_for_row_count(1);
    let options = "--batch-wait 20ms --batch-rows 300";
    let mut shipped = beside(&recorder, options, KEEP);
    for _ in 0..kills {
        thread::sleep(Duration::from_millis(dice.u64(0..300)));
        // It may be away already.
        let _ = fs::remove_file(recorder.path("op1.csv"));
        thread::sleep(Duration::from_millis(dice.u64(0..300)));
        let victim = if dice.bool() { &mut recorder } else { &mut shipped };
        victim.signal(Signal::SIGKILL);
        victim.wait_exit();
        if !recorder.is_running() {
            recorder = record(&journal, Run::beside(&shipped), "50ms");
        }
        recorder.wait_until("a row", |now| now.csv().lines().count() > 1);
        if !shipped.is_running() {
            // The file of the position may be gone, which is to be allowed.
            shipped = beside(&recorder, &format!("{options} --skip-missing"), KEEP);
        }
    }
    // It has begun to record, and so to listen to signals.
    let before = recorder.csv().len();
    recorder.wait_until("another row", |now| now.csv().len() > before);
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    shipped.wait_until_it_says("shipping op1.csv");
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    let mut last = beside(&shipped, "--once --skip-missing", KEEP);
    assert_eq!(last.wait_exit(), 0, "{}", last.seen());
    let numbers = shipped_numbers(&last);
    let twice = numbers.windows(2).filter(|pair| pair[0] >= pair[1]).collect::<Vec<_>>();
    assert!(twice.is_empty(), "{twice:?}");
    let left = last.csv();
    let left = left.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header");
    assert!(numbers.ends_with(&numbers_of(left)), "what is in the file is shipped");
}
