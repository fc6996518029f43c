//! A writer under a clock of its own, fed as a session feeds it, with the fsync thread and the
//! compressor played in between: all on one thread, so that a seed gives the same run.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use fastrand::Rng;

use super::trace;
use crate::channel::{self, TradeBatch, WriterMessage, WriterReceiver, WriterSender};
use crate::recorder::compress::{compress_all, left_uncompressed};
use crate::recorder::disk::DiskFile;
use crate::recorder::fsync::SyncRequest;
use crate::recorder::{Destination, Fsync, RecorderOptions, Rotate, Writer};
use crate::recording::columns::Column;
use crate::text::clock::TEST_MS;

/// 2026-11-23T14:30:00Z
pub(super) const START_MS: i64 = 1_795_444_200_000;
const MINUTE_MS: i64 = 60_000;

/// Half a row, as somebody may append it: no number begins with it.
pub(super) const HALF: &str = "x";

/// How a writer is run.
#[derive(Debug, Clone)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) fsync: Fsync,
    pub(super) rotates: bool,
    /// So many kills, each followed by a start.
    pub(super) kills: u32,
    /// Whether somebody appends half a row now and then.
    pub(super) is_damaged: bool,
    pub(super) columns: Vec<Column>,
}

/// What is known of one row, and since which operation of the trace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) number: u64,
    pub(super) received_ms: i64,
    pub(super) operations: usize,
}

/// Nothing was recorded between these times, neither included: from when it was noticed, because a
/// kill before that could not know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
    /// Since which operation of the trace it is over.
    pub(super) operations: usize,
}

/// What happened in a run, to be compared with what is left of it.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    pub(super) sent: Vec<Sent>,
    pub(super) outages: Vec<Outage>,
    /// The clock, and since which operation.
    pub(super) clock: Vec<(usize, i64)>,
}

impl History {
    /// What the clock showed after so many operations.
    pub(super) fn time_after(&self, operations: usize) -> i64 {
        let known = self.clock.iter().rfind(|(since, _)| *since <= operations);
        known.map_or(START_MS, |(_, time_ms)| *time_ms)
    }
}

/// A running writer, and everything around it.
pub(super) struct Process {
    writer: Writer,
    inbox: WriterReceiver,
    pub(super) entries: WriterSender,
    syncs: Receiver<SyncRequest>,
    closed: Receiver<PathBuf>,
}

/// A run in a directory, traced.
struct Run<'a> {
    workload: &'a Workload,
    directory: &'a Path,
    dice: &'a mut Rng,
    now_ms: i64,
    next_number: u64,
    last_frame_ms: i64,
    outage_from_ms: Option<i64>,
    history: History,
}

/// Runs a writer from `now_ms` on, with rows from `next_number` on, kills and starts included, and
/// leaves it as a power cut would.
pub(super) fn run(
    workload: &Workload,
    directory: &Path,
    dice: &mut Rng,
    now_ms: i64,
    next_number: u64,
) -> History {
    let (last_frame_ms, outage_from_ms, history) = (now_ms, None, History::default());
    let mut run = Run {
        workload,
        directory,
        dice,
        now_ms,
        next_number,
        last_frame_ms,
        outage_from_ms,
        history,
    };
    run.wait(0);
    for kill in 0..=workload.kills {
        let mut process = Process::open(workload, directory);
        for _ in 0..run.dice.u32(1..=3) {
            run.connection(&mut process);
        }
        // The power goes, or the kill comes, at any point.
        if kill < workload.kills {
            drop(process);
            run.outage_from_ms.get_or_insert(run.now_ms);
            run.wait(10_000);
        }
    }
    TEST_MS.set(None);
    run.history
}

/// Starts once, compresses what is left, and ends at once: what is there now must be right.
pub(super) fn start_again(workload: &Workload, directory: &Path, now_ms: i64) {
    TEST_MS.set(Some(now_ms));
    let process = Process::open(workload, directory);
    process.compress(workload, directory);
}

impl Process {
    pub(super) fn open(workload: &Workload, directory: &Path) -> Self {
        let (entries, inbox) = channel::open();
        let (sync, syncs) = mpsc::channel();
        let (closed_sender, closed) = mpsc::channel();
        let options = RecorderOptions {
            out: Destination::File(directory.join("op1.csv")),
            log_file: PathBuf::from("/dev/null"),
            columns: workload.columns.clone(),
            fsync: workload.fsync,
            rotate: workload.rotates.then_some(Rotate::Hourly),
            compress: true,
            simulated: false,
            candles: false,
        };
        let opened = Writer::open(&options, Arc::clone(entries.shared()), str::to_owned, || ());
        let mut writer = opened.expect("the start succeeds");
        writer.created_files.keep();
        writer.rows.store.sync_plan.thread = Some(sync);
        writer.rows.store.compressor = Some(closed_sender);
        Self { writer, inbox, entries, syncs, closed }
    }

