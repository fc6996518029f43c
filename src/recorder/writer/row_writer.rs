//! Brings entries to the files, in their order: at once, or later when they must wait or the disk cannot be
//! written.
//!
//! Writer thread.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::error;

use super::deferred::Deferred;
use super::retry::Retry;
use super::row_buffer::RowBuffer;
use super::session_view::SessionView;
use super::store::Store;
use super::timers::Timers;
use super::write_failure::WriteFailure;
use crate::channel::{SyncOutcome, TradeBatch, WriterMessage};
use crate::recorder::options::Fsync;
use crate::status::snapshot::{Counts, Snapshot};
use crate::status::totals::Totals;
use crate::text::clock::{now_ms, show_ms};

/// `ship` waits for rows that are on the disk, and reads the heartbeat this often.
const HEARTBEAT_AFTER_SYNC: Duration = Duration::from_millis(200);

/// Without trades a new file begins this much after the hour: a trade received just before it may not be on the
/// channel yet, and belongs to the old file.
const ROTATION_GRACE_MS: i64 = 1_000;

/// Everything that waits to be written, and the files.
pub(in crate::recorder) struct RowWriter {
    pub(super) session: SessionView,
    pub(super) deferred: Deferred,
    pub(super) buffer: RowBuffer,
    pub(super) totals: Totals,
    pub(in crate::recorder) store: Store,
    pub(super) retry: Retry,
    pub(in crate::recorder) timers: Timers,
}

impl RowWriter {
    /// Takes an entry. Entries are recorded in their order: one waits while the disk cannot be written, while
    /// others wait, or when it has trades that must wait.
    pub(super) fn take(&mut self, entry: WriterMessage) {
        let must_wait = self.retry.is_failing()
            || !self.deferred.is_empty()
            || (matches!(entry, WriterMessage::Trades(_)) && self.trades_must_wait());
        if must_wait {
            self.deferred.push_back(entry);
        } else {
            self.record(entry);
        }
    }

    /// Whether trades may not be recorded: they follow an outage that is not yet in the ledger on the
    /// disk; or a stop leaves no time for them, and the end counts them.
    fn trades_must_wait(&mut self) -> bool {
        self.store.has_unsynced_outage() || self.session.shared.is_out_of_time()
    }

    /// Whether [`Self::record_deferred`] has something to do.
    pub(super) fn can_record_deferred(&mut self) -> bool {
        match self.deferred.front() {
            _ if self.retry.is_failing() => false,
            None => false,
            Some(WriterMessage::Trades(_)) => !self.trades_must_wait(),
            Some(_) => true,
        }
    }

    /// Records entries that have waited, as far as they may be recorded now, and no more than makes a
    /// large batch: timers, log lines and the end must not wait for all of them.
    pub(super) fn record_deferred(&mut self) {
        if self.deferred.is_empty() {
            return;
        }
        if !self.can_record_deferred() {
            // With `--fsync always` this forces the outage to the disk.
            self.write();
        }
        while self.can_record_deferred()
            && !self.buffer.is_large()
            && let Some(entry) = self.deferred.pop_front()
        {
            self.record(entry);
        }
        self.write();
    }

    /// Records an entry; one of the next file may still have to wait.
    pub(super) fn record(&mut self, entry: WriterMessage) {
        if let WriterMessage::Trades(TradeBatch { received_ms: at_ms, .. })
        | WriterMessage::Live { at_ms, .. } = entry
            && !self.rotate_before(at_ms)
        {
            self.deferred.push_front(entry);
            return;
        }
        let Self { store, buffer, totals, .. } = self;
        match entry {
            WriterMessage::Trades(batch) => buffer.push(&batch, totals),
            WriterMessage::Live { at_ms, tickers, refused } => {
                store.update_ledger(!buffer.rows.is_empty(), |ledger| ledger.live(at_ms, &tickers));
                totals.set_watch_list(&tickers, &refused, at_ms);
            }
            WriterMessage::Wanted { at_ms, tickers } => totals.set_watch_list(&tickers, &[], at_ms),
            WriterMessage::Down { at_ms, reason } => self.record_outage(at_ms, &reason),
            WriterMessage::Dropped { after_ms, trades, disk_failed } => {
                self.record_loss(after_ms, trades, disk_failed);
            }
            WriterMessage::Synced(_)
            | WriterMessage::Log(_)
            | WriterMessage::Finish
            | WriterMessage::Refused => {}
        }
    }

