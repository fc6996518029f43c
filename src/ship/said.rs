//! The standard error of CMD: some lines go to ours, and the last one is remembered.
//!
//! Main thread. One pipe for all runs of CMD, whose other end stays open: processes that CMD has left running may
//! still write.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Stdio;

use log::info;
use memchr::memchr;
use rustix::io::ioctl_fionbio;

use crate::text::clock::now_ms;
use crate::text::log_limit::LogLimit;
use crate::text::printable;

/// Lines a minute that are passed on: enough to see what is wrong, and a service's journal stays small.
const LINES_A_MINUTE: u32 = 20;

/// Characters of a line.
const LINE_CHARACTERS: usize = 500;

/// Bytes of a line without its end that are kept.
const LINE_BYTES: usize = 4 << 10;

/// Bytes of one read: a CMD that writes without end must not keep us from noticing its end.
const PIECE: usize = 64 << 10;

/// The pipe, and the lines from it.
pub(super) struct Said {
    read_end: PipeReader,
    write_end: PipeWriter,
    piece: Vec<u8>,
    /// Bytes of a line that has no end yet.
    rest: Vec<u8>,
    last_line: String,
    limit: LogLimit,
}

impl Said {
    /// # Errors
    /// When the system gives no pipe.
    pub(super) fn new() -> io::Result<Self> {
        let (read_end, write_end) = io::pipe()?;
        ioctl_fionbio(&read_end, true)?;
        let (piece, limit) = (vec![0; PIECE], LogLimit::of(LINES_A_MINUTE));
        Ok(Self { read_end, write_end, piece, rest: Vec::new(), last_line: String::new(), limit })
    }

    /// A handle for the next CMD; forgets the last line.
    ///
    /// # Errors
    /// When too many files are open.
    pub(super) fn for_child(&mut self) -> io::Result<Stdio> {
        self.last_line.clear();
        self.write_end.try_clone().map(Stdio::from)
    }

    /// The end of the pipe to wait for.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.read_end.as_fd()
    }

    /// Passes on the lines that have come. Never waits.
    pub(super) fn pass_on(&mut self) {
        let mut piece = std::mem::take(&mut self.piece);
        // An error means that nothing has come.
        let count = self.read_end.read(&mut piece).unwrap_or(0);
        let mut more = &piece[..count];
        while let Some(end) = memchr(b'\n', more) {
            self.keep(&more[..end]);
            self.end_line();
            more = &more[end + 1..];
        }
        self.keep(more);
        self.piece = piece;
    }

    /// CMD has ended: passes on the rest; gives the last line of this CMD, empty if there was none.
    pub(super) fn last_line(&mut self) -> &str {
        self.pass_on();
        self.end_line();
        &self.last_line
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES.saturating_sub(self.rest.len());
        self.rest.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.rest);
        let line = printable(line.trim(), LINE_CHARACTERS);
        self.rest.clear();
        if line.is_empty() {
            return;
        }
        if self.limit.allows(now_ms(), "what CMD says") {
            info!("CMD: {line}");
        }
        self.last_line = line;
    }
}
