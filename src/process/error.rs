//! What ends the program, and with which exit code.
//!
//! Any thread. A message is one line, also when the name of a file has a line end: what failed, with which
//! value, what to do next.

use std::io;

use crate::text::{in_words, printable};

/// Exit code: stopped as asked.
pub const EXIT_OK: u8 = 0;
/// Exit code: could not go on.
pub const EXIT_CANNOT_GO_ON: u8 = 1;
/// Exit code: wrong usage or settings.
pub const EXIT_USAGE: u8 = 2;
/// Exit code: a second Ctrl-C, 128 + SIGINT as shells have it.
pub const EXIT_INTERRUPTED: u8 = 130;

/// The one error that reaches a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The command line or the settings are wrong; nothing was started.
    #[error("{}", printable(.0, usize::MAX))]
    Usage(String),
    /// The settings are right, but something that the program needs has failed.
    #[error("{}", printable(.0, usize::MAX))]
    CannotGoOn(String),
}

/// Any failure as the error that ends the program.
pub(crate) fn cannot_go_on(error: impl std::fmt::Display) -> Error {
    Error::CannotGoOn(in_words(&error))
}

/// What a failed write to standard output means for the program: nothing when the reader has gone away, which
/// it may do at any time (`--help | head -1`).
///
/// # Errors
/// In every other case, such as a full disk.
pub(crate) fn answer_not_written(error: &io::Error) -> Result<(), Error> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(cannot_go_on(format_args!(
            "cannot write to standard output: {}; check where it goes",
            in_words(error)
        ))),
    }
}

impl Error {
    /// The process's exit code for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => EXIT_USAGE,
            Error::CannotGoOn(_) => EXIT_CANNOT_GO_ON,
        }
    }
}
