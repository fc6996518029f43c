//! Rotations that a kill or a power cut has ended between two of their steps (`rotate` has these).
//!
//! Main thread, at the start. What is undone or finished is found by what each step leaves behind.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use log::warn;

use super::Recording;
use crate::recorder::disk::{self, sync_directory};
use crate::recorder::ledger::{ROTATED, closed_ledger, last_row, ledger_path};
use crate::recorder::rotation::{closed_files, closed_ledgers, exists};
use crate::text::in_words;

impl Recording {
    /// Undoes step 1 when the ledger was not closed after it. It is under the name of a closed one then, and
    /// ends as none does: `live`, or not with `rotated` and beside no closed file.
    pub(super) fn restore_ledger(out: &Path, ledger: &Path) {
        if !exists(ledger)
            && let Err(error) = undo_step_1(out, ledger)
        {
            warn!("cannot look for the ledger of a cut rotation: {}", in_words(&error));
        }
    }

    /// Ends what a kill has cut, and closes a file of an earlier period. `written_length` is how long the
    /// file of the last process was.
    pub(super) fn catch_up(&mut self, written_length: u64, now_ms: i64) {
        if self.has_rows() {
            if self.rotation_is_due(now_ms) {
                self.rotate(now_ms, i64::MAX);
            }
        } else if let Err(error) = self.give_ledger_to_closed_file(written_length, now_ms) {
            let (out, error) = (self.out.display(), in_words(&error));
            warn!("{out} was rotated just before a kill, and its ledger not yet: {error}");
        }
    }

    /// Does steps 1, 4 and 5 when 3 or 2 was the last one: there are no rows yet, and a closed file as long
    /// as the last process had left the recording has no ledger. It is the one that is still here.
    fn give_ledger_to_closed_file(&mut self, written_length: u64, now_ms: i64) -> io::Result<()> {
        if self.ledger.last.time_ms == 0 || self.is_ledger_alone() {
            return Ok(());
        }
        let is_cut = |closed: &&PathBuf| {
            let length = fs::metadata(closed).map(|found| found.len());
            length.is_ok_and(|length| length == written_length)
                && !exists(&ledger_path(closed))
                && !exists(&closed_ledger(&self.ledger_path, closed))
        };
        let closed_files = closed_files(&self.out)?;
        let Some(closed) = closed_files.iter().rfind(is_cut) else { return Ok(()) };
        self.rename_ledger(closed, |recording| recording.begin_ledger(i64::MAX))?;
        self.sync_new_files(now_ms)
    }
}

fn undo_step_1(out: &Path, ledger: &Path) -> io::Result<()> {
    for closed in closed_ledgers(out, ledger)?.iter().rev() {
        let closed_ledger = closed_ledger(ledger, closed);
        let last = last_row(&File::open(&closed_ledger)?)?;
        if last.live || (last.reason != ROTATED && !exists(closed)) {
            disk::rename_no_replace(&closed_ledger, ledger)?;
            return sync_directory(ledger);
        }
    }
    Ok(())
}
