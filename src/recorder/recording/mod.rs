//! The files of a recording as one thing: the CSV, its ledger and its lock, through rotation too.
//!
//! Opened on the main thread before any connection, then used by the writer thread alone. Which type
//! has what: rows [`CsvFile`], ledger and lock [`Coverage`], both in the order of the disk [`Files`], the
//! time that the file is for [`Period`], the steps to the next file [`Rotation`].

mod coverage;
mod csv_file;
mod cut_rotation;
pub(super) mod external_changes;
mod period;
mod rotate;
mod sync;

use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};

use log::{info, warn};

use super::error::{OpenError, failed};
use super::inspect::FoundFiles;
use super::ledger;
use super::lock_file::LockFile;
use super::open::{last_received_ms, open_found_rows, remove_begun};
use super::options::Fsync;
use super::rotation::Rotate;
use crate::recording::columns::Column;
use crate::recording::header::header;
use crate::recording::names::{ledger_of, ledger_path};
use crate::recording::paths::behind_links;
use crate::text::in_words;
pub(super) use coverage::Coverage;
use csv_file::CsvFile;
use period::Period;
use rotate::Rotation;
pub(super) use sync::Files;

/// Open, whole, locked files.
#[derive(Debug)]
pub(super) struct Recording {
    /// The name that was asked for; it may be a symbolic link.
    name: PathBuf,
    pub(super) csv: CsvFile,
    pub(super) coverage: Coverage,
    /// `None` when rows go on into the same file.
    period: Option<Period>,
}

impl Recording {
    /// Opens the files at `out`, which may have been `found` before, repairs what a crash left, closes the
    /// ledger of a process that was killed and a file of an earlier period.
    pub(super) fn open(
        out: &Path,
        columns: &[Column],
        rotate: Option<Rotate>,
        fsync: Fsync,
        mut found: FoundFiles,
        now_ms: i64,
    ) -> Result<Self, OpenError> {
        // The working directory may be removed and made anew.
        let name = path::absolute(out).map_err(failed("find", out))?;
        let (out, ledger) = (behind_links(&name), ledger_of(&name));
        say_where_link_leads(&name, &out, &ledger);
        // Before a repair, which changes it.
        let modified_ms = modified_ms(&out);
        let (lock, heartbeat) = LockFile::take(&out, fsync != Fsync::Never)?;
        let heartbeat = heartbeat.unwrap_or_default();
        let header = header(columns);
        let known = heartbeat.synced_length;
        let rows = open_found_rows(&out, &header, &mut found.csv, known, now_ms)?;
        let last_received_ms = last_received_ms(&rows, columns).map_err(failed("read", &out))?;
        remove_begun(&out, &header);
        remove_begun(&ledger, ledger::HEADER);
        let restored = cut_rotation::restore_ledger(&out, &ledger);
        let mut coverage = Coverage::open(ledger_path(&out), found.ledger, lock, now_ms)?;
        coverage.end_last_process(&heartbeat, last_received_ms, rows.length(), now_ms);
        let csv = CsvFile::new(out, header, rows, last_received_ms.or(modified_ms));
        let in_period_ms = csv.last_row_ms.unwrap_or(now_ms);
        let period = rotate.map(|rotate| Period::new(rotate, in_period_ms));
        let mut recording = Self { name, csv, coverage, period };
        recording.catch_up(restored, heartbeat.written_length, now_ms);
        recording.coverage.begin_heartbeat(Some(&recording.csv.rows), now_ms);
        Ok(recording)
    }

    /// Ends what a kill has cut, and closes a file of an earlier period.
    fn catch_up(&mut self, restored: Option<PathBuf>, written_length: u64, now_ms: i64) {
        if self.csv.has_rows() {
            if self.rotation_is_due(now_ms) {
                self.rotate(now_ms, i64::MAX);
            }
        } else if self.coverage.ledger.last.time_ms > 0 {
            cut_rotation::finish(&mut self.rotation(), restored, written_length, now_ms);
        }
    }

    /// Both files, for what is done with them in the order of the disk.
    pub(super) fn files(&mut self) -> Files<'_> {
        Files { rows: Some(&mut self.csv.rows), coverage: &mut self.coverage }
    }

    fn rotation(&mut self) -> Rotation<'_> {
        Rotation { csv: &mut self.csv, coverage: &mut self.coverage }
    }

    /// Whether what was received at `time_ms` belongs to the next file.
    pub(super) fn rotation_is_due(&mut self, time_ms: i64) -> bool {
        self.period.as_mut().is_some_and(|period| period.is_over(time_ms))
    }

    /// Closes the file and begins the next one, as [`Rotation::close`] says. Gives the closed file. When
    /// rotation fails the old file goes on, and it is tried again a minute later.
    pub(super) fn rotate(&mut self, now_ms: i64, last_message_ms: i64) -> Option<PathBuf> {
        self.follow_links();
        let Self { csv, coverage, period: Some(period), .. } = self else { return None };
        let mut rotation = Rotation { csv, coverage };
        let closed = rotation.close(period, now_ms, last_message_ms);
        match &closed {
            Ok(closed) => {
                info!("closed {}", closed.display());
                period.begin_next(now_ms);
                if let Err(error) = rotation.sync_new_files(now_ms) {
                    let (out, error) = (csv.path.display(), in_words(&error));
                    warn!("{out} may not be on the disk yet: {error}");
                }
            }
            Err(error) => {
                let (out, error) = (csv.path.display(), in_words(error));
                warn!(
                    "cannot rotate {out}: {error}; rows go on into it, and the rotation is tried again later"
                );
                period.put_off(now_ms);
            }
        }
        closed.ok()
    }

    /// Checks the recording, as [`CsvFile::check`] says.
    pub(super) fn check_csv(&mut self, now_ms: i64) -> io::Result<()> {
        self.follow_links();
        self.csv.check(&mut self.coverage, now_ms)
    }

    /// Checks the ledger, as [`Coverage::check`] says.
    pub(super) fn check_ledger(&mut self, now_ms: i64, last_message_ms: i64) -> io::Result<()> {
        self.follow_links();
        self.coverage.check(Some(&mut self.csv.rows), now_ms, last_message_ms)
    }

    /// Somebody may have set a symbolic link to another place: then the files are not where their names
    /// lead any more, as if they had been moved.
    fn follow_links(&mut self) {
        self.csv.path = behind_links(&self.name);
        self.coverage.name = ledger_path(&self.csv.path);
        self.coverage.follow_link();
    }
}

/// Logs where the files are when the recording is behind a symbolic link, and warns of a ledger beside the link,
/// which does not belong to it.
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

/// When the file was last changed: the best guess for rows without `received_ms`.
fn modified_ms(path: &Path) -> Option<i64> {
    let modified = fs::metadata(path).ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests;
