//! When rows are written to the files, and when these are forced to the disk. In which order that is
//! done, and why, is explained in `recording/sync`.
//!
//! Writer thread.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{BATCH_BYTES, Writer};
use crate::channel::SyncOutcome;
use crate::recorder::options::Fsync;
use crate::recorder::recording::Recording;

/// `ship` waits for what is on the disk, and looks this often.
const HEARTBEAT_AFTER_SYNC: Duration = Duration::from_millis(200);

impl Writer {
    /// Writes the rows, the ledger's rows and the log's lines to their files.
    pub(super) fn flush(&mut self) {
        if self.disk_retry.is_none() {
            let result = self.write_rows();
            self.on_write_result(result);
        }
        // Rows that may have to be written again stay in memory until a check.
        if self.output.recording().is_some_and(|files| files.csv.wants_check()) {
            self.check_files();
        }
        let before = self.log.written;
        self.log.flush();
        let written = usize::try_from(self.log.written - before).unwrap_or_default();
        self.shared.log_bytes.fetch_sub(written, Ordering::Relaxed);
    }

    pub(super) fn write_rows(&mut self) -> io::Result<()> {
        // First the ledger: its rows come before these.
        if let Some(recording) = self.output.recording()
            && recording.ledger.has_pending()
        {
            if self.buffer.rows.is_empty() {
                recording.release_ledger();
            }
            let result = recording.ledger.flush();
            self.on_ledger_result(result)?;
        }
        if !self.buffer.rows.is_empty() {
            self.output.append(&self.buffer.rows, self.buffer.received_ms)?;
            self.buffer.rows.clear();
            // One message of many megabytes must not hold its memory for weeks.
            self.buffer.rows.shrink_to(2 * BATCH_BYTES);
            self.totals.counts.written += self.buffer.trades;
            self.buffer.trades = 0;
            self.last_written_ms = self.buffer.received_ms;
            self.plan_sync();
        }
        let bytes = std::mem::take(&mut self.buffer.waiting_bytes);
        if bytes > 0 {
            self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        if self.output.recording().is_some_and(|files| !files.ledger.is_synced()) {
            self.plan_sync();
        }
        if self.options.fsync == Fsync::Always && self.timers.sync.is_some() {
            self.sync()?;
        }
        Ok(())
    }

    /// Plans when to force to the disk what is not yet there; rows of the ledger, at once.
    pub(super) fn plan_sync(&mut self) {
        let unsynced = self.output.recording().is_some_and(|files| !files.ledger.is_synced());
        let delay = match self.options.fsync {
            Fsync::Always => Duration::ZERO,
            _ if self.sync_under_way => return,
            _ if unsynced => Duration::ZERO,
            Fsync::Every(interval) => interval,
            Fsync::Never => return,
        };
        let due = Instant::now() + delay;
        self.timers.sync = Some(self.timers.sync.map_or(due, |planned| planned.min(due)));
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(recording) = self.output.recording() {
            recording.csv.sync()?;
            let result = recording.sync_ledger();
            self.on_ledger_result(result)?;
        }
        // With `--fsync always` the heartbeat follows a little later, not with each message.
        self.timers.heartbeat = self.timers.heartbeat.min(Instant::now() + HEARTBEAT_AFTER_SYNC);
        self.timers.sync = None;
        Ok(())
    }

    /// Lets the fsync thread force everything to the disk. One request at a time: the next one is
    /// planned when this one is answered.
    pub(super) fn sync_in_background(&mut self) {
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

    pub(super) fn synced(&mut self, outcome: &SyncOutcome) {
        self.sync_under_way = false;
        if let Some(recording) = self.output.recording() {
            recording.synced(outcome);
        }
        let failed = |reason| io::Error::other(format!("fsync failed: {reason}"));
        self.after_sync(outcome.error.as_ref().map_or(Ok(()), |reason| Err(failed(reason))));
    }

    /// Brings the heartbeat forward: it says how far other programs may read.
    fn after_sync(&mut self, result: io::Result<()>) {
        if result.is_err() {
            self.on_write_result(result);
            return;
        }
        // Due after the entries that wait now: a lost connection may be among them.
        self.timers.heartbeat = Instant::now();
        if self.output.recording().is_some_and(|files| files.is_dirty()) {
            self.plan_sync();
        }
    }
}
