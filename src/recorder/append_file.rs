//! A file that only ever grows by whole rows: a failed write is cut back, never repeated behind
//! its own beginning.
//!
//! Writer thread. Used for the recording and for its ledger.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};

use memchr::memrchr;

use super::disk::DiskFile;
use super::recent_appends::RecentAppends;

/// Bytes compared at a time: most places differ in the first few.
const COMPARED_BYTES: usize = 4 << 10;

/// Bytes brought back at a time from a file that was removed.
const RESTORED_BYTES: u64 = 1 << 20;

/// A file of whole rows, its length known.
#[derive(Debug)]
pub(super) struct AppendFile {
    disk: DiskFile,
    /// Up to here every byte is part of a whole row.
    whole: u64,
    /// Up to here every byte is known to be on the disk.
    synced: u64,
    /// Bytes behind the whole rows that a failed write has left.
    torn: u64,
    needs_rewrite: bool,
    /// How long it was when it was last [looked after](AppendFile::looked_after).
    checked_length: u64,
    recent: RecentAppends,
    /// Bytes that somebody else is known to have added since then; below zero, taken.
    others: i64,
    /// Rows in files that were removed before anybody looked again; they come before all others.
    to_restore: VecDeque<(DiskFile, Range<u64>)>,
}

impl AppendFile {
    /// A file whose present `length` ends with a whole row.
    pub(super) fn new(disk: DiskFile, length: u64) -> Self {
        Self {
            disk,
            whole: length,
            synced: 0,
            torn: 0,
            needs_rewrite: false,
            checked_length: length,
            recent: RecentAppends::default(),
            others: 0,
            to_restore: VecDeque::new(),
        }
    }

    /// The bytes of whole rows.
    pub(super) fn length(&self) -> u64 {
        self.whole
    }

    /// The bytes of whole rows that are known to be on the disk.
    pub(super) fn synced_length(&self) -> u64 {
        self.synced
    }

    /// Whether a sync would have anything to do.
    pub(super) fn is_dirty(&self) -> bool {
        self.synced < self.whole
    }

    /// The file below.
    pub(super) fn disk(&self) -> &DiskFile {
        &self.disk
    }

    /// The file below, to repair it.
    pub(super) fn disk_mut(&mut self) -> &mut DiskFile {
        &mut self.disk
    }

