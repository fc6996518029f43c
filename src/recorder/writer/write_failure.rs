//! Why rows cannot be written: one reason, as the log, the ledger and the terminal name it.
//!
//! Writer thread.

use std::fmt;
use std::io::{self, ErrorKind};

use crate::text::in_words;

/// Why rows are not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WriteFailure {
    /// There is no more room; with the limit.
    Full(&'static str),
    /// The file is gone, and a new one cannot be made.
    FileGone,
    /// Nobody reads the pipe any more.
    ReaderGone,
    /// The reader of the pipe takes nothing.
    ReaderStuck,
    /// The reader of the pipe takes something, but not all in time.
    ReaderSlow,
    /// The disk has reported no error, and has taken nothing for too long.
    DiskSlow,
    /// The end has come before the rows could be written.
    NoTimeLeft,
    /// Any other error of the system.
    Other(String),
}

impl From<&io::Error> for WriteFailure {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull => Self::Full(""),
            ErrorKind::QuotaExceeded => Self::Full(" (quota)"),
            ErrorKind::FileTooLarge => Self::Full(" (file size limit)"),
            ErrorKind::NotFound => Self::FileGone,
            ErrorKind::BrokenPipe => Self::ReaderGone,
            ErrorKind::WouldBlock => Self::ReaderStuck,
            // A file on a network may have the same kind of error, but with a number of the system.
            ErrorKind::TimedOut if error.raw_os_error().is_none() => Self::ReaderSlow,
            _ => Self::Other(in_words(error)),
        }
    }
}

impl fmt::Display for WriteFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Full(limit) => return write!(formatter, "disk full{limit}"),
            Self::Other(error) => return write!(formatter, "write error: {error}"),
            Self::FileGone => "file is gone",
            Self::ReaderGone => "the reader has gone away",
            Self::ReaderStuck | Self::ReaderSlow => "the reader is too slow",
            Self::DiskSlow => "disk too slow",
            Self::NoTimeLeft => "no time left",
        };
        formatter.write_str(text)
    }
}
