//! The end of the writer: one last try; what still waits after it is counted as dropped.
//!
//! Writer thread.

use std::io;
use std::time::{Duration, Instant};

use log::{Level, error, warn};

use super::handle::Summary;
use super::row_writer::RowWriter;
use super::write_failure::WriteFailure;
use crate::channel::{TradeBatch, WriterMessage, WriterReceiver};
use crate::recorder::created_files::CreatedFiles;
use crate::recorder::log_file::{LogFile, log_line};
use crate::text::clock::now_ms;
use crate::text::in_words;

/// How long waiting messages are decoded to count their trades exactly. After that they are counted roughly: an
/// unoptimised build on a busy machine may have hundreds of thousands.
const EXACT_COUNT_TIME: Duration = Duration::from_millis(500);

/// Why the writer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::recorder) enum End {
    /// A stop, or all senders are gone.
    Finish,
    /// The server has refused the start: the new files are removed.
    Refused,
}

/// The writer after the last entry.
pub(super) struct Finish<'a> {
    pub(super) rows: RowWriter,
    pub(super) log: LogFile,
    pub(super) created_files: CreatedFiles,
    pub(super) inbox: &'a WriterReceiver,
}

impl Finish<'_> {
    /// Tries once more to write everything. Entries that still wait after that are dropped, and reported.
    pub(super) fn run(mut self, end: End) -> Summary {
        // Also when nothing has failed: the file may just have been removed.
        self.rows.try_again();
        if self.rows.store.is_suspect() {
            // Perhaps only the handle has failed, which the next try replaces.
            self.rows.try_again();
        }
        if !self.rows.retry.is_failing() {
            self.rows.check_ledger();
        }
        self.record_what_waits();
        let given_up = self.rows.retry.failing.take();
        let cause = given_up.as_ref().map(|failing| failing.failure.clone());
        let cause = cause.or_else(|| self.no_time_left());
        let failure = cause.and_then(|cause| {
            let failure = self.drop_what_waits(&cause);
            // A reader that has gone away, as in `| head`, is no failure.
            (cause != WriteFailure::ReaderGone).then_some(failure)
        });
        // Should the disk hang now, these are the sums that the deadline thread finds.
        self.rows.publish();
        let last_sync = match (&failure, &given_up) {
            (Some(_), Some(_)) => Ok(()),
            _ => self.last_sync(),
        };
        if self.rows.store.ledger_failure.is_some() {
            self.rows.check_ledger();
        }
        if last_sync.is_err() {
            // The row `stopped` is true in any case.
            self.rows.store.write_last_ledger_rows();
        }
        let failure = failure.or_else(|| self.rows.store.ledger_failure.take());
        let failure = failure.or_else(|| {
            let error = in_words(&last_sync.err()?);
            Some(format!("the last rows may not be on the disk: fsync failed: {error}"))
        });
        self.rows.write_heartbeat();
        // The last snapshot must not say that the disk is well again.
        self.rows.retry.failing = given_up;
        self.rows.publish();
        self.end_log(end, failure)
    }

    /// Records the entries that have waited, while the disk takes them and there is time.
    fn record_what_waits(&mut self) {
        let rows = &mut self.rows;
        while !rows.retry.is_failing() && !rows.deferred.is_empty() {
            if !rows.can_record_deferred() {
                if rows.session.shared.is_out_of_time() {
                    return;
                }
                let result = rows.sync();
                rows.on_write_result(result);
            }
            rows.record_deferred();
        }
    }

    /// The reason for entries that wait although nothing has failed; `None` when no entry waits.
    fn no_time_left(&self) -> Option<WriteFailure> {
        let RowWriter { deferred, store, .. } = &self.rows;
        let cause = if store.is_pipe() { store.slowness() } else { WriteFailure::NoTimeLeft };
        (!deferred.is_empty()).then_some(cause)
    }

    /// Counts everything that still waits as dropped, and writes that to the ledger.
    fn drop_what_waits(&mut self, cause: &WriteFailure) -> String {
        let deferred = std::mem::take(&mut self.rows.deferred);
        let mut lost = self.drop_rows();
        let mut later = Vec::new();
        for entry in deferred {
            match entry {
                WriterMessage::Trades(batch) => {
                    let trades = self.count(&batch);
                    let counts = &mut self.rows.totals.counts;
                    counts.received += trades;
                    counts.dropped += trades;
                    lost += trades;
                }
                other => later.push(other),
            }
        }
        if lost > 0 {
            // After the first dropped trade nothing counts as live.
            later.retain(|entry| !matches!(entry, WriterMessage::Live { .. }));
        }
        let what = match lost {
            0 => "the last rows of the ledger".to_owned(),
            _ => format!("{lost} trades"),
        };
        let failure = format!("{cause}: {what} could not be written before the end");
        if *cause != WriteFailure::ReaderGone {
            error!("{failure}");
        } else if lost > 0 {
            warn!("{failure}");
        }
        if lost > 0 {
            let last_ms = self.rows.store.written.last_ms;
            self.rows.record_outage(last_ms, &format!("{cause}: {lost} trades dropped"));
        }
        for entry in later {
            self.rows.record(entry);
        }
        self.rows.store.write_last_ledger_rows();
        failure
    }

    /// Drops the rows in memory; gives the number of their trades.
    fn drop_rows(&mut self) -> u64 {
        let RowWriter { store, buffer, totals, .. } = &mut self.rows;
        let through = store.output.rows_written(&buffer.rows);
        let waiting = buffer.clear();
        let written = through.min(waiting);
        store.written.trades += written;
        let lost = waiting - written + std::mem::take(&mut store.written.lost);
        // The trades were counted as received before.
        totals.counts.dropped += lost;
        lost
    }

    /// How many elements the messages of a batch have.
    fn count(&mut self, batch: &TradeBatch) -> u64 {
        let until = self.rows.session.shared.write_until.get();
        let is_late = until.is_some_and(|until| Instant::now() >= *until + EXACT_COUNT_TIME);
        self.rows.buffer.count(batch, is_late)
    }

    fn last_sync(&mut self) -> io::Result<()> {
        let store = &mut self.rows.store;
        store.sync().or_else(|_| store.check_csv().and_then(|()| store.sync()))
    }

    /// Writes the last lines of the log, and removes the files of a refused start.
    fn end_log(self, end: End, failure: Option<String>) -> Summary {
        let Self { mut rows, mut log, created_files, inbox } = self;
        while let Ok(entry) = inbox.try_recv() {
            if let WriterMessage::Log(line) = entry {
                log.push(&line);
            }
        }
        let counts = rows.counts();
        // The terminal gets this line after everything else, from the thread that joins this one.
        log.push(&log_line(now_ms(), Level::Info, &counts.to_string()));
        log.reopen_if_moved();
        log.flush();
        if end == End::Refused {
            // The locks are held until this thread ends, so nobody else uses them yet.
            created_files.remove(log.written);
        }
        Summary { counts, failure }
    }
}
