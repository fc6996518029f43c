//! A file that only grows by whole rows: a write that fails half-way is cut back, and never repeated behind its
//! first half.
//!
//! Writer thread. Used for the recording and for its ledger.
//!
//! The rows since the last check stay in memory, about a quarter of a megabyte. When another program has cut the
//! file, they tell which part of it we have written since. When it has removed the file, they are taken out of
//! that file and written to the next one.

use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};

use super::disk::DiskFile;
use super::error::is_full;
use crate::recording::rows::row_length;

/// After this many bytes of rows the file is checked again: a few writes of a burst, so that the rows cost
/// little memory, and the checks little time.
const RECENT_BYTES: usize = 256 << 10;

/// What the next check must put right after errors. A larger value includes the smaller ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    None,
    /// A mending of the end was interrupted.
    HalfMended,
    /// An error that perhaps only this handle has: the disk was away for a moment, or a share was mounted
    /// again.
    Handle,
}

/// A file of whole rows with a known length.
#[derive(Debug)]
pub(super) struct AppendFile {
    pub(super) disk: DiskFile,
    /// Length of the whole rows.
    whole: u64,
    /// Length that is known to be on the disk.
    pub(super) synced_length: u64,
    /// Bytes behind the whole rows that a failed write has left.
    torn: u64,
    /// Whether the last sync failed, so that only [`AppendFile::sync`] may be used now.
    pub(super) needs_rewrite: bool,
    /// To be put right first by the next check.
    pub(super) doubt: Doubt,
    /// Length of the file at the last check.
    pub(super) checked_length: u64,
    /// The rows since the last check.
    recent: Vec<u8>,
    /// Whether `recent` was in a file that was removed, and is not in this one yet.
    recent_is_lost: bool,
}

impl AppendFile {
    /// A file whose present `length` ends with a whole row.
    pub(super) fn new(disk: DiskFile, length: u64) -> Self {
        Self {
            disk,
            whole: length,
            synced_length: 0,
            torn: 0,
            needs_rewrite: false,
            doubt: Doubt::None,
            checked_length: length,
            recent: Vec::new(),
            recent_is_lost: false,
        }
    }

    /// The bytes of whole rows.
    pub(super) fn length(&self) -> u64 {
        self.whole
    }

    /// Whether a sync would have anything to do.
    pub(super) fn is_dirty(&self) -> bool {
        self.synced_length < self.whole
    }

