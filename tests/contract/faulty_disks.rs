//! Disks and file systems that lack something, or go away under the open files: whatever can be
//! recorded is, with a word, and what cannot is refused without a trace.
//!
//! The faults are in a library between the program and the C library. Linux only.

use std::fs;

use crate::connection::Connection;
use crate::harness::faulty_disk::{Fault, FaultyDisk};
use crate::harness::{Recorder, Run};
use crate::journal::{message, numbers_of};
use crate::recording::{FORETOLD_COLUMNS, assert_says, summary_line};
use crate::server::Server;

fn start(disk: &FaultyDisk, server: &Server) -> (Recorder, Connection) {
    let run = Run::new().url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    (disk.under(run).spawn(), server.connect_and_wait_for_subscriptions(1))
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
