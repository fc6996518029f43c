//! The open output: rows and the ledger's rows are written to it, checked in it and forced to the disk.
//!
//! Writer thread. Reports failures; the writer decides when to try again, and what waits meanwhile. `recording/sync`
//! explains in which order rows reach the disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use log::{error, info};

use super::row_buffer::RowBuffer;
use super::sync_plan::SyncPlan;
use super::write_failure::WriteFailure;
use super::written::Written;
use crate::channel::{SharedState, SyncOutcome, WriterSender};
use crate::process::error::Error;
use crate::recorder::append_file::Doubt;
use crate::recorder::error::{OpenError, failed};
use crate::recorder::inspect::FoundFiles;
use crate::recorder::ledger::Ledger;
use crate::recorder::options::{Destination, RecorderOptions};
use crate::recorder::output::{Output, Pipe};
use crate::recorder::recording::{Coverage, Recording};
use crate::recorder::{compress, fsync};
use crate::text::clock::now_ms;
use crate::text::in_words;

/// The files or the pipe, with their fsyncs.
#[derive(Debug)]
pub(in crate::recorder) struct Store {
    pub(super) out: Destination,
    pub(super) output: Output,
    pub(super) written: Written,
    pub(in crate::recorder) sync_plan: SyncPlan,
    /// Whether closed files are compressed.
    compress: bool,
    /// The thread that compresses them.
    pub(in crate::recorder) compressor: Option<Sender<PathBuf>>,
    /// Why the ledger cannot be written. Its rows wait; trades do not.
    pub(super) ledger_failure: Option<String>,
}

impl Store {
    /// Opens the output, whose files may have been `found` before.
    ///
    /// # Errors
    /// As [`super::Writer::open`].
    pub(super) fn open(
        options: &RecorderOptions,
        found: FoundFiles,
        shared: &Arc<SharedState>,
        now_ms: i64,
    ) -> Result<Self, OpenError> {
        let output = match &options.out {
            Destination::File(path) => {
                let RecorderOptions { columns, rotate, fsync, .. } = options;
                let recording = Recording::open(path, columns, *rotate, *fsync, found, now_ms)?;
                Output::Files(Box::new(recording))
            }
            Destination::StandardOutput { coverage } => {
                let pipe = Pipe::open(Arc::clone(shared));
                let pipe = pipe.map_err(failed("open", Path::new("standard output")))?;
                let ledger = coverage.as_ref();
                let ledger = ledger
                    .map(|path| Coverage::open_alone(path, found.ledger, options.fsync, now_ms))
                    .transpose()
                    .map_err(|error| options.out.error(error))?;
                Output::Pipe(pipe, ledger.map(Box::new))
            }
        };
        Ok(Self {
            out: options.out.clone(),
            output,
            written: Written::new(now_ms),
            sync_plan: SyncPlan::new(options.fsync),
            compress: options.compress,
            compressor: None,
            ledger_failure: None,
        })
    }

