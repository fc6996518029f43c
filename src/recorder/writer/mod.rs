//! The writer: takes entries from the channel and writes them to the files.
//!
//! Opened on the main thread, run on the writer thread; from then on only that thread writes the
//! files. It collects rows while the channel has more, and writes them when it is empty. While the
//! disk cannot be written, entries wait here in their order; `feed/backpressure` limits how many.
//!
//! [`Writer`] is the loop: entries, log lines, timers. Its `rows` bring the entries to the files
//! (`row_writer`), with rows in memory (`row_buffer`), the output (`store`, `written`, `sync_plan`),
//! failures (`retry`, `write_failure`), entries that wait (`deferred`), time (`timers`) and the session
//! (`session_view`). `finish` is the last try, `handle` the thread.

mod deferred;
mod finish;
mod handle;
mod retry;
mod row_buffer;
mod row_writer;
mod session_view;
mod store;
mod sync_plan;
mod timers;
mod write_failure;
mod written;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use log::info;

use super::created_files::CreatedFiles;
use super::error::{OpenError, failed};
use super::inspect::before_start;
use super::log_file::LogFile;
use super::options::RecorderOptions;
use crate::channel::{SharedState, WriterMessage, WriterReceiver, WriterSender};
use crate::process::error::Error;
use crate::process::threads::spawn;
use crate::status::totals::Totals;
use crate::text::clock::now_ms;
use deferred::Deferred;
use finish::{End, Finish};
pub use handle::{Summary, WriterHandle};
use retry::Retry;
use row_buffer::RowBuffer;
use row_writer::RowWriter;
use session_view::SessionView;
use store::Store;
use timers::Timers;

/// The open files, and everything that waits to be written to them.
pub struct Writer {
    /// The first field, because it is dropped first: files are removed while the lock is held.
    pub(super) created_files: CreatedFiles,
    log: LogFile,
    pub(super) rows: RowWriter,
}

impl Writer {
    /// Opens the files, repairs what a crash left, and closes the ledger of a process that was
    /// killed. Nothing is recorded yet. `redact` takes the key out of a text from the server;
    /// `stop_session` is called when nobody reads standard output any more, and when the writer has ended,
    /// by a panic too.
    ///
    /// # Errors
    /// When a file is none, is in use, has other columns or trades of the other market, or cannot be
    /// opened, read, made, locked or repaired. What `inspect` finds is found before anything is made.
    pub fn open(
        options: &RecorderOptions,
        shared: Arc<SharedState>,
        redact: impl Fn(&str) -> String + Send + 'static,
        stop_session: impl Fn() + Send + 'static,
    ) -> Result<Self, OpenError> {
        let (now, now_ms) = (Instant::now(), now_ms());
        let RecorderOptions { out, log_file, .. } = options;
        let (found, new) = before_start(options)?;
        let mut created_files = CreatedFiles::new(&new, log_file, out.file().as_deref());
        let store = Store::open(options, found, &shared, now_ms)?;
        let log = LogFile::open(log_file).map_err(failed("open", log_file))?;
        created_files.lock_is_held();
        let mut totals = Totals::new(now_ms);
        totals.candles = options.candles.then(Default::default);
        let rows = RowWriter {
            retry: Retry::new(out.to_string(), Arc::clone(&shared)),
            session: SessionView::new(shared, stop_session),
            deferred: Deferred::default(),
            buffer: RowBuffer::new(options, redact),
            totals,
            store,
            timers: Timers::new(now),
        };
        Ok(Self { created_files, log, rows })
    }

    /// Starts the writer thread, and the threads that work for it: fsync, and the compressor if
    /// closed files are compressed. These two end with it.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn spawn(
        mut self,
        inbox: WriterReceiver,
        entries: &WriterSender,
    ) -> Result<WriterHandle, Error> {
        self.rows.store.start_threads(entries)?;
        Ok(WriterHandle::new(spawn("writer", move || self.run(&inbox))?))
    }

    /// Records until [`WriterMessage::Finish`] or [`WriterMessage::Refused`], or until all senders are gone.
    pub fn run(mut self, inbox: &WriterReceiver) -> Summary {
        self.created_files.keep();
        if self.rows.store.is_pipe() {
            self.rows.buffer.push_header();
            self.flush();
        }
        self.run_timers(Instant::now());
        loop {
            let wait = if self.rows.can_record_deferred() {
                Duration::ZERO
            } else {
                self.rows.time_left()
            };
            let entry = match inbox.recv_timeout(wait) {
                Ok(entry) => Some(entry),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(WriterMessage::Finish),
            };
            if let Some(end) = self.poll_once(entry, inbox) {
                let Self { rows, log, created_files } = self;
                return Finish { rows, log, created_files, inbox }.run(end);
            }
        }
    }

    /// Handles an entry, the entries behind it, and the timers that are due. Gives the end, if it has come.
    pub(super) fn poll_once(
        &mut self,
        entry: Option<WriterMessage>,
        inbox: &WriterReceiver,
    ) -> Option<End> {
        self.rows.session.refresh();
        let end = entry.and_then(|entry| {
            self.rows.timers.plan_snapshot();
            self.drain(entry, inbox)
        });
        self.flush();
        self.rows.record_deferred();
        if end.is_none() {
            self.run_timers(Instant::now());
        }
        end
    }

    /// Takes an entry and the entries behind it, until the rows make a large batch. While the disk cannot be
    /// written it takes all of them, because log lines are among them. Gives the end, if it has come.
    fn drain(&mut self, first: WriterMessage, inbox: &WriterReceiver) -> Option<End> {
        let mut next = Some(first);
        while let Some(entry) = next {
            match entry {
                WriterMessage::Finish => return Some(End::Finish),
                WriterMessage::Refused => return Some(End::Refused),
                WriterMessage::Synced(outcome) => self.rows.synced(&outcome),
                WriterMessage::Log(line) => self.log.push(&line),
                entry => self.rows.take(entry),
            }
            if self.rows.buffer.is_large() && !self.rows.retry.is_failing() {
                return None;
            }
            next = inbox.try_recv().ok();
        }
        None
    }

    /// Writes the rows, the ledger's rows and the log's lines to their files.
    fn flush(&mut self) {
        self.rows.write();
        let before = self.log.written;
        self.log.flush();
        let written = usize::try_from(self.log.written - before).unwrap_or_default();
        self.rows.session.shared.log_bytes.fetch_sub(written, Ordering::Relaxed);
    }

    /// Runs the timers that are due.
    fn run_timers(&mut self, now: Instant) {
        let Self { rows, log, .. } = self;
        if rows.retry.due().is_some_and(|due| due <= now) {
            rows.try_again();
            rows.timers.plan_snapshot();
        }
        rows.sync_if_due(now);
        rows.rotate_if_due();
        let due = rows.timers.due(now);
        if due.heartbeat {
            log.reopen_if_moved();
            rows.check();
            rows.write_heartbeat();
            if rows.store.output.reader_is_gone() {
                // Without trades there would be no write to find this out.
                rows.on_write_result(Err(io::ErrorKind::BrokenPipe.into()));
            }
        }
        if due.snapshot {
            rows.publish();
        }
        // Waiting rows are counted as received only, so that the sums add up when nothing waits.
        if due.sums && rows.all_flushed() {
            rows.timers.sums_said(now);
            info!("{}", rows.counts());
        }
    }
}
