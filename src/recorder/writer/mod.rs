//! The writer: takes entries from the channel and hands them to the files.
//!
//! Opened on the main thread, run on the writer thread, which from then on alone writes the files. It
//! gathers rows while the channel has more and hands them over as soon as it is empty. When the
//! disk refuses, entries wait here in their order; the session keeps the bound (`waiting_room`).

mod disk_retry;
mod handle;

use std::collections::VecDeque;
use std::io;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use log::{error, info, warn};

use super::error::{OpenError, failed};
use super::fsync::SyncRequest;
use super::header::header;
use super::ledger::Ledger;
use super::log_file::LogFile;
use super::options::{Destination, Fsync, RecorderOptions, Report};
use super::output::{Output, Pipe};
use super::preflight::before_start;
use super::recording::Recording;
use super::row;
use crate::channel::{Entry, Gauges, SyncOutcome, TradeBatch};
use crate::clock::{now_ms, show_ms};
use crate::error::printable;
use crate::log_limit::{LogLimit, Permission};
use crate::protocol::message::{Decoder, Element};
use crate::protocol::trade::is_simulated;
use crate::status::snapshot::{Market, Snapshot};
use disk_retry::{READER_GONE, Trouble};
pub use handle::{WriterError, WriterHandle};

/// Rows gathered before they are handed over although more is waiting: large enough that the
/// system call costs nothing, small enough to stay in the processor's cache.
const BATCH_BYTES: usize = 128 << 10;

/// A proof of life is at most this old; the ledger promises 5 s.
const PROOF_EVERY: Duration = Duration::from_secs(2);

/// `ship` waits for what is on the disk, and looks this often.
const PROOF_AFTER_SYNC: Duration = Duration::from_millis(200);

/// How often the snapshot is renewed: as often as a person can read it.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(200);

/// How often the sums go to the log.
const SUMMARY_EVERY: Duration = Duration::from_secs(3600);

/// Without trades a new file begins this much late, so that what was received just before the hour
/// and is still on the channel finds the old file open.
const ROTATION_GRACE_MS: i64 = 1_000;

/// Characters of a malformed element that are logged: more than any trade has.
const SHOWN_CHARACTERS: usize = 300;

/// Why trades of the wrong market are left out.
const REAL_TRADE: &str = "a real trade, and this recording is of simulated ones";
const SIMULATED_TRADE: &str = "a simulated trade, and this recording is of real ones; ask for it by its name, or start `simulate` with --plain-symbols";

/// The open files and everything on its way to them.
pub struct Recorder {
    options: RecorderOptions,
    output: Output,
    log: LogFile,
    /// What this start has made, and whether it was refused after that.
    new_files: Vec<PathBuf>,
    refused: bool,
    gauges: Arc<Gauges>,
    /// Takes the key out of a text from the server.
    redact: Box<dyn Fn(&str) -> String + Send>,
    /// Called once when nobody reads standard output any more.
    on_reader_gone: Box<dyn Fn() + Send>,
    /// The fsync thread; without one the writer forces its files to the disk by itself.
    pub(super) fsync: Option<Sender<SyncRequest>>,
    /// The thread that compresses closed files, if they are.
    pub(super) compressor: Option<Sender<PathBuf>>,
    decoder: Decoder,
    market: Market,
    log_limit: LogLimit,
    gathered: Gathered,
    held: VecDeque<Entry>,
    trouble: Option<Trouble>,
    /// The cause of the last trouble, for the ledger's word on what was dropped in it.
    last_cause: String,
    last_written_ms: i64,
    sync_under_way: bool,
    /// Why the ledger cannot be written; its rows wait, and trades do not.
    ledger_trouble: Option<String>,
    /// What was written when the files were last looked after.
    found: Written,
    /// Trades written since then to a file that was removed; they are brought back when that can be
    /// done.
    lost: u64,
    pub(super) timers: Timers,
}