    pub(super) fn step(&mut self) {
        self.writer.poll_once(self.inbox.try_recv().ok(), &self.inbox);
    }

    /// Lets the timers run, as if nothing had come in time.
    pub(super) fn idle(&mut self) {
        self.writer.poll_once(None, &self.inbox);
    }

    /// Does what the fsync thread has been asked for, if it has; the writer hears of it.
    pub(super) fn sync(&mut self) -> bool {
        let Ok(request) = self.syncs.try_recv() else { return false };
        self.entries.send(WriterMessage::Synced(request.perform()));
        true
    }

    /// Plays the compressor for the files closed until now.
    fn compress(&self, workload: &Workload, directory: &Path) {
        if workload.rotates {
            let left = left_uncompressed(&directory.join("op1.csv")).expect("the directory");
            compress_all(self.closed.try_iter().chain(left));
        }
    }
}

/// A trade that is known by its price.
pub(super) fn message(number: u64) -> String {
    format!(r#"{{"data":[{{"p":{number},"s":"A","t":1,"v":1}}],"type":"trade"}}"#)
}

impl Run<'_> {
    fn wait(&mut self, milliseconds: i64) {
        self.now_ms += milliseconds;
        TEST_MS.set(Some(self.now_ms));
        self.history.clock.push((trace::length(), self.now_ms));
    }

    /// One connection from subscription to loss; the last one may still hold.
    fn connection(&mut self, process: &mut Process) {
        let mut tickers = vec!["A".to_owned()];
        self.go_live(process, &tickers);
        for _ in 0..self.dice.u32(3..=12) {
            if self.dice.u8(..8) == 0 {
                tickers.push("B".to_owned());
                self.go_live(process, &tickers);
            }
            self.trades(process);
            if self.workload.is_damaged && self.dice.u8(..4) == 0 {
                self.damage(process);
            }
            self.pass_time(process);
        }
        if self.dice.bool() {
            process.entries.send(WriterMessage::Down {
                at_ms: self.last_frame_ms,
                reason: "connection lost: reset".to_owned(),
            });
            self.outage_from_ms = Some(self.now_ms);
            // It may be noticed late, and the next connection comes soon or not.
            for _ in 0..self.dice.u32(1..=3) {
                self.wait(500);
                self.pass_time(process);
            }
        }
    }

    /// Somebody appends half a row; rows may follow it before that is noticed.
    fn damage(&mut self, process: &mut Process) {
        process.step();
        let mut file = DiskFile::append_to(&self.directory.join("op1.csv")).expect("the file");
        file.write_all(HALF.as_bytes()).expect("a byte");
        self.trades(process);
        process.step();
        process.writer.rows.timers.heartbeat = Instant::now();
        process.step();
    }

    fn go_live(&mut self, process: &Process, tickers: &[String]) {
        let at_ms = self.now_ms;
        process.entries.send(WriterMessage::Live {
            at_ms,
            tickers: tickers.to_vec(),
            refused: vec![],
        });
        self.frame(process);
        if let Some(from_ms) = self.outage_from_ms.take() {
            let operations = trace::length();
            self.history.outages.push(Outage { from_ms, until_ms: at_ms, operations });
        }
    }

    fn trades(&mut self, process: &Process) {
        self.frame(process);
        for _ in 0..self.dice.u32(..=2) {
            let mut batch = TradeBatch::new(self.now_ms);
            for _ in 0..self.dice.u32(1..=3) {
                let number = self.next_number;
                self.next_number += 1;
                batch.push(&message(number));
                let (received_ms, operations) = (self.now_ms, trace::length());
                self.history.sent.push(Sent { number, received_ms, operations });
            }
            process.entries.send(WriterMessage::Trades(batch));
        }
    }

    fn frame(&mut self, process: &Process) {
        self.last_frame_ms = self.now_ms;
        process.entries.shared().last_message_ms.store(self.now_ms, Ordering::Relaxed);
    }

    /// Lets the writer work, and perhaps its timers, the fsync thread and the compressor.
    fn pass_time(&mut self, process: &mut Process) {
        for _ in 0..self.dice.u32(1..=3) {
            let due = Instant::now();
            let writer = &mut process.writer;
            if self.dice.u8(..4) == 0 {
                writer.rows.timers.heartbeat = due;
            }
            if self.dice.u8(..3) == 0 {
                let planned = &mut writer.rows.store.sync_plan.due;
                *planned = planned.map(|_| due);
            }
            process.step();
            if self.dice.bool() {
                process.sync();
            }
            let milliseconds = match self.dice.u8(..8) {
                0 => 0,
                1 if self.workload.rotates => self.dice.i64(0..20 * MINUTE_MS),
                _ => self.dice.i64(1..400),
            };
            self.wait(milliseconds);
        }
        if self.dice.u8(..4) == 0 {
            process.compress(self.workload, self.directory);
        }
    }
}
