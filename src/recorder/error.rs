//! Why a recording cannot be opened: what, which file, what to do.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::text::in_words;

/// Why a recording cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path is a directory, a pipe or a device.
    #[error("{} is not an ordinary file; give --out the name of a CSV file", .0.display())]
    NotAFile(PathBuf),
    /// Another process records to it.
    #[error("{} is being recorded by another process{}; stop that one, or give another --out", .0.display(), .1.map(|pid| format!(" ({pid})")).unwrap_or_default())]
    InUse(PathBuf, Option<u32>),
    /// Its header is not the one asked for.
    #[error("{} has other columns: {found}; {advice}", path.display())]
    OtherColumns {
        /// The file.
        path: PathBuf,
        /// What its first line says.
        found: String,
        /// How to go on.
        advice: String,
    },
    /// It holds trades of the other kind of market.
    #[error(
        "{} holds trades of {ticker}; simulated (DEMO:…) and real trades cannot be in one file: give another --out", path.display()
    )]
    OtherMarket {
        /// The file.
        path: PathBuf,
        /// What it holds.
        ticker: String,
    },
    /// The same of the file of `--coverage`.
    #[error("{}", .0.to_string().replace("--out", "--coverage"))]
    Coverage(Box<Self>),
    /// The system refuses.
    #[error("cannot {action} {}: {}; check the directory and its permissions, or give another path", path.display(), in_words(reason))]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's answer.
        reason: io::Error,
    },
}

impl OpenError {
    /// Whether another process records to the file.
    pub fn is_in_use(&self) -> bool {
        match self {
            Self::InUse(..) => true,
            Self::Coverage(error) => error.is_in_use(),
            _ => false,
        }
    }

    pub(super) fn of_coverage(self) -> Self {
        Self::Coverage(Box::new(self))
    }
}

/// Maps a system's error, naming what was tried with which file.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |reason| OpenError::Io { action, path, reason }
}

/// Whether more room on the disk would help.
pub(super) fn is_full(error: &io::Error) -> bool {
    let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
    full.contains(&error.kind())
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io { reason, .. } => reason,
            other => Self::other(other),
        }
    }
}
