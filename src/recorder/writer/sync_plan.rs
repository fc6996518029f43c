//! When the files are forced to the disk, and by which thread. `recording/sync` explains the order.
//!
//! Writer thread.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::recorder::fsync::SyncRequest;
use crate::recorder::options::Fsync;

/// The next fsync, and whether one is under way.
#[derive(Debug)]
pub(in crate::recorder) struct SyncPlan {
    pub(super) fsync: Fsync,
    /// The fsync thread; without one the writer forces its files to the disk by itself.
    pub(in crate::recorder) thread: Option<Sender<SyncRequest>>,
    pub(in crate::recorder) due: Option<Instant>,
    /// Whether the fsync thread is at work.
    pub(super) is_under_way: bool,
}

impl SyncPlan {
    /// Nothing is to be forced to the disk yet.
    pub(super) fn new(fsync: Fsync) -> Self {
        Self { fsync, thread: None, due: None, is_under_way: false }
    }

    /// Plans when to force to the disk what is not yet there; rows of the ledger (`has_ledger_rows`), at once.
    pub(super) fn plan(&mut self, has_ledger_rows: bool) {
        let delay = match self.fsync {
            Fsync::Always => Duration::ZERO,
            _ if self.is_under_way => return,
            _ if has_ledger_rows => Duration::ZERO,
            Fsync::Every(interval) => interval,
            Fsync::Never => return,
        };
        let due = Instant::now() + delay;
        self.due = Some(self.due.map_or(due, |planned| planned.min(due)));
    }

    /// Gives the request to the fsync thread. One at a time: the next one is planned when this one is
    /// answered. `false` when there is no request or no fsync thread.
    pub(super) fn start(&mut self, request: Option<SyncRequest>) -> bool {
        self.due = None;
        let sent = self.thread.as_ref().zip(request);
        let sent = sent.is_some_and(|(thread, request)| thread.send(request).is_ok());
        self.is_under_way |= sent;
        sent
    }
}