    /// Appends whole rows: all of them or none.
    ///
    /// # Errors
    /// When the disk does not take them all; then the file ends with a whole row again, or will before the next append.
    pub(super) fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        self.write(rows).inspect_err(|error| self.note(error))?;
        self.recent.extend_from_slice(rows);
        Ok(())
    }

    /// Notes an error that perhaps only this handle has.
    pub(super) fn note(&mut self, error: &io::Error) {
        if !is_full(error) {
            self.doubt = Doubt::Handle;
        }
    }

    /// Goes on with another handle of the same file. The disk may have lost the end of it.
    ///
    /// # Errors
    /// When its length cannot be read.
    pub(super) fn replace_handle(&mut self, disk: DiskFile) -> io::Result<()> {
        self.torn = self.torn.min(disk.length()?.saturating_sub(self.whole));
        self.disk = disk;
        Ok(())
    }

    fn write(&mut self, rows: &[u8]) -> io::Result<()> {
        self.cut_back()?;
        let mut rest = rows;
        while !rest.is_empty() {
            let written = match self.disk.write(rest) {
                Ok(0) => Err(io::Error::from(ErrorKind::WriteZero)),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other,
            };
            match written {
                Ok(written) => rest = &rest[written..],
                Err(error) => {
                    self.torn = (rows.len() - rest.len()) as u64;
                    // If this fails too, the next append does it first.
                    let _ = self.cut_back();
                    return Err(error);
                }
            }
        }
        self.whole += rows.len() as u64;
        Ok(())
    }

    fn cut_back(&mut self) -> io::Result<()> {
        if self.torn > 0 {
            // By the torn bytes at the end, not to the remembered length: somebody else may have emptied
            // the file, and cutting must never make it longer.
            let whole = self.disk.length()?.saturating_sub(self.torn);
            self.disk.set_len(whole)?;
            self.whole = whole;
            self.synced_length = self.synced_length.min(whole);
            self.torn = 0;
        }
        Ok(())
    }

    /// Whether enough was appended for another check.
    pub(super) fn wants_check(&self) -> bool {
        self.recent.len() >= RECENT_BYTES
    }

    /// Ends a check: the file is whole and has its name. The rows of a removed file are written to it.
    ///
    /// # Errors
    /// When the disk does not take these rows; then none of them is in it, and the check is to be repeated.
    pub(super) fn end_check(&mut self) -> io::Result<()> {
        if self.recent_is_lost {
            let rows = std::mem::take(&mut self.recent);
            let result = self.write(&rows);
            self.recent = rows;
            result?;
            self.recent_is_lost = false;
        }
        self.checked_length = self.whole;
        self.recent.clear();
        self.recent.shrink_to(2 * RECENT_BYTES);
        Ok(())
    }

    /// By how many bytes somebody else has made the file longer since the last check; negative when it is
    /// shorter.
    ///
    /// # Errors
    /// When a torn end cannot be cut off, or the length cannot be read.
    pub(super) fn changed_by_others(&mut self) -> io::Result<i64> {
        self.cut_back()?;
        let ours = self.checked_length + self.recent_rows().len() as u64;
        Ok(self.disk.length()?.cast_signed() - ours.cast_signed())
    }

    /// The rows since the last check that are, or should be, in this file.
    fn recent_rows(&self) -> &[u8] {
        if self.recent_is_lost { &[] } else { &self.recent }
    }

    /// Where our rows since the change by somebody else begin in the file. When the change has left no torn row
    /// before them, this may be the beginning of an earlier row.
    ///
    /// # Errors
    /// When the end of the file cannot be read.
    pub(super) fn own_rows(&self) -> io::Result<u64> {
        let recent = self.recent_rows();
        let end = self.last_bytes(recent.len())?;
        let same = recent.iter().rev().zip(end.iter().rev()).take_while(|(a, b)| a == b).count();
        let start = row_starts(recent).find(|start| *start >= recent.len() - same);
        let own = recent.len() - start.unwrap_or(recent.len());
        // The file may be cut again just now.
        Ok(self.disk.length()?.saturating_sub(own as u64))
    }

    /// Whether the disk has lost the end of this file, which is shorter than what was written to it. When
    /// somebody has emptied or cut the file instead, rows are missing that were forced to the disk, or the
    /// file ends with the rows that were appended last.
    ///
    /// # Errors
    /// When the end of the file cannot be read.
    pub(super) fn has_lost_end(&self) -> io::Result<bool> {
        let recent = self.recent_rows();
        let has_newest =
            !recent.is_empty() && self.already_holds(recent, self.checked_length)? == recent.len();
        Ok(self.disk.length()? >= self.synced_length && !has_newest)
    }

    /// How many bytes of these rows, which were written at `place`, are not to be written again: those that
    /// are at the end of this file. All of them if the newest ones are, because somebody has taken out the
    /// others.
    fn already_holds(&self, rows: &[u8], place: u64) -> io::Result<usize> {
        let end = self.last_bytes(rows.len())?;
        // Rows may be equal, so that a row counts only at its own place.
        let in_place = self.disk.length()?.checked_sub(place);
        let oldest = row_starts(rows).filter(|it| end.ends_with(&rows[..*it]));
        let oldest = oldest.max_by_key(|it| (Some(*it as u64) == in_place, *it)).unwrap_or(0);
        let mut starts = row_starts(rows).take_while(|it| *it < rows.len());
        let is_newest =
            oldest == 0 && in_place != Some(0) && starts.any(|it| end.ends_with(&rows[it..]));
        Ok(if is_newest { rows.len() } else { oldest })
    }

    /// Takes the recent rows out of the file, which was removed: they go to the next one. A program that still
    /// has this one open, such as `ship`, must not find a row in both.
    pub(super) fn take_back(&mut self) {
        if !std::mem::replace(&mut self.recent_is_lost, true) {
            // Never made longer: somebody may have cut the file as well.
            let left = self.disk.length().map(|length| length.min(self.checked_length));
            // If the disk refuses this, `ship` cannot read from it either. The rows are in memory.
            let _ = left.and_then(|left| self.disk.set_len(left));
        }
    }

    /// The end of the file, no longer than `most`.
    fn last_bytes(&self, most: usize) -> io::Result<Vec<u8>> {
        let length = self.disk.length()?;
        let from = length.saturating_sub(most as u64);
        let mut bytes = vec![0; usize::try_from(length - from).unwrap_or_default()];
        self.disk.file().read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    }

    /// Goes on in `next`. When the recent rows `are_lost`, they will be written to `next`, except those that are
    /// in it already: it may be a copy, or the same file again.
    pub(super) fn continue_in(&mut self, mut next: Self, are_lost: bool) {
        if are_lost || self.recent_is_lost {
            let mut recent = std::mem::take(&mut self.recent);
            recent.drain(..next.already_holds(&recent, self.checked_length).unwrap_or_default());
            (next.recent, next.recent_is_lost) = (recent, true);
        }
        *self = next;
    }

    /// Whether rows that were appended are in no file with a name.
    pub(super) fn has_lost_rows(&self) -> bool {
        let is_removed = self.disk.file().metadata().map_or(true, |found| found.nlink() == 0);
        (self.recent_is_lost || is_removed) && !self.recent.is_empty()
    }

    /// Notes the result of an fsync of the first `length` bytes on another thread.
    pub(super) fn synced_elsewhere(&mut self, length: u64, succeeded: bool) {
        if succeeded {
            self.synced_length = self.synced_length.max(length.min(self.whole));
        } else {
            (self.needs_rewrite, self.doubt) = (true, Doubt::Handle);
        }
    }

    /// Ends the file with a whole row and forces it to the disk, if that is possible.
    ///
    /// # Errors
    /// When the disk refuses it, also when the tail is written again.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        self.cut_back()?;
        self.sync().or_else(|_| self.sync())
    }

    /// Forces the bytes to the disk that are not known to be there.
    ///
    /// # Errors
    /// When the disk refuses. After that the file must be considered damaged between
    /// [`AppendFile::synced_length`] and its end; the next call checks it anew.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let result = if self.needs_rewrite {
            self.disk.rewrite(self.synced_length)
        } else if self.is_dirty() {
            self.disk.sync()
        } else {
            Ok(())
        };
        self.needs_rewrite = result.is_err();
        match &result {
            Ok(()) => self.synced_length = self.whole,
            Err(error) => self.note(error),
        }
        result
    }
}

/// Where in these whole rows each one begins, and where the last one ends.
fn row_starts(rows: &[u8]) -> impl Iterator<Item = usize> {
    let after = |start: &usize| row_length(&rows[*start..]).map(|length| *start + length);
    std::iter::successors(Some(0), move |start| after(start))
}

#[cfg(test)]
mod tests;
