//! The thread that forces files to the disk. On a busy disk an fsync takes a tenth of a second or more, and new
//! rows must become visible meanwhile.

use std::sync::mpsc::{self, Sender};

use super::disk::DiskFile;
use crate::channel::{SyncOutcome, WriterMessage, WriterSender};
use crate::process::error::Error;
use crate::process::threads::spawn;
use crate::text::in_words;

/// Files to be forced to the disk.
#[derive(Debug)]
pub(super) struct SyncRequest {
    /// `None` when rows go to standard output.
    pub(super) csv: Option<DiskFile>,
    pub(super) ledger: DiskFile,
    pub(super) outcome: SyncOutcome,
}

impl SyncRequest {
    /// First the trades, then the rows of the ledger behind them.
    pub(super) fn perform(mut self) -> SyncOutcome {
        let rows = self.csv.as_mut().map_or(Ok(()), DiskFile::sync);
        let result = rows.and_then(|()| self.ledger.sync());
        SyncOutcome { error: result.err().map(|error| in_words(&error)), ..self.outcome }
    }
}

/// Starts the thread. It answers each request with a [`WriterMessage::Synced`], and ends when the sender
/// is dropped.
///
/// # Errors
/// When the system has no thread to give.
pub(super) fn start(entries: WriterSender) -> Result<Sender<SyncRequest>, Error> {
    let (sender, requests) = mpsc::channel::<SyncRequest>();
    spawn("fsync", move || {
        for request in requests {
            entries.send(WriterMessage::Synced(request.perform()));
        }
    })?;
    Ok(sender)
}
