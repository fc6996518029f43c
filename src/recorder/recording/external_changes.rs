//! Files that somebody moves away, removes, empties or cuts while they are being recorded.
//!
//! Writer thread, at each heartbeat and whenever the disk has refused. The rows until then are
//! where a moved file went; those of a removed one that came since the last look are brought back.
//! From then on rows stand, whole, under the name that was asked for. What is damaged is taken out
//! of a file in one step (`rebuild`), and memory holds a megabyte of it at most.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use log::warn;

use super::Recording;
use crate::recorder::append_file::AppendFile;
use crate::recorder::disk::{DiskFile, sync_directory};
use crate::recorder::error::OpenError;
use crate::recorder::header::{Head, check_header};
use crate::recorder::ledger;
use crate::recorder::lock_file::lock_path;
use crate::recorder::open::{open_or_create, row_end};
use crate::recorder::rebuild::rebuild;
use crate::recorder::recent_appends::follows_a_row;
use crate::recorder::repair::{end_of_rows, move_aside};

impl Recording {
    /// Makes a recording that is gone anew, and a damaged one whole; the same for its lock.
    ///
    /// # Errors
    /// The system's; then no row may be appended before the next try has succeeded.
    pub(in crate::recorder) fn check_csv(&mut self, now_ms: i64) -> io::Result<()> {
        self.check_lock();
        let Some(csv) = &mut self.csv else { return Ok(()) };
        let looked = check_file(&self.out, &self.header, csv, now_ms);
        if !matches!(looked, Ok(false)) {
            self.generation += 1;
            // Before the first row: who reads along must not take it for the old file.
            self.write_synced_length()?;
        }
        looked?;
        if let Some(csv) = &mut self.csv {
            csv.restore_rows()?;
            csv.mark_checked();
        }
        Ok(())
    }

    /// The same for the ledger.
    ///
    /// # Errors
    /// The system's; then no row is handed to it before the next try has succeeded.
    pub(in crate::recorder) fn check_ledger(&mut self, now_ms: i64) -> io::Result<()> {
        self.ledger.set_unavailable(true);
        let looked = check_file(&self.ledger_path, ledger::HEADER, self.ledger.file(), now_ms);
        if !matches!(looked, Ok(false)) {
            self.generation += 1;
        }
        let is_another = looked?;
        self.ledger.file().restore_rows()?;
        self.ledger.file().mark_checked();
        self.ledger.set_unavailable(false);
        if is_another { self.ledger.repeat_state() } else { Ok(()) }
    }

    /// Takes the lock anew where it is gone: together with the directory, or alone.
    fn check_lock(&mut self) {
        if !matches!(locate(&lock_path(&self.out), self.lock.disk()), Ok(Location::InPlace)) {
            // Where that cannot be, the lock of the recording itself still keeps others away.
            let _ = self.lock.take_anew(&self.out);
        }
    }

    /// Whether rows were appended that nobody can find, because their file was removed.
    pub(in crate::recorder) fn has_lost_rows(&self) -> bool {
        self.csv.as_ref().is_some_and(AppendFile::has_lost_rows)
    }

    /// Whether so much was appended that it is time for a look.
    pub(in crate::recorder) fn wants_check(&self) -> bool {
        self.csv.as_ref().is_some_and(AppendFile::wants_check)
    }
}

/// Sees to it that `file` stands at `path` and is whole. Answers whether it is another one now, or
/// was changed.
fn check_file(path: &Path, header: &str, file: &mut AppendFile, now_ms: i64) -> io::Result<bool> {
    let place = locate(path, file.disk())?;
    if place == Location::InPlace {
        let longer = file.changed_by_others()?;
        if longer == 0 {
            return Ok(false);
        }
        let what = if longer < 0 { "emptied or cut" } else { "written to" };
        let aside = repair_changed(path, header, file, now_ms)?;
        let aside = aside.map(|it| format!("; half a row was moved to {}", it.display()));
        let (path, aside) = (path.display(), aside.unwrap_or_default());
        warn!("{path} was {what} by somebody, and goes on behind that{aside}");
    } else {
        if place == Location::Moved {
            // What it holds is not ours to lose, wherever it is now.
            file.sync()?;
        }
        let next = open_or_create(path, header, now_ms).map_err(|error| {
            let text = format!("it is not where it was, and cannot be begun anew: {error}");
            io::Error::new(io::ErrorKind::NotFound, text)
        })?;
        file.continue_in(next, place == Location::Removed);
        warn!("{} was moved or removed; a new one was begun", path.display());
    }
    Ok(true)
}

