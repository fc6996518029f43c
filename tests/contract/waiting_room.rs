//! What waits while nothing is written: it is not lost, not more of it is read than there is room for,
//! and what finds no room is told at once, whether or not anything follows.
//!
//! A disk that takes nothing and reports no error is a writer thread that is held, as a debugger
//! holds one; it needs no rights. One test freezes a real file system. Linux only: `ptrace`, `/proc`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::connection::Connection;
use crate::feed_state::status;
use crate::frames::{Opcode, append_frame, whole_frame};
use crate::harness::{Recorder, Run, Signal};
use crate::journal::{message, numbers_of};
use crate::recording::{FORETOLD_COLUMNS, assert_says, ledger_rows, now_ms, summary_line};
use crate::server::Server;

/// What may wait, what one message may be above it, and what the program needs besides.
const ROOM_BYTES: u64 = 64 << 20;
const MESSAGE_BYTES: usize = 1 << 20;
const MEMORY_KIB: u64 = (64 + 32) << 10;

/// Messages of a megabyte that are far more than the room and all buffers on the way take.
const MANY: u64 = 100;

/// From a stop on rows are written for no longer than this.
const ROWS_TIME: Duration = Duration::from_millis(2_600);

/// What a writer says that had no time even to count, such as one that is held.
const NOT_IN_TIME: &str = "the last rows could not be written in time";

/// The contract's bound for a stop.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

fn start(run: Run, server: &Server) -> (Recorder, Connection) {
    let run = run.url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let recorder = run.arg("--dashboard=127.0.0.1:0").spawn();
    (recorder, server.connect_and_wait_for_subscriptions(1))
}

/// The writer thread of a program, held until this is dropped.
struct HeldWriter(Pid);

impl HeldWriter {
    fn of(recorder: &mut Recorder) -> Self {
        let thread = recorder.thread_id("writer");
        let id = Pid::from_raw(thread.try_into().expect("a thread's number"));
        // Held in the middle of its work it might hold what the others wait for, such as the allocator.
        recorder.wait_until("the writer to rest", |now| now.thread_state(thread) == 'S');
        ptrace::seize(id, ptrace::Options::empty())
            .expect("to be allowed to hold a child's thread");
        ptrace::interrupt(id).expect("to hold it");
        let held = Self(id);
        recorder.wait_until("the writer to be held", |now| now.thread_state(thread) == 't');
        held
    }
}

impl Drop for HeldWriter {
    fn drop(&mut self) {
        if ptrace::detach(self.0, None).is_err() {
            // The program has ended, but not for the system before this thread is asked for.
            let _ = waitpid(self.0, Some(WaitPidFlag::__WALL));
        }
    }
}

