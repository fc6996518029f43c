//! Power cuts, in thousands: every change of the disk that a run makes is recorded, and from any
//! point of it states are built that the disk may be left in. From each the next start must go on,
//! with every synced row there once, and a ledger that calls nothing recorded that is gone.

mod checks;
mod disk_model;
mod mending;
mod run;
pub(super) mod trace;

use std::collections::BTreeSet;
use std::env;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use memchr::memchr_iter;
use tempfile::TempDir;

use super::Fsync;
use crate::channel::{TradeBatch, WriterMessage};
use crate::recording::columns::Column;
use crate::recording::header::header;
use crate::text::clock::TEST_MS;
use checks::{Known, Seen, check};
use disk_model::{Disk, Files};
use run::{History, Process, START_MS, Workload, message};
use trace::{Operation, Trace};

/// How many states are built; more with this variable in the environment.
const STATES: usize = 2_400;
const STATES_VARIABLE: &str = "FINNHUB_TEST_POWER_CUTS";

/// Plays one run of the test again.
const SEED_VARIABLE: &str = "FINNHUB_TEST_SEED";

/// States from one traced run: tracing costs more than building a state, and too many from one run
/// are much the same.
const STATES_OF_ONE_RUN: usize = 20;

const SECOND: Fsync = Fsync::Every(Duration::from_secs(1));

fn workloads() -> [Workload; 8] {
    let columns = vec![Column::Price, Column::ReceivedMs];
    let (fsync, rotates, kills, is_damaged) = (SECOND, false, 0, false);
    let plain = Workload { name: "1s", fsync, rotates, kills, is_damaged, columns };
    [
        plain.clone(),
        Workload { name: "always", fsync: Fsync::Always, ..plain.clone() },
        Workload { name: "never", fsync: Fsync::Never, ..plain.clone() },
        Workload { name: "rotation and compression", rotates: true, ..plain.clone() },
        Workload { name: "a start after a kill", kills: 2, rotates: true, ..plain.clone() },
        Workload { name: "half a row appended", is_damaged: true, kills: 1, ..plain.clone() },
        Workload { name: "the same, rotated", is_damaged: true, rotates: true, ..plain.clone() },
        Workload { name: "no received_ms", columns: vec![Column::Price], kills: 1, ..plain },
    ]
}

/// A directory in memory where there is one: the disk is a model here, and a real one only slow.
fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("one")
}

/// The machine has been started again, as far as the lock file says.
fn reboot(files: &mut Files) {
    let Some(line) = files.get_mut("op1.csv.lock") else { return };
    let Ok(text) = String::from_utf8(line.clone()) else { return };
    if let Some(boot) = text.split_whitespace().nth(3).filter(|boot| boot.len() == 36) {
        *line = text.replace(boot, &"0".repeat(36)).into_bytes();
    }
}

/// A run and what it has done to the disk.
struct Traced {
    history: History,
    trace: Trace,
    /// What was moved aside in it.
    torn: Vec<Vec<u8>>,
}

/// A crash in the middle of a traced run: the state of the disk, what is known, when it is, and which
/// row comes next.
#[derive(Default)]
struct Crash {
    files: Files,
    known: Known,
    now_ms: i64,
    next_number: u64,
}

impl Traced {
    /// A run from what a crash has left.
    fn new(workload: &Workload, start: &Crash, dice: &mut Rng) -> Self {
        let directory = directory();
        disk_model::put(&start.files, directory.path());
        trace::begin(directory.path());
        let history = run::run(workload, directory.path(), dice, start.now_ms, start.next_number);
        let (trace, left) = (trace::take(), disk_model::take(directory.path()));
        let is_ours = |bytes: &[u8]| bytes != run::HALF.as_bytes();
        let torn = left.into_iter();
        let torn = torn.filter(|(name, bytes)| checks::is_torn(name) && is_ours(bytes));
        Self { history, trace, torn: torn.map(|(_, bytes)| bytes).collect() }
    }

    /// After how many operations it stops: anywhere, but rather where names are being changed.
    fn crash_point(&self, dice: &mut Rng) -> usize {
        let Trace { operations, found, .. } = &self.trace;
        let anywhere = dice.usize(*found..=operations.len());
        let after_naming: Vec<usize> = (1..=operations.len())
            .filter(|after| {
                let last = &operations[after - 1];
                matches!(last, Operation::Rename { .. } | Operation::Remove { .. })
            })
            .collect();
        if dice.bool() { dice.choice(after_naming).unwrap_or(anywhere) } else { anywhere }
    }

    /// Stops it `count` times, somewhere, and gives one of the states each that it may be left in.
    fn crashes(
        &self,
        count: usize,
        workload: &Workload,
        known: &Known,
        dice: &mut Rng,
    ) -> Vec<Crash> {
        let mut points: Vec<usize> = (0..count).map(|_| self.crash_point(dice)).collect();
        points.sort_unstable();
        let (mut disk, mut known) = (Disk::default(), known.clone());
        let header = header(&workload.columns);
        let mut done = 0;
        let crash_at = points.into_iter().map(|point| {
            for operation in &self.trace.operations[done..point] {
                disk.apply(operation);
                if matches!(operation, Operation::Sync { .. } | Operation::SyncDirectory) {
                    known.learn_synced(&disk, &header);
                }
            }
            done = point;
            self.crash(point, &disk, &known, dice)
        });
        crash_at.collect()
    }

