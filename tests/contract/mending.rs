//! Half a row in the recording, and rows of ours behind it: put right at the cost of the end of the
//! file alone, however long that is, and whatever happens meanwhile. Linux only: sparse files, and a
//! library that makes a disk slow.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::full_disk::SmallDisk;
use crate::harness::faulty_disk::{Fault, FaultyDisk};
use crate::harness::{Recorder, Run, Signal};
use crate::journal::{message, numbers_of};
use crate::recording::{FORETOLD_COLUMNS, assert_says, now_ms, summary_line};
use crate::server::Server;

fn row(number: u64) -> String {
    format!("AAPL,{number},5,1680300000123,1\n")
}

fn start(run: Run, server: &Server) -> (Recorder, Connection) {
    let run = run.url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    (run.spawn(), server.connect_and_wait_for_subscriptions(1))
}

fn append(path: &Path, text: &str) {
    let file = OpenOptions::new().append(true).open(path);
    file.expect("the file").write_all(text.as_bytes()).expect("to be written");
}

/// When the heartbeat in the lock was written.
fn heartbeat(recorder: &Recorder) -> i64 {
    let text = recorder.text_of("op1.csv.lock");
    text.split_whitespace().next().and_then(|time| time.parse().ok()).unwrap_or(0)
}

/// Appends half a row and lets one of ours follow it, just after a look at the files, so that the next
/// one comes when both are there.
fn spoil(recorder: &mut Recorder, connection: &mut Connection, half: &str, number: u64) {
    let before = now_ms();
    recorder.wait_until("a look at the files", |now| heartbeat(now) > before);
    append(&recorder.path("op1.csv"), half);
    connection.send_text(&message(number..=number));
    recorder.wait_until("the row", |now| now.ends_with("op1.csv", &row(number)));
}

/// What is seen after each step: how many halves have been copied, whether there is a file with the new
/// end, and whether that is in the recording.
type Seen = fn(halves: usize, new_end: bool, csv: &str) -> bool;

/// So often a busy machine may let a look at the files come at the wrong instant.
const MOST_TRIES: u64 = 5;

/// Of the three steps, the first leaves the file as it was, the others are made up for.
#[test]
fn a_kill_at_each_step_of_mending_loses_nothing_that_was_in_the_file() {
    let half = "AAPL,77";
    let steps: [(&str, Seen); 3] = [
        ("the half is copied", |halves, _, _| halves > 0),
        ("the new end is written", |_, new_end, _| new_end),
        ("the end is new", |_, new_end, csv| new_end && !csv.contains("77")),
    ];
    for (step, is_there) in steps {
        let server = Server::plain();
        let disk = FaultyDisk::with(&[]);
        let (mut recorder, mut connection) = start(disk.under(Run::new()), &server);
        disk.set(Fault::SlowSync);
        let mut whole = format!("{FORETOLD_COLUMNS}\n");
        let mut seen = false;
        for number in 1..=MOST_TRIES {
            let others = recorder.names_with("torn-").len();
            spoil(&mut recorder, &mut connection, half, number);
            recorder.wait_until(step, |now| {
                let new_end = !now.names_with("redo-").is_empty();
                let halves = now.names_with("torn-").len() - others;
                seen = is_there(halves, new_end, &now.csv());
                seen || now.log().matches("it was moved to").count() > others
            });
            if seen {
                break;
            }
            // On a busy machine a look may have come between the half and the row.
            whole += &row(number);
        }
        assert!(seen, "{step} was never seen\n{}", recorder.seen());
        recorder.signal(Signal::SIGKILL);
        assert_eq!(recorder.wait_exit(), -9);

        let left = recorder.csv();
        // A file is there before anything is in it.
        let is_empty = |name: &String| recorder.bytes_of(name).is_empty();
        let as_it_was = left.contains(half) && recorder.names_with("redo-").iter().all(is_empty);
        let halves = recorder.names_with("torn-");
        let (mut recorder, connection) = start(Run::beside(&recorder), &server);
        assert_eq!(recorder.stop(connection), 0, "{step}: {}", recorder.seen());
        let csv = recorder.csv();
        let last = csv.strip_prefix(&whole).expect("what was there before");
        assert_eq!(last.replacen(half, "", 1).lines().count(), 1, "{step}: {}", recorder.seen());
        assert_eq!(last.contains(half), as_it_was, "{step}: {}", recorder.seen());
        assert!(!as_it_was || csv == left, "{step}: {}", recorder.seen());
        assert_eq!(recorder.names_with("torn-"), halves, "{step}");
        assert!(halves.iter().all(|name| half.starts_with(&recorder.text_of(name))), "{step}");
        assert!(recorder.names_with("redo-").is_empty(), "{step}: {}", recorder.seen());
    }
}

/// Far more than can be copied in the time that a heartbeat may take, and perhaps more than there is room.
const LARGE_BYTES: u64 = 8 << 30;

/// The rows behind the hole.
const ROWS: usize = 100;

