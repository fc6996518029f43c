//! A disk that takes no more: no row is torn or doubled, trades wait, the server is still answered,
//! writing goes on by itself, and what found no room to wait in is counted and in the ledger.
//!
//! A limit on the file size is used for the full disk, because it needs no rights; one test fills a
//! real file system. Linux only: `prlimit` and `/proc`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::frames::Opcode;
use crate::harness::{Recorder, Run, Signal};
use crate::journal::{message, numbers_of};
use crate::recording::{FORETOLD_COLUMNS, assert_says, ledger_rows, now_ms, summary_line};
use crate::server::Server;

/// What the waiting room promises to hold, and the program besides.
const ROOM_BYTES: usize = 64 << 20;
const MEMORY_KIB: u64 = (64 + 32) << 10;

fn start(run: Run, server: &Server) -> (Recorder, Connection) {
    let run = run.url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    (run.spawn(), server.connect_and_wait_for_subscriptions(1))
}

/// The rows of an ended recording. Fails when the last one is torn.
fn rows(recorder: &Recorder) -> String {
    let csv = recorder.csv();
    assert!(csv.ends_with('\n'), "the last row is whole: {:?}", &csv[csv.len() - 60..]);
    whole_rows(recorder)
}

/// The whole rows of a recording at any instant: between a write that did not fit and the cut that
/// follows, the beginning of a row can be seen.
fn whole_rows(recorder: &Recorder) -> String {
    let mut csv = recorder.csv();
    csv.truncate(csv.rfind('\n').expect("the header") + 1);
    csv.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header").to_owned()
}

fn times_said(recorder: &Recorder, text: &str) -> usize {
    recorder.stderr().matches(text).count()
}

fn assert_answers_pings(recorder: &mut Recorder, connection: &mut Connection) {
    let asked = recorder.stopwatch();
    connection.send_ping(b"there?");
    assert_eq!(connection.wait_for(Opcode::Pong), b"there?");
    let took = recorder.took(&asked);
    assert!(took < Duration::from_secs(2), "it took {took:?}");
}

/// Fills the disk with numbered trades, makes room, and looks at everything.
fn fill_and_make_room(
    recorder: &mut Recorder,
    mut connection: Connection,
    room: impl Fn(&Recorder),
) {
    for first in (1..=9_000).step_by(3) {
        connection.send_text(&message(first..=first + 2));
    }
    recorder.wait_until_it_says("disk full");
    assert_answers_pings(recorder, &mut connection);
    // Several tries of the writer later, nothing has changed and nothing more is said.
    for number in 0..4 {
        let first = 9_001 + number * 2;
        connection.send_text(&message(first..=first + 1));
        let tried_again = Instant::now() + Duration::from_millis(600);
        while Instant::now() < tried_again {
            assert_answers_pings(recorder, &mut connection);
            let written = numbers_of(&whole_rows(recorder));
            assert!(written.iter().copied().eq(1..=written.len() as u64), "in order");
            assert!(written.len() < 9_000, "the disk is full");
        }
    }
    assert_eq!(times_said(recorder, "cannot write"), 1, "{}", recorder.seen());
    room(recorder);
    recorder.wait_for_row_count(9_008);
    connection.send_text(&message(9_009..=9_010));
    recorder.wait_for_row_count(9_010);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(numbers_of(&rows(recorder)).into_iter().eq(1..=9_010), "all, once, in order");
    assert_eq!(times_said(recorder, "cannot write"), 1, "{}", recorder.seen());
    assert_eq!(times_said(recorder, "writing again"), 1, "{}", recorder.seen());
    assert_says(recorder, &summary_line(9_010, 0));
    let states: Vec<_> = ledger_rows(recorder).into_iter().map(|row| row.reason).collect();
    assert_eq!(states, ["", "stopped"], "nothing was missed");
}

#[test]
fn trades_wait_for_a_full_disk_and_are_written_when_there_is_room() {
    let server = Server::plain();
    // Not at the end of a row.
    let (mut recorder, connection) = start(Run::new().file_size_limit(100_003), &server);
    fill_and_make_room(&mut recorder, connection, Recorder::lift_file_size_limit);
}

/// A file system of one megabyte.
pub(crate) struct SmallDisk(pub(crate) PathBuf);