/// Large messages of one trade each, with these numbers.
fn large_messages(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let padding = format!(r#"","x":"{}"}}]"#, "x".repeat(MESSAGE_BYTES));
    let mut bytes = Vec::new();
    for number in numbers {
        let text = message(number..=number).replace("}]", &padding).replace(r#"5","x"#, r#"5,"x"#);
        append_frame(&mut bytes, Opcode::Text, true, text.as_bytes());
    }
    bytes
}

/// The numbers of all rows; fails when the last one is torn.
fn numbers(recorder: &Recorder) -> Vec<u64> {
    let csv = recorder.csv();
    assert!(csv.ends_with('\n'), "the last row is whole");
    numbers_of(csv.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header"))
}

fn count(recorder: &Recorder, name: &str) -> u64 {
    status(recorder)[name].as_u64().unwrap_or(0)
}

/// Waits until `name` in the status is so large.
fn wait_for_count(recorder: &mut Recorder, name: &str, least: u64) {
    recorder.wait_while_moving(&format!("{name} of {least}"), |now| {
        let count = count(now, name);
        (count >= least, count)
    });
}

/// Sends more than there is room for while nothing is written, and looks that nothing is lost. False when
/// the machine was too busy for that to be done in the half minute for which a server is read no further.
fn check_that_nothing_is_lost<Held>(
    recorder: &mut Recorder,
    connection: &mut Connection,
    hold: impl FnOnce(&mut Recorder) -> Held,
) -> bool {
    connection.send_text(&message(1..=1));
    recorder.wait_for_row_count(1);
    let stands = hold(recorder);
    let sending = connection.send_meanwhile(large_messages(2..=MANY));
    wait_for_count(recorder, "waiting_bytes", ROOM_BYTES);
    recorder.wait_until_it_says("wait to be written; the server is read no further");
    let full = recorder.stopwatch();
    assert!(!sending.is_finished(), "the server still has some of it");
    let waiting = count(recorder, "waiting_bytes");
    assert!(waiting <= ROOM_BYTES + 2 * MESSAGE_BYTES as u64, "{waiting}");
    let memory = recorder.status_number("VmHWM");
    assert!(memory < MEMORY_KIB, "{memory} KiB");
    // Who asks for something is served meanwhile. Nothing is read here that would be answered in between
    // the bytes that are being sent.
    fs::write(recorder.path("list.txt"), "AAPL\nMSFT\n").expect("to save");
    recorder.wait_until_it_says("subscribed to MSFT");
    drop(stands);
    sending.join().expect("the sending thread");
    if recorder.was_starved(&full) && recorder.stderr().contains("dropped so far") {
        return false;
    }
    connection.send_text(&message(MANY + 1..=MANY + 1));
    let rows = usize::try_from(MANY).expect("a few") + 1;
    connection.answering_pings(|| recorder.wait_for_row_count(rows));
    true
}

fn expect_all(mut recorder: Recorder, connection: Connection) {
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(numbers(&recorder).into_iter().eq(1..=MANY + 1), "all, once, in order");
    assert_says(&recorder, &summary_line(usize::try_from(MANY).expect("a few") + 1, 0));
    let reasons: Vec<String> = ledger_rows(&recorder).into_iter().map(|row| row.reason).collect();
    assert_eq!(reasons, ["", "", "stopped"], "{}", recorder.ledger());
}

fn with_list(run: Run) -> Run {
    run.file("list.txt", "AAPL\n").arg("--tickers-file").arg("list.txt")
}

#[test]
fn what_finds_no_room_while_the_disk_stands_waits_with_the_server() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(with_list(Run::new()), &server);
    if check_that_nothing_is_lost(&mut recorder, &mut connection, HeldWriter::of) {
        expect_all(recorder, connection);
    }
}

/// A file system of its own, which can be frozen.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(place: &Path, image: &Path) -> Self {
        let file = File::create(image).expect("an image of a disk");
        file.set_len(256 << 20).expect("an image of a disk");
        for (program, arguments) in [("mkfs.ext4", "-q -F"), ("mount", "-o loop")] {
            let mut command = Command::new(program);
            command.args(arguments.split(' ')).arg(image);
            if program == "mount" {
                command.arg(place);
            }
            assert!(command.status().expect(program).success(), "{program} needs root");
        }
        Self(place.to_owned())
    }

    fn freeze(&self, how: &str) {
        let status = Command::new("fsfreeze").arg(how).arg(&self.0).status();
        assert!(status.expect("fsfreeze").success(), "fsfreeze {how}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("--unfreeze").arg(&self.0).output();
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
#[ignore = "needs root to mount and freeze a file system"]
fn what_finds_no_room_while_the_file_system_is_frozen_waits_with_the_server() {
    struct Frozen<'a>(&'a SmallDisk);
    impl Drop for Frozen<'_> {
        fn drop(&mut self) {
            self.0.freeze("--unfreeze");
        }
    }
    let server = Server::plain();
    let run = with_list(Run::new()).folder("disk").arg("--out").arg("disk/op1.csv");
    let (place, image) = (run.directory().join("disk"), run.directory().join("image"));
    let disk = SmallDisk::mount(&place, &image);
    let (mut recorder, mut connection) = start(run, &server);
    // The harness looks for the recording here.
    for name in ["op1.csv", "op1.coverage.csv"] {
        std::os::unix::fs::symlink(place.join(name), recorder.path(name)).expect("a link");
    }
    let in_time = check_that_nothing_is_lost(&mut recorder, &mut connection, |_| {
        disk.freeze("--freeze");
        Frozen(&disk)
    });
    if in_time {
        expect_all(recorder, connection);
    }
}

/// Rows fill the disk, then the room; nothing comes any more.
#[test]
fn a_loss_is_in_sums_log_and_ledger_also_when_nothing_follows_it_and_a_kill_does_not_hide_it() {
    const ROWS: u64 = 1_000;
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new().file_size_limit(10_003), &server);
    connection.send_text(&message(1..=ROWS));
    recorder.wait_until_it_says("disk full");
    connection.send_raw(&large_messages(ROWS + 1..=ROWS + MANY));
    // The first answer may come before what was read together with its ping is counted.
    for _ in 0..2 {
        connection.send_ping(b"there?");
        assert_eq!(connection.wait_for(Opcode::Pong), b"there?", "all has been read");
    }
    let read_ms = now_ms();
    connection.answering_pings(|| {
        recorder.wait_until("the loss in the sums and in the log", |now| {
            status(now)["published_ms"].as_i64() > Some(read_ms)
                && now.log().contains("trades dropped so far")
        });
    });
    let dropped = count(&recorder, "dropped");
    assert_eq!(count(&recorder, "received"), count(&recorder, "written") + dropped);
    let (filled_ms, kept) = (now_ms(), ROWS + MANY - dropped);
    recorder.lift_file_size_limit();
    let loss = format!(",down,,disk full (file size limit): {dropped} trades dropped\n");
    connection.answering_pings(|| {
        recorder.wait_until("the loss and its end in the ledger", |now| {
            let ledger = now.ledger();
            ledger.split_once(&loss).is_some_and(|(_, after)| after.contains(",live,AAPL,\n"))
        });
    });
    let counts = status(&recorder);
    assert_eq!((&counts["written"], &counts["dropped"]), (&kept.into(), &dropped.into()));
    recorder.signal(Signal::SIGKILL);
    assert_eq!(recorder.wait_exit(), -9);
    drop(connection);
    let (mut recorder, connection) = start(Run::beside(&recorder), &server);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(numbers(&recorder).into_iter().eq(1..=kept), "the first of them, in order");
    let ledger = ledger_rows(&recorder);
    let states: Vec<&str> = ledger.iter().map(|row| row.state.as_str()).collect();
    assert_eq!(states, ["live", "down", "live", "down", "live", "down"], "{}", recorder.ledger());
    assert_eq!(ledger[3].reason, "killed");
    assert!(ledger[1].time_ms <= filled_ms && ledger[2].time_ms >= filled_ms, "{ledger:?}");
}

