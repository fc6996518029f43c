//! The files of a recording as one thing: the CSV, its ledger and its lock, through rotation too.
//! When rows go to standard output, only the last two; the lock is then named after the ledger.
//!
//! Opened on the main thread before any connection, then used by the writer thread alone.

mod cut_rotation;
pub(super) mod external_changes;
mod rotate;
mod sync;

use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};

use log::{info, warn};

use super::append_file::AppendFile;
use super::error::{OpenError, failed};
use super::ledger::{self, Ledger};
use super::lock_file::LockFile;
use super::open::{last_received_ms, open_rows, remove_begun};
use super::options::Fsync;
use super::rotation::Rotate;
use crate::recording::columns::Column;
use crate::recording::header::header;
use crate::recording::ledger::Reason;
use crate::recording::lock_line::Heartbeat;
use crate::recording::names::{ledger_of, ledger_path};
use crate::recording::paths::behind_links;
use crate::text::clock::show_ms;

/// Open, whole, locked files.
#[derive(Debug)]
pub(super) struct Recording {
    /// The name that was asked for: of the CSV, or of the ledger when rows go to standard output.
    given: PathBuf,
    /// Where it leads: what it was when the files were checked last.
    out: PathBuf,
    ledger_path: PathBuf,
    header: String,
    /// When rows go to standard output, nothing is ever appended to it.
    pub(super) csv: AppendFile,
    pub(super) ledger: Ledger,
    lock: LockFile,
    rotate: Option<Rotate>,
    /// When the last row of the file was received, as far as that is known; `None` without rows.
    last_row_ms: Option<i64>,
    /// Rows received from this time on belong to the next file.
    period_end_ms: i64,
    /// When the files were checked last.
    checked_ms: i64,
    /// After a rotation that failed, it is not tried before this time.
    rotate_again_ms: i64,
    /// When the recording alone was found whole: what was received before is in it, or waits.
    csv_checked_ms: i64,
    /// Counts the files through rotations.
    generation: u64,
}

impl Recording {
    /// Opens the files at `out`, repairs what a crash left, closes the ledger of a process that was
    /// killed and a file of an earlier period.
    pub(super) fn open(
        out: &Path,
        columns: &[Column],
        rotate: Option<Rotate>,
        fsync: Fsync,
        now_ms: i64,
    ) -> Result<Self, OpenError> {
        // The working directory may be removed and made anew.
        let given = path::absolute(out).map_err(failed("find", out))?;
        let (out, ledger_path) = (&behind_links(&given), ledger_of(&given));
        say_where_link_leads(&given, out, &ledger_path);
        // Before a repair, which changes it.
        let modified_ms = modified_ms(out);
        let (lock, heartbeat) = LockFile::take(out, fsync != Fsync::Never)?;
        let heartbeat = heartbeat.unwrap_or_default();
        let header = header(columns);
        let csv = open_rows(out, &header, heartbeat.synced_length, now_ms)?;
        let last_received_ms = last_received_ms(&csv, columns).map_err(failed("read", out))?;
        remove_begun(out, &header);
        remove_begun(&ledger_path, ledger::HEADER);
        let cut = Self::restore_ledger(out, &ledger_path);
        // `--out op1` and `--out op1.csv` are two recordings with one ledger: it has a lock, too.
        let ledger = open_rows(&ledger_path, ledger::HEADER, 0, now_ms)?;
        let paths = [given, out.clone(), ledger_path];
        let mut recording = Self::new(paths, csv, ledger, lock, now_ms)?;
        recording.header = header;
        recording.rotate = rotate;
        recording.last_row_ms = last_received_ms.or(modified_ms).filter(|_| recording.has_rows());
        let in_period_ms = recording.last_row_ms.unwrap_or(now_ms);
        recording.period_end_ms = rotate.map_or(i64::MAX, |rotate| rotate.period_end(in_period_ms));
        recording.resume(&heartbeat, last_received_ms, now_ms);
        recording.catch_up(cut, heartbeat.written_length, now_ms);
        recording.begin_heartbeat(now_ms);
        Ok(recording)
    }

    /// The same for a ledger alone: rows go to standard output.
    pub(super) fn open_ledger_alone(
        path: &Path,
        fsync: Fsync,
        now_ms: i64,
    ) -> Result<Self, OpenError> {
        let given = path::absolute(path).map_err(failed("find", path))?;
        let path = &behind_links(&given);
        let (lock, heartbeat) = LockFile::take(path, fsync != Fsync::Never)?;
        let ledger = open_rows(path, ledger::HEADER, 0, now_ms)?;
        let no_rows = AppendFile::new(ledger.disk.try_clone().map_err(failed("open", path))?, 0);
        let paths = [given, path.clone(), path.clone()];
        let mut recording = Self::new(paths, no_rows, ledger, lock, now_ms)?;
        recording.resume(&heartbeat.unwrap_or_default(), None, now_ms);
        recording.begin_heartbeat(now_ms);
        Ok(recording)
    }

