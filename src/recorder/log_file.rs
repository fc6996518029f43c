//! The log file: whole lines, appended. A disk that does not take them costs lines, never trades.
//!
//! Writer thread.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path, PathBuf};

/// Lines that may wait for a full disk: thousands, enough to tell how it came to that.
const WAITING_BYTES: usize = 1 << 20;

/// The open log file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    waiting: Vec<u8>,
    lost: u64,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<LogFile> {
        let file = open(path)?;
        // The working directory may be removed and made anew.
        Ok(LogFile { path: path::absolute(path)?, file, waiting: Vec::new(), lost: 0 })
    }

    /// Goes on in a new file when somebody has moved the old one away or removed it.
    pub(super) fn look_after_file(&mut self) {
        let identity = |found: Metadata| (found.dev(), found.ino());
        let ours = self.file.metadata().map(identity).ok();
        // A name that leads nowhere is another file, too. One that cannot be opened is tried again.
        if fs::metadata(&self.path).map(identity).ok() != ours
            && let Ok(file) = open(&self.path)
        {
            self.file = file;
        }
    }

    /// Takes a line, with its line end.
    pub(super) fn push(&mut self, line: &str) {
        if self.waiting.len() + line.len() > WAITING_BYTES {
            self.lost += 1;
        } else {
            self.waiting.extend_from_slice(line.as_bytes());
        }
    }

    /// Hands the waiting lines to the file, as many as it takes.
    pub(super) fn hand_over(&mut self) {
        while !self.waiting.is_empty() {
            match self.file.write(&self.waiting) {
                Ok(written) if written > 0 => drop(self.waiting.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The next turn tries again; who watches the terminal has seen the lines there.
                _ => return,
            }
        }
        if self.lost > 0 {
            let lost = std::mem::take(&mut self.lost);
            self.push(&format!("({lost} lines are missing here: the disk did not take them)\n"));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::{LogFile, WAITING_BYTES};

    #[test]
    fn lines_beyond_the_bound_are_counted_and_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = LogFile::open(&path).unwrap();
        log.push(&"x".repeat(WAITING_BYTES));
        log.push("lost\n");
        log.push("lost too\n");
        log.hand_over();
        log.push("kept\n");
        log.hand_over();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("x(2 lines are missing here: the disk did not take them)\nkept\n"));
    }
}
