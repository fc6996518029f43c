//! Disks and file systems that lack something, or go away under the open files: whatever can be
//! recorded is, with a word, and what cannot is refused without a trace.
//!
//! The faults are in a library between the program and the C library. Linux only.

use std::fs;
use std::time::Duration;

use crate::connection::Connection;
use crate::harness::faulty_disk::{Fault, FaultyDisk};
use crate::harness::{Recorder, Run};
use crate::journal::{message, numbers_of};
use crate::recording::{FORETOLD_COLUMNS, assert_says, ledger_rows, now_ms, summary_line};
use crate::server::Server;

fn start(disk: &FaultyDisk, server: &Server) -> (Recorder, Connection) {
    start_in(Run::new(), disk, server)
}

fn start_in(run: Run, disk: &FaultyDisk, server: &Server) -> (Recorder, Connection) {
    let run = run.url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    (disk.under(run).spawn(), server.connect_and_wait_for_subscriptions(1))
}

/// When the heartbeat in the lock was written, and how many bytes were on the disk.
fn heartbeat(recorder: &Recorder) -> (i64, u64) {
    let text = recorder.text_of("op1.csv.lock");
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap_or(0));
    let (time, synced) = (numbers.next(), numbers.next());
    (time.unwrap_or(0), u64::try_from(synced.unwrap_or(0)).expect("a length"))
}

/// Waits until the files have been looked after.
pub(crate) fn look(recorder: &mut Recorder) {
    let before = now_ms();
    recorder.wait_until("a look at the files", |now| heartbeat(now).0 > before);
}

/// Waits until all there is in the recording is on the disk, as the lock says.
fn wait_until_synced(recorder: &mut Recorder) {
    recorder.wait_until("the rows on the disk", |now| heartbeat(now).1 == now.csv().len() as u64);
}