    fn new(
        [given, out, ledger_path]: [PathBuf; 3],
        csv: AppendFile,
        ledger: AppendFile,
        lock: LockFile,
        now_ms: i64,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            ledger: Ledger::resume(ledger).map_err(failed("read", &ledger_path))?,
            given,
            out,
            ledger_path,
            header: String::new(),
            csv,
            lock,
            rotate: None,
            last_row_ms: None,
            period_end_ms: i64::MAX,
            checked_ms: now_ms,
            rotate_again_ms: i64::MIN,
            csv_checked_ms: i64::MIN,
            generation: 0,
        })
    }

    /// Ends what the last process has left in the ledger.
    fn resume(&mut self, heartbeat: &Heartbeat, last_received_ms: Option<i64>, now_ms: i64) {
        if self.ledger.last.is_live() {
            self.record_unclean_end(heartbeat, last_received_ms);
        }
        let last_ms = self.ledger.last.time_ms;
        if now_ms < last_ms {
            warn!(
                "the clock shows {}, and the last row of {} is of {}: the ledger's time stands still until then; check the clock",
                show_ms(now_ms),
                self.ledger_path.display(),
                show_ms(last_ms)
            );
        }
    }

    /// From here on the heartbeat is of this process, unless the ledger still needs the last one.
    fn begin_heartbeat(&mut self, now_ms: i64) {
        if !self.ledger.has_pending() {
            // Forced to the disk, so that a power cut soon after is known for one. Without it the
            // end would be dated earlier than need be; nothing else is lost.
            let _ = self.write_heartbeat(Some(now_ms)).and_then(|()| self.lock.file.sync());
        }
    }

    /// Appends whole rows, the last of which was received at `received_ms`: all of them or none.
    ///
    /// # Errors
    /// As [`AppendFile::append`].
    pub(super) fn append(&mut self, rows: &[u8], received_ms: i64) -> io::Result<()> {
        self.csv.append(rows)?;
        self.last_row_ms = Some(received_ms);
        Ok(())
    }

    /// Whether rows go to standard output, and the only file is the ledger.
    fn is_ledger_alone(&self) -> bool {
        self.out == self.ledger_path
    }

    /// Whether there is more than a header.
    fn has_rows(&self) -> bool {
        self.csv.length() > self.header.len() as u64
    }

    /// Closes the ledger of a process that ended without a stop. Its heartbeat counts only if it was
    /// written after the row that the ledger ends with, and if everything that it found in the file
    /// is still there: either may be lost while the heartbeat is not.
    fn record_unclean_end(&mut self, heartbeat: &Heartbeat, last_received_ms: Option<i64>) {
        let booted = self.lock.last.boot.is_some() && heartbeat.boot.is_some();
        let power_cut = booted && self.lock.last.boot != heartbeat.boot;
        let reason = if power_cut { Reason::PowerCut } else { Reason::Killed };
        let mut last_ms = last_received_ms;
        if heartbeat.live_ms == Some(self.ledger.last.time_ms) {
            if !power_cut && heartbeat.written_length <= self.csv.length() {
                last_ms = last_ms.max(Some(heartbeat.time_ms));
            } else {
                last_ms = last_ms.or(Some(heartbeat.synced_ms));
            }
        }
        // Not before the ledger's last row, if nothing else is known.
        self.ledger.down(last_ms.unwrap_or_default(), reason.clone());
        // Before anything that comes later can be on the disk. On a full one it waits like every
        // other row; that is no reason not to record.
        let _ = self.ledger.flush_all().and_then(|()| self.ledger.file.sync());
        warn!("the last recording ended without a stop; the ledger says {reason}");
    }

    /// Writes what is on the disk; and `received_until_ms`, if everything received by then is in the
    /// file, and every row of the ledger.
    pub(super) fn write_heartbeat(&mut self, received_until_ms: Option<i64>) -> io::Result<()> {
        let mut heartbeat = self.lock.last.clone();
        // What came since the last check is taken back when the file turns out to be removed, and
        // another file has none of what the last one had: who reads along must not be ahead of that.
        let stays = self.csv.checked_length;
        heartbeat.synced_length = self.csv.synced_length.min(stays);
        heartbeat.written_length = heartbeat.written_length.min(stays);
        if heartbeat.synced_length >= heartbeat.written_length {
            heartbeat.synced_ms = heartbeat.time_ms;
        }
        if let Some(now_ms) = received_until_ms {
            heartbeat.time_ms = now_ms;
            heartbeat.written_length = self.csv.length().min(stays);
            heartbeat.live_ms = self.ledger.last.is_live().then_some(self.ledger.last.time_ms);
            if !self.csv.is_dirty() {
                heartbeat.synced_ms = now_ms;
            }
        } else if heartbeat.time_ms == 0 {
            // Before our first whole heartbeat the next start may still need that of the last holder.
            return Ok(());
        }
        self.lock.write(heartbeat)
    }
}

/// Says where everything is when the recording is behind a symbolic link, and that a ledger beside the link
/// is none of it.
fn say_where_link_leads(given: &Path, out: &Path, ledger: &Path) {
    if given != out {
        info!("{} is a link; all files are beside {}", given.display(), out.display());
        let beside_link = ledger_path(given);
        let is_file = fs::symlink_metadata(&beside_link).is_ok_and(|found| found.is_file());
        if is_file && beside_link.canonicalize().ok() != ledger.canonicalize().ok() {
            let (beside_link, ledger) = (beside_link.display(), ledger.display());
            warn!("{beside_link} is not the ledger: that is {ledger}; move the other one away");
        }
    }
}

/// When the file was last written: the best guess for rows without `received_ms`.
fn modified_ms(path: &Path) -> Option<i64> {
    let modified = fs::metadata(path).ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests;
