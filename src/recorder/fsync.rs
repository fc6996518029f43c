//! The thread that forces files to the disk. A busy disk takes a tenth of a second and more for it,
//! and rows must go on becoming visible in that time.

use std::sync::mpsc::{self, Sender};

use super::disk::DiskFile;
use crate::channel::{Entry, EntrySender, SyncOutcome};
use crate::error::Error;
use crate::threads::spawn;

/// What is to be forced to the disk, through handles of its own.
#[derive(Debug)]
pub(super) struct SyncRequest {
    pub(super) csv: DiskFile,
    pub(super) ledger: DiskFile,
    pub(super) outcome: SyncOutcome,
}

impl SyncRequest {
    /// The trades before the ledger that speaks of them.
    pub(super) fn perform(mut self) -> SyncOutcome {
        let result = self.csv.sync().and_then(|()| self.ledger.sync());
        SyncOutcome { error: result.err().map(|error| error.to_string()), ..self.outcome }
    }
}

/// Starts the thread. It answers each request with an [`Entry::Synced`], and ends when the sender
/// is dropped.
///
/// # Errors
/// When the system has no thread to give.
pub(super) fn start(entries: EntrySender) -> Result<Sender<SyncRequest>, Error> {
    let (sender, requests) = mpsc::channel::<SyncRequest>();
    spawn("fsync", move || {
        for request in requests {
            entries.send(Entry::Synced(request.perform()));
        }
    })?;
    Ok(sender)
}
