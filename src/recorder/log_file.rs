//! The log file: whole lines, appended. A disk that does not take them costs lines, never trades.
//!
//! Writer thread.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{self, Path, PathBuf};

use log::{Level, error, info};

use super::disk::{Location, locate};
use crate::text::clock::show_ms;
use crate::text::in_words;

/// A line of the log file: when, by this machine's clock, how grave, and what.
pub(crate) fn log_line(at_ms: i64, level: Level, text: &str) -> String {
    format!("{} {level:<5} {text}\n", show_ms(at_ms))
}

/// The open log file.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    file: File,
    /// Lines that the disk has not taken yet; the logger bounds them.
    waiting: Vec<u8>,
    /// Bytes that are in the file.
    pub(super) written: u64,
    /// Whether it does not take the next ones, which was said.
    refused: bool,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        // The working directory may be removed and made anew.
        let path = path::absolute(path)?;
        Ok(Self { path, file, waiting: Vec::new(), written: 0, refused: false })
    }

    /// Goes on in a new file when somebody has moved the old one away or removed it, or it takes no
    /// lines any more: another handle of it may.
    pub(super) fn reopen_if_moved(&mut self) {
        let is_there = matches!(locate(&self.path, &self.file), Ok(Location::InPlace));
        // One that cannot be opened is tried again.
        if (self.refused || !is_there)
            && let Ok(file) = open(&self.path)
        {
            self.file = file;
        }
    }

    /// Takes a line, with its line end.
    pub(super) fn push(&mut self, line: &str) {
        self.waiting.extend_from_slice(line.as_bytes());
    }

    /// Writes the waiting lines to the file, as many as it takes. Says so on the terminal, once, when
    /// it takes none, and when it does again.
    pub(super) fn flush(&mut self) {
        while !self.waiting.is_empty() {
            match self.file.write(&self.waiting) {
                Ok(written) if written > 0 => {
                    self.written += written as u64;
                    self.waiting.drain(..written);
                    if std::mem::take(&mut self.refused) {
                        info!("the log {} is written again", self.path.display());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The next turn tries again.
                Ok(_) => return self.say_refused(&io::ErrorKind::WriteZero.into()),
                Err(error) => return self.say_refused(&error),
            }
        }
    }

    fn say_refused(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.refused, true) {
            error!(
                "cannot write the log {}: {}; its lines are shown here only, and the recording goes on",
                self.path.display(),
                in_words(error)
            );
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    check_kind(path)?;
    OpenOptions::new().append(true).create(true).open(path)
}

/// Whether what is at `path` can be a log. A pipe would keep the program waiting for a reader;
/// sockets and disks take no lines. `/dev/null` is fine.
///
/// # Errors
/// When it is a named pipe, a socket or a disk.
pub(super) fn check_kind(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    let kind = found.file_type();
    let kinds = [
        (kind.is_fifo(), "a named pipe"),
        (kind.is_socket(), "a socket"),
        (kind.is_block_device(), "a disk"),
    ];
    match kinds.into_iter().find_map(|(is_it, name)| is_it.then_some(name)) {
        Some(name) => Err(io::Error::other(format!("it is {name}, and a log is an ordinary file"))),
        None => Ok(()),
    }
}