    /// From `at_ms` on nothing is recorded.
    pub(super) fn record_outage(&mut self, at_ms: i64, reason: &str) {
        self.store.update_ledger(!self.buffer.rows.is_empty(), |ledger| ledger.down(at_ms, reason));
    }

    /// Adds the trades to the ledger that the session has dropped after `after_ms`. All trades before them are
    /// recorded. The sums count them already.
    fn record_loss(&mut self, after_ms: i64, trades: u64, disk_failed: bool) {
        self.session.ledger_dropped += trades;
        let failure = self.retry.last.clone().filter(|_| disk_failed);
        let failure = failure.unwrap_or_else(|| self.store.slowness());
        let reason = format!("{failure}: {trades} trades dropped");
        error!("{reason} after {}", show_ms(after_ms));
        self.record_outage(after_ms, &reason);
    }

    /// Begins a new file when a time of `at_ms` belongs there. `false` when rows of the old file cannot be
    /// written.
    fn rotate_before(&mut self, at_ms: i64) -> bool {
        if self.store.rotation_is_due(at_ms) {
            self.write();
            self.check_csv();
            if self.retry.is_failing() {
                return false;
            }
            self.store.rotate(at_ms, self.session.last_message_ms);
        }
        true
    }

    /// Begins a new file at the full hour when no trade comes. Waiting rows were received before, and belong to
    /// the old file.
    pub(super) fn rotate_if_due(&mut self) {
        let is_waiting = !self.deferred.is_empty() || self.session.has_waiting_trades();
        if !is_waiting
            && !self.retry.is_failing()
            && let Some(now_ms) = self.session.known_now_ms()
        {
            self.rotate_before(now_ms - ROTATION_GRACE_MS);
        }
    }

    /// Writes the rows, and those of the ledger, to their files.
    pub(super) fn write(&mut self) {
        if !self.retry.is_failing() {
            let result = self.write_rows();
            self.on_write_result(result);
        }
        if self.store.wants_check() {
            self.check();
        }
    }

    fn write_rows(&mut self) -> io::Result<()> {
        self.store.write(&mut self.buffer)?;
        let bytes = std::mem::take(&mut self.buffer.waiting_bytes);
        if bytes > 0 {
            self.session.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        let sync_plan = &self.store.sync_plan;
        if sync_plan.fsync == Fsync::Always && sync_plan.due.is_some() {
            self.sync()?;
        }
        Ok(())
    }

    /// Forces everything to the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.store.sync()?;
        // With `--fsync always` the heartbeat follows a little later, not with each message.
        self.timers.bring_heartbeat_forward(HEARTBEAT_AFTER_SYNC);
        Ok(())
    }

    /// Takes the answer of the fsync thread.
    pub(super) fn synced(&mut self, outcome: &SyncOutcome) {
        let result = self.store.synced(outcome);
        self.after_sync(result);
    }

    /// Forces everything to the disk when it is time for that, in the background if possible.
    pub(super) fn sync_if_due(&mut self, now: Instant) {
        let is_due = self.store.sync_plan.due.is_some_and(|due| due <= now);
        if is_due && !self.retry.is_failing() && !self.store.sync_in_background() {
            let result = self.sync();
            self.after_sync(result);
        }
    }

    /// Brings the heartbeat forward, which tells other programs how far they may read. It comes after the entries
    /// that wait now, because a lost connection may be among them.
    fn after_sync(&mut self, result: io::Result<()>) {
        if result.is_err() {
            self.on_write_result(result);
            return;
        }
        self.timers.plan_heartbeat();
        self.store.plan_next_sync();
    }