    /// Appends whole rows: all of them or none.
    ///
    /// # Errors
    /// The system's; then the file ends with a whole row again, or will before the next append.
    pub(super) fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        self.restore_rows()?;
        self.append_here(rows)
    }

    fn append_here(&mut self, rows: &[u8]) -> io::Result<()> {
        self.cut_back()?;
        let mut rest = rows;
        while !rest.is_empty() {
            let written = match self.disk.write(rest) {
                Ok(0) => Err(io::Error::from(io::ErrorKind::WriteZero)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other,
            };
            match written {
                Ok(written) => rest = &rest[written..],
                Err(error) => {
                    self.torn = (rows.len() - rest.len()) as u64;
                    // If this fails too, it is done before the next append.
                    let _ = self.cut_back();
                    return Err(error);
                }
            }
        }
        self.whole += rows.len() as u64;
        self.recent.push(rows);
        Ok(())
    }

    fn cut_back(&mut self) -> io::Result<()> {
        if self.torn > 0 {
            // From the end rather than to the length remembered: somebody else may have emptied
            // the file, and cutting must never make it longer.
            let whole = self.disk.length()?.saturating_sub(self.torn);
            self.disk.set_len(whole)?;
            self.others += whole.cast_signed() - self.whole.cast_signed();
            self.whole = whole;
            self.synced = self.synced.min(whole);
            self.torn = 0;
        }
        Ok(())
    }

    /// By how many bytes somebody else has made the file longer since it was last looked after;
    /// below zero, shorter. Our rows since then do not hide it, however many they are.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn changed_by_others(&mut self) -> io::Result<i64> {
        self.cut_back()?;
        Ok(self.others + self.disk.length()?.cast_signed() - self.whole.cast_signed())
    }

    /// Where the rows begin now that were appended since somebody else has changed the file; see
    /// [`RecentAppends::begin_in`].
    ///
    /// # Errors
    /// The system's.
    pub(super) fn own_rows(&self) -> io::Result<u64> {
        self.recent.begin_in(self.disk.file(), self.disk.length()?)
    }

    /// The length when it was last looked after.
    pub(super) fn checked_length(&self) -> u64 {
        self.checked_length
    }

    /// Somebody else has changed the file; it ends with a whole row at `length` now.
    pub(super) fn was_cut_to(&mut self, length: u64) {
        self.whole = length;
        self.synced = 0;
    }

    /// The file is whole and stands under its name.
    pub(super) fn mark_checked(&mut self) {
        self.checked_length = self.whole;
        self.others = 0;
        self.recent.clear();
    }

    /// Whether so much was appended that it should be looked after.
    pub(super) fn wants_check(&self) -> bool {
        self.recent.are_many()
    }

    /// Goes on in `next`. If nobody can find the rows any more that were appended since the last
    /// look, they are brought along, but for those that are in `next` already.
    pub(super) fn continue_in(&mut self, next: Self, are_lost: bool) {
        let lost = if are_lost { self.missing_in(&next) } else { 0..0 };
        let old = std::mem::replace(self, next);
        self.to_restore = old.to_restore;
        if !lost.is_empty() {
            self.to_restore.push_front((old.disk, lost));
        }
    }

    /// Where those rows are that were appended since the last look and do not stand at the end of
    /// `other`, which may be a copy that somebody has made.
    fn missing_in(&mut self, other: &Self) -> Range<u64> {
        let (from, to) = match self.changed_by_others() {
            Ok(0) => (self.checked_length, self.whole),
            // It was cut before it was removed.
            _ => (self.own_rows().unwrap_or_default(), self.disk.length().unwrap_or_default()),
        };
        let mut end = to;
        for length in self.recent.lengths().rev() {
            let there = end.checked_sub(from).and_then(|copied| other.whole.checked_sub(copied));
            if there.is_some_and(|there| same_bytes(self, from..end, other, there)) {
                return end..to;
            }
            end = end.saturating_sub(length);
        }
        from..to
    }

    /// Brings rows back from files that were removed.
    ///
    /// # Errors
    /// The system's; the next call goes on behind what has been brought back.
    pub(super) fn restore_rows(&mut self) -> io::Result<()> {
        while let Some((disk, rows)) = self.to_restore.front() {
            let length = rows.end.saturating_sub(rows.start).min(RESTORED_BYTES);
            let mut chunk = vec![0; usize::try_from(length).unwrap_or_default()];
            let read = disk.file().read_at(&mut chunk, rows.start)?;
            chunk.truncate(memrchr(b'\n', &chunk[..read]).map_or(read, |end| end + 1));
            if chunk.is_empty() {
                self.to_restore.pop_front();
                continue;
            }
            self.append_here(&chunk)?;
            self.to_restore[0].1.start += chunk.len() as u64;
        }
        Ok(())
    }

    /// Whether rows that were appended are in no file that has a name.
    pub(super) fn has_lost_rows(&self) -> bool {
        let is_removed = self.disk.file().metadata().is_ok_and(|found| found.nlink() == 0);
        !self.to_restore.is_empty() || (is_removed && self.checked_length < self.whole)
    }

    /// Notes what forcing the first `length` bytes to the disk elsewhere has come to.
    pub(super) fn synced_elsewhere(&mut self, length: u64, succeeded: bool) {
        if succeeded {
            self.synced = self.synced.max(length.min(self.whole));
        } else {
            self.needs_rewrite = true;
        }
    }

    /// Whether the last sync failed, so that only [`AppendFile::sync`] may be used now.
    pub(super) fn needs_rewrite(&self) -> bool {
        self.needs_rewrite
    }

    /// Forces everything appended to the disk.
    ///
    /// # Errors
    /// The system's. After one the file must be considered damaged between
    /// [`AppendFile::synced_length`] and its end; the next call looks at it anew.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let result =
            if self.needs_rewrite { self.disk.rewrite(self.synced) } else { self.disk.sync() };
        self.needs_rewrite = result.is_err();
        if result.is_ok() {
            self.synced = self.whole;
        }
        result
    }
}

