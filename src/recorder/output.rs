//! Where rows go: files, or standard output.
//!
//! Writer thread. Standard output has no ledger and no lock, and cannot be cut back: what was
//! written is remembered instead, and the rest follows.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::recording::Recording;

/// The place for rows.
#[derive(Debug)]
pub(super) enum Output {
    /// A CSV with its ledger.
    Files(Box<Recording>),
    /// Standard output.
    Pipe(Pipe),
}

/// Standard output, without the standard library's buffer in between.
#[derive(Debug)]
pub(super) struct Pipe {
    file: File,
    /// Bytes of the rows at hand that are through already.
    sent: usize,
    length: u64,
}

impl Pipe {
    /// Takes standard output. Nothing is written yet: a reader may be slow, or gone already, and
    /// the writer knows what to do then.
    pub(super) fn open() -> io::Result<Pipe> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Pipe { file, sent: 0, length: 0 })
    }

    /// Whether nobody reads any more, which a write would tell too late when no trades come.
    pub(super) fn reader_is_gone(&self) -> bool {
        let mut asked = [PollFd::new(&self.file, PollFlags::empty())];
        let now = Timespec::default();
        poll(&mut asked, Some(&now)).is_ok() && asked[0].revents().contains(PollFlags::ERR)
    }

    /// Writes the rows; after an error, the same rows (and perhaps more behind them) must be given
    /// again, and go on where they stopped.
    fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        while self.sent < rows.len() {
            match self.file.write(&rows[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.length += rows.len() as u64;
        self.sent = 0;
        Ok(())
    }
}

impl Output {
    /// Hands rows over.
    pub(super) fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        match self {
            Output::Files(recording) => recording.append(rows),
            Output::Pipe(pipe) => pipe.append(rows),
        }
    }

    /// Bytes of whole rows so far.
    pub(super) fn length(&self) -> u64 {
        match self {
            Output::Files(recording) => recording.length(),
            Output::Pipe(pipe) => pipe.length,
        }
    }

    /// The files, unless rows go to standard output.
    pub(super) fn recording(&mut self) -> Option<&mut Recording> {
        match self {
            Output::Files(recording) => Some(recording),
            Output::Pipe(_) => None,
        }
    }
}
