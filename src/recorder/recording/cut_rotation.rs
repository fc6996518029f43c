//! Rotations that a kill or a power cut has ended between two of their steps (`rotate` has these).
//!
//! Main thread, at the start. What is undone or finished is found by what each step leaves behind.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use log::warn;

use super::Recording;
use crate::recorder::disk::{self, sync_directory};
use crate::recorder::ledger::last_row;
use crate::recorder::rotation::{closed_files, closed_ledgers};
use crate::recording::ledger::{Reason, State};
use crate::recording::names::{closed_ledger, exists, ledger_path};
use crate::text::in_words;

impl Recording {
    /// Undoes step 1 when the ledger was not closed after it. It is under the name of a closed one then, and
    /// ends as none does: `live`, or not with `rotated` and beside no closed file. Gives the closed file that
    /// it was beside.
    pub(super) fn restore_ledger(out: &Path, ledger: &Path) -> Option<PathBuf> {
        let restored = if exists(ledger) { Ok(None) } else { undo_step_1(out, ledger) };
        logged(out, restored)
    }

    /// Ends what a kill has cut, and closes a file of an earlier period. `cut` is what
    /// [`Recording::restore_ledger`] gave, `written_length` how long the file of the last process was.
    pub(super) fn catch_up(&mut self, cut: Option<PathBuf>, written_length: u64, now_ms: i64) {
        if self.has_rows() {
            if self.rotation_is_due(now_ms) {
                self.rotate(now_ms, i64::MAX);
            }
        } else if self.ledger.last.time_ms > 0
            && let Some(closed) =
                cut.or_else(|| logged(&self.out, self.closed_without_ledger(written_length)))
        {
            let given = self.rename_ledger(&closed, |recording| recording.begin_ledger(i64::MAX));
            let done = given.and_then(|()| self.sync_new_files(now_ms));
            logged(&self.out, done.map(Some));
        }
    }

    /// The closed file for which steps 1, 4 and 5 are to be done, because 3 or 2 was the last one: it is as
    /// long as the last process had left the recording, and has no ledger. That is the one still here.
    fn closed_without_ledger(&self, written_length: u64) -> io::Result<Option<PathBuf>> {
        let is_cut = |closed: &PathBuf| {
            let length = fs::metadata(closed).map(|found| found.len());
            length.is_ok_and(|length| length == written_length)
                && !exists(&ledger_path(closed))
                && !exists(&closed_ledger(&self.ledger_path, closed))
        };
        Ok(closed_files(&self.out)?.into_iter().rfind(is_cut))
    }
}

/// The value, or a line in the log.
fn logged<T>(out: &Path, result: io::Result<Option<T>>) -> Option<T> {
    result.unwrap_or_else(|error| {
        let (out, error) = (out.display(), in_words(&error));
        warn!("{out}: cannot end a rotation that a kill may have cut: {error}");
        None
    })
}

fn undo_step_1(out: &Path, ledger: &Path) -> io::Result<Option<PathBuf>> {
    for closed in closed_ledgers(out, ledger)?.into_iter().rev() {
        let closed_ledger = closed_ledger(ledger, &closed);
        let is_cut = match last_row(&File::open(&closed_ledger)?)?.state {
            State::Live { .. } => true,
            State::Down { reason } => reason != Reason::Rotated && !exists(&closed),
        };
        if is_cut {
            disk::rename_no_replace(&closed_ledger, ledger)?;
            sync_directory(ledger)?;
            return Ok(Some(closed).filter(|closed| exists(closed)));
        }
    }
    Ok(None)
}
