//! Forcing a recording to the disk, in an order that makes a power cut harmless.
//!
//! Writer thread, and the fsync thread through a [`SyncRequest`]. A power cut may take all
//! bytes that were not forced to the disk. So that the ledger never calls anything recorded that is gone:
//!
//! 1. trades are forced to the disk;
//! 2. then the rows of the ledger behind them are written to its file
//!    ([`Files::release_ledger`]) and forced to the disk ([`Files::sync_ledger`]);
//! 3. after a row `down`, trades that come later are written only when that row is on the disk
//!    ([`Ledger::has_unsynced_outage`](crate::recorder::ledger::Ledger::has_unsynced_outage)); until then
//!    they wait in the memory of the writer.

use std::io;

use super::coverage::Coverage;
use crate::channel::SyncOutcome;
use crate::recorder::append_file::AppendFile;
use crate::recorder::fsync::SyncRequest;

/// The file of the rows, unless they go to standard output, and the ledger.
#[derive(Debug)]
pub(in crate::recorder) struct Files<'a> {
    pub(in crate::recorder) rows: Option<&'a mut AppendFile>,
    pub(in crate::recorder) coverage: &'a mut Coverage,
}

impl Files<'_> {
    /// Whether rows are not known to be on the disk.
    fn has_dirty_rows(&self) -> bool {
        self.rows.as_ref().is_some_and(|rows| rows.is_dirty())
    }

    /// Whether something is not known to be on the disk.
    pub(in crate::recorder) fn is_dirty(&self) -> bool {
        self.has_dirty_rows() || self.coverage.ledger.file.is_dirty()
    }

    /// Whether forcing to the disk has failed, so that the tail must be written again.
    pub(in crate::recorder) fn needs_rewrite(&self) -> bool {
        self.rows.as_ref().is_some_and(|rows| rows.needs_rewrite)
            || self.coverage.ledger.file.needs_rewrite
    }

    /// Forces everything to the disk: the rows, then the ledger. Everything must have been written before.
    pub(in crate::recorder) fn sync(&mut self) -> io::Result<()> {
        self.sync_rows()?;
        self.sync_ledger()
    }

    /// Forces the rows to the disk.
    pub(in crate::recorder) fn sync_rows(&mut self) -> io::Result<()> {
        self.rows.as_mut().map_or(Ok(()), |rows| rows.sync())
    }

    /// Forces the ledger to the disk, after the rows.
    pub(in crate::recorder) fn sync_ledger(&mut self) -> io::Result<()> {
        self.release_ledger();
        self.coverage.ledger.flush()?;
        self.coverage.ledger.file.sync()
    }

    /// Lets the rows of the ledger be written, if all trades before them are on the disk. To be called when none of
    /// these trades waits in memory.
    pub(in crate::recorder) fn release_ledger(&mut self) {
        if !self.has_dirty_rows() {
            self.coverage.ledger.release(self.coverage.ledger.rows);
        }
    }

    /// What must be forced to the disk now, for another thread to do so; `None` when there is
    /// nothing, or when a failure asks for [`Files::sync`].
    pub(in crate::recorder) fn sync_request(&self) -> Option<SyncRequest> {
        if !self.is_dirty() || self.needs_rewrite() {
            return None;
        }
        let Coverage { ledger, generation, .. } = &*self.coverage;
        let rows = self.rows.as_ref();
        // Without another handle the writer does it itself.
        Some(SyncRequest {
            csv: rows.map(|rows| rows.disk.try_clone()).transpose().ok()?,
            ledger: ledger.file.disk.try_clone().ok()?,
            outcome: SyncOutcome {
                generation: *generation,
                csv_length: rows.map_or(0, |rows| rows.length()),
                ledger_length: ledger.file.length(),
                ledger_rows: ledger.rows,
                error: None,
            },
        })
    }

    /// Notes the result of a [`Files::sync_request`].
    pub(in crate::recorder) fn synced(&mut self, outcome: &SyncOutcome) {
        // The files of an earlier generation were forced to the disk when they were closed.
        if outcome.generation == self.coverage.generation {
            let succeeded = outcome.error.is_none();
            if let Some(rows) = &mut self.rows {
                rows.synced_elsewhere(outcome.csv_length, succeeded);
            }
            let ledger = &mut self.coverage.ledger;
            ledger.file.synced_elsewhere(outcome.ledger_length, succeeded);
            if succeeded {
                ledger.release(outcome.ledger_rows);
            }
        }
    }

    /// Writes what is on the disk; and `received_until_ms`, if everything received by then is in the
    /// files.
    pub(in crate::recorder) fn write_heartbeat(
        &mut self,
        received_until_ms: Option<i64>,
    ) -> io::Result<()> {
        self.coverage.write_heartbeat(self.rows.as_deref(), received_until_ms)
    }
}