    /// Starts the threads that work for it: fsync, and the compressor if closed files are compressed.
    /// They end with the store.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(super) fn start_threads(&mut self, entries: &WriterSender) -> Result<(), Error> {
        if let Destination::File(out) = &self.out {
            self.sync_plan.thread = Some(fsync::start(entries.clone())?);
            if self.compress {
                self.compressor = Some(compress::start(out)?);
            }
        }
        Ok(())
    }

    /// Whether rows go to standard output.
    pub(super) fn is_pipe(&self) -> bool {
        matches!(self.output, Output::Pipe(..))
    }

    /// Writes the rows that wait, those of the ledger first: they come before these.
    pub(super) fn write(&mut self, buffer: &mut RowBuffer) -> io::Result<()> {
        if let Some(mut files) = self.output.files()
            && files.coverage.ledger.has_pending()
        {
            if buffer.rows.is_empty() {
                files.release_ledger();
            }
            let result = files.coverage.ledger.flush();
            self.on_ledger_result(result)?;
        }
        if !buffer.rows.is_empty() {
            self.output.append(&buffer.rows, buffer.received_ms)?;
            self.written.trades += buffer.clear();
            self.written.last_ms = buffer.received_ms;
            self.plan_sync();
        }
        if self.has_unsynced_ledger_rows() {
            self.plan_sync();
        }
        Ok(())
    }

    /// Whether trades that come now must wait, because they follow an outage that is not yet in the ledger
    /// on the disk.
    pub(super) fn has_unsynced_outage(&mut self) -> bool {
        self.output.files().is_some_and(|files| files.coverage.ledger.has_unsynced_outage())
    }

    /// Whether enough rows were written for a check of the file. Until then they stay in memory.
    pub(super) fn wants_check(&mut self) -> bool {
        self.output.recording().is_some_and(|files| files.csv.rows.wants_check())
    }

    /// Whether an error may come from the handle of the file alone; a check replaces the handle.
    pub(super) fn is_suspect(&mut self) -> bool {
        self.output.recording().is_some_and(|files| files.csv.rows.doubt == Doubt::Handle)
    }

    /// Whether forcing to the disk has failed, so that [`Self::sync`] must be tried again.
    pub(super) fn needs_rewrite(&mut self) -> bool {
        self.output.files().is_some_and(|files| files.needs_rewrite())
    }

    /// Changes the ledger. `rows_wait` when rows that come before the change are not written yet.
    pub(super) fn update_ledger(&mut self, rows_wait: bool, change: impl FnOnce(&mut Ledger)) {
        if let Some(mut files) = self.output.files() {
            change(&mut files.coverage.ledger);
            if !rows_wait {
                files.release_ledger();
            }
        }
    }

    /// The reason for a trade that was dropped without an error.
    pub(super) fn slowness(&self) -> WriteFailure {
        if self.is_pipe() { WriteFailure::ReaderSlow } else { WriteFailure::DiskSlow }
    }

    fn has_unsynced_ledger_rows(&mut self) -> bool {
        self.output.files().is_some_and(|files| !files.coverage.ledger.is_synced())
    }

    fn plan_sync(&mut self) {
        let has_ledger_rows = self.has_unsynced_ledger_rows();
        self.sync_plan.plan(has_ledger_rows);
    }

    /// Forces everything to the disk: the rows, then the ledger.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(mut files) = self.output.files() {
            files.sync_rows()?;
            let result = files.sync_ledger();
            self.on_ledger_result(result)?;
        }
        self.sync_plan.due = None;
        Ok(())
    }

    /// Lets the fsync thread force everything to the disk; `false` when it cannot, and
    /// [`Self::sync`] must.
    pub(super) fn sync_in_background(&mut self) -> bool {
        let request = self.output.files().and_then(|files| files.sync_request());
        self.sync_plan.start(request)
    }

    /// Takes the answer of the fsync thread.
    pub(super) fn synced(&mut self, outcome: &SyncOutcome) -> io::Result<()> {
        self.sync_plan.is_under_way = false;
        if let Some(mut files) = self.output.files() {
            files.synced(outcome);
        }
        let failed = |reason| io::Error::other(format!("fsync failed: {reason}"));
        outcome.error.as_ref().map_or(Ok(()), |reason| Err(failed(reason)))
    }

    /// Plans the next fsync if something has come since the last one began.
    pub(super) fn plan_next_sync(&mut self) {
        if self.output.files().is_some_and(|files| files.is_dirty()) {
            self.plan_sync();
        }
    }

    /// Checks the recording, and repairs what others have done to it. Rows in a removed file do not count as
    /// written.
    pub(super) fn check_csv(&mut self) -> io::Result<()> {
        let result = self.output.check_csv(now_ms());
        if result.is_ok() {
            self.written.confirm();
            // Rows that were written again must be forced to the disk, also when no row follows.
            self.plan_next_sync();
        } else if self.output.recording().is_some_and(|files| files.csv.rows.has_lost_rows()) {
            self.written.take_back();
        }
        result
    }

    /// Checks the ledger, and writes the rows that could not be written before. Everything received by
    /// `known_ms` must be in the files.
    pub(super) fn check_ledger(&mut self, known_ms: i64) -> io::Result<()> {
        let mut result = self.output.check_ledger(now_ms(), known_ms);
        if result.is_ok() && self.ledger_failure.is_some() {
            result = self.output.files().map_or(Ok(()), |mut files| files.sync_ledger());
            if result.is_ok() {
                info!("{}: writing again", self.out.ledger());
                self.ledger_failure = None;
            }
        }
        self.on_ledger_result(result)
    }

    /// Takes the result of writing the ledger; logs the first failure. A full disk is returned as an
    /// error, for it concerns the recording as well, unless rows go to standard output. For any other
    /// reason no trade waits for the ledger, and a later check tries again.
    fn on_ledger_result(&mut self, result: io::Result<()>) -> io::Result<()> {
        let Err(error) = result else { return Ok(()) };
        let (failure, ledger) = (WriteFailure::from(&error), self.out.ledger());
        if matches!(failure, WriteFailure::Full(_)) && !self.is_pipe() {
            return Err(io::Error::new(error.kind(), format!("{ledger}: {}", in_words(&error))));
        }
        if let Some(files) = self.output.files() {
            files.coverage.ledger.is_unavailable = true;
        }
        if self.ledger_failure.is_none() {
            error!(
                "{failure}: cannot write {ledger} ({}); its rows wait in memory, and writing goes on by itself",
                in_words(&error)
            );
            let end = "could not be written before the end";
            self.ledger_failure = Some(format!("{failure}: the last rows of {ledger} {end}"));
        }
        Ok(())
    }

    /// Writes what is on the disk; and `received_until_ms`, if everything received by then is in the
    /// files.
    pub(super) fn write_heartbeat(&mut self, received_until_ms: Option<i64>) {
        let rows_are_gone = self.written.lost > 0;
        let Some(mut files) = self.output.files() else { return };
        let is_known = !rows_are_gone && !files.coverage.ledger.has_pending();
        let received_until_ms = received_until_ms.filter(|_| is_known);
        if let Err(error) = files.write_heartbeat(received_until_ms) {
            // Without the heartbeat the end is dated too early after a kill; nothing else is lost.
            log::debug!("cannot write the lock file: {error}");
        }
    }

    /// Whether what was received at `time_ms` belongs to the next file.
    pub(super) fn rotation_is_due(&mut self, time_ms: i64) -> bool {
        self.output.recording().is_some_and(|recording| recording.rotation_is_due(time_ms))
    }

    /// Begins a new file. Everything must have been written before.
    pub(super) fn rotate(&mut self, at_ms: i64, last_message_ms: i64) {
        let recording = self.output.recording();
        let closed = recording.and_then(|recording| recording.rotate(at_ms, last_message_ms));
        if let (Some(compressor), Some(closed)) = (&self.compressor, closed) {
            // If the compressor has failed, the next start finds the file.
            let _ = compressor.send(closed);
        }
    }

    /// At the end: writes the ledger's rows if that can be done. If not, the next start takes the time
    /// from the last heartbeat.
    pub(super) fn write_last_ledger_rows(&mut self) {
        if let Some(files) = self.output.files() {
            let _ = files.coverage.ledger.flush_all();
        }
    }
}