impl SmallDisk {
    pub(crate) fn mount(place: &Path) -> Self {
        let mut mount = Command::new("mount");
        let status = mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(place).status();
        assert!(status.expect("mount").success(), "a small tmpfs");
        Self(place.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
#[ignore = "needs root to mount a small tmpfs"]
fn trades_wait_for_a_full_file_system_and_are_written_when_there_is_room() {
    let server = Server::plain();
    let run = Run::new().working_directory("small");
    let disk = SmallDisk::mount(run.directory());
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![b'x'; 880 << 10]).expect("room for the ballast");
    let (mut recorder, connection) = start(run, &server);
    fill_and_make_room(&mut recorder, connection, |_| fs::remove_file(&ballast).expect("to go"));
}

/// Trades in one message of the large ones, and their bytes.
const MANY: u64 = 1_000;

#[test]
fn beyond_the_bound_the_newest_are_dropped_counted_and_in_the_ledger() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new().file_size_limit(100_003), &server);
    let (mut sent, mut bytes) = (0, 0);
    while bytes < ROOM_BYTES + (8 << 20) {
        let text = message(sent + 1..=sent + MANY);
        bytes += text.len();
        sent += MANY;
        connection.send_text(&text);
    }
    // The answer comes after everything sent before it has been taken.
    assert_answers_pings(&mut recorder, &mut connection);
    let filled_ms = now_ms();
    let memory = recorder.status_number("VmHWM");
    assert!(memory < MEMORY_KIB, "{memory} KiB");
    recorder.lift_file_size_limit();
    recorder.wait_until_it_says("writing again");
    // The loss is reported with the first trade that finds room again.
    let last = sent + 1;
    recorder.wait_while_moving("the loss to be over", |now| {
        connection.send_text(&message(last..=last));
        (now.ledger().contains("trades dropped"), now.csv().len())
    });
    let end = format!("AAPL,{last},5,1680300000123,1\n");
    recorder.wait_for_end_of_recording(&end);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    check_the_loss(&recorder, sent, filled_ms);
}

fn check_the_loss(recorder: &Recorder, sent: u64, filled_ms: i64) {
    let numbers = numbers_of(&rows(recorder));
    let kept = numbers.iter().zip(1..).take_while(|(number, place)| **number == *place).count();
    let after: Vec<u64> = numbers[kept..].to_vec();
    assert!(after.iter().all(|number| *number == sent + 1), "one gap: {kept} kept of {sent}");
    let log = recorder.log();
    let sum = log.lines().rev().find(|line| line.contains("received")).expect("the sum");
    let field = |name: &str| -> u64 {
        let rest = sum.split(name).nth(1).expect(name);
        rest.split_whitespace().next().and_then(|number| number.parse().ok()).expect(name)
    };
    let (written, dropped) = (field("written"), field("dropped"));
    assert_eq!(written, numbers.len() as u64, "{sum}");
    assert_eq!(field("received"), written + dropped, "{sum}");
    assert!(dropped >= sent - kept as u64 && dropped > 50_000, "{sum}");
    let ledger = ledger_rows(recorder);
    let reasons: Vec<&str> = ledger.iter().map(|row| row.reason.as_str()).collect();
    let loss = format!("disk full (file size limit): {dropped} trades dropped");
    assert_eq!(reasons, ["", &loss, "", "stopped"], "{}", recorder.ledger());
    assert!(ledger[1].time_ms <= filled_ms && ledger[2].time_ms >= filled_ms, "{ledger:?}");
}

/// Several times what a healthy disk is waited for.
const MANY_BYTES: usize = 48 << 20;

#[test]
fn what_has_waited_is_written_while_the_server_is_served_without_haste() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new().file_size_limit(100_003), &server);
    let (mut sent, mut bytes) = (0, 0);
    while bytes < MANY_BYTES {
        let text = message(sent + 1..=sent + MANY);
        bytes += text.len();
        sent += MANY;
        connection.send_text(&text);
    }
    assert_answers_pings(&mut recorder, &mut connection);
    recorder.wait_until_it_says("disk full");
    recorder.lift_file_size_limit();
    recorder.wait_until_it_says("writing again");
    let (switches, began) = (recorder.status_number("voluntary_ctxt_switches"), Instant::now());
    sent += 1;
    connection.send_text(&message(sent..=sent));
    assert_answers_pings(&mut recorder, &mut connection);
    let end = format!("AAPL,{sent},5,1680300000123,1\n");
    connection.answering_pings(|| recorder.wait_for_end_of_recording(&end));
    // A look at the socket each 100 ms, however long it takes, and no more than that.
    let switches = recorder.status_number("voluntary_ctxt_switches") - switches;
    let most = 100 + 20 * began.elapsed().as_secs();
    assert!(switches < most, "{switches} times it fell asleep, {most} are too many");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(numbers_of(&rows(&recorder)).into_iter().eq(1..=sent), "all, once, in order");
}

