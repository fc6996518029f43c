//! Where rows go: files, or standard output.
//!
//! Writer thread. Standard output cannot be cut back: what was written is remembered instead, and the
//! rest follows.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use memchr::{memchr_iter, memrchr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::PIPE_BUF;

use super::recording::Recording;

/// A reader that takes nothing for this long is stuck; one that works on what it has read is not.
const READER_TIMEOUT: Duration = Duration::from_secs(2);

/// After a stop was asked for, a slow reader gets rows for no longer than this: the sums are to be
/// shown within the promised 5 s.
const READER_TIMEOUT_AT_END: Duration = Duration::from_secs(2);

/// How often it is looked whether a stop was asked for while a reader takes nothing.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// The place for rows.
#[derive(Debug)]
pub(super) enum Output {
    /// A CSV with its ledger.
    Files(Box<Recording>),
    /// Standard output, and the ledger beside it if there is one.
    Pipe(Pipe, Option<Box<Recording>>),
}

/// Standard output, without the standard library's buffer in between.
#[derive(Debug)]
pub(super) struct Pipe {
    file: File,
    /// Bytes of the rows at hand that are through already.
    sent: usize,
    length: u64,
    /// Whether the reader took nothing at the last try.
    stuck: bool,
    stopping: Arc<AtomicBool>,
    /// Once a stop was asked for.
    end: Option<Instant>,
}

impl Pipe {
    /// Takes standard output. Nothing is written yet: a reader may be slow, or gone already, and
    /// the writer deals with that then. Once `stopping` is set, a reader has not much time left.
    pub(super) fn open(stopping: Arc<AtomicBool>) -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self { file, sent: 0, length: 0, stuck: false, stopping, end: None })
    }

    /// Whether nobody reads any more, which a write would find out too late when no trades come.
    pub(super) fn reader_is_gone(&self) -> bool {
        self.poll(PollFlags::empty(), Timespec::default()).contains(PollFlags::ERR)
    }

    fn poll(&self, wanted: PollFlags, at_most: Timespec) -> PollFlags {
        let mut asked = [PollFd::new(&self.file, wanted)];
        // An interruption by a signal looks like nothing yet.
        poll(&mut asked, Some(&at_most)).map_or(PollFlags::empty(), |_| asked[0].revents())
    }

    /// Writes the rows; after an error, the same rows (and perhaps more behind them) must be given
    /// again, and go on where they stopped. Never waits for long: only as much is written at a time
    /// as a pipe with room takes at once, and whole rows, so that none is torn when it ends there.
    fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        while self.sent < rows.len() {
            let rest = &rows[self.sent..];
            let piece = &rest[..rest.len().min(PIPE_BUF)];
            let piece = memrchr(b'\n', piece).map_or(piece, |end| &piece[..=end]);
            let stuck = std::mem::replace(&mut self.stuck, true);
            self.wait_for_room(if stuck { Duration::ZERO } else { READER_TIMEOUT })?;
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

    fn wait_for_room(&mut self, at_most: Duration) -> io::Result<()> {
        let since = Instant::now();
        loop {
            if self.stopping.load(Ordering::Relaxed) {
                self.end.get_or_insert_with(|| Instant::now() + READER_TIMEOUT_AT_END);
            }
            let now = Instant::now();
            let too_late = self.end.is_some_and(|end| now >= end);
            if !too_late && !self.poll(PollFlags::OUT, LOOK_EVERY).is_empty() {
                return Ok(());
            }
            if too_late || now.duration_since(since) >= at_most {
                let text = format!("no room for {} s", READER_TIMEOUT.as_secs());
                return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
            }
        }
    }
}

impl Output {
    /// Writes rows, the last of which was received at `received_ms`.
    pub(super) fn append(&mut self, rows: &[u8], received_ms: i64) -> io::Result<()> {
        match self {
            Self::Files(recording) => recording.append(rows, received_ms),
            Self::Pipe(pipe, _) => pipe.append(rows),
        }
    }

    /// How many of the rows at hand, whose append failed, are through all the same.
    pub(super) fn rows_written(&self, rows: &[u8]) -> u64 {
        match self {
            Self::Files(_) => 0,
            Self::Pipe(pipe, _) => memchr_iter(b'\n', &rows[..pipe.sent]).count() as u64,
        }
    }

    /// Bytes of whole rows so far.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Files(recording) => recording.csv.length(),
            Self::Pipe(pipe, _) => pipe.length,
        }
    }

    /// The files, if there are any.
    pub(super) fn recording(&mut self) -> Option<&mut Recording> {
        match self {
            Self::Files(recording) => Some(recording),
            Self::Pipe(_, ledger) => ledger.as_deref_mut(),
        }
    }
}