/// How far the writing has come.
#[derive(Debug, Default, Clone, Copy)]
struct Written {
    trades: u64,
    received_ms: i64,
}

/// Rows in memory, and what they stand for once they are in the file.
#[derive(Debug, Default)]
struct Gathered {
    rows: Vec<u8>,
    trades: u64,
    waiting_bytes: usize,
    received_ms: i64,
}

/// When the regular duties are due.
#[derive(Debug)]
pub(super) struct Timers {
    pub(super) proof: Instant,
    snapshot: Instant,
    summary: Instant,
    pub(super) sync: Option<Instant>,
}

impl Recorder {
    /// Opens the files, repairs what a crash left, and closes the ledger of a process that was
    /// killed. Nothing is recorded yet. `redact` takes the key out of a text from the server;
    /// `on_reader_gone` is called once when nobody reads standard output any more.
    ///
    /// # Errors
    /// When a file cannot be used; then nothing was made or changed.
    pub fn open(
        options: RecorderOptions,
        gauges: Arc<Gauges>,
        redact: impl Fn(&str) -> String + Send + 'static,
        on_reader_gone: impl Fn() + Send + 'static,
    ) -> Result<Recorder, OpenError> {
        let now_ms = now_ms();
        let mut new_files = before_start(&options)?;
        for new in &mut new_files {
            *new = path::absolute(&*new).map_err(failed("find", new))?;
        }
        let output = match &options.out {
            Destination::File(path) => {
                let RecorderOptions { columns, rotate, fsync, .. } = &options;
                let recording = Recording::open(path, columns, *rotate, *fsync, now_ms)?;
                Output::Files(Box::new(recording))
            }
            Destination::StandardOutput => {
                let pipe = Pipe::open(Arc::clone(&gauges.stopping));
                Output::Pipe(pipe.map_err(failed("open", Path::new("standard output")))?)
            }
        };
        let log = LogFile::open(&options.log_file).map_err(failed("open", &options.log_file))?;
        let started = Instant::now();
        Ok(Recorder {
            output,
            log,
            new_files,
            refused: false,
            gauges,
            redact: Box::new(redact),
            on_reader_gone: Box::new(on_reader_gone),
            fsync: None,
            compressor: None,
            decoder: Decoder::default(),
            market: Market::new(now_ms),
            log_limit: LogLimit::default(),
            gathered: Gathered::default(),
            held: VecDeque::new(),
            trouble: None,
            last_cause: String::new(),
            last_written_ms: now_ms,
            sync_under_way: false,
            ledger_trouble: None,
            found: Written { trades: 0, received_ms: now_ms },
            lost: 0,
            timers: Timers {
                proof: started,
                snapshot: started,
                summary: started + SUMMARY_EVERY,
                sync: None,
            },
            options,
        })
    }

