//! The options of the writer.
//!
//! Made on the main thread.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::error::OpenError;
use super::rotation::Rotate;
use crate::recording::columns::Column;
use crate::recording::names::ledger_of;
use crate::recording::paths::behind_links;

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
    /// Standard output, for another program to read; with a ledger and a lock, if it is to have them.
    StandardOutput {
        /// Where the ledger is; the lock is beside it.
        coverage: Option<PathBuf>,
    },
}

impl Destination {
    /// The file beside which its lock is, if it has one.
    pub(super) fn file(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(behind_links(path)),
            Self::StandardOutput { coverage } => coverage.as_deref().map(behind_links),
        }
    }

    /// An error about its files, with the option that names them.
    pub(super) fn error(&self, error: OpenError) -> OpenError {
        match self {
            Self::File(_) => error,
            Self::StandardOutput { .. } => error.of_coverage(),
        }
    }

    /// As it is given to `--out`.
    pub(crate) fn as_argument(&self) -> OsString {
        match self {
            Self::File(path) => path.clone().into_os_string(),
            Self::StandardOutput { .. } => "-".into(),
        }
    }

    /// The name of its ledger, for people.
    pub(super) fn ledger(&self) -> String {
        let path = match self {
            Self::File(path) => Some(ledger_of(path)),
            Self::StandardOutput { coverage } => coverage.as_deref().map(behind_links),
        };
        path.map_or_else(String::new, |path| path.display().to_string())
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::StandardOutput { .. } => formatter.write_str("standard output"),
        }
    }
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
    /// Whether closed files are compressed.
    pub compress: bool,
    /// Whether trades of a simulated market are recorded; the others are refused, whichever it is.
    pub simulated: bool,
    /// Whether candles are made of the trades, for the page.
    pub candles: bool,
}