fn numbers_in(recorder: &Recorder) -> Vec<u64> {
    numbers_of(recorder.csv().strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header"))
}

/// At the start and later, when a file has to be made anew.
#[test]
fn a_directory_that_cannot_be_forced_to_the_disk_is_said_once_and_recorded_to() {
    let server = Server::plain();
    let disk = FaultyDisk::with(&[Fault::NoDirectorySync]);
    let (mut recorder, mut connection) = start(&disk, &server);
    connection.send_text(&message(1..=3));
    recorder.wait_for_row_count(3);
    fs::rename(recorder.path("op1.csv"), recorder.path("yesterday.csv")).expect("to be moved");
    recorder.wait_until_it_says("op1.csv was moved or removed");
    connection.send_text(&message(4..=6));
    recorder.wait_for_row_count(3);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(numbers_in(&recorder), [4, 5, 6]);
    assert_says(&recorder, &summary_line(6, 0));
    let said = "cannot be forced to the disk (Invalid argument)";
    assert_says(&recorder, said);
    assert_eq!(recorder.stderr().matches(said).count(), 1, "{}", recorder.seen());
}

/// What is done to the files while the disk is away.
type Meanwhile = fn(&Recorder);

/// The same files on a disk that was plugged in again: other files, as far as the system knows.
fn replug(recorder: &Recorder) {
    let (here, away) = (recorder.path(""), recorder.home().path().join("away"));
    fs::rename(&here, &away).expect("to be moved");
    fs::create_dir(&here).expect("a folder");
    for entry in fs::read_dir(away).expect("the files").flatten() {
        fs::copy(entry.path(), here.join(entry.file_name())).expect("to be copied");
    }
}

/// The disk gives an error whatever is tried with the open files; opened anew they are well.
#[test]
fn a_disk_that_comes_back_is_written_again_with_every_row_once() {
    let stale = [Fault::Stale, Fault::Replaced];
    for (name, faults, meanwhile) in [
        ("another disk with the same files", &stale[1..], replug as Meanwhile),
        ("the same again", &stale[1..], |_| ()),
        ("a share that was mounted again", &stale, |_| ()),
        ("another share with the same files", &stale, replug),
    ] {
        let server = Server::plain();
        let disk = FaultyDisk::with(&[]);
        let (mut recorder, mut connection) =
            start_in(Run::new().working_directory("disk"), &disk, &server);
        connection.send_text(&message(1..=3));
        recorder.wait_for_row_count(3);
        wait_until_synced(&mut recorder);
        // These may be on the disk or not.
        connection.send_text(&message(4..=6));
        recorder.wait_for_row_count(6);
        for fault in faults {
            disk.set(*fault);
        }
        meanwhile(&recorder);
        connection.send_text(&message(7..=9));
        recorder.wait_for_row_count(9);
        let well_ms = now_ms();
        // A change of state, so that the ledger has something to say as well.
        connection.reset();
        let mut connection = server.connect_and_wait_for_subscriptions(1);
        connection.send_text(&message(10..=12));
        recorder.wait_for_row_count(12);
        recorder.wait_until("a heartbeat", |now| heartbeat(now).0 > well_ms);
        assert_eq!(recorder.stop(connection), 0, "{name}: {}", recorder.seen());
        let all: Vec<u64> = (1..=12).collect();
        assert_eq!(numbers_in(&recorder), all, "{name}: {}", recorder.seen());
        let sums = summary_line(12, 0);
        assert!(recorder.stderr().contains(&sums), "{name}: {}", recorder.seen());
        let states: Vec<String> = ledger_rows(&recorder).into_iter().map(|row| row.state).collect();
        assert_eq!(states, ["live", "down", "live", "down"], "{name}: {}", recorder.ledger());
        assert!(recorder.log().contains(&sums), "{name}: {}", recorder.seen());
    }
}

/// A disk that has kept what was forced to it, and nothing else: what is still in memory is written
/// again, and of the rest the ledger says that it may be lost.
#[test]
fn what_a_disk_has_lost_is_written_again_or_said_to_be_lost() {
    for is_remembered in [true, false] {
        let server = Server::plain();
        let disk = FaultyDisk::with(&[]);
        let run = Run::new().working_directory("disk").arg("--fsync").arg("never");
        let (mut recorder, mut connection) = start_in(run, &disk, &server);
        connection.send_text(&message(1..=3));
        recorder.wait_for_row_count(3);
        let kept = recorder.csv();
        // It forgets the rows.
        look(&mut recorder);
        connection.send_text(&message(4..=6));
        recorder.wait_for_row_count(6);
        if !is_remembered {
            look(&mut recorder);
        }
        disk.set(Fault::Replaced);
        replug(&recorder);
        fs::write(recorder.path("op1.csv"), &kept).expect("what was on the disk");
        recorder.wait_until_it_says("what was last written to it may be lost");
        connection.send_text(&message(7..=9));
        recorder.wait_until("the rows", |now| now.csv().contains("AAPL,9,"));
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
        let numbers = numbers_in(&recorder);
        let rows = ledger_rows(&recorder);
        let reasons: Vec<&str> = rows.iter().map(|row| row.reason.as_str()).collect();
        // On a busy machine a look may have come in between.
        if numbers == [1, 2, 3, 7, 8, 9] {
            assert_eq!(reasons, ["", "disk gone: rows may be lost", "", "stopped"]);
        } else {
            assert!(is_remembered && numbers == [1, 2, 3, 4, 5, 6, 7, 8, 9], "{numbers:?}");
            assert_eq!(reasons, ["", "stopped"], "{}", recorder.ledger());
        }
    }
}

/// The old file is somewhere else, on a disk that takes nothing: a new one is begun without it.
#[test]
fn a_bad_file_that_was_moved_away_holds_nothing_up() {
    let server = Server::plain();
    let disk = FaultyDisk::with(&[]);
    let run = Run::new().arg("--fsync").arg("never");
    let (mut recorder, mut connection) = start_in(run, &disk, &server);
    recorder.wait_until("the ledger", |now| now.ledger().contains("live"));
    // What was written by now is forced to the disk for the ledger; what follows is not.
    look(&mut recorder);
    connection.send_text(&message(1..=3));
    recorder.wait_for_row_count(3);
    disk.set(Fault::Replaced);
    fs::rename(recorder.path("op1.csv"), recorder.path("bad.csv")).expect("to be moved");
    connection.send_text(&message(4..=6));
    recorder.wait_until("the rows", |now| now.csv().contains("AAPL,6,"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_says(&recorder, "what was last written to it may be lost");
    assert_says(&recorder, &summary_line(6, 0));
    let (old, new) = (recorder.text_of("bad.csv"), numbers_in(&recorder));
    assert!(old.contains("AAPL,1,") && new.ends_with(&[4, 5, 6]), "{}", recorder.seen());
}

/// Nothing has been written since the disk came back, so that only the stop finds out.
#[test]
fn a_stop_is_the_first_to_find_the_old_disk_gone() {
    for fsync in ["never", "10m"] {
        for faults in [&[Fault::Replaced][..], &[Fault::Stale, Fault::Replaced]] {
            let server = Server::plain();
            let disk = FaultyDisk::with(&[]);
            let run = Run::new().arg("--fsync").arg(fsync);
            let (mut recorder, mut connection) = start_in(run, &disk, &server);
            connection.send_text(&message(1..=3));
            recorder.wait_for_row_count(3);
            for fault in faults {
                disk.set(*fault);
            }
            assert_eq!(recorder.stop(connection), 0, "{faults:?}: {}", recorder.seen());
            assert_eq!(numbers_in(&recorder), [1, 2, 3], "{faults:?}: {}", recorder.seen());
            let end = ledger_rows(&recorder).pop().expect("rows");
            assert_eq!(end.reason, "stopped", "{faults:?}: {}", recorder.ledger());
        }
    }
}

/// Fails unless the start is refused, however often, with one line that says `why`, and leaves nothing
/// but the files that were there.
fn assert_refused(mut run: Run, faults: &[Fault], why: &str, files: &[(&str, &str)]) {
    let server = Server::plain();
    let disk = FaultyDisk::with(faults);
    for (name, text) in files {
        run = run.file(name, text);
    }
    for _ in 0..3 {
        let asked = run.url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
        let (code, recorder) = disk.under(asked).run_to_its_end();
        assert_eq!(code, 1, "{}", recorder.seen());
        assert!(recorder.only_error_line().contains(why), "{}", recorder.seen());
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        assert_eq!(recorder.names_with(""), names, "{}", recorder.seen());
        for (name, text) in files {
            assert_eq!(recorder.text_of(name), *text, "{}", recorder.seen());
        }
        run = Run::beside(&recorder);
    }
    assert!(!server.has_a_caller(Duration::ZERO), "it must not connect");
}

#[test]
fn a_start_that_a_file_system_refuses_leaves_nothing_behind() {
    let whole = format!("{FORETOLD_COLUMNS}\nAAPL,1,5,1680300000123,1\n");
    let torn = format!("{whole}AAPL,2,5");
    let ledger = "time_ms,state,tickers,reason\n1680300000000,down,,stopped\n";
    let torn_ledger = &ledger[..ledger.len() - 3];
    let why = "its file system has no locks (No locks available)";
    for files in [
        &[][..],
        &[("op1.csv", &*whole)],
        &[("op1.coverage.csv", ledger)],
        &[("op1.coverage.csv", ledger), ("op1.csv", &torn)],
    ] {
        assert_refused(Run::new(), &[Fault::NoLocks], why, files);
    }
    let piped = Run::new().arg("--out").arg("-").arg("--coverage").arg("gaps.csv");
    assert_refused(piped, &[Fault::NoLocks], why, &[]);

    let why = "op1.csv: Operation not permitted";
    assert_refused(Run::new(), &[Fault::AppendOnly], why, &[("op1.csv", &torn)]);
    let why = "op1.coverage.csv: Operation not permitted";
    let files = [("op1.coverage.csv", torn_ledger), ("op1.csv", &whole)];
    assert_refused(Run::new(), &[Fault::AppendOnly], why, &files);
    let files = [("op1.coverage.csv", torn_ledger)];
    assert_refused(Run::new(), &[Fault::AppendOnly], why, &files);
}
