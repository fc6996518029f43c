//! The writer: takes entries from the channel and writes them to the files.
//!
//! Opened on the main thread, run on the writer thread; from then on only that thread writes the
//! files. It collects rows while the channel has more, and writes them when it is empty. While the
//! disk cannot be written, entries wait here in their order; `feed/backpressure` limits how many.

mod deferred;
mod disk_retry;
mod finish;
mod flush;
mod handle;
mod losses;
mod rows;
mod timers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use log::Level;

use super::created_files::CreatedFiles;
use super::error::{OpenError, failed};
use super::fsync::SyncRequest;
use super::ledger::Ledger;
use super::log_file::LogFile;
use super::options::{Destination, RecorderOptions};
use super::output::{Output, Pipe};
use super::preflight::try_start;
use super::recording::Recording;
use crate::channel::{Entry, EntryReceiver, SharedState, TradeBatch};
use crate::protocol::message::Decoder;
use crate::recording::header::header;
use crate::status::totals::Totals;
use crate::text::clock::now_ms;
use crate::text::log_limit::LogLimit;
use deferred::Deferred;
pub use handle::{Summary, WriterHandle};

/// So many bytes of rows are written at once, even when more is waiting: large enough that the system
/// call costs nothing, small enough to stay in the processor's cache.
const BATCH_BYTES: usize = 128 << 10;

/// How often the sums go to the log.
const SUMMARY_EVERY: Duration = Duration::from_secs(3600);

/// Rows in memory, and what is counted when they are written.
#[derive(Debug, Default)]
struct RowBuffer {
    rows: Vec<u8>,
    trades: u64,
    waiting_bytes: usize,
    received_ms: i64,
}

/// The state while the disk cannot be written.
#[derive(Debug)]
struct DiskRetry {
    cause: String,
    since: Instant,
    retry_at: Instant,
    /// How it is logged.
    level: Level,
}

/// What the session had said when the entries at hand were taken, so that nothing is concluded from it that
/// is ahead of them.
#[derive(Debug, Default)]
struct SessionTimes {
    clock_ahead_ms: i64,
    last_message_ms: i64,
}

/// When each timer is due.
#[derive(Debug)]
pub(super) struct Timers {
    pub(super) heartbeat: Instant,
    /// The next snapshot, unless there is nothing new to be shown.
    snapshot: Option<Instant>,
    /// When the last one was published.
    published: Instant,
    summary: Instant,
    pub(super) sync: Option<Instant>,
}

/// The open files, and everything that waits to be written to them.
pub struct Writer {
    /// The first to be dropped: the lock must be held when it is.
    pub(super) created_files: CreatedFiles,
    options: RecorderOptions,
    output: Output,
    log: LogFile,
    /// Whether the server has refused the start.
    refused: bool,
    shared: Arc<SharedState>,
    /// Takes the key out of a text from the server.
    redact: Box<dyn Fn(&str) -> String + Send>,
    /// Asks the session to end: nobody reads standard output any more, or this thread ends.
    stop_session: Box<dyn Fn() + Send>,
    /// The fsync thread; without one the writer forces its files to the disk by itself.
    pub(super) fsync: Option<Sender<SyncRequest>>,
    /// The thread that compresses closed files, if they are.
    pub(super) compressor: Option<Sender<PathBuf>>,
    decoder: Decoder,
    totals: Totals,
    log_limit: LogLimit,
    buffer: RowBuffer,
    deferred: Deferred,
    disk_retry: Option<DiskRetry>,
    /// Why the disk was last not written; the ledger names it as the reason for dropped trades.
    last_cause: String,
    /// When it was last said that the reader of the pipe is slow.
    slowness_said: Option<Instant>,
    /// How many of the trades that the session has dropped are in the sums …
    counted_dropped: u64,
    /// … and how many in the ledger.
    ledger_dropped: u64,
    last_written_ms: i64,
    session: SessionTimes,
    sync_under_way: bool,
    /// Why the ledger cannot be written. Its rows wait; trades do not.
    ledger_failure: Option<String>,
    /// How many trades were written, and received until when, when the files were last checked.
    checked: (u64, i64),
    /// Trades written since then to a file that was removed; they are written again when possible.
    lost: u64,
    pub(super) timers: Timers,
}

/// A session must not go on reading when nobody writes what it reads.
impl Drop for Writer {
    fn drop(&mut self) {
        (self.stop_session)();
    }
}

