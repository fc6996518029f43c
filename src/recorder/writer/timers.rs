//! What the writer does from time to time: the heartbeat, a check of its files, the snapshot, the sums,
//! and what is due later: a retry, an fsync, a rotation when no trade comes.
//!
//! Writer thread.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::info;

use super::disk_retry::READER_GONE;
use super::{SUMMARY_EVERY, Writer};
use crate::recorder::output::Output;
use crate::status::snapshot::Snapshot;
use crate::text::clock::{Clocks, now_ms};

/// A heartbeat is at most this old; the ledger promises 5 s.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(2);

/// How often a snapshot is published while something happens: as often as a person can read it. When
/// nothing happens, one comes with each heartbeat and says that the writer is not stuck.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(200);

/// When no trade comes, a new file begins this much later: what was received just before the hour may
/// not be on the channel yet, and belongs to the old file.
const ROTATION_GRACE_MS: i64 = 1_000;

impl Writer {
    /// Something has happened that is to be shown.
    pub(super) fn plan_snapshot(&mut self) {
        self.timers.snapshot.get_or_insert(self.timers.published + SNAPSHOT_EVERY);
    }

    pub(super) fn time_to_next_timer(&self, now: Instant) -> Duration {
        // The hourly sums need no alarm of their own.
        let mut next = self.timers.heartbeat;
        // While the disk cannot be written, an fsync waits for the retry.
        let disk = match &self.disk_retry {
            Some(disk_retry) => Some(disk_retry.retry_at),
            None => self.timers.sync,
        };
        for due in [disk, self.timers.snapshot].into_iter().flatten() {
            next = next.min(due);
        }
        next.saturating_duration_since(now)
    }

    /// Does what is due now.
    pub(super) fn run_timers(&mut self, now: Instant) {
        if self.disk_retry.as_ref().is_some_and(|disk_retry| disk_retry.retry_at <= now) {
            self.retry();
            self.plan_snapshot();
        }
        if self.disk_retry.is_none() && self.timers.sync.is_some_and(|due| due <= now) {
            self.sync_in_background();
        }
        // What waits was received before, and belongs to the old file.
        let none_waits =
            self.deferred.is_empty() && self.shared.waiting_bytes.load(Ordering::Relaxed) == 0;
        if self.disk_retry.is_none()
            && none_waits
            && let Some(now_ms) = self.known_now_ms()
        {
            self.rotate_before(now_ms - ROTATION_GRACE_MS);
        }
        if self.timers.heartbeat <= now {
            self.timers.heartbeat = now + HEARTBEAT_EVERY;
            self.check_files();
            self.write_heartbeat();
            self.check_reader();
            self.timers.snapshot = Some(now);
        }
        if self.timers.snapshot.is_some_and(|due| due <= now) {
            self.timers.snapshot = None;
            self.timers.published = now;
            self.publish();
        }
        // Rows that wait are only counted as received; the sums are right when they are written.
        if self.timers.summary <= now && self.all_flushed() {
            self.timers.summary = now + SUMMARY_EVERY;
            self.count_dropped();
            info!("{}", self.totals.counts);
        }
    }

    /// What the clock shows; `None` when it was set forward and the session has not noticed yet, so that the
    /// ledger knows nothing of it.
    fn known_now_ms(&self) -> Option<i64> {
        let (now, ahead_ms) = (Clocks::now(), self.session.clock_ahead_ms);
        (ahead_ms == 0 || !now.was_set_forward_since(ahead_ms)).then_some(now.wall_ms)
    }

    /// Whether everything taken from the channel is in the file.
    fn all_flushed(&self) -> bool {
        self.buffer.rows.is_empty() && self.deferred.is_empty() && self.lost == 0
    }

    /// Writes until when everything received is in the files, if it is, and what is on the disk.
    pub(super) fn write_heartbeat(&mut self) {
        // First of all: if this thread stands here for a while, much may come and be dropped.
        let now_ms = self.known_now_ms();
        // What waits was received before now and is not in the file; and what was dropped never will be. Once
        // it is in the ledger, that says so.
        let is_behind = !self.all_flushed()
            || self.shared.waiting_bytes.load(Ordering::Relaxed) > 0
            || self.shared.dropped.load(Ordering::Relaxed) > self.ledger_dropped;
        let received_until_ms = if is_behind { Some(self.last_written_ms) } else { now_ms };
        let rows_are_gone = self.lost > 0;
        let Some(recording) = self.output.recording() else { return };
        let is_known = !rows_are_gone && !recording.ledger.has_pending();
        let received_until_ms = received_until_ms.filter(|_| is_known);
        if let Err(error) = recording.write_heartbeat(received_until_ms) {
            // Without it the end after a kill is dated earlier than it was; nothing else is lost.
            log::debug!("cannot write the lock file: {error}");
        }
    }