#[test]
fn a_stop_while_the_disk_is_full_says_what_is_lost_and_exits_with_1() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new().file_size_limit(1_003), &server);
    for number in 1..=500 {
        connection.send_text(&message(number..=number));
    }
    recorder.wait_until_it_says("disk full");
    assert_answers_pings(&mut recorder, &mut connection);
    let asked = recorder.stopwatch();
    assert_eq!(recorder.stop(connection), 1, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    let written = numbers_of(&rows(&recorder)).len();
    assert!(written < 100, "{}", recorder.seen());
    let lost = 500 - written;
    let sum = format!("received 500 = written {written} + rejected 0 + dropped {lost}");
    assert!(recorder.stderr().contains(&sum), "{}", recorder.seen());
    let error = format!("{lost} trades could not be written before the end");
    assert_eq!(times_said(&recorder, &format!("error: disk full (file size limit): {error}")), 1);
    let end = ledger_rows(&recorder).pop().expect("rows");
    assert_eq!(end.reason, "stopped", "{}", recorder.ledger());
    assert!(recorder.ledger().contains(&format!("{lost} trades dropped")), "{}", recorder.ledger());
}

#[test]
fn a_start_after_a_kill_on_a_full_disk_waits_for_room_as_well() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new(), &server);
    connection.send_text(&message(1..=10));
    recorder.wait_for_row_count(10);
    recorder.signal(Signal::SIGKILL);
    assert_eq!(recorder.wait_exit(), -9);
    let killed_ms = now_ms();
    // Killed once more before there is room: the first kill is the one that counts.
    let (mut recorder, _) = start(Run::beside(&recorder).file_size_limit(64), &server);
    recorder.wait_until_it_says("disk full");
    recorder.signal(Signal::SIGKILL);
    assert_eq!(recorder.wait_exit(), -9);
    let (mut recorder, mut connection) = start(Run::beside(&recorder).file_size_limit(64), &server);
    connection.send_text(&message(11..=20));
    recorder.wait_until_it_says("disk full");
    assert_answers_pings(&mut recorder, &mut connection);
    recorder.lift_file_size_limit();
    recorder.wait_for_row_count(20);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(numbers_of(&rows(&recorder)).into_iter().eq(1..=20));
    let ledger = ledger_rows(&recorder);
    let reasons: Vec<&str> = ledger.iter().map(|row| row.reason.as_str()).collect();
    assert_eq!(reasons, ["", "killed", "", "stopped"], "{}", recorder.seen());
    assert!(ledger[1].time_ms <= killed_ms, "{}", recorder.seen());
}

fn message_row(number: u64) -> String {
    format!("AAPL,{number},5,1680300000123,1\n")
}

/// Emptied by somebody, and so full of later rows that there is no room for a header above them.
#[test]
fn a_recording_that_cannot_be_repaired_on_a_full_disk_stays_as_it_is_until_there_is_room() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new().file_size_limit(2_003), &server);
    connection.send_text(&message(1..=3));
    recorder.wait_for_row_count(3);
    fs::write(recorder.path("op1.csv"), "").expect("to be emptied");
    for number in 4..=100 {
        connection.send_text(&message(number..=number));
        let row = message_row(number);
        recorder.wait_until("the row, or a full disk", |now| {
            now.ends_with("op1.csv", &row) || now.stderr().contains("disk full")
        });
    }
    let full = recorder.csv();
    // Several tries later nothing has changed, and nothing is left behind by them.
    let tried_again = Instant::now() + Duration::from_millis(1_200);
    while Instant::now() < tried_again {
        assert_answers_pings(&mut recorder, &mut connection);
        // Had the header come back before, the beginning of a row may be seen at this instant.
        let csv = recorder.csv();
        assert_eq!(csv[..=csv.rfind('\n').expect("rows")], full);
    }
    recorder.lift_file_size_limit();
    recorder.wait_until("the last row", |now| now.ends_with("op1.csv", &message_row(100)));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(numbers_of(&rows(&recorder)).into_iter().eq(4..=100), "all, once, in order");
    assert_eq!(times_said(&recorder, "cannot write"), 1, "{}", recorder.seen());
    assert_says(&recorder, &summary_line(100, 0));
    let names = fs::read_dir(recorder.path("")).expect("the directory").flatten();
    assert_eq!(names.count(), 4, "recording, ledger, lock and log");
}

#[test]
fn a_new_recording_on_a_full_disk_is_refused_with_the_name_of_the_file() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").file_size_limit(10);
    let (code, recorder) = run.run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    assert!(recorder.only_error_line().contains("cannot write op1.csv"), "{}", recorder.seen());
    assert!(!server.has_a_caller(Duration::ZERO), "it must not connect");
}

#[test]
fn a_log_that_cannot_be_written_costs_no_trade() {
    let server = Server::plain();
    let run = Run::new().arg("--log-file").arg("/dev/full");
    let (mut recorder, mut connection) = start(run, &server);
    for number in 1..=100 {
        connection.send_text(&message(number..=number));
    }
    recorder.wait_for_row_count(100);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(numbers_of(&rows(&recorder)).into_iter().eq(1..=100));
    assert!(recorder.stderr().contains(&summary_line(100, 0)), "{}", recorder.seen());
    assert_eq!(times_said(&recorder, "cannot write the log /dev/full"), 1, "{}", recorder.seen());
}