impl Writer {
    /// Opens the files, repairs what a crash left, and closes the ledger of a process that was
    /// killed. Nothing is recorded yet. `redact` takes the key out of a text from the server;
    /// `stop_session` is called when nobody reads standard output any more, and when the writer has ended,
    /// by a panic too.
    ///
    /// # Errors
    /// When a file is none, is in use, has other columns or trades of the other market, or cannot be
    /// opened, read, made, locked or repaired. What `preflight` finds is found before anything is made.
    pub fn open(
        options: RecorderOptions,
        shared: Arc<SharedState>,
        redact: impl Fn(&str) -> String + Send + 'static,
        stop_session: impl Fn() + Send + 'static,
    ) -> Result<Self, OpenError> {
        let (now, now_ms) = (Instant::now(), now_ms());
        let new = try_start(&options)?;
        let mut created_files =
            CreatedFiles::new(&new, &options.log_file, options.out.file().as_deref());
        let output = match &options.out {
            Destination::File(path) => {
                let RecorderOptions { columns, rotate, fsync, .. } = &options;
                let recording = Recording::open(path, columns, *rotate, *fsync, now_ms)?;
                Output::Files(Box::new(recording))
            }
            Destination::StandardOutput { coverage } => {
                let pipe = Pipe::open(Arc::clone(&shared));
                let pipe = pipe.map_err(failed("open", Path::new("standard output")))?;
                let ledger = coverage.as_ref();
                let ledger = ledger
                    .map(|path| Recording::open_ledger_alone(path, options.fsync, now_ms))
                    .transpose()
                    .map_err(OpenError::of_coverage)?;
                Output::Pipe(pipe, ledger.map(Box::new))
            }
        };
        let log = LogFile::open(&options.log_file).map_err(failed("open", &options.log_file))?;
        created_files.lock_is_held();
        Ok(Self {
            created_files,
            output,
            log,
            refused: false,
            shared,
            redact: Box::new(redact),
            stop_session: Box::new(stop_session),
            fsync: None,
            compressor: None,
            decoder: Decoder::default(),
            totals: Totals::new(now_ms),
            log_limit: LogLimit::default(),
            buffer: RowBuffer::default(),
            deferred: Deferred::default(),
            disk_retry: None,
            last_cause: String::new(),
            slowness_said: None,
            counted_dropped: 0,
            ledger_dropped: 0,
            last_written_ms: now_ms,
            session: SessionTimes::default(),
            sync_under_way: false,
            ledger_failure: None,
            checked: (0, now_ms),
            lost: 0,
            timers: Timers {
                heartbeat: now,
                snapshot: None,
                published: now,
                summary: now + SUMMARY_EVERY,
                sync: None,
            },
            options,
        })
    }

