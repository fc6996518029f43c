//! Files that somebody moves away, removes, empties or cuts while they are being recorded, and disks that
//! go away and come back.
//!
//! Writer thread, at each heartbeat and whenever the disk has refused. The rows until then are
//! where a moved file went; those of a removed one that came since the last check are written again,
//! and so are those of one that can be neither written nor forced to the disk any more. From then on
//! whole rows are in a file with the name that was asked for.

use std::io;
use std::path::Path;

use log::warn;

use crate::recorder::append_file::{AppendFile, Doubt};
use crate::recorder::disk::{DiskFile, Location, locate, sync_directory};
use crate::recorder::error::{OpenError, is_full};
use crate::recorder::header::{Head, check_header};
use crate::recorder::lock_file::lock_data_file;
use crate::recorder::open::{make_whole, open_rows};
use crate::recorder::redo;
use crate::text::in_words;

/// The change of a file since the last check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::recorder) enum Change {
    Nothing,
    /// It has been changed, or is another one now.
    Other,
    /// It is another one now, and what was not forced to the disk in the old one may be lost.
    GivenUp,
}

/// Makes sure that `file` is at `path` and whole.
pub(in crate::recorder) fn check_file(
    path: &Path,
    header: &str,
    file: &mut AppendFile,
    now_ms: i64,
) -> io::Result<Change> {
    let location = locate(path, file.disk.file());
    let checked = match location {
        Ok(Location::InPlace) => check_in_place(path, header, file, now_ms),
        location => begin_again(path, header, file, location, now_ms),
    };
    checked.inspect_err(|error| file.note(error))
}

/// The same for a file that its handle still finds under its name.
fn check_in_place(
    path: &Path,
    header: &str,
    file: &mut AppendFile,
    now_ms: i64,
) -> io::Result<Change> {
    let mut is_other_handle = false;
    if file.doubt == Doubt::Handle {
        is_other_handle = reopen(path, file)?;
    }
    if file.doubt > Doubt::None {
        redo::finish(path, &mut file.disk, now_ms)?;
        sync_directory(path)?;
    }
    let longer = file.changed_by_others()?;
    if longer == 0 {
        file.doubt = Doubt::None;
        return Ok(Change::Nothing);
    }
    let are_lost = is_other_handle && longer < 0 && file.has_lost_end()?;
    let (disk, known, ours) = (file.disk.try_clone()?, file.checked_length, file.own_rows()?);
    let head = match check_header(path, disk.file(), header) {
        Err(OpenError::OtherColumns { .. }) => Ok(Head::Rows),
        head => head,
    };
    let next =
        head.and_then(|head| make_whole(path, disk, header, head, known, Some(ours), now_ms));
    let mut next = next.inspect_err(|_| file.doubt = file.doubt.max(Doubt::HalfMended))?;
    if file.needs_rewrite {
        // Before our rows nothing was written again.
        (next.needs_rewrite, next.synced_length) = (true, file.synced_length.min(ours));
    } else {
        next.sync().inspect_err(|_| file.needs_rewrite = true)?;
    }
    file.continue_in(next, are_lost);
    let path = path.display();
    if are_lost {
        warn!("the disk has lost the end of {path}; the last rows are written again");
        return Ok(Change::GivenUp);
    }
    let what = if longer < 0 { "emptied or cut" } else { "written to" };
    warn!("{path} was {what} by somebody; new rows go after what it holds now");
    Ok(Change::Other)
}

/// Gives the file another handle, with its lock, if it can be opened. Answers whether it has one.
fn reopen(path: &Path, file: &mut AppendFile) -> io::Result<bool> {
    let Ok(disk) = DiskFile::append_to_existing(path) else { return Ok(false) };
    // There cannot be two locks of one file.
    let _ = file.disk.file().unlock();
    if let Err(error) = lock_data_file(path, &disk) {
        let _ = file.disk.file().try_lock();
        return Err(error.into());
    }
    file.replace_handle(disk)?;
    Ok(true)
}

