//! Forcing a recording to the disk, in an order that makes a power cut harmless.
//!
//! Writer thread, and the fsync thread through a [`SyncRequest`]. A power cut may take whatever was
//! not forced to the disk. For the ledger to call nothing recorded that is gone:
//!
//! 1. trades are forced to the disk;
//! 2. then the rows of the ledger behind them are written to its file
//!    ([`Recording::release_ledger`]) and forced to the disk ([`Recording::sync_ledger`]);
//! 3. after a row `down`, trades that come later are written only when that row is on the disk
//!    ([`Ledger::has_unsynced_outage`](super::Ledger::has_unsynced_outage)); until then they wait in
//!    the memory of the writer.

use std::io;

use super::Recording;
use crate::channel::SyncOutcome;
use crate::recorder::fsync::SyncRequest;

impl Recording {
    /// Whether something is not known to be on the disk.
    pub(in crate::recorder) fn is_dirty(&self) -> bool {
        self.csv.is_dirty() || self.ledger.file.is_dirty()
    }

    /// Whether forcing to the disk has failed, so that the tail must be written again.
    pub(in crate::recorder) fn needs_rewrite(&self) -> bool {
        self.csv.needs_rewrite || self.ledger.file.needs_rewrite
    }

    /// Forces everything to the disk: the rows, then what the ledger says of them. Everything must
    /// have been written before.
    pub(in crate::recorder) fn sync(&mut self) -> io::Result<()> {
        self.csv.sync()?;
        self.sync_ledger()
    }

    /// The ledger's part of it, when that of the rows is done.
    pub(in crate::recorder) fn sync_ledger(&mut self) -> io::Result<()> {
        self.release_ledger();
        self.ledger.flush()?;
        self.ledger.file.sync()
    }

    /// Lets the ledger's rows go to the disk, if every trade before them is there. To be asked when
    /// nothing that comes before them waits in memory.
    pub(in crate::recorder) fn release_ledger(&mut self) {
        if !self.csv.is_dirty() {
            self.ledger.release(self.ledger.rows);
        }
    }

    /// What must be forced to the disk now, for another thread to do so; `None` when there is
    /// nothing, or when a failure asks for [`Recording::sync`].
    pub(in crate::recorder) fn sync_request(&mut self) -> Option<SyncRequest> {
        if !self.is_dirty() || self.needs_rewrite() {
            return None;
        }
        let ledger_rows = self.ledger.rows;
        let ledger = &self.ledger.file;
        // Without another handle it is simply done here.
        Some(SyncRequest {
            csv: self.csv.disk.try_clone().ok()?,
            ledger: ledger.disk.try_clone().ok()?,
            outcome: SyncOutcome {
                generation: self.generation,
                csv_length: self.csv.length(),
                ledger_length: ledger.length(),
                ledger_rows,
                error: None,
            },
        })
    }

    /// Notes what came of a [`Recording::sync_request`].
    pub(in crate::recorder) fn synced(&mut self, outcome: &SyncOutcome) {
        // The files of an earlier generation were forced to the disk when they were closed.
        if outcome.generation == self.generation {
            let succeeded = outcome.error.is_none();
            self.csv.synced_elsewhere(outcome.csv_length, succeeded);
            self.ledger.file.synced_elsewhere(outcome.ledger_length, succeeded);
            if succeeded {
                self.ledger.release(outcome.ledger_rows);
            }
        }
    }
}