    /// Records until [`Entry::Finish`] or [`Entry::Refused`], or until nobody can send any more.
    pub fn run(mut self, inbox: &EntryReceiver) -> Summary {
        self.created_files.keep();
        if matches!(self.output, Output::Pipe(..)) {
            self.buffer.rows.extend_from_slice(header(&self.options.columns).as_bytes());
            self.flush();
        }
        self.run_timers(Instant::now());
        loop {
            let wait = if self.can_record_deferred() {
                Duration::ZERO
            } else {
                self.time_to_next_timer(Instant::now())
            };
            let entry = match inbox.recv_timeout(wait) {
                Ok(entry) => Some(entry),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Entry::Finish),
            };
            if self.step(entry, inbox) {
                return self.finish(inbox);
            }
        }
    }

    /// Handles an entry, those behind it, and the timers that are due. Returns whether it was the last.
    pub(super) fn step(&mut self, entry: Option<Entry>, inbox: &EntryReceiver) -> bool {
        let SharedState { clock_ahead_ms, last_message_ms, .. } = &*self.shared;
        self.session = SessionTimes {
            clock_ahead_ms: clock_ahead_ms.load(Ordering::Relaxed),
            last_message_ms: last_message_ms.load(Ordering::Relaxed),
        };
        let finished = entry.is_some_and(|entry| {
            self.plan_snapshot();
            self.take_entries(entry, inbox)
        });
        self.flush();
        self.record_deferred();
        if !finished {
            self.run_timers(Instant::now());
        }
        finished
    }

    /// Takes an entry and those behind it, until the rows make a large batch, or all while the disk cannot
    /// be written: log lines are among them. Returns whether it was the last.
    fn take_entries(&mut self, first: Entry, inbox: &EntryReceiver) -> bool {
        let mut next = Some(first);
        while let Some(entry) = next {
            match entry {
                Entry::Finish => return true,
                Entry::Refused => {
                    self.refused = true;
                    return true;
                }
                Entry::Synced(outcome) => self.synced(&outcome),
                Entry::Log(line) => self.log.push(&line),
                // What came first is written first, also after the disk could not be written.
                entry if self.must_wait(&entry) => self.deferred.push_back(entry),
                entry => self.record(entry),
            }
            if self.buffer.rows.len() >= BATCH_BYTES && self.disk_retry.is_none() {
                return false;
            }
            next = inbox.try_recv().ok();
        }
        false
    }

    /// Whether `entry` may not be recorded yet: the disk cannot be written, other entries wait already,
    /// or these are trades that must wait.
    fn must_wait(&mut self, entry: &Entry) -> bool {
        self.disk_retry.is_some()
            || !self.deferred.is_empty()
            || (matches!(entry, Entry::Trades(_)) && self.trades_must_wait())
    }

    /// Whether trades may not be recorded: they follow an outage that is not yet in the ledger on the
    /// disk; or a stop leaves no time for them, and the end counts them.
    fn trades_must_wait(&mut self) -> bool {
        self.output.recording().is_some_and(|files| files.ledger.has_unsynced_outage())
            || self.shared.is_out_of_time()
    }

    /// Whether [`Self::record_deferred`] has something to do.
    fn can_record_deferred(&mut self) -> bool {
        let next_is_trades = match self.deferred.front() {
            None => return false,
            Some(entry) => matches!(entry, Entry::Trades(_)),
        };
        self.disk_retry.is_none() && !(next_is_trades && self.trades_must_wait())
    }

    /// Records entries that have waited, as far as they may be recorded now, and no more than makes a
    /// large batch: timers, log lines and the end must not wait for all of them.
    fn record_deferred(&mut self) {
        if self.deferred.is_empty() {
            return;
        }
        if !self.can_record_deferred() {
            // With `--fsync always` this forces the outage to the disk.
            self.flush();
        }
        while self.can_record_deferred()
            && self.buffer.rows.len() < BATCH_BYTES
            && let Some(entry) = self.deferred.pop_front()
        {
            self.record(entry);
        }
        self.flush();
    }

    fn record(&mut self, entry: Entry) {
        if let Entry::Trades(TradeBatch { received_ms: at_ms, .. }) | Entry::Live { at_ms, .. } =
            entry
            && !self.rotate_before(at_ms)
        {
            self.deferred.push_front(entry);
            return;
        }
        match entry {
            Entry::Trades(batch) => self.push_batch(&batch),
            Entry::Live { at_ms, tickers, refused } => {
                self.update_ledger(|ledger| ledger.live(at_ms, &tickers));
                self.totals.follow(&tickers, &refused, at_ms);
            }
            Entry::Wanted { at_ms, tickers } => self.totals.follow(&tickers, &[], at_ms),
            Entry::Down { at_ms, reason } => self.ledger_down(at_ms, &reason),
            Entry::Dropped { after_ms, trades, disk_failed } => {
                self.record_loss(after_ms, trades, disk_failed);
            }
            Entry::Synced(_) | Entry::Log(_) | Entry::Finish | Entry::Refused => {}
        }
    }

    /// Begins a new file when what comes at `at_ms` belongs there. `false` when rows of the old file
    /// cannot be written.
    fn rotate_before(&mut self, at_ms: i64) -> bool {
        if self.output.recording().is_some_and(|recording| recording.rotation_is_due(at_ms)) {
            self.flush();
            if self.disk_retry.is_none() {
                let result = self.check_csv();
                self.on_write_result(result);
            }
            if self.disk_retry.is_some() {
                return false;
            }
            let last_message_ms = self.session.last_message_ms;
            let closed = self
                .output
                .recording()
                .and_then(|recording| recording.rotate(at_ms, last_message_ms));
            if let (Some(compressor), Some(closed)) = (&self.compressor, closed) {
                // If that thread has failed, the next start finds the file.
                let _ = compressor.send(closed);
            }
        }
        true
    }

    fn ledger_down(&mut self, at_ms: i64, reason: &str) {
        self.update_ledger(|ledger| ledger.down(at_ms, reason));
    }

    fn update_ledger(&mut self, row: impl FnOnce(&mut Ledger)) {
        if let Some(recording) = self.output.recording() {
            row(&mut recording.ledger);
            if self.buffer.rows.is_empty() {
                recording.release_ledger();
            }
        }
    }
}