/// Goes on under the name in another file; the old one is elsewhere, or gone.
fn begin_again(
    path: &Path,
    header: &str,
    file: &mut AppendFile,
    location: io::Result<Location>,
    now_ms: i64,
) -> io::Result<Change> {
    let is_removed = matches!(location, Ok(Location::Removed));
    let forced = location.and_then(|_| {
        if is_removed {
            // Before there is a next one, so that nobody takes this one for done and reads them there.
            file.take_back();
            return Ok(());
        }
        // The content of the old file must not be lost, wherever it is.
        if file.doubt > Doubt::None {
            redo::finish(path, &mut file.disk, now_ms)?;
        }
        file.settle()
    });
    let forced = match forced {
        // The next try forces it to the disk, when there is room.
        Err(error) if is_full(&error) => return Err(error),
        forced => forced,
    };
    if forced.is_err() {
        // It may be the same file, of which there cannot be two locks.
        let _ = file.disk.file().unlock();
    }
    let is_dirty = file.is_dirty();
    // A file of somebody else may be long: only its end is read.
    let next = open_rows(path, header, u64::MAX, now_ms).map_err(|error| {
        let text = format!(
            "it was moved or removed, and a new one cannot be made: {}",
            in_words(&io::Error::from(error))
        );
        io::Error::new(io::ErrorKind::NotFound, text)
    })?;
    file.continue_in(next, is_removed || forced.is_err());
    let path = path.display();
    let Err(error) = forced else {
        warn!("{path} was moved or removed; a new one was begun");
        return Ok(Change::Other);
    };
    let (error, lost) =
        (in_words(&error), if is_dirty { "; what was last written to it may be lost" } else { "" });
    warn!(
        "the file that was {path} can be neither written nor forced to the disk any more ({error}){lost}; rows go on in what has its name now"
    );
    Ok(Change::GivenUp)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;

    use super::{AppendFile, Change, Path, check_file, io, open_rows};
    use crate::recorder::tests::trace::{FAULTS, Faults};

    const HEADER: &str = "ticker,price\n";
    /// Alike, so that one could be taken for another.
    const ROWS: [&str; 4] = ["A,1\n", "A,1\n", "A,12\n", "B,1\n"];
    const LATER: [&str; 2] = ["A,1\n", "A,13\n"];

    /// As the recording does it.
    fn look(path: &Path, file: &mut AppendFile) -> io::Result<bool> {
        let change = check_file(path, HEADER, file, 7)?;
        file.end_check()?;
        Ok(change != Change::Nothing)
    }

    fn append(file: &mut AppendFile, rows: &[&str]) {
        for row in rows {
            file.append(row.as_bytes()).unwrap();
        }
    }

    /// Records [`ROWS`], with a check when the first `known` of them were in the file, and lets
    /// `change` happen to it. Then it must have these rows and go on behind them, and what was torn
    /// must be in a file of its own.
    fn check(
        known: usize,
        change: impl FnOnce(&Path, &mut AppendFile),
        rows: &str,
        torn: &str,
        context: &str,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.csv");
        let mut file = open_rows(&path, HEADER, 0, 7).unwrap();
        append(&mut file, &ROWS[..known]);
        assert!(!look(&path, &mut file).unwrap());
        append(&mut file, &ROWS[known..]);
        change(&path, &mut file);
        assert!(look(&path, &mut file).unwrap(), "{context}");
        append(&mut file, &["C,1\n"]);
        assert!(!look(&path, &mut file).unwrap(), "{context}");

        let expected = format!("{HEADER}{rows}C,1\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), expected, "{context}");
        assert_eq!(file.length(), expected.len() as u64, "{context}");
        let mut found = String::new();
        for name in fs::read_dir(directory.path()).unwrap().flatten() {
            if name.path().to_string_lossy().contains(".torn-") {
                found += &fs::read_to_string(name.path()).unwrap();
            }
        }
        assert_eq!(found, torn, "{context}");
    }

    #[test]
    fn a_file_cut_at_any_byte_loses_no_whole_row_and_no_later_one() {
        let text = format!("{HEADER}{}", ROWS.concat());
        for known in [1, 3] {
            for later in 0..=LATER.len() {
                for cut in 0..text.len() {
                    let change = |path: &Path, file: &mut AppendFile| {
                        fs::write(path, &text[..cut]).unwrap();
                        append(file, &LATER[..later]);
                    };
                    let whole = text[..cut].rfind('\n').map_or(0, |end| end + 1);
                    let kept = text[..whole].strip_prefix(HEADER).unwrap_or_default();
                    let rows = format!("{kept}{}", LATER[..later].concat());
                    let context = format!("cut at {cut}, {later} later");
                    check(known, change, &rows, &text[whole..cut], &context);
                }
            }
        }
    }

    #[test]
    fn what_somebody_else_has_appended_is_kept_and_half_a_row_of_it_is_moved_aside() {
        for (others, kept, torn) in [("X,1\n", "X,1\n", ""), ("X,1\nX,", "X,1\n", "X,")] {
            for before in 0..=LATER.len() {
                let change = |path: &Path, file: &mut AppendFile| {
                    append(file, &LATER[..before]);
                    let mut theirs = OpenOptions::new().append(true).open(path).unwrap();
                    theirs.write_all(others.as_bytes()).unwrap();
                    append(file, &LATER);
                };
                let (ours, later) = (LATER[..before].concat(), LATER.concat());
                let rows = format!("{}{ours}{kept}{later}", ROWS.concat());
                check(2, change, &rows, torn, others);
            }
        }
    }

    #[test]
    fn a_cut_between_a_failed_write_and_its_cutting_back_is_noticed() {
        let change = |path: &Path, file: &mut AppendFile| {
            FAULTS.set(Faults { room: Some(file.length() + 2), cuts: 1, ..Faults::default() });
            file.append(b"D,1\n").unwrap_err();
            let found = fs::read(path).unwrap();
            fs::write(path, &found[found.len() - 2..]).unwrap();
            FAULTS.take();
            append(file, &["D,1\n"]);
        };
        check(4, change, "D,1\n", "", "");
    }

    /// A file that is removed again while its rows are being brought back, on a disk that is full.
    #[test]
    fn rows_of_removed_files_are_brought_back_once_and_in_order() {
        let change = |path: &Path, file: &mut AppendFile| {
            fs::remove_file(path).unwrap();
            file.continue_in(open_rows(path, HEADER, 0, 7).unwrap(), true);
            // Room for one of the two rows.
            FAULTS.set(Faults { room: Some(HEADER.len() as u64 + 6), ..Faults::default() });
            assert!(look(path, file).is_err());
            FAULTS.take();
            assert!(file.has_lost_rows());
            fs::remove_file(path).unwrap();
        };
        check(2, change, &ROWS[2..].concat(), "", "");
    }

    /// As an editor does that writes a new file and renames it over the old one.
    #[test]
    fn rows_that_a_copy_in_the_place_of_the_file_holds_are_not_doubled() {
        for copied in 2..=ROWS.len() {
            let change = |path: &Path, _: &mut AppendFile| {
                let copy = path.with_file_name("copy");
                fs::write(&copy, format!("{HEADER}X,1\n{}", ROWS[..copied].concat())).unwrap();
                fs::rename(&copy, path).unwrap();
            };
            check(2, change, &format!("X,1\n{}", ROWS.concat()), "", "");
        }
    }

    #[test]
    fn every_row_since_the_last_check_comes_back_when_a_file_was_cut_and_then_removed() {
        for cut in HEADER.len()..HEADER.len() + ROWS.concat().len() {
            let change = |path: &Path, file: &mut AppendFile| {
                let text = fs::read(path).unwrap();
                fs::write(path, &text[..cut]).unwrap();
                append(file, &LATER);
                fs::remove_file(path).unwrap();
            };
            let rows = format!("{}{}", ROWS[2..].concat(), LATER.concat());
            check(2, change, &rows, "", &format!("cut at {cut}"));
        }
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let change = |path: &Path, file: &mut AppendFile| {
            let real = path.with_file_name("real.csv");
            fs::rename(path, &real).unwrap();
            std::os::unix::fs::symlink(&real, path).unwrap();
            fs::write(&real, "").unwrap();
            append(file, &["D,1\n"]);
            assert!(look(path, file).unwrap());
            assert!(fs::symlink_metadata(path).unwrap().is_symlink());
            fs::write(&real, "").unwrap();
        };
        check(4, change, "", "", "");
    }
}
