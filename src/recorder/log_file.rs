//! The log file: whole lines, appended. A disk that takes no lines costs lines, never trades.
//!
//! Writer thread.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{self, Path, PathBuf};

use log::{Level, error, info};

use super::disk::{Location, locate};
use crate::text::clock::{now_ms, show_ms};
use crate::text::in_words;

/// The last line of a log is looked for in this many bytes at its end. Longer lines are rare.
const LAST_LINE_BYTES: u64 = 4 << 10;

/// A line of the log file: the time by this machine's clock, the level, the text.
pub(crate) fn log_line(at_ms: i64, level: Level, text: &str) -> String {
    format!("{} {level:<5} {text}\n", show_ms(at_ms))
}

/// Adds the reason why a start was refused to the log at `path`, if there is one: the
/// standard error of a recording in tmux or under systemd may be seen by nobody. A log is not made for
/// it, because a refused start leaves nothing behind; and a file that does not end like a log is left
/// alone, because the reason may be that `--log-file` names a recording.
pub(crate) fn log_refusal(path: &Path, reason: &dyn Display) {
    let line = log_line(now_ms(), Level::Error, &format!("not started: {reason}"));
    // The reason is on standard error as well, so that an error here is of no importance.
    if ends_like_a_log(path).unwrap_or(false) {
        let log = OpenOptions::new().append(true).open(path);
        let _ = log.and_then(|mut log| log.write_all(line.as_bytes()));
    }
}

/// Whether the last line is one of ours: a time, a level, a text.
fn ends_like_a_log(path: &Path) -> io::Result<bool> {
    check_kind(path)?;
    let mut log = File::open(path)?;
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(LAST_LINE_BYTES)))?;
    let mut end = Vec::new();
    log.take(LAST_LINE_BYTES).read_to_end(&mut end)?;
    let end = String::from_utf8_lossy(&end);
    let mut words = end.lines().last().unwrap_or_default().split_ascii_whitespace();
    let is_time = |word: &str| word.parse::<jiff::Timestamp>().is_ok();
    let is_level = |word: &str| word.parse::<Level>().is_ok();
    Ok(end.ends_with('\n')
        && words.next().is_some_and(is_time)
        && words.next().is_some_and(is_level))
}

/// The open log file.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    file: File,
    /// Lines that the disk has not taken yet; the logger bounds their size.
    waiting: Vec<u8>,
    /// Bytes that we have written to the file.
    pub(super) written: u64,
    /// Whether the file takes no more lines, which was reported.
    refused: bool,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        // Absolute, because the working directory may be removed and made anew.
        let path = path::absolute(path)?;
        Ok(Self { path, file, waiting: Vec::new(), written: 0, refused: false })
    }

    /// Goes on in a new file when the old one was moved or removed; and with a new handle when the file takes no
    /// more lines.
    pub(super) fn reopen_if_moved(&mut self) {
        let is_there = matches!(locate(&self.path, &self.file), Ok(Location::InPlace));
        // If it cannot be opened, the next call tries again.
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

    /// Writes the waiting lines to the file, as many as it takes. When it takes none, and when it takes lines
    /// again, that is reported once on the terminal.
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
                // The next call tries again.
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