    fn crash(&self, operations: usize, disk: &Disk, synced: &Known, dice: &mut Rng) -> Crash {
        let mut known = synced.clone();
        known.learn(&self.history, operations);
        known.torn.clone_from(&self.torn);
        let mut files = match dice.u8(..10) {
            0 => disk.after_kill(),
            _ => disk.after_power_cut(dice),
        };
        // Without it the disk was put back as it had been, or taken away while the machine ran on.
        if dice.u8(..5) > 0 {
            reboot(&mut files);
        }
        let away_ms = if dice.bool() { 10_000 } else { dice.i64(1..10_000_000) };
        let now_ms = self.history.time_after(operations) + away_ms;
        let next_number = self.history.sent.last().map_or(1, |sent| sent.number + 1);
        Crash { files, known, now_ms, next_number }
    }
}

/// Shows the state that a start has failed from.
struct Shown<'a>(&'a str, &'a Files);

impl Drop for Shown<'_> {
    #[expect(clippy::print_stderr, reason = "the test runner shows it with the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}, a start from:", self.0);
            for (name, bytes) in self.1 {
                eprintln!("--- {name}:\n{}", String::from_utf8_lossy(bytes).escape_debug());
            }
        }
    }
}

/// Starts from what a crash left, and looks at all files.
fn check_start(crash: &Crash, workload: &Workload, seen: &mut Seen) {
    let _shown = Shown(workload.name, &crash.files);
    let directory = directory();
    disk_model::put(&crash.files, directory.path());
    run::start_again(workload, directory.path(), crash.now_ms);
    check(&disk_model::take(directory.path()), &workload.columns, &crash.known, seen);
}

#[test]
#[expect(clippy::print_stderr, reason = "the counts and the seed belong into the test's record")]
fn from_every_state_that_a_power_cut_may_leave_the_next_start_goes_on() {
    let states = env::var(STATES_VARIABLE).map_or(STATES, |text| text.parse().expect("a number"));
    let seed = env::var(SEED_VARIABLE)
        .map_or_else(|_| fastrand::u64(..), |text| text.parse().expect("a number"));
    eprintln!("{states} states, seed {seed}");
    let mut dice = Rng::with_seed(seed);
    let mut found = Seen::default();
    let (mut built, mut operations) = (0, 0);
    let mut kinds = BTreeSet::new();
    while built < states {
        for workload in &workloads() {
            kinds.insert(workload.name);
            let mut start = Crash { now_ms: START_MS, next_number: 1, ..Crash::default() };
            // The repair of one of the states, and the run after it, are cut off as well.
            for _ in 0..2 {
                let traced = Traced::new(workload, &start, &mut dice);
                operations += traced.trace.operations.len();
                let crashes = traced.crashes(STATES_OF_ONE_RUN, workload, &start.known, &mut dice);
                for crash in &crashes {
                    check_start(crash, workload, &mut found);
                }
                built += crashes.len();
                start = dice.choice(crashes).expect("some");
            }
        }
    }
    eprintln!("{built} states of {operations} operations in {kinds:?}: {found:?}");
    assert!(found.lost > built && found.covered * 10 > found.rows * 7, "{found:?}");
    assert!(found.power_cuts > built / 4 && found.torn > built / 20 && found.archives > built / 10);
}

/// Rows of the old hour that are still on the channel when it is over, and no trade has come since.
#[test]
fn a_backlog_over_the_full_hour_goes_into_the_file_of_its_hour() {
    let (directory, hour_ms) = (directory(), START_MS + 30 * 60_000);
    let workload = Workload { rotates: true, ..workloads()[0].clone() };
    TEST_MS.set(Some(START_MS));
    let mut process = Process::open(&workload, directory.path());
    process.step();
    for number in 1..=2 {
        let mut batch = TradeBatch::new(hour_ms - 1);
        batch.push(&message(number));
        process.entries.send(WriterMessage::Trades(batch));
    }
    TEST_MS.set(Some(hour_ms + 5_000));
    process.idle();
    process.step();
    process.step();
    process.idle();
    let files = disk_model::take(directory.path());
    let rows = |name: &str| memchr_iter(b'\n', &files[name]).count() - 1;
    assert_eq!((rows("op1-2026-11-23T14.csv"), rows("op1.csv")), (2, 0));
}

#[test]
fn an_outage_waits_for_the_trades_before_it_and_those_after_it_wait_for_it() {
    for workload in workloads() {
        let (directory, now_ms) = (directory(), START_MS);
        TEST_MS.set(Some(now_ms));
        let mut process = Process::open(&workload, directory.path());
        let trade = |at_ms, number| {
            let mut batch = TradeBatch::new(at_ms);
            batch.push(&message(number));
            WriterMessage::Trades(batch)
        };
        let live =
            |at_ms| WriterMessage::Live { at_ms, tickers: vec!["A".to_owned()], refused: vec![] };
        let there = || {
            let files = disk_model::take(directory.path());
            let lines = |name: &str| memchr_iter(b'\n', &files[name]).count() - 1;
            (lines("op1.csv"), lines("op1.coverage.csv"))
        };
        process.entries.send(live(now_ms));
        process.step();
        while process.sync() {
            process.step();
        }
        process.entries.send(trade(now_ms, 1));
        process.entries.send(WriterMessage::Down { at_ms: now_ms, reason: "silent".to_owned() });
        process.entries.send(live(now_ms));
        process.entries.send(trade(now_ms, 2));
        process.step();
        if workload.fsync != Fsync::Always {
            assert_eq!(there(), (1, 1), "{}: the trade is not on the disk", workload.name);
            assert!(process.sync());
            process.step();
            assert_eq!(there(), (1, 3), "{}: the outage is not on the disk", workload.name);
            assert!(process.sync());
            process.step();
        }
        assert_eq!(there(), (2, 3), "{}", workload.name);
    }
}
