//! Files that somebody moves away, removes, empties or cuts while they are being recorded.
//!
//! Writer thread, at each heartbeat and whenever the disk has refused. The rows until then are
//! where a moved file went; those of a removed one that came since the last check are written again.
//! From then on rows stand, whole, under the name that was asked for.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use log::warn;

use super::Recording;
use crate::recorder::append_file::AppendFile;
use crate::recorder::disk::DiskFile;
use crate::recorder::ledger::{self, ledger_path};
use crate::recorder::lock_file::lock_path;
use crate::recorder::open::{make_whole, open_rows};

impl Recording {
    /// Makes a recording that is gone anew, and a damaged one whole; the same for its lock.
    ///
    /// # Errors
    /// The system's; then no row may be appended before the next try has succeeded.
    pub(in crate::recorder) fn check_csv(&mut self, now_ms: i64) -> io::Result<()> {
        if !matches!(locate(&lock_path(&self.out), &self.lock.file), Ok(Location::InPlace)) {
            // Where that cannot be, the lock of the recording itself still keeps others away.
            let _ = self.lock.take_anew(&self.out);
        }
        let changed = check_file(&self.out, &self.header, &mut self.csv, now_ms);
        if !matches!(changed, Ok(false)) {
            self.generation += 1;
            // Before the first row: who reads along must not take it for the old file.
            self.write_synced_length()?;
        }
        changed?;
        self.csv.end_check()
    }

    /// The same for the ledger.
    ///
    /// # Errors
    /// The system's; then no row is handed to it before the next try has succeeded.
    pub(in crate::recorder) fn check_ledger(&mut self, now_ms: i64) -> io::Result<()> {
        self.ledger.is_unavailable = true;
        let path = ledger_path(&self.out);
        let changed = check_file(&path, ledger::HEADER, &mut self.ledger.file, now_ms);
        if !matches!(changed, Ok(false)) {
            self.generation += 1;
        }
        let changed = changed?;
        self.ledger.file.end_check()?;
        self.ledger.is_unavailable = false;
        if changed { self.ledger.repeat_last() } else { Ok(()) }
    }
}

/// Sees to it that `file` stands at `path` and is whole. Answers whether it is another one now, or
/// was changed.
fn check_file(path: &Path, header: &str, file: &mut AppendFile, now_ms: i64) -> io::Result<bool> {
    let location = locate(path, &file.disk)?;
    if location == Location::InPlace {
        let longer = file.changed_by_others()?;
        if longer == 0 {
            return Ok(false);
        }
        let (disk, known) = (file.disk.try_clone()?, file.checked_length());
        let next = make_whole(path, disk, header, known, Some(file.own_rows()?), now_ms)?;
        file.continue_in(next, false);
        let what = if longer < 0 { "emptied or cut" } else { "written to" };
        warn!("{} was {what} by somebody, and goes on behind that", path.display());
    } else {
        if location == Location::Moved {
            // What it holds is not ours to lose, wherever it is now.
            file.sync()?;
        }
        let next = open_rows(path, header, 0, now_ms).map_err(|error| {
            let text = format!("it is not where it was, and cannot be begun anew: {error}");
            io::Error::new(io::ErrorKind::NotFound, text)
        })?;
        file.continue_in(next, location == Location::Removed);
        warn!("{} was moved or removed; a new one was begun", path.display());
    }
    Ok(true)
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
    use std::path::PathBuf;

    use super::{AppendFile, Path, check_file, io, open_rows};
    use crate::recorder::tests::trace::{FAULTS, Faults};

    const HEADER: &str = "ticker,price\n";
    /// Alike, so that one could be taken for another.
    const ROWS: [&str; 4] = ["A,1\n", "A,1\n", "A,12\n", "B,1\n"];
    const LATER: [&str; 2] = ["A,1\n", "A,13\n"];

    /// A recording of [`ROWS`], looked after when the first `known` of them were in it.
    fn recorded(directory: &Path, known: usize) -> (PathBuf, AppendFile) {
        let path = directory.join("op1.csv");
        let mut file = open_rows(&path, HEADER, 0, 7).unwrap();
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
        file.end_check()?;
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
        FAULTS.set(Faults { room, cuts: 1, syncs: 0 });
        file.append(b"C,1\n").unwrap_err();
        let found = fs::read(&path).unwrap();
        fs::write(&path, &found[found.len() - 2..]).unwrap();
        FAULTS.take();
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
        file.continue_in(open_rows(&path, HEADER, 0, 7).unwrap(), true);
        // Room for one of the two rows.
        let room = Some(HEADER.len() as u64 + 6);
        FAULTS.set(Faults { room, ..Faults::default() });
        assert!(look(&path, &mut file).is_err());
        FAULTS.take();
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
    fn every_row_since_the_last_check_comes_back_when_a_file_was_cut_and_then_removed() {
        for cut in HEADER.len()..HEADER.len() + ROWS.concat().len() {
            let directory = tempfile::tempdir().unwrap();
            let (path, mut file) = recorded(directory.path(), 2);
            let content = fs::read(&path).unwrap();
            fs::write(&path, &content[..cut]).unwrap();
            append(&mut file, &LATER);
            fs::remove_file(&path).unwrap();
            assert!(look(&path, &mut file).unwrap());
            let expected = format!("{HEADER}{}{}", ROWS[2..].concat(), LATER.concat());
            assert_eq!(fs::read_to_string(&path).unwrap(), expected, "cut at {cut}");
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