#[test]
#[ignore = "takes 40 seconds: a disk that reports no error is waited for"]
fn after_half_a_minute_the_newest_are_dropped_and_that_is_said() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new(), &server);
    connection.send_text(&message(1..=1));
    recorder.wait_for_row_count(1);
    let held = HeldWriter::of(&mut recorder);
    let sending = connection.send_meanwhile(large_messages(2..=MANY));
    wait_for_count(&mut recorder, "waiting_bytes", ROOM_BYTES);
    let full = Instant::now();
    recorder.wait_until("the loss to be said", |now| now.stderr().contains("dropped so far"));
    assert!(full.elapsed() > Duration::from_secs(29), "after {:?}", full.elapsed());
    sending.join().expect("the sending thread");
    connection.send_ping(b"there?");
    assert_eq!(connection.wait_for(Opcode::Pong), b"there?");
    let dropped_ms = now_ms();
    drop(held);
    recorder.wait_until("the loss and its end in the ledger", |now| {
        now.ledger().split_once("disk too slow: ").is_some_and(|(_, it)| it.contains(",live,"))
    });
    recorder.wait_until("the sums", |now| count(now, "written") + count(now, "dropped") == MANY);
    let kept = count(&recorder, "written");
    recorder.signal(Signal::SIGKILL);
    assert_eq!(recorder.wait_exit(), -9);
    assert!(numbers(&recorder).into_iter().eq(1..=kept), "the first of them, in order");
    let ledger = ledger_rows(&recorder);
    assert_eq!(ledger[1].reason, format!("disk too slow: {} trades dropped", MANY - kept));
    assert!(ledger[1].time_ms < dropped_ms && ledger[2].time_ms >= dropped_ms, "{ledger:?}");
}