/// Gives a file that somebody else has changed its header back, and moves half a row aside that
/// stands in front of ours or at the end. Answers where it went.
fn repair_changed(
    path: &Path,
    header: &str,
    file: &mut AppendFile,
    now_ms: i64,
) -> io::Result<Option<PathBuf>> {
    let (length, ours) = (file.disk().length()?, file.own_rows()?);
    let end = if follows_a_row(file.disk().file(), ours)? {
        ours
    } else {
        let known = row_end(file.disk().file(), file.checked_length(), ours);
        end_of_rows(file.disk().file(), known..ours, header.split(',').count())?
    };
    let has_header = match check_header(path, file.disk().file(), header) {
        Ok(head) => head == Head::Header,
        Err(OpenError::OtherColumns { .. }) => false,
        Err(error) => return Err(io::Error::other(error)),
    };
    if has_header && (end == ours || ours == length) {
        let end = if end == ours { length } else { end };
        let aside = move_aside(path, file.disk_mut(), end, now_ms)?;
        file.was_cut_to(end);
        return Ok(aside);
    }
    let header = if has_header { "" } else { header };
    let (next, aside) = rebuild(path, file.disk(), header, &[0..end, ours..length], now_ms)?;
    file.continue_in(next, false);
    sync_directory(path)?;
    Ok(aside)
}

/// Where an open file is.
#[derive(Debug, PartialEq, Eq)]
enum Location {
    /// Where its name leads.
    InPlace,
    /// It has another name now, or its directory has.
    Moved,
    /// It was removed: nobody will find what is in it.
    Removed,
}

