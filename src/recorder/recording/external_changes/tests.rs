//! Files that are moved, removed, emptied or cut, and what a check makes of them.

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
