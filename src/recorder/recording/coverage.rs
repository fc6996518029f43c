//! The ledger and the lock of a recording, whether its rows go to a file or to standard output.
//!
//! Opened on the main thread before any connection, then used by the writer thread alone.

use std::io;
use std::path::{self, Path, PathBuf};

use log::warn;

use super::external_changes::{Change, check_file};
use crate::recorder::append_file::AppendFile;
use crate::recorder::disk::{Location, locate};
use crate::recorder::error::{OpenError, failed};
use crate::recorder::inspect::FoundFile;
use crate::recorder::ledger::{self, Ledger};
use crate::recorder::lock_file::LockFile;
use crate::recorder::open::open_found_rows;
use crate::recorder::options::Fsync;
use crate::recording::ledger::Reason;
use crate::recording::lock_line::Heartbeat;
use crate::recording::paths::behind_links;
use crate::text::clock::show_ms;

/// The open, locked ledger, and the lock.
#[derive(Debug)]
pub(in crate::recorder) struct Coverage {
    /// The ledger's name; it may be a symbolic link.
    pub(super) name: PathBuf,
    /// Where the name led at the last check.
    pub(super) path: PathBuf,
    pub(in crate::recorder) ledger: Ledger,
    pub(super) lock: LockFile,
    /// When the ledger was checked last.
    checked_ms: i64,
    /// Changes with each new file, so that the answer to an fsync of older files is recognised.
    pub(super) generation: u64,
}

impl Coverage {
    /// Opens the ledger at `path` of rows that go to standard output. The lock is named after it.
    pub(in crate::recorder) fn open_alone(
        path: &Path,
        found: Option<FoundFile>,
        fsync: Fsync,
        now_ms: i64,
    ) -> Result<Self, OpenError> {
        let name = path::absolute(path).map_err(failed("find", path))?;
        let (lock, heartbeat) = LockFile::take(&behind_links(&name), fsync != Fsync::Never)?;
        let mut coverage = Self::open(name, found, lock, now_ms)?;
        coverage.end_last_process(&heartbeat.unwrap_or_default(), None, 0, now_ms);
        coverage.begin_heartbeat(None, now_ms);
        Ok(coverage)
    }

    /// Opens, locks and repairs the ledger of this name, or begins it.
    pub(super) fn open(
        name: PathBuf,
        mut found: Option<FoundFile>,
        lock: LockFile,
        now_ms: i64,
    ) -> Result<Self, OpenError> {
        let path = behind_links(&name);
        // `--out op1` and `--out op1.csv` are two recordings with one ledger: it has a lock, too.
        let file = open_found_rows(&path, ledger::HEADER, &mut found, 0, now_ms)?;
        let ledger = match found {
            Some(found) => Ledger::new(file, found.last),
            None => Ledger::resume(file).map_err(failed("read", &path))?,
        };
        Ok(Self { name, path, ledger, lock, checked_ms: now_ms, generation: 0 })
    }

    /// Ends what the last process has left in the ledger: it was killed, unless the last row says that it was
    /// stopped. `last_received_ms` and `length` are of the rows in the file.
    pub(super) fn end_last_process(
        &mut self,
        heartbeat: &Heartbeat,
        last_received_ms: Option<i64>,
        length: u64,
        now_ms: i64,
    ) {
        if self.ledger.last.is_live() {
            self.record_unclean_end(heartbeat, last_received_ms, length);
        }
        let last_ms = self.ledger.last.time_ms;
        if now_ms < last_ms {
            warn!(
                "the clock shows {}, and the last row of {} is of {}: the ledger's time stands still until then; check the clock",
                show_ms(now_ms),
                self.path.display(),
                show_ms(last_ms)
            );
        }
    }

    /// Closes the ledger of a process that ended without a stop. Its heartbeat counts only if it was
    /// written after the row that the ledger ends with, and if everything that it found in the file
    /// is still there: either may be lost while the heartbeat is not.
    fn record_unclean_end(
        &mut self,
        heartbeat: &Heartbeat,
        last_received_ms: Option<i64>,
        length: u64,
    ) {
        let booted = self.lock.last.boot.is_some() && heartbeat.boot.is_some();
        let power_cut = booted && self.lock.last.boot != heartbeat.boot;
        let reason = if power_cut { Reason::PowerCut } else { Reason::Killed };
        let mut last_ms = last_received_ms;
        if heartbeat.live_ms == Some(self.ledger.last.time_ms) {
            if !power_cut && heartbeat.written_length <= length {
                last_ms = last_ms.max(Some(heartbeat.time_ms));
            } else {
                last_ms = last_ms.or(Some(heartbeat.synced_ms));
            }
        }
        // Not before the ledger's last row, if nothing else is known.
        self.ledger.down(last_ms.unwrap_or_default(), reason.clone());
        // Before any later row can be on the disk. On a full disk the row waits like all others, and
        // recording goes on.
        let _ = self.ledger.flush_all().and_then(|()| self.ledger.file.sync());
        warn!("the last recording ended without a stop; the ledger says {}", reason.text());
    }