/// A heartbeat is never older.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// A recording of gigabytes that takes no room: of almost all of it there is nothing but the length. Its
/// recorder has left word that it is whole.
fn large_recording() -> Run {
    let run = Run::new();
    let path = run.directory().join("op1.csv");
    fs::write(&path, format!("{FORETOLD_COLUMNS}\n{}", row(1))).expect("the file");
    let end = format!("\n{}", row(1).repeat(ROWS));
    let file = OpenOptions::new().write(true).open(&path).expect("the file");
    file.write_all_at(end.as_bytes(), LARGE_BYTES).expect("the end");
    let length = file.metadata().expect("the file").len();
    run.file("op1.csv.lock", format!("1700000000000 {length} 7 - {length} 0 - yes\n"))
}

/// Bytes on the disk of everything in the directory.
fn room_taken(recorder: &Recorder) -> u64 {
    // A file may have gone just now.
    let room = |name: &String| fs::metadata(recorder.path(name)).map_or(0, |it| it.blocks() * 512);
    recorder.names_with("").iter().map(room).sum()
}

/// Waits until it `says` so, and fails when the heartbeat stands still or a large file is made.
fn wait_while_it_lives(recorder: &mut Recorder, says: &str) {
    let mut last = (heartbeat(recorder), Instant::now());
    recorder.wait_until(says, |now| {
        let time = heartbeat(now);
        if time != last.0 {
            last = (time, Instant::now());
        }
        assert!(last.1.elapsed() < HEARTBEAT, "the heartbeat stands still\n{}", now.seen());
        assert!(room_taken(now) < 1 << 20, "a copy is being made\n{}", now.seen());
        now.stderr().contains(says)
    });
}

/// The end of the recording, behind the hole.
fn end(recorder: &Recorder) -> String {
    let file = File::open(recorder.path("op1.csv")).expect("the file");
    let length = file.metadata().expect("the file").len();
    let mut bytes = vec![0; usize::try_from(length - LARGE_BYTES - 1).expect("a few")];
    file.read_exact_at(&mut bytes, LARGE_BYTES + 1).expect("its end");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_file_larger_than_the_free_space_is_mended_at_once() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(large_recording(), &server);
    spoil(&mut recorder, &mut connection, "AAPL,77", 2);
    wait_while_it_lives(&mut recorder, "it was moved to");
    assert_eq!(end(&recorder), format!("{}{}", row(1).repeat(ROWS), row(2)));

    // Cut in the middle of a row, and a row behind it.
    let before = now_ms();
    recorder.wait_until("a look at the files", |now| heartbeat(now) > before);
    let file = OpenOptions::new().write(true).open(recorder.path("op1.csv")).expect("the file");
    file.set_len(file.metadata().expect("the file").len() - row(2).len() as u64 - 9)
        .expect("a cut");
    connection.send_text(&message(3..=3));
    wait_while_it_lives(&mut recorder, "was emptied or cut by somebody");
    connection.send_text(&message(4..=4));
    recorder.wait_until("the row", |now| now.ends_with("op1.csv", &row(4)));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(end(&recorder), format!("{}{}{}", row(1).repeat(ROWS - 1), row(3), row(4)));
    assert_says(&recorder, &summary_line(3, 0));
    let torn = recorder.names_with("torn-");
    let torn: Vec<String> = torn.iter().map(|name| recorder.text_of(name)).collect();
    assert_eq!(torn, ["AAPL,77", &row(1)[..row(1).len() - 9]]);
}

/// As `truncate` does it, or a program that has the file mapped: gigabytes of nothing behind the rows.
#[test]
fn a_file_that_was_made_longer_by_nothing_is_mended_at_once() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new(), &server);
    connection.send_text(&message(1..=3));
    recorder.wait_for_row_count(3);
    for (number, said) in [(4, 1), (5, 2)] {
        let before = now_ms();
        recorder.wait_until("a look at the files", |now| heartbeat(now) > before);
        let file = OpenOptions::new().write(true).open(recorder.path("op1.csv")).expect("the file");
        file.set_len(LARGE_BYTES).expect("a longer file");
        // Once with a row of ours behind it, and once without.
        if number == 4 {
            connection.send_text(&message(number..=number));
        }
        let mended = |now: &Recorder| now.log().matches("it was moved to").count() == said;
        recorder.wait_until("it is mended", mended);
        if number == 5 {
            connection.send_text(&message(number..=number));
        }
        recorder.wait_until("the row", |now| now.ends_with("op1.csv", &row(number)));
        assert!(room_taken(&recorder) < 1 << 20, "{}", recorder.seen());
    }
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let csv = recorder.csv();
    let rows = csv.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header");
    assert_eq!(numbers_of(rows), [1, 2, 3, 4, 5]);
    assert_says(&recorder, &summary_line(5, 0));
}

#[test]
#[ignore = "needs root to mount a small tmpfs"]
fn a_file_is_mended_on_a_file_system_that_has_no_room_for_another_one() {
    let server = Server::plain();
    let run = Run::new().working_directory("small");
    let disk = SmallDisk::mount(run.directory());
    let whole = format!("{FORETOLD_COLUMNS}\n{}", row(1).repeat((700 << 10) / row(1).len()));
    fs::write(disk.0.join("op1.csv"), &whole).expect("room for the recording");
    let (mut recorder, mut connection) = start(run, &server);
    spoil(&mut recorder, &mut connection, "AAPL,77", 2);
    recorder.wait_until_it_says("it was moved to");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(recorder.csv() == format!("{whole}{}", row(2)));
    assert!(!recorder.stderr().contains("disk full"), "{}", recorder.seen());
}