    /// Takes the result of a write. When the reader has gone away, the recording ends.
    pub(super) fn on_write_result(&mut self, result: io::Result<()>) {
        if self.retry.note(result) == Some(WriteFailure::ReaderGone) {
            self.record_outage(self.store.written.last_ms, &WriteFailure::ReaderGone.to_string());
            (self.session.stop)();
        }
    }

    /// Tries to write again, and after a success records what has waited.
    pub(super) fn try_again(&mut self) {
        let result = match self.store.check_csv().and_then(|()| self.write_rows()) {
            Ok(()) if self.store.needs_rewrite() => self.sync(),
            other => other,
        };
        self.on_write_result(result);
        self.record_deferred();
    }

    /// Checks the recording. While the disk cannot be written, each retry checks first.
    fn check_csv(&mut self) {
        if !self.retry.is_failing() {
            let result = self.store.check_csv();
            self.on_write_result(result);
        }
    }

    /// Finds files that somebody has moved, removed, emptied or cut, and repairs them.
    pub(super) fn check(&mut self) {
        self.check_csv();
        if !self.retry.is_failing() {
            self.check_ledger();
        }
    }

    /// Checks the ledger. Rows that wait must not look as if they were in the file.
    pub(super) fn check_ledger(&mut self) {
        let is_behind = self.session.has_waiting_trades() || !self.all_flushed();
        let in_file_ms = if is_behind { self.store.written.last_ms } else { i64::MAX };
        let result = self.store.check_ledger(self.session.last_message_ms.min(in_file_ms));
        self.on_write_result(result);
    }

    /// Whether everything taken from the channel is in the file.
    pub(super) fn all_flushed(&self) -> bool {
        self.buffer.rows.is_empty() && self.deferred.is_empty() && self.store.written.lost == 0
    }

    /// Writes the heartbeat: how much is on the disk, and, when nothing waits, until when everything received is in
    /// the files.
    pub(super) fn write_heartbeat(&mut self) {
        // The time first: while this thread is held up here, trades may come and be dropped.
        let now_ms = self.session.known_now_ms();
        // Waiting trades were received before now and are not in the file; dropped trades never will be, until
        // the ledger has the loss.
        let is_behind = !self.all_flushed()
            || self.session.has_waiting_trades()
            || self.session.has_unknown_losses();
        let received_until_ms = if is_behind { Some(self.store.written.last_ms) } else { now_ms };
        self.store.write_heartbeat(received_until_ms);
    }

    /// The time until something is due.
    pub(super) fn time_left(&self) -> Duration {
        // While the disk cannot be written, an fsync waits for the retry.
        let others = self.retry.due().or(self.store.sync_plan.due);
        self.timers.time_left(Instant::now(), others)
    }

    /// The sums. Rows that they count as written are in the files.
    pub(super) fn counts(&mut self) -> Counts {
        let (counts, dropped) = (&mut self.totals.counts, self.session.newly_dropped());
        counts.received += dropped;
        counts.dropped += dropped;
        counts.written = self.store.written.trades;
        *counts
    }

    /// Publishes a snapshot. Rows that it counts are in the file.
    pub(super) fn publish(&mut self) {
        let (out, out_bytes) = (self.store.out.to_string(), self.store.output.length());
        let (counts, disk_trouble) = (self.counts(), self.retry.shown());
        let slot = &self.session.shared.slot;
        let is_all_written = self.buffer.rows.is_empty();
        let snapshot = if is_all_written {
            self.totals.snapshot(now_ms(), &out, out_bytes, disk_trouble)
        } else {
            // While rows wait, only the dropped trades and the reason change in the snapshot.
            let last = (*slot.latest()).clone();
            let new = counts.dropped.saturating_sub(last.counts.dropped);
            let (received, dropped) = (last.counts.received + new, counts.dropped);
            let counts = Counts { received, dropped, ..last.counts };
            // The first snapshot may have been skipped, and then this is the first one.
            let (started_ms, published_ms) = (self.totals.started_ms(), now_ms());
            Snapshot { started_ms, published_ms, disk_trouble, counts, out, out_bytes, ..last }
        };
        slot.publish(snapshot, self.totals.candles.as_mut().filter(|_| is_all_written));
    }
}
