//! What the writer is asked for, how it reaches others, and what it says at the end.
//!
//! Made on the main thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::ledger::ledger_path;
use super::recording::SyncRequest;
use super::rotation::Rotate;
use crate::channel::Gauges;
use crate::recorder::columns::Column;
use crate::status::snapshot::Counts;

/// When rows are forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// After every batch of rows.
    Always,
    /// This long after the first row that is not yet there.
    Every(Duration),
    /// When the system likes, and at the end.
    Never,
}

/// Where rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A CSV to append to, with a ledger and a lock beside it.
    File(PathBuf),
    /// Standard output, for another program to read.
    StandardOutput,
}

impl Destination {
    /// What its ledger is called, for people.
    pub(super) fn ledger(&self) -> String {
        match self {
            Destination::File(path) => ledger_path(path).display().to_string(),
            Destination::StandardOutput => "no ledger".to_owned(),
        }
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Destination::File(path) => path.display().fmt(formatter),
            Destination::StandardOutput => formatter.write_str("standard output"),
        }
    }
}

/// How the writer reaches others.
pub struct Links {
    /// What is shared with the session.
    pub gauges: Arc<Gauges>,
    /// Where closed files are sent to be compressed, if they are.
    pub closed: Option<Sender<PathBuf>>,
    /// Where files are sent to be forced to the disk.
    pub sync: Sender<SyncRequest>,
    /// Takes the key out of a text from the server.
    pub redact: Box<dyn Fn(&str) -> String + Send>,
    /// Called once when nobody reads standard output any more.
    pub reader_gone: Box<dyn Fn() + Send>,
}

/// What to record to, and how.
#[derive(Debug, Clone)]
pub struct RecorderOptions {
    /// Where rows go.
    pub out: Destination,
    /// The log to append to.
    pub log_file: PathBuf,
    /// The columns, in their order.
    pub columns: Vec<Column>,
    /// When rows are forced to the disk.
    pub fsync: Fsync,
    /// When the file is closed and a new one begun, if ever.
    pub rotate: Option<Rotate>,
    /// Whether trades of a simulated market are recorded; the others are refused, whichever it is.
    pub simulated: bool,
}

/// What the writer thread says when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The sums.
    pub counts: Counts,
    /// What could not be written at the very end, as one line.
    pub failure: Option<String>,
}