    /// Records until [`Entry::Finish`] or [`Entry::Refused`], or until nobody can send any more.
    pub fn run(mut self, inbox: &Receiver<Entry>) -> Report {
        if matches!(self.output, Output::Pipe(_)) {
            self.gathered.rows.extend_from_slice(header(&self.options.columns).as_bytes());
            self.hand_over();
        }
        self.duties(Instant::now());
        loop {
            let entry = match inbox.recv_timeout(self.time_to_next_duty(Instant::now())) {
                Ok(entry) => Some(entry),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Entry::Finish),
            };
            if self.turn(entry, inbox) {
                return self.finish(inbox);
            }
        }
    }

    /// Does what has come, and what is due; gives whether it was the last.
    pub(super) fn turn(&mut self, entry: Option<Entry>, inbox: &Receiver<Entry>) -> bool {
        let finished = entry.is_some_and(|entry| self.take_all(entry, inbox));
        self.hand_over();
        self.record_held();
        if !finished {
            self.duties(Instant::now());
        }
        finished
    }

    /// Takes an entry and what waits behind it, as long as the rows make no large batch.
    fn take_all(&mut self, first: Entry, inbox: &Receiver<Entry>) -> bool {
        let mut next = Some(first);
        while let Some(entry) = next {
            match entry {
                Entry::Finish => return true,
                Entry::Refused => {
                    self.refused = true;
                    return true;
                }
                Entry::Synced(outcome) => self.synced(&outcome),
                Entry::Log(line) => {
                    self.gauges.log_bytes.fetch_sub(line.len(), Ordering::Relaxed);
                    self.log.push(&line);
                }
                // What came first is written first, also after trouble.
                entry if self.must_wait(&entry) => self.held.push_back(entry),
                entry => self.record(entry),
            }
            if self.gathered.rows.len() >= BATCH_BYTES {
                return false;
            }
            next = inbox.try_recv().ok();
        }
        false
    }

    /// Whether `entry` may not be recorded yet: the disk refuses, something waits already, or these
    /// trades follow an outage that the ledger on the disk does not know of.
    fn must_wait(&mut self, entry: &Entry) -> bool {
        self.trouble.is_some() || !self.held.is_empty() || self.follows_unsettled_outage(entry)
    }

    fn follows_unsettled_outage(&mut self, entry: &Entry) -> bool {
        matches!(entry, Entry::Trades(_))
            && self.output.recording().is_some_and(|files| files.ledger().outage_is_unsettled())
    }

    /// Records what has waited, as far as it may go on.
    fn record_held(&mut self) {
        while self.trouble.is_none()
            && let Some(entry) = self.held.pop_front()
        {
            if self.follows_unsettled_outage(&entry) {
                // With `--fsync always` this settles it.
                self.hand_over();
                if self.trouble.is_some() || self.follows_unsettled_outage(&entry) {
                    self.held.push_front(entry);
                    return;
                }
            }
            self.record(entry);
            if self.gathered.rows.len() >= BATCH_BYTES || self.held.is_empty() {
                self.hand_over();
            }
        }
    }

    fn record(&mut self, entry: Entry) {
        if let Entry::Trades(TradeBatch { received_ms: at_ms, .. }) | Entry::Live { at_ms, .. } =
            entry
            && !self.rotate_before(at_ms)
        {
            self.held.push_front(entry);
            return;
        }
        match entry {
            Entry::Trades(batch) => self.gather(&batch),
            Entry::Live { at_ms, tickers, refused } => {
                self.tell_ledger(|ledger| ledger.live(at_ms, &tickers));
                self.market.follow(&tickers, &refused, at_ms);
            }
            Entry::Wanted { at_ms, tickers } => self.market.follow(&tickers, &[], at_ms),
            Entry::Down { at_ms, reason } => self.ledger_down(at_ms, &reason),
            Entry::Dropped { after_ms, trades } => self.count_dropped(after_ms, trades),
            Entry::Synced(_) | Entry::Log(_) | Entry::Finish | Entry::Refused => {}
        }
    }

    /// Begins a new file when what comes at `at_ms` belongs there; `false` when the disk does not
    /// take what belongs to the old one.
    fn rotate_before(&mut self, at_ms: i64) -> bool {
        if self.output.recording().is_some_and(|recording| recording.rotation_is_due(at_ms)) {
            self.hand_over();
            if self.trouble.is_none() {
                let result = self.look_after_rows();
                self.judge(result);
            }
            if self.trouble.is_some() {
                return false;
            }
            let last_message_ms = self.gauges.last_message_ms.load(Ordering::Relaxed);
            let closed = self
                .output
                .recording()
                .and_then(|recording| recording.rotate(at_ms, last_message_ms));
            if let (Some(compressor), Some(closed)) = (&self.compressor, closed) {
                // Should the thread have failed, the next start finds the file.
                let _ = compressor.send(closed);
            }
        }
        true
    }

    /// Turns a batch of messages into rows.
    fn gather(&mut self, batch: &TradeBatch) {
        let received_ms = batch.received_ms;
        let digits = received_ms.to_string();
        for message in batch.messages() {
            let Recorder { decoder, gathered, market, options, log_limit, redact, .. } = self;
            let decoded = decoder.decode(message, |element| {
                market.counts.received += 1;
                match element {
                    Element::Trade(trade) if is_simulated(&trade.ticker) != options.simulated => {
                        market.counts.rejected += 1;
                        let fault = if options.simulated { REAL_TRADE } else { SIMULATED_TRADE };
                        let text = redact(&trade.ticker);
                        log_limited(log_limit, received_ms, "not recorded", fault, &text);
                    }
                    Element::Trade(trade) => {
                        row::push_row(&mut gathered.rows, &options.columns, &trade, &digits);
                        gathered.trades += 1;
                        market.trade(&trade, received_ms);
                    }
                    Element::Malformed { text, fault } => {
                        market.counts.rejected += 1;
                        log_limited(
                            log_limit,
                            received_ms,
                            "not a trade",
                            &redact(&fault),
                            &redact(text),
                        );
                    }
                }
            });
            if let Err(fault) = decoded {
                self.market.counts.unreadable += 1;
                let fault = redact(&fault.to_string());
                let text = redact(message);
                log_limited(log_limit, received_ms, "unreadable message", &fault, &text);
            }
        }
        self.gathered.waiting_bytes += batch.bytes();
        self.gathered.received_ms = received_ms;
    }

    fn ledger_down(&mut self, at_ms: i64, reason: &str) {
        self.tell_ledger(|ledger| ledger.down(at_ms, reason));
    }

    fn tell_ledger(&mut self, row: impl FnOnce(&mut Ledger)) {
        if let Some(recording) = self.output.recording() {
            row(recording.ledger());
            if self.gathered.rows.is_empty() {
                recording.release_ledger();
            }
        }
    }

    fn count_dropped(&mut self, after_ms: i64, trades: u64) {
        self.market.counts.received += trades;
        self.market.counts.dropped += trades;
        let cause = if self.last_cause.is_empty() { "disk too slow" } else { &self.last_cause };
        let reason = format!("{cause}: {trades} trades dropped");
        error!("{reason} after {}", show_ms(after_ms));
        self.ledger_down(after_ms, &reason);
    }

    /// Hands the gathered rows, the ledger's rows and the log's lines to their files.
    fn hand_over(&mut self) {
        if self.trouble.is_none() {
            let result = self.write_rows();
            self.judge(result);
        }
        self.log.hand_over();
    }

    fn write_rows(&mut self) -> io::Result<()> {
        // First: what may go to the ledger stands before these rows.
        if let Some(recording) = self.output.recording()
            && recording.ledger().has_pending()
        {
            if self.gathered.rows.is_empty() {
                recording.release_ledger();
            }
            let result = recording.ledger().hand_over();
            self.judge_ledger(result)?;
        }
        if !self.gathered.rows.is_empty() {
            self.output.append(&self.gathered.rows)?;
            self.gathered.rows.clear();
            // One message of many megabytes must not hold its memory for weeks.
            self.gathered.rows.shrink_to(2 * BATCH_BYTES);
            self.market.counts.written += self.gathered.trades;
            self.gathered.trades = 0;
            self.last_written_ms = self.gathered.received_ms;
            self.plan_sync();
        }
        let bytes = std::mem::take(&mut self.gathered.waiting_bytes);
        if bytes > 0 {
            self.gauges.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        if self.output.recording().is_some_and(|files| !files.ledger().is_settled()) {
            self.plan_sync();
        }
        if self.options.fsync == Fsync::Always && self.timers.sync.is_some() {
            self.sync()?;
        }
        Ok(())
    }

    /// Has what is not on the disk forced there in time; what the ledger says, at once.
    fn plan_sync(&mut self) {
        let unsettled = self.output.recording().is_some_and(|files| !files.ledger().is_settled());
        let delay = match self.options.fsync {
            Fsync::Always => Duration::ZERO,
            _ if self.sync_under_way => return,
            _ if unsettled => Duration::ZERO,
            Fsync::Every(interval) => interval,
            Fsync::Never => return,
        };
        let due = Instant::now() + delay;
        self.timers.sync = Some(self.timers.sync.map_or(due, |planned| planned.min(due)));
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(recording) = self.output.recording() {
            recording.sync_rows()?;
            let result = recording.settle_ledger();
            self.judge_ledger(result)?;
        }
        // With `--fsync always` others learn of it a moment later, not with each message.
        self.timers.proof = self.timers.proof.min(Instant::now() + PROOF_AFTER_SYNC);
        self.timers.sync = None;
        Ok(())
    }

    /// Has everything forced to the disk by the thread that may wait for it. One request at a time:
    /// the next one is planned when this one is answered.
    fn sync_in_background(&mut self) {
        self.timers.sync = None;
        if let Some(fsync) = &self.fsync
            && let Some(request) = self.output.recording().and_then(Recording::sync_request)
            && fsync.send(request).is_ok()
        {
            self.sync_under_way = true;
        } else {
            let result = self.sync();
            self.after_sync(result);
        }
    }

    fn synced(&mut self, outcome: &SyncOutcome) {
        self.sync_under_way = false;
        if let Some(recording) = self.output.recording() {
            recording.synced(outcome);
        }
        let failed = |reason| io::Error::other(format!("fsync failed: {reason}"));
        self.after_sync(outcome.error.as_ref().map_or(Ok(()), |reason| Err(failed(reason))));
    }

    /// Others read in the proof of life how far they may read.
    fn after_sync(&mut self, result: io::Result<()>) {
        if result.is_err() {
            self.judge(result);
            return;
        }
        // When all that has come is taken: a lost connection may be among it.
        self.timers.proof = Instant::now();
        if self.output.recording().is_some_and(Recording::is_dirty) {
            self.plan_sync();
        }
    }

    fn time_to_next_duty(&self, now: Instant) -> Duration {
        // The hourly summary needs no alarm of its own.
        let mut next = self.timers.proof.min(self.timers.snapshot);
        // While the disk refuses, forcing rows to it has to wait for the retry.
        let disk = match &self.trouble {
            Some(trouble) => Some(trouble.retry_at),
            None => self.timers.sync,
        };
        if let Some(due) = disk {
            next = next.min(due);
        }
        next.saturating_duration_since(now)
    }

    /// What is due now besides writing.
    fn duties(&mut self, now: Instant) {
        if self.trouble.as_ref().is_some_and(|trouble| trouble.retry_at <= now) {
            self.retry();
        }
        if self.trouble.is_none() && self.timers.sync.is_some_and(|due| due <= now) {
            self.sync_in_background();
        }
        if self.trouble.is_none() && self.held.is_empty() {
            self.rotate_before(now_ms() - ROTATION_GRACE_MS);
        }
        let wants_a_look = self.output.recording().is_some_and(|files| files.wants_a_look());
        if self.timers.proof <= now || wants_a_look {
            self.timers.proof = now + PROOF_EVERY;
            self.look_after_files();
            self.prove_life();
            self.look_after_reader();
        }
        if self.timers.snapshot <= now {
            self.timers.snapshot = now + SNAPSHOT_EVERY;
            self.publish();
        }
        // Rows that wait are counted as received only; the sums are right when they are through.
        if self.timers.summary <= now && self.all_handed_over() {
            self.timers.summary = now + SUMMARY_EVERY;
            info!("{}", self.market.counts);
        }
    }

    /// Whether everything taken from the channel has been handed to the file.
    fn all_handed_over(&self) -> bool {
        self.gathered.rows.is_empty() && self.held.is_empty() && self.lost == 0
    }

    /// Leaves word until when everything received is in the files, if it is, and what is on the disk.
    fn prove_life(&mut self) {
        // What waits on the channel was received before now, and is not in the file.
        let waiting = self.gauges.waiting_bytes.load(Ordering::Relaxed) > 0;
        let proved_ms = if waiting { self.last_written_ms } else { now_ms() };
        let all_handed_over = self.all_handed_over();
        let Some(recording) = self.output.recording() else { return };
        let result = if all_handed_over && !recording.ledger().has_pending() {
            recording.prove_life(proved_ms)
        } else {
            recording.prove_sync()
        };
        if let Err(error) = result {
            // Without it a kill would be dated earlier than need be; nothing else is lost.
            log::debug!("cannot write the lock file: {error}");
        }
    }

    /// Notices a reader that has gone away while there was nothing to write.
    fn look_after_reader(&mut self) {
        if let Output::Pipe(pipe) = &self.output
            && pipe.reader_is_gone()
        {
            self.judge(Err(io::ErrorKind::BrokenPipe.into()));
        }
    }

    /// Notices files that somebody has moved, removed, emptied or cut, and mends them.
    fn look_after_files(&mut self) {
        self.log.look_after_file();
        // While the disk refuses, each retry looks first.
        if self.trouble.is_none() {
            let result = self.look_after_rows();
            self.judge(result);
        }
        if self.trouble.is_none() {
            self.look_after_ledger();
        }
    }

    /// The recording's part of it. Rows that nobody can find do not count as written.
    fn look_after_rows(&mut self) -> io::Result<()> {
        let Some(recording) = self.output.recording() else { return Ok(()) };
        let result = recording.look_after_rows(now_ms());
        let written = &mut self.market.counts.written;
        if result.is_ok() {
            *written += std::mem::take(&mut self.lost);
            self.found = Written { trades: *written, received_ms: self.last_written_ms };
        } else if recording.has_lost_rows() {
            self.lost += *written - self.found.trades;
            *written = self.found.trades;
            self.last_written_ms = self.found.received_ms;
        }
        result
    }

    /// The ledger's part of it, with the rows that could not be handed over before.
    fn look_after_ledger(&mut self) {
        let Some(recording) = self.output.recording() else { return };
        let mut result = recording.look_after_ledger(now_ms());
        if result.is_ok() && self.ledger_trouble.is_some() {
            result = recording.settle_ledger();
            if result.is_ok() {
                info!("{}: writing again", self.options.out.ledger());
                self.ledger_trouble = None;
            }
        }
        let result = self.judge_ledger(result);
        self.judge(result);
    }

    /// Renews the snapshot. What it counts has been handed to the file.
    fn publish(&mut self) {
        // A reader that has gone away ends the recording; the disk is well.
        let trouble = self.trouble.as_ref().map(|trouble| trouble.cause.clone());
        let trouble = trouble.filter(|cause| cause != READER_GONE);
        let snapshot = if self.gathered.rows.is_empty() {
            let out = self.options.out.to_string();
            self.market.snapshot(now_ms(), &out, self.output.length(), trouble)
        } else {
            // The numbers stand still, but why must be seen.
            let last = self.gauges.slot.latest();
            Snapshot { published_ms: now_ms(), disk_trouble: trouble, ..(*last).clone() }
        };
        self.gauges.slot.publish(snapshot);
    }
}

/// Logs something bad from outside, escaped and shortened, unless there is too much of it.
fn log_limited(limit: &mut LogLimit, at_ms: i64, what: &str, fault: &str, text: &str) {
    let permission = limit.ask(at_ms);
    if let Permission::YesAfterHidden(hidden) = permission {
        warn!("({hidden} more lines about bad input were left out)");
    }
    if permission != Permission::No {
        warn!(
            "{what} ({}): {}",
            printable(fault, SHOWN_CHARACTERS),
            printable(text, SHOWN_CHARACTERS)
        );
    }
}