/// Whether these bytes of `a` can be read from a place in `b` as well.
fn same_bytes(a: &AppendFile, bytes: Range<u64>, b: &AppendFile, place: u64) -> bool {
    let read = |file: &AppendFile, from: u64, length: u64| {
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.disk.file().read_exact_at(&mut bytes, from).ok().map(|()| bytes)
    };
    bytes.clone().step_by(COMPARED_BYTES).all(|from| {
        let length = (bytes.end - from).min(COMPARED_BYTES as u64);
        let ours = read(a, from, length);
        ours.is_some() && ours == read(b, place + (from - bytes.start), length)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::{AppendFile, DiskFile};
    use crate::recorder::disk::trace::Faults;

    const ROWS: [&str; 4] = ["AAPL,1\n", "MSFT,22\n", "\"A\nB\",333\n", "C,4\n"];

    /// An empty file in a directory of its own.
    fn empty() -> (tempfile::TempDir, PathBuf, AppendFile) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.csv");
        let file = AppendFile::new(DiskFile::append_to(&path).unwrap(), 0);
        (directory, path, file)
    }

    /// Fails at every single byte, with and without a cut that fails as well, then makes room.
    #[test]
    fn a_write_that_fails_at_any_byte_leaves_whole_rows_and_doubles_none() {
        let all: String = ROWS.concat();
        for room in 0..=all.len() as u64 {
            for cuts in 0..3 {
                let (_directory, path, mut file) = empty();
                let faults = Faults { room: Some(room), cuts, ..Faults::default() };
                file.disk.faults.set(faults);
                let mut rows = ROWS.iter();
                let mut waiting = rows.next();
                // Every row is tried until it fits; the disk grows after some failures.
                let mut failures = 0;
                while let Some(row) = waiting {
                    if file.append(row.as_bytes()).is_ok() {
                        waiting = rows.next();
                        continue;
                    }
                    failures += 1;
                    if cuts == 0 {
                        let content = fs::read_to_string(&path).unwrap();
                        assert!(all.starts_with(&content) && content.len() as u64 == file.length());
                    }
                    if failures > 4 {
                        file.disk.faults.set(Faults { room: None, ..file.disk.faults.get() });
                    }
                }
                assert_eq!(fs::read_to_string(&path).unwrap(), all, "room {room}");
            }
        }
    }

    #[test]
    fn a_file_that_somebody_emptied_is_not_made_longer() {
        let (_directory, path, mut file) = empty();
        file.append(b"1234567\n").unwrap();
        fs::write(&path, "").unwrap();
        file.disk.faults.set(Faults { room: Some(2), ..Faults::default() });
        assert!(file.append(b"abcdef\n").is_err());
        file.disk.faults.set(Faults::default());
        file.append(b"x\n").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), file.length()), ("x\n", 2));
    }

    #[test]
    fn a_sync_elsewhere_counts_for_what_was_there_when_it_began() {
        let (_directory, _path, mut file) = empty();
        file.append(b"a\n").unwrap();
        file.append(b"b\n").unwrap();
        file.synced_elsewhere(2, true);
        assert_eq!((file.synced_length(), file.is_dirty()), (2, true));
        file.synced_elsewhere(4, false);
        assert!(file.needs_rewrite());
        file.sync().unwrap();
        assert_eq!(file.disk.faults.get().rewritten_from, Some(2));
        assert!(!file.needs_rewrite() && !file.is_dirty());
    }

    #[test]
    fn after_a_failed_sync_the_tail_is_written_again() {
        let (_directory, path, mut file) = empty();
        file.append(b"a\n").unwrap();
        file.sync().unwrap();
        file.append(b"b\n").unwrap();
        file.disk.faults.set(Faults { syncs: 2, ..Faults::default() });
        assert!(file.sync().is_err());
        assert_eq!(file.disk.faults.get().rewritten_from, None);
        assert!(file.sync().is_err());
        assert_eq!((file.synced_length(), file.is_dirty()), (2, true));
        file.sync().unwrap();
        assert_eq!((file.disk.faults.take().rewritten_from, file.synced_length()), (Some(2), 4));
        file.sync().unwrap();
        assert_eq!(file.disk.faults.get().rewritten_from, None, "a healthy disk is trusted again");
        assert_eq!(fs::read_to_string(path).unwrap(), "a\nb\n");
    }
}
