//! The ledgers of the files that are read: those of closed ones, and the one that is being written.
//!
//! Main thread. Reads ledgers and locks, changes none.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::coverage::{Coverage, Ledger};
use super::told::Told;
use crate::recording::ledger::LedgerError;
use crate::recording::lock_line::heartbeat_ms;
use crate::recording::paths::behind_links;
use crate::recording::source::{FileId, id_at, is_locked};
use crate::text::clock::now_ms;

/// How old the coverage may be for bars that are done, which are two hours old.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Ledgers of closed files that are looked at again because they end `live`. One that a rotation leaves so is
/// done within moments; more than one are of recorders that were killed.
const MOST_OPEN: usize = 8;

/// Until when a ledger counts that ends `live`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum LiveEnd {
    /// Up to now: somebody records.
    #[default]
    Now,
    /// Up to the heartbeat in its lock, UNIX milliseconds.
    Heartbeat(i64),
}

impl LiveEnd {
    /// Of the ledger of `recording`.
    fn of(recording: &Path) -> Self {
        if File::open(recording).is_ok_and(|file| is_locked(&file)) {
            return Self::Now;
        }
        Self::Heartbeat(heartbeat_ms(&behind_links(recording)).unwrap_or(i64::MIN))
    }

    fn ms(self) -> i64 {
        match self {
            Self::Now => now_ms(),
            Self::Heartbeat(time_ms) => time_ms,
        }
    }
}

/// Device, inode, bytes and time of the last change: when this changes, the ledger was written to, or is another
/// one.
type Stamp = (u64, u64, u64, i64, i64);

fn stamp(path: &Path) -> Option<Stamp> {
    let it = fs::metadata(path).ok()?;
    Some((it.dev(), it.ino(), it.len(), it.mtime(), it.mtime_nsec()))
}

/// The ledger beside the file that is followed.
#[derive(Debug)]
struct LiveLedger {
    path: PathBuf,
    stamp: Option<Stamp>,
    text: Ledger,
}

/// One of a closed file that ends `live`: in the middle of a rotation its last row is still to come.
#[derive(Debug)]
struct OpenLedger {
    recording: PathBuf,
    path: PathBuf,
    /// As of the last time that it was read; `None` when that was by `add`.
    stamp: Option<Stamp>,
    text: Ledger,
    /// Until when it counts if no row follows, UNIX milliseconds.
    end_ms: i64,
}

impl OpenLedger {
    fn ended(&self) -> Ledger {
        self.text.ended(self.end_ms)
    }

    /// Reads it again if it has changed; whether that was so.
    fn poll(&mut self) -> Result<bool, LedgerError> {
        let found = stamp(&self.path);
        if found.is_none() || found == self.stamp {
            return Ok(false);
        }
        self.stamp = found;
        if let Some((_, text)) = Ledger::beside(&self.recording)? {
            self.text = text;
        }
        Ok(true)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Ledgers {
    closed: Ledger,
    /// The newest of those that end `live`, the oldest first.
    open: VecDeque<OpenLedger>,
    /// The recording that is followed, and which file that was at the beginning.
    followed: Option<(PathBuf, FileId)>,
    live: Option<LiveLedger>,
    /// Whether it has no name in this moment, in the middle of a rotation: it may have rows that were not
    /// read.
    is_away: bool,
    /// Until when it counts.
    end: LiveEnd,
    coverage: Coverage,
    /// When the coverage was put together.
    counted_at: Option<Instant>,
    /// Whether the recorded times have changed since the last check.
    pub(super) have_news: bool,
}

impl Ledgers {
    /// Adds the one beside `recording`, which nobody writes to; whether there is one.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub(super) fn add(&mut self, recording: &Path) -> Result<bool, LedgerError> {
        let Some((path, text)) = Ledger::beside(recording)? else { return Ok(false) };
        if text.is_open() {
            if self.open.len() == MOST_OPEN
                && let Some(oldest) = self.open.pop_front()
            {
                self.closed.extend(oldest.ended());
            }
            let end_ms = LiveEnd::of(recording).ms();
            let recording = recording.to_owned();
            self.open.push_back(OpenLedger { recording, path, stamp: None, text, end_ms });
        } else {
            self.closed.extend(text);
        }
        (self.have_news, self.counted_at) = (true, None);
        Ok(true)
    }

    /// Adds those of all files; gives for each file whether it has none.
    pub(super) fn add_all(&mut self, files: &[PathBuf], told: &mut Told<'_>) -> Vec<bool> {
        let mut without = Vec::new();
        for path in files {
            let found = self.add(path);
            told.ledger(path, &found);
            // A file that is not there is told when it is to be read.
            without.push(path.exists() && !found.unwrap_or(false));
        }
        without
    }

    /// The one beside `recording` is looked at from now on, as long as that is this file; whether there is one.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub(super) fn follow(&mut self, recording: &Path, id: FileId) -> Result<bool, LedgerError> {
        self.leave();
        self.followed = Some((recording.to_owned(), id));
        self.end = LiveEnd::of(recording);
        self.poll()?;
        Ok(self.live.is_some())
    }