/// The row of the ledger about trades that a stop left no time for, and the one behind it.
fn expect_no_time_left(recorder: &Recorder, lost: u64) {
    let ledger = ledger_rows(recorder);
    let reasons: Vec<&str> = ledger.iter().map(|row| row.reason.as_str()).collect();
    let reason = format!("no time left: {lost} trades dropped");
    assert_eq!(reasons, ["", &reason, "stopped"], "{}", recorder.seen());
}

/// The disk comes back when most of the time for a stop is over, with hundreds of thousands of rows to
/// be written.
#[test]
fn a_stop_with_a_large_backlog_counts_what_it_has_no_time_for_and_closes_the_ledger() {
    const EACH: u64 = 10_000;
    const TRADES: u64 = 40 * EACH;
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new(), &server);
    connection.send_text(&message(1..=1));
    recorder.wait_for_row_count(1);
    let held = HeldWriter::of(&mut recorder);
    let mut bytes = Vec::new();
    for first in (2..2 + TRADES).step_by(usize::try_from(EACH).expect("a few")) {
        bytes.extend(whole_frame(Opcode::Text, message(first..=first + EACH - 1).as_bytes()));
    }
    connection.send_raw(&bytes);
    connection.send_ping(b"there?");
    assert_eq!(connection.wait_for(Opcode::Pong), b"there?");
    recorder.signal(Signal::SIGTERM);
    let asked = recorder.stopwatch();
    connection.answer_close();
    recorder.wait_until_it_says("stopping");
    thread::sleep(ROWS_TIME);
    drop(held);
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < LEAVE_WITHIN, "it took {took:?}");
    if recorder.stderr().contains(NOT_IN_TIME) && recorder.was_starved(&asked) {
        return;
    }
    let written = numbers(&recorder).len() as u64;
    assert!(numbers(&recorder).into_iter().eq(1..=written), "the first of them, in order");
    let (sent, lost) = (TRADES + 1, TRADES + 1 - written);
    assert_says(
        &recorder,
        &format!("received {sent} = written {written} + rejected 0 + dropped {lost}"),
    );
    let error = format!("error: no time left: {lost} trades could not be written before the end");
    assert!(recorder.stderr().contains(&error), "{}", recorder.seen());
    expect_no_time_left(&recorder, lost);
}

/// It does not come back at all: the sums are then those that were known last.
#[test]
fn a_stop_while_the_disk_stands_ends_in_time_with_the_sums() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new(), &server);
    connection.send_text(&message(1..=7));
    recorder.wait_until("the sums", |now| count(now, "written") == 7);
    let held = HeldWriter::of(&mut recorder);
    connection.send_text(&message(8..=9));
    recorder.signal(Signal::SIGTERM);
    let asked = recorder.stopwatch();
    connection.answer_close();
    recorder.wait_until("the end to be said", |now| now.stderr().contains("\nerror: "));
    let took = recorder.took(&asked);
    assert!(took < LEAVE_WITHIN, "it took {took:?}");
    drop(held);
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    let said = recorder.stderr();
    assert!(said.contains(&summary_line(7, 0)), "{said}");
    let error = format!("error: {NOT_IN_TIME}; ");
    assert!(said.contains(&error) && said.contains(" of trade messages are lost"), "{said}");
    assert!(numbers(&recorder).into_iter().eq(1..=7), "{}", recorder.seen());
}

/// What came after the loss was lost, too, on whichever connection.
#[test]
fn a_stop_while_the_disk_is_full_calls_nothing_live_after_the_first_lost_trade() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(Run::new().file_size_limit(1_003), &server);
    connection.send_text(&message(1..=100));
    recorder.wait_until_it_says("disk full");
    drop(connection);
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&message(101..=200));
    connection.send_ping(b"there?");
    assert_eq!(connection.wait_for(Opcode::Pong), b"there?");
    assert_eq!(recorder.stop(connection), 1, "{}", recorder.seen());
    let lost = 200 - numbers(&recorder).len();
    let ledger = ledger_rows(&recorder);
    let states: Vec<&str> = ledger.iter().map(|row| row.state.as_str()).collect();
    assert_eq!(states, ["live", "down", "down", "down"], "{}", recorder.ledger());
    assert!(ledger[1].reason.ends_with(&format!(": {lost} trades dropped")), "{ledger:?}");
    assert_eq!(ledger[3].reason, "stopped");
}
