//! Somebody empties the recording, and then the disk gives an error, so that the file is opened anew: it
//! must not be taken for one that has lost its end with the disk. What was taken out stays out, and
//! what came since is there once.
//!
//! The errors come from a library between the program and the C library. Linux only.

use std::fs;

use crate::connection::Connection;
use crate::faulty_disks::look;
use crate::harness::faulty_disk::{Fault, FaultyDisk};
use crate::harness::{Recorder, Run};
use crate::journal::{message, numbers_of};
use crate::recording::{FORETOLD_COLUMNS, assert_says, ledger_rows, summary_line};
use crate::server::Server;

/// Starts with a look at the files, and records three rows that no look has seen, unless the machine is
/// very slow.
fn recorded_since_the_last_look(run: Run, server: &Server) -> (Recorder, Connection) {
    let run = run.url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let mut recorder = run.arg("--fsync").arg("never").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until("the ledger", |now| now.ledger().contains("live"));
    look(&mut recorder);
    connection.send_text(&message(1..=3));
    recorder.wait_for_row_count(3);
    (recorder, connection)
}

fn empty(recorder: &Recorder) {
    fs::write(recorder.path("op1.csv"), "").expect("to be emptied");
}

fn wait_for_row(recorder: &mut Recorder, number: u64) {
    let row = format!("AAPL,{number},5,1680300000123,1\n");
    recorder.wait_until("the row", |now| now.ends_with("op1.csv", &row));
}

/// Stops the recorder, and fails unless the rows are those of `numbers`, and all that were received count
/// as written.
fn stop(mut recorder: Recorder, connection: Connection, numbers: std::ops::RangeInclusive<u64>) {
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let csv = recorder.csv();
    let rows = csv.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header");
    assert_eq!(numbers_of(rows), numbers.clone().collect::<Vec<_>>(), "{}", recorder.seen());
    assert!(!recorder.log().contains("the disk has lost"), "{}", recorder.seen());
    let all = usize::try_from(*numbers.end()).expect("a few");
    assert_says(&recorder, &summary_line(all, 0));
    let rows = ledger_rows(&recorder);
    let reasons: Vec<&str> = rows.iter().map(|row| row.reason.as_str()).collect();
    assert_eq!(reasons, ["", "stopped"], "{}", recorder.ledger());
}

/// There is no room for a header above the rows, however often it is tried.
#[test]
fn a_recording_emptied_before_the_disk_was_full_has_each_later_row_once() {
    let server = Server::plain();
    let run = Run::new().file_size_limit(503);
    let (mut recorder, mut connection) = recorded_since_the_last_look(run, &server);
    empty(&recorder);
    connection.send_text(&message(4..=13));
    wait_for_row(&mut recorder, 13);
    connection.send_text(&message(14..=20));
    recorder.wait_until_it_says("disk full");
    // The tries until the second one after this look.
    for _ in 0..2 {
        look(&mut recorder);
    }
    recorder.lift_file_size_limit();
    recorder.wait_until_it_says("writing again");
    wait_for_row(&mut recorder, 20);
    stop(recorder, connection, 4..=20);
}

/// With and without rows that have come behind the emptying, and the old handle in two ways.
#[test]
fn a_recording_emptied_before_the_disk_gave_an_error_has_each_later_row_once() {
    for faults in [&[Fault::Replaced][..], &[Fault::Stale, Fault::Replaced]] {
        let server = Server::plain();
        let disk = FaultyDisk::with(&[]);
        let (mut recorder, mut connection) =
            recorded_since_the_last_look(disk.under(Run::new()), &server);
        empty(&recorder);
        connection.send_text(&message(4..=5));
        wait_for_row(&mut recorder, 5);
        for fault in faults {
            disk.set(*fault);
        }
        connection.send_text(&message(6..=6));
        wait_for_row(&mut recorder, 6);
        stop(recorder, connection, 4..=6);
    }
    let server = Server::plain();
    let disk = FaultyDisk::with(&[]);
    let (mut recorder, mut connection) =
        recorded_since_the_last_look(disk.under(Run::new()), &server);
    empty(&recorder);
    disk.set(Fault::Replaced);
    connection.send_text(&message(4..=4));
    wait_for_row(&mut recorder, 4);
    stop(recorder, connection, 4..=4);
}