    /// Finds out whether the reader has gone away while there was nothing to write.
    fn check_reader(&mut self) {
        if let Output::Pipe(pipe, _) = &self.output
            && pipe.reader_is_gone()
        {
            self.on_write_result(Err(io::ErrorKind::BrokenPipe.into()));
        }
    }

    /// Finds files that somebody has moved, removed, emptied or cut, and repairs them.
    pub(super) fn check_files(&mut self) {
        self.log.reopen_if_moved();
        // While the disk cannot be written, each retry checks first.
        if self.disk_retry.is_none() {
            let result = self.check_csv();
            self.on_write_result(result);
        }
        if self.disk_retry.is_none() {
            self.check_ledger();
        }
    }

    /// Checks the recording. Rows in a removed file do not count as written.
    pub(super) fn check_csv(&mut self) -> io::Result<()> {
        let Some(recording) = self.output.recording() else { return Ok(()) };
        let result = recording.check_csv(now_ms());
        let written = &mut self.totals.counts.written;
        if result.is_ok() {
            *written += std::mem::take(&mut self.lost);
            self.checked = (*written, self.last_written_ms);
            if recording.is_dirty() {
                // Rows that were brought back are to be on the disk, also when none follows.
                self.plan_sync();
            }
        } else if recording.csv.has_lost_rows() {
            self.lost += written.saturating_sub(self.checked.0);
            (*written, self.last_written_ms) = self.checked;
        }
        result
    }

    /// Checks the ledger, and writes the rows that could not be written before.
    pub(super) fn check_ledger(&mut self) {
        let last_message_ms = self.session.last_message_ms;
        let waiting = self.shared.waiting_bytes.load(Ordering::Relaxed) > 0 || !self.all_flushed();
        let in_file_ms = if waiting { self.last_written_ms } else { i64::MAX };
        let Some(recording) = self.output.recording() else { return };
        let mut result = recording.check_ledger(now_ms(), last_message_ms.min(in_file_ms));
        if result.is_ok() && self.ledger_failure.is_some() {
            result = recording.sync_ledger();
            if result.is_ok() {
                info!("{}: writing again", self.options.out.ledger());
                self.ledger_failure = None;
            }
        }
        let result = self.on_ledger_result(result);
        self.on_write_result(result);
    }

    /// Publishes a snapshot. What it counts is in the file.
    pub(super) fn publish(&mut self) {
        self.count_dropped();
        // When the reader has gone away the recording ends; that is no fault of the disk. Nor is a slow one,
        // who would be in trouble again and again.
        let disk_failed = self.shared.disk_trouble.load(Ordering::Relaxed);
        let disk_retry = self.disk_retry.as_ref().filter(|_| disk_failed);
        let disk_retry = disk_retry.map(|disk_retry| disk_retry.cause.clone());
        let disk_retry = disk_retry.filter(|cause| cause != READER_GONE);
        let snapshot = if self.buffer.rows.is_empty() {
            let out = self.options.out.to_string();
            self.totals.snapshot(now_ms(), &out, self.output.length(), disk_retry)
        } else {
            // What is written does not change, but what is dropped does, and the reason must be shown.
            let last = self.shared.slot.latest();
            let mut counts = last.counts;
            counts.received += self.totals.counts.dropped.saturating_sub(counts.dropped);
            counts.dropped = self.totals.counts.dropped;
            Snapshot {
                // The first snapshot may have been skipped, and then this is the first one.
                started_ms: self.totals.started_ms(),
                published_ms: now_ms(),
                disk_trouble: disk_retry,
                counts,
                out: self.options.out.to_string(),
                out_bytes: self.output.length(),
                ..(*last).clone()
            }
        };
        self.shared.slot.publish(snapshot);
    }
}