fn locate(path: &Path, disk: &DiskFile) -> io::Result<Location> {
    let ours = disk.file().metadata()?;
    let found = fs::metadata(path);
    let is_here = match &found {
        Ok(found) => (found.dev(), found.ino()) == (ours.dev(), ours.ino()),
        // A directory above that may not be searched any more: it need not have moved.
        Err(error) => {
            !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        }
    };
    Ok(match ours.nlink() {
        0 => Location::Removed,
        _ if is_here => Location::InPlace,
        _ => Location::Moved,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;

    use super::{AppendFile, Path, PathBuf, check_file, io, open_or_create};
    use crate::recorder::disk::trace::Faults;

    const HEADER: &str = "ticker,price\n";
    /// Alike, so that one could be taken for another.
    const ROWS: [&str; 4] = ["A,1\n", "A,1\n", "A,12\n", "B,1\n"];
    const LATER: [&str; 2] = ["A,1\n", "A,13\n"];

    /// A recording of [`ROWS`], looked after when the first `known` of them were in it.
    fn recorded(directory: &Path, known: usize) -> (PathBuf, AppendFile) {
        let path = directory.join("op1.csv");
        let mut file = open_or_create(&path, HEADER, 7).unwrap();
        for (number, row) in ROWS.iter().enumerate() {
            if number == known {
                assert!(!look(&path, &mut file).unwrap());
            }
            file.append(row.as_bytes()).unwrap();
        }
        (path, file)
    }

    /// As the recording does it.
    fn look(path: &Path, file: &mut AppendFile) -> io::Result<bool> {
        let changed = check_file(path, HEADER, file, 7)?;
        file.restore_rows()?;
        file.mark_checked();
        Ok(changed)
    }

    fn append(file: &mut AppendFile, rows: &[&str]) {
        for row in rows {
            file.append(row.as_bytes()).unwrap();
        }
    }

    fn torn(path: &Path) -> String {
        let mut all = String::new();
        let names = fs::read_dir(path.parent().unwrap()).unwrap().flatten();
        for aside in names.filter(|name| name.path().to_string_lossy().contains(".torn-")) {
            all += &fs::read_to_string(aside.path()).unwrap();
        }
        all
    }

    #[test]
    fn a_file_cut_at_any_byte_loses_no_whole_row_and_no_later_one() {
        let content = format!("{HEADER}{}", ROWS.concat());
        for known in [1, 3] {
            for later in 0..=LATER.len() {
                for cut in 0..content.len() {
                    let directory = tempfile::tempdir().unwrap();
                    let (path, mut file) = recorded(directory.path(), known);
                    fs::write(&path, &content[..cut]).unwrap();
                    append(&mut file, &LATER[..later]);
                    assert!(look(&path, &mut file).unwrap());
                    append(&mut file, &["C,1\n"]);
                    assert!(!look(&path, &mut file).unwrap());

                    let whole = content[..cut].rfind('\n').map_or(0, |end| end + 1);
                    let kept = content[..whole].strip_prefix(HEADER).unwrap_or_default();
                    let expected = format!("{HEADER}{kept}{}C,1\n", LATER[..later].concat());
                    let found = fs::read_to_string(&path).unwrap();
                    assert_eq!(found, expected, "cut at {cut}, {later} later");
                    assert_eq!(file.length(), expected.len() as u64);
                    assert_eq!(torn(&path), content[whole..cut], "cut at {cut}, {later} later");
                }
            }
        }
    }

    #[test]
    fn what_somebody_else_has_appended_is_kept_and_half_a_row_of_it_is_moved_aside() {
        for (others, kept, moved) in [("X,1\n", "X,1\n", ""), ("X,1\nX,", "X,1\n", "X,")] {
            for before in 0..=LATER.len() {
                let directory = tempfile::tempdir().unwrap();
                let (path, mut file) = recorded(directory.path(), 2);
                append(&mut file, &LATER[..before]);
                let mut theirs = OpenOptions::new().append(true).open(&path).unwrap();
                theirs.write_all(others.as_bytes()).unwrap();
                append(&mut file, &LATER);
                assert!(look(&path, &mut file).unwrap());
                let (ours, later) = (LATER[..before].concat(), LATER.concat());
                let expected = format!("{HEADER}{}{ours}{kept}{later}", ROWS.concat());
                assert_eq!(fs::read_to_string(&path).unwrap(), expected);
                assert_eq!(torn(&path), moved);
            }
        }
    }

    #[test]
    fn a_cut_between_a_failed_write_and_its_cutting_back_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, mut file) = recorded(directory.path(), 4);
        let room = Some(file.length() + 2);
        file.disk().faults.set(Faults { room, cuts: 1, ..Faults::default() });
        file.append(b"C,1\n").unwrap_err();
        let found = fs::read(&path).unwrap();
        fs::write(&path, &found[found.len() - 2..]).unwrap();
        file.disk().faults.set(Faults::default());
        append(&mut file, &["C,1\n"]);
        assert!(look(&path, &mut file).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}C,1\n"));
    }

    /// A file that is removed again while its rows are being brought back, on a disk that is full.
    #[test]
    fn rows_of_removed_files_are_brought_back_once_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let (path, mut file) = recorded(directory.path(), 2);
        fs::remove_file(&path).unwrap();
        file.continue_in(open_or_create(&path, HEADER, 7).unwrap(), true);
        // Room for one of the two rows.
        let room = Some(HEADER.len() as u64 + 6);
        file.disk().faults.set(Faults { room, ..Faults::default() });
        assert!(look(&path, &mut file).is_err());
        assert!(file.has_lost_rows());
        fs::remove_file(&path).unwrap();
        assert!(look(&path, &mut file).unwrap());
        assert!(!file.has_lost_rows());
        append(&mut file, &["C,1\n"]);
        let rows = format!("{}C,1\n", ROWS[2..].concat());
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}{rows}"));
    }

    /// As an editor does that writes a new file and renames it over the old one.
    #[test]
    fn rows_that_a_copy_in_the_place_of_the_file_holds_are_not_doubled() {
        for copied in 2..=ROWS.len() {
            let directory = tempfile::tempdir().unwrap();
            let (path, mut file) = recorded(directory.path(), 2);
            let theirs = format!("{HEADER}X,1\n{}", ROWS[..copied].concat());
            let copy = directory.path().join("copy");
            fs::write(&copy, theirs).unwrap();
            fs::rename(&copy, &path).unwrap();
            assert!(look(&path, &mut file).unwrap());
            let expected = format!("{HEADER}X,1\n{}", ROWS.concat());
            assert_eq!(fs::read_to_string(&path).unwrap(), expected, "{copied} of them");
        }
    }

    #[test]
    fn whole_rows_alone_are_brought_back_from_a_file_that_was_cut_before_it_was_removed() {
        for cut in HEADER.len()..HEADER.len() + ROWS.concat().len() {
            let directory = tempfile::tempdir().unwrap();
            let (path, mut file) = recorded(directory.path(), 2);
            let content = fs::read(&path).unwrap();
            fs::write(&path, &content[..cut]).unwrap();
            append(&mut file, &LATER);
            fs::remove_file(&path).unwrap();
            assert!(look(&path, &mut file).unwrap());
            let found = fs::read_to_string(&path).unwrap();
            let brought = found.strip_prefix(HEADER).unwrap();
            assert!(brought.ends_with(&LATER.concat()), "cut at {cut}: {brought}");
            let whole = ["A,1", "A,12", "A,13", "B,1"];
            assert!(brought.lines().all(|row| whole.contains(&row)), "cut at {cut}: {brought}");
        }
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (real, mut file) = recorded(directory.path(), 4);
        let link = directory.path().join("link.csv");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        fs::write(&real, "").unwrap();
        append(&mut file, &["C,1\n"]);
        assert!(look(&link, &mut file).unwrap());
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), format!("{HEADER}C,1\n"));
    }
}
