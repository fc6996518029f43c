//! The end of the writer: one last try; what still waits after it is counted as dropped.
//!
//! Writer thread.

use std::time::{Duration, Instant};

use log::{Level, error, warn};

use super::disk_retry::READER_GONE;
use super::{Summary, Writer};
use crate::channel::{Entry, EntryReceiver, TradeBatch};
use crate::protocol::message::count_objects;
use crate::recorder::append_file::Doubt;
use crate::recorder::log_file::log_line;
use crate::text::clock::now_ms;
use crate::text::in_words;

/// What waits when the time for rows is over is decoded for so long, to count it; then counting must be
/// quick: an unoptimised build on a busy machine has hundreds of thousands to count.
const EXACT_COUNT_TIME: Duration = Duration::from_millis(500);

impl Writer {
    /// Tries once more to write everything. What then still waits is dropped, and reported.
    pub(super) fn finish(mut self, inbox: &EntryReceiver) -> Summary {
        // Also when all is well: somebody may have removed the file just now.
        self.retry();
        if self.output.recording().is_some_and(|files| files.csv.doubt == Doubt::Handle) {
            // It may have been the handle alone, which the next try replaces.
            self.retry();
        }
        if self.disk_retry.is_none() {
            self.check_ledger();
        }
        self.record_what_waits();
        let trouble = self.disk_retry.take();
        let cause = match &trouble {
            Some(disk_retry) => Some(disk_retry.cause.clone()),
            None => (!self.deferred.is_empty()).then(|| self.slow("no time left").to_owned()),
        };
        let failure = cause.and_then(|cause| {
            let failure = self.drop_pending(&cause);
            // A reader that has had enough, as in `| head`, is no failure.
            (cause != READER_GONE).then_some(failure)
        });
        // Should the disk hang now, these are the sums that the deadline thread finds.
        self.publish();
        let last_sync = match (&failure, &trouble) {
            (Some(_), Some(_)) => Ok(()),
            _ => self.sync().or_else(|_| self.check_csv().and_then(|()| self.sync())),
        };
        if self.ledger_failure.is_some() {
            self.check_ledger();
        }
        if last_sync.is_err()
            && let Some(recording) = self.output.recording()
        {
            // The row that says it was stopped is true all the same.
            let _ = recording.ledger.flush_all();
        }
        let failure = failure.or_else(|| self.ledger_failure.take());
        let failure = failure.or_else(|| {
            let error = last_sync.err()?;
            Some(format!(
                "the last rows may not be on the disk: fsync failed: {}",
                in_words(&error)
            ))
        });
        self.write_heartbeat();
        // Who looks at the end is not to be told that the disk is well again.
        self.disk_retry = trouble;
        self.publish();
        while let Ok(entry) = inbox.try_recv() {
            if let Entry::Log(line) = entry {
                self.log.push(&line);
            }
        }
        // The terminal gets this line after everything else, from the thread that joins this one.
        self.log.push(&log_line(now_ms(), Level::Info, &self.totals.counts.to_string()));
        self.log.reopen_if_moved();
        self.log.flush();
        if self.refused {
            // The locks are held until this thread ends, so nobody else uses them yet.
            self.created_files.remove(self.log.written);
        }
        Summary { counts: self.totals.counts, failure }
    }

    /// Records the entries that have waited, while the disk takes them and there is time.
    fn record_what_waits(&mut self) {
        while self.disk_retry.is_none() && !self.deferred.is_empty() {
            if !self.can_record_deferred() {
                if self.shared.is_out_of_time() {
                    return;
                }
                let result = self.sync();
                self.on_write_result(result);
            }
            self.record_deferred();
        }
    }

    /// How many elements the messages of a batch have.
    fn count(&mut self, batch: &TradeBatch) -> u64 {
        let until = self.shared.write_until.get().map(|until| *until + EXACT_COUNT_TIME);
        if until.is_some_and(|until| Instant::now() >= until) {
            return batch.messages().map(count_objects).sum();
        }
        let mut trades = 0;
        for message in batch.messages() {
            // What is unreadable holds no trades.
            let _ = self.decoder.decode(message, |_| trades += 1);
        }
        trades
    }

    /// Counts everything that still waits as dropped, and writes that to the ledger.
    fn drop_pending(&mut self, cause: &str) -> String {
        let deferred = std::mem::take(&mut self.deferred);
        let mut lost = std::mem::take(&mut self.buffer.trades);
        let written = self.output.rows_written(&self.buffer.rows).min(lost);
        self.totals.counts.written += written;
        lost = lost - written + std::mem::take(&mut self.lost);
        self.buffer.rows.clear();
        self.totals.counts.dropped += lost;
        let (last_written_ms, mut later) = (self.last_written_ms, Vec::new());
        for entry in deferred {
            match entry {
                Entry::Trades(batch) => {
                    let trades = self.count(&batch);
                    self.totals.counts.received += trades;
                    self.totals.counts.dropped += trades;
                    lost += trades;
                }
                other => later.push(other),
            }
        }
        if lost > 0 {
            // Nothing is live after the first of them.
            later.retain(|entry| !matches!(entry, Entry::Live { .. }));
        }
        let what = match lost {
            0 => "the last rows of the ledger".to_owned(),
            _ => format!("{lost} trades"),
        };
        let failure = format!("{cause}: {what} could not be written before the end");
        if cause != READER_GONE {
            error!("{failure}");
        } else if lost > 0 {
            warn!("{failure}");
        }
        if lost > 0 {
            self.ledger_down(last_written_ms, &format!("{cause}: {lost} trades dropped"));
        }
        for entry in later {
            self.record(entry);
        }
        if let Some(recording) = self.output.recording() {
            // If this fails too, the next start takes the time from the last heartbeat.
            let _ = recording.ledger.flush_all();
        }
        failure
    }
}
