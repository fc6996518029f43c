//! Rotations that a kill or a power cut has ended between two of their steps (`rotate` has these).
//!
//! Main thread, at the start. The files that each step leaves behind tell what to undo or to finish.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use log::warn;

use super::rotate::Rotation;
use crate::recorder::disk::{self, sync_directory};
use crate::recorder::ledger::last_row;
use crate::recorder::rotation::{closed_files, closed_ledgers};
use crate::recording::ledger::{Reason, State};
use crate::recording::names::{closed_ledger, exists, ledger_path};
use crate::text::in_words;

/// Undoes step 1 when the ledger was not closed after it. It is under the name of a closed one then, and
/// ends as none does: `live`, or not with `rotated` and beside no closed file. Gives the closed file that
/// it was beside.
pub(super) fn restore_ledger(out: &Path, ledger: &Path) -> Option<PathBuf> {
    let restored = if exists(ledger) { Ok(None) } else { undo_step_1(out, ledger) };
    logged(out, restored)
}

/// Does steps 1, 4 and 5 when a kill came after 2 or 3. `restored` is what [`restore_ledger`] gave,
/// `written_length` how long the file of the last process was.
pub(super) fn finish(
    rotation: &mut Rotation<'_>,
    restored: Option<PathBuf>,
    written_length: u64,
    now_ms: i64,
) {
    let (out, ledger) = (rotation.csv.path.clone(), &rotation.coverage.path);
    let closed = || logged(&out, closed_without_ledger(&out, ledger, written_length));
    if let Some(closed) = restored.or_else(closed) {
        let given = rotation.rename_ledger(&closed, |rotation| rotation.begin_ledger(i64::MAX));
        let done = given.and_then(|()| rotation.sync_new_files(now_ms));
        logged(&out, done.map(Some));
    }
}

/// The closed file for which steps 1, 4 and 5 are to be done, because 3 or 2 was the last one: it is as
/// long as the last process had left the recording, and has no ledger. That is the one still here.
fn closed_without_ledger(
    out: &Path,
    ledger: &Path,
    written_length: u64,
) -> io::Result<Option<PathBuf>> {
    let is_cut = |closed: &PathBuf| {
        let length = fs::metadata(closed).map(|found| found.len());
        length.is_ok_and(|length| length == written_length)
            && !exists(&ledger_path(closed))
            && !exists(&closed_ledger(ledger, closed))
    };
    Ok(closed_files(out)?.into_iter().rfind(is_cut))
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