    /// The file that was followed is closed: its ledger is to be added under its new name.
    pub(super) fn leave(&mut self) {
        (self.followed, self.live, self.counted_at) = (None, None, None);
        self.is_away = false;
    }

    /// The file that was followed has no name any more: what its ledger said stays.
    pub(super) fn keep(&mut self) {
        if let Some(live) = self.live.take() {
            self.closed.extend(live.text.ended(self.end.ms()));
        }
        self.leave();
    }

    /// Whether no other file has taken the name of the one that is followed, and so its ledger's, nor is
    /// about to.
    pub(super) fn is_current(&self) -> bool {
        !self.is_away && self.has_its_name()
    }

    fn has_its_name(&self) -> bool {
        let is_it = |(path, id): &(PathBuf, FileId)| id_at(path).is_none_or(|found| found == *id);
        self.followed.as_ref().is_none_or(is_it)
    }

    /// Whether there is one beside the file that is followed.
    pub(super) fn has_live(&self) -> bool {
        self.live.is_some()
    }

    /// Reads those that have changed since, of the closed files that end `live` and of the one that is followed.
    ///
    /// # Errors
    /// When it cannot be read, or is none; it is not read again then before it has changed.
    pub(super) fn poll(&mut self) -> Result<(), LedgerError> {
        self.poll_open()?;
        let Some((recording, _)) = &self.followed else { return Ok(()) };
        let known = self.live.as_ref().and_then(|live| live.stamp);
        let found = self.live.as_ref().and_then(|live| stamp(&live.path));
        self.is_away = false;
        if self.live.is_some() && found.is_some() && found == known {
            return Ok(());
        }
        if let Some(live) = &mut self.live {
            live.stamp = found;
        }
        let read = Ledger::beside(recording)?;
        // Otherwise it may be the ledger of the next file.
        if let Some((path, text)) = read.filter(|_| self.has_its_name()) {
            self.live = Some(LiveLedger { path, stamp: found, text });
            (self.have_news, self.counted_at) = (true, None);
        } else if let Some(live) = &mut self.live {
            live.stamp = None;
            // A ledger that is removed comes back within seconds where somebody records.
            self.is_away = LiveEnd::of(recording) == LiveEnd::Now;
        }
        Ok(())
    }

    /// Reads those of closed files again that have changed; one that has got its last row is done.
    fn poll_open(&mut self) -> Result<(), LedgerError> {
        let mut polled = Ok(());
        for mut ledger in std::mem::take(&mut self.open) {
            match ledger.poll() {
                Ok(true) => (self.have_news, self.counted_at) = (true, None),
                Ok(false) => {}
                Err(error) => polled = Err(error),
            }
            if ledger.text.is_open() {
                self.open.push_back(ledger);
            } else {
                self.closed.extend(ledger.text);
            }
        }
        polled
    }

    /// Checks whether a recorder runs, on which it depends until when the followed ledger counts.
    pub(super) fn look_for_recorder(&mut self) {
        if let Some((recording, _)) = &self.followed {
            let end = LiveEnd::of(recording);
            self.have_news |= std::mem::replace(&mut self.end, end) != end;
            self.counted_at = None;
        }
    }

    /// The recorded times up to now, or up to a moment ago.
    pub(super) fn coverage(&mut self) -> &Coverage {
        if self.counted_at.is_none_or(|counted| counted.elapsed() > A_MOMENT) {
            let live = self.live.as_ref().map(|live| live.text.ended(self.end.ms()));
            let open: Vec<Ledger> = self.open.iter().map(OpenLedger::ended).collect();
            self.coverage = Coverage::of([&self.closed].into_iter().chain(&live).chain(&open));
            self.counted_at = Some(Instant::now());
        }
        &self.coverage
    }

    /// Forgets what ended before `time_ms`, but for the ledger that is followed.
    pub(super) fn forget(&mut self, time_ms: i64) {
        self.closed.forget(time_ms);
    }
}
