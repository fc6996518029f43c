//! Where rows go: files, or standard output.
//!
//! Writer thread. Standard output cannot be cut back: the number of bytes written is remembered instead, and the
//! rest follows.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::{memchr_iter, memrchr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::PIPE_BUF;

use super::recording::{Coverage, Files, Recording};
use crate::channel::SharedState;
use crate::process::standard_output::reader_is_gone;
use crate::text::file_size;

/// A reader that takes nothing for this long is stuck.
const READER_TIMEOUT: Duration = Duration::from_secs(2);

/// A reader that takes something has this long for the rows at hand: the writer has other work, most of all a
/// heartbeat every two seconds.
const ROWS_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a stop is looked for while a reader takes nothing.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The place for rows.
#[derive(Debug)]
pub(super) enum Output {
    /// A CSV with its ledger.
    Files(Box<Recording>),
    /// Standard output, and the ledger beside it if there is one.
    Pipe(Pipe, Option<Box<Coverage>>),
}

/// Standard output, without the standard library's buffer in between.
#[derive(Debug)]
pub(super) struct Pipe {
    file: File,
    /// Bytes of the rows at hand that are written already.
    sent: usize,
    length: u64,
    /// Whether the reader took nothing at the last try.
    stuck: bool,
    /// Has the time until which a slow reader gets rows after a stop.
    shared: Arc<SharedState>,
}

impl Pipe {
    /// Opens standard output. Nothing is written yet: the writer deals with a reader that is slow, or gone
    /// already.
    pub(super) fn open(shared: Arc<SharedState>) -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self { file, sent: 0, length: 0, stuck: false, shared })
    }

    /// Whether the reader has gone away.
    fn reader_is_gone(&self) -> bool {
        reader_is_gone(&self.file)
    }

    fn poll(&self, wanted: PollFlags, at_most: Timespec) -> PollFlags {
        let mut asked = [PollFd::new(&self.file, wanted)];
        // An interruption by a signal looks like nothing yet.
        poll(&mut asked, Some(&at_most)).map_or(PollFlags::empty(), |_| asked[0].revents())
    }

    /// Writes the rows; after an error, the same rows (and perhaps more behind them) must be given
    /// again, and go on where they stopped. Never waits for long, however slowly the reader takes them:
    /// only as much is written at a time as a pipe with room takes at once, and whole rows, so that none is
    /// torn when it ends there.
    ///
    /// # Errors
    /// `WouldBlock` when the reader takes nothing, `TimedOut` when it is too slow to take all of them.
    fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        let (end, before) = (Instant::now() + ROWS_TIMEOUT, self.sent);
        while self.sent < rows.len() {
            let rest = &rows[self.sent..];
            let piece = &rest[..rest.len().min(PIPE_BUF)];
            let piece = memrchr(b'\n', piece).map_or(piece, |end| &piece[..=end]);
            let stuck = std::mem::replace(&mut self.stuck, true);
            let wait = if stuck { Duration::ZERO } else { READER_TIMEOUT };
            let until = (Instant::now() + wait).min(end);
            if !self.has_room(until) {
                self.stuck = until < end;
                return Err(if self.stuck { no_room() } else { too_slow(self.sent - before) });
            }
            match self.file.write(piece) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.stuck = false;
        }
        self.length += rows.len() as u64;
        self.sent = 0;
        Ok(())
    }

    /// Waits for room until `until`; after a stop no longer than there is time for rows.
    fn has_room(&self, until: Instant) -> bool {
        while !self.shared.is_out_of_time() {
            let left = until.saturating_duration_since(Instant::now());
            let wait = Timespec::try_from(left.min(LOOK_EVERY)).unwrap_or_default();
            if !self.poll(PollFlags::OUT, wait).is_empty() {
                return true;
            }
            if left.is_zero() {
                return false;
            }
        }
        false
    }
}

fn no_room() -> io::Error {
    let text = format!("no room for {} s", READER_TIMEOUT.as_secs());
    io::Error::new(io::ErrorKind::WouldBlock, text)
}

/// The error when the reader has taken only `taken` bytes in [`ROWS_TIMEOUT`].
fn too_slow(taken: usize) -> io::Error {
    let (taken, seconds) = (file_size(taken as u64), ROWS_TIMEOUT.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, format!("it takes only {taken} in {seconds} s"))
}

impl Output {
    /// Writes rows, the last of which was received at `received_ms`.
    pub(super) fn append(&mut self, rows: &[u8], received_ms: i64) -> io::Result<()> {
        match self {
            Self::Files(recording) => recording.csv.append(rows, received_ms),
            Self::Pipe(pipe, _) => pipe.append(rows),
        }
    }

    /// How many of these rows are written although their append has failed.
    pub(super) fn rows_written(&self, rows: &[u8]) -> u64 {
        match self {
            Self::Files(_) => 0,
            Self::Pipe(pipe, _) => memchr_iter(b'\n', &rows[..pipe.sent]).count() as u64,
        }
    }

    /// Whether the reader of standard output has gone away.
    pub(super) fn reader_is_gone(&self) -> bool {
        matches!(self, Self::Pipe(pipe, _) if pipe.reader_is_gone())
    }

    /// Bytes of whole rows so far.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Files(recording) => recording.csv.rows.length(),
            Self::Pipe(pipe, _) => pipe.length,
        }
    }

    /// The recording, if rows go to a file.
    pub(super) fn recording(&mut self) -> Option<&mut Recording> {
        match self {
            Self::Files(recording) => Some(recording),
            Self::Pipe(..) => None,
        }
    }

    /// The ledger, if there is one, and the file of its rows, if there is one.
    pub(super) fn files(&mut self) -> Option<Files<'_>> {
        match self {
            Self::Files(recording) => Some(recording.files()),
            Self::Pipe(_, coverage) => {
                coverage.as_deref_mut().map(|coverage| Files { rows: None, coverage })
            }
        }
    }

    /// Checks the file of the rows, and the lock.
    ///
    /// # Errors
    /// As [`Recording::check_csv`].
    pub(super) fn check_csv(&mut self, now_ms: i64) -> io::Result<()> {
        match self {
            Self::Files(recording) => recording.check_csv(now_ms)?,
            Self::Pipe(_, Some(coverage)) => coverage.check_lock(),
            Self::Pipe(_, None) => {}
        }
        Ok(())
    }

    /// Checks the ledger. Everything received by `known_ms` must be in the files.
    ///
    /// # Errors
    /// As [`Coverage::check`].
    pub(super) fn check_ledger(&mut self, now_ms: i64, known_ms: i64) -> io::Result<()> {
        match self {
            Self::Files(recording) => recording.check_ledger(now_ms, known_ms),
            Self::Pipe(_, Some(coverage)) => coverage.check(None, now_ms, known_ms),
            Self::Pipe(_, None) => Ok(()),
        }
    }
}