    /// From here on the heartbeat is of this process, unless the ledger still needs the last one.
    pub(super) fn begin_heartbeat(&mut self, rows: Option<&AppendFile>, now_ms: i64) {
        if !self.ledger.has_pending() {
            // Forced to the disk, so that a power cut soon after is known for one. Without it the
            // end would be dated earlier than need be; nothing else is lost.
            let written = self.write_heartbeat(rows, Some(now_ms));
            let _ = written.and_then(|()| self.lock.file.sync());
        }
    }

    /// Writes what is on the disk; and `received_until_ms`, if everything received by then is in the
    /// file of the rows, if there is one, and every row of the ledger.
    pub(super) fn write_heartbeat(
        &mut self,
        rows: Option<&AppendFile>,
        received_until_ms: Option<i64>,
    ) -> io::Result<()> {
        let mut heartbeat = self.lock.last.clone();
        // Rows since the last check are taken back when the file turns out to be removed, and a new file has
        // none of the old rows: a program that reads along must not be further than that.
        let stays = rows.map_or(0, |rows| rows.checked_length);
        heartbeat.synced_length = rows.map_or(0, |rows| rows.synced_length.min(stays));
        heartbeat.written_length = heartbeat.written_length.min(stays);
        if heartbeat.synced_length >= heartbeat.written_length {
            heartbeat.synced_ms = heartbeat.time_ms;
        }
        if let Some(now_ms) = received_until_ms {
            heartbeat.time_ms = now_ms;
            heartbeat.written_length = rows.map_or(0, |rows| rows.length().min(stays));
            heartbeat.live_ms = self.ledger.last.is_live().then_some(self.ledger.last.time_ms);
            if !rows.is_some_and(AppendFile::is_dirty) {
                heartbeat.synced_ms = now_ms;
            }
        } else if heartbeat.time_ms == 0 {
            // Before our first whole heartbeat the next start may still need that of the last holder.
            return Ok(());
        }
        self.lock.write(heartbeat)
    }

    /// Somebody may have set the ledger's name, a symbolic link, to another place: then the ledger is not
    /// where its name leads any more, as if it had been moved.
    pub(super) fn follow_link(&mut self) {
        self.path = behind_links(&self.name);
    }

    /// Makes the lock of a ledger whose rows go to standard output anew where it is gone.
    pub(in crate::recorder) fn check_lock(&mut self) {
        self.follow_link();
        self.lock.renew(&self.path);
    }

    /// Makes a ledger that is gone anew, and a damaged one whole. One that was moved away ends where it
    /// was checked last, and the next begins there; but not after `last_message_ms`, as when a file is
    /// rotated. Everything received by then must have been written, to `rows` if these are in a file.
    ///
    /// # Errors
    /// When the ledger cannot be read, made, repaired or locked; then no row is written to it before the next try has succeeded.
    pub(in crate::recorder) fn check(
        &mut self,
        rows: Option<&mut AppendFile>,
        now_ms: i64,
        last_message_ms: i64,
    ) -> io::Result<()> {
        self.ledger.is_unavailable = true;
        self.follow_link();
        let moved = self.moved_ledger()?;
        if let (Some(_), Some(rows)) = (&moved, rows) {
            // Before the moved one can say that they were recorded.
            rows.sync()?;
        }
        let change = check_file(&self.path, ledger::HEADER, &mut self.ledger.file, now_ms);
        if !matches!(change, Ok(Change::Nothing)) {
            self.generation += 1;
        }
        let change = change?;
        self.ledger.file.end_check()?;
        self.ledger.is_unavailable = false;
        let checked_ms = std::mem::replace(&mut self.checked_ms, now_ms).min(last_message_ms);
        match (change, moved) {
            (Change::Other, Some(moved)) => self.ledger.go_on_after(moved, checked_ms),
            (Change::GivenUp, _) => self.ledger.repeat_last(checked_ms),
            (Change::Other, None) => self.ledger.repeat_last(i64::MIN),
            (Change::Nothing, _) => Ok(()),
        }
    }

    /// Another handle of the ledger, if that is not where its name leads but is somewhere.
    fn moved_ledger(&self) -> io::Result<Option<AppendFile>> {
        let AppendFile { disk, .. } = &self.ledger.file;
        if !matches!(locate(&self.path, disk.file()), Ok(Location::Moved)) {
            return Ok(None);
        }
        Ok(Some(AppendFile::new(disk.try_clone()?, disk.length()?)))
    }
}
