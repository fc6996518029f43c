//! Writes that fail or come to half, and what stays in the file.

use std::fs;
use std::path::PathBuf;

use super::{AppendFile, DiskFile, RECENT_BYTES};
use crate::recorder::tests::trace::Operation::{Sync, Write};
use crate::recorder::tests::trace::{self, FAULTS, Faults};

const ROWS: [&str; 4] = ["AAPL,1\n", "MSFT,22\n", "\"A\nB\",333\n", "C,4\n"];

/// An empty file in a directory of its own.
fn empty() -> (tempfile::TempDir, PathBuf, AppendFile) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("op1.csv");
    trace::begin(directory.path());
    FAULTS.take();
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
            FAULTS.set(faults);
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
                    FAULTS.set(Faults { room: None, ..FAULTS.get() });
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
    FAULTS.set(Faults { room: Some(2), ..Faults::default() });
    assert!(file.append(b"abcdef\n").is_err());
    FAULTS.set(Faults::default());
    file.append(b"x\n").unwrap();
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), file.length()), ("x\n", 2));
}

/// The disk has kept the first of two rows that are alike, and none or one of those after them.
#[test]
fn rows_that_are_alike_are_told_apart_by_their_places() {
    for kept in ["A,1\n", "A,1\nA,1\n"] {
        let (directory, path, mut file) = empty();
        trace::take();
        file.append(b"A,1\n").unwrap();
        file.end_check().unwrap();
        file.append(b"A,1\nB,2\n").unwrap();
        fs::rename(&path, directory.path().join("gone")).unwrap();
        fs::write(&path, kept).unwrap();
        let found = DiskFile::append_to_existing(&path).unwrap();
        file.continue_in(AppendFile::new(found, kept.len() as u64), true);
        file.end_check().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "A,1\nA,1\nB,2\n", "{kept}");
    }
}

#[test]
fn a_check_is_wanted_before_the_rows_that_are_kept_fill_the_memory() {
    let (_directory, _path, mut file) = empty();
    while !file.wants_check() {
        file.append(&b"A,1\n".repeat(RECENT_BYTES / 16)).unwrap();
    }
    assert!(file.length() <= RECENT_BYTES as u64 && file.changed_by_others().unwrap() == 0);
    file.end_check().unwrap();
    assert!(!file.wants_check() && file.recent.is_empty());
}

#[test]
fn a_sync_elsewhere_counts_for_what_was_there_when_it_began() {
    let (_directory, _path, mut file) = empty();
    file.append(b"a\n").unwrap();
    file.append(b"b\n").unwrap();
    file.synced_elsewhere(2, true);
    assert_eq!((file.synced_length, file.is_dirty()), (2, true));
    file.synced_elsewhere(4, false);
    assert!(file.needs_rewrite);
    file.sync().unwrap();
    let tail = Write { file: 1, offset: 2, bytes: b"b\n".to_vec() };
    assert!(trace::take().operations.ends_with(&[tail.clone(), tail, Sync { file: 1 }]));
    assert!(!file.needs_rewrite && !file.is_dirty());
}

#[test]
fn after_a_failed_sync_the_tail_is_written_again() {
    let (_directory, path, mut file) = empty();
    file.append(b"a\n").unwrap();
    file.sync().unwrap();
    FAULTS.set(Faults { syncs: 2, ..Faults::default() });
    file.append(b"b\n").unwrap();
    assert!(file.sync().is_err() && file.sync().is_err());
    assert_eq!((file.synced_length, file.is_dirty()), (2, true));
    file.sync().unwrap();
    assert_eq!((file.synced_length, file.is_dirty()), (4, false));
    file.append(b"c\n").unwrap();
    file.sync().unwrap();
    let write = |offset, text: &str| Write { file: 1, offset, bytes: text.into() };
    let (sync, b) = (Sync { file: 1 }, write(2, "b\n"));
    // Once by each failed sync but the first, and once more; then the disk is trusted again.
    let expected = [b.clone(), b.clone(), b, sync.clone(), write(4, "c\n"), sync];
    assert!(trace::take().operations.ends_with(&expected));
    assert_eq!(fs::read_to_string(path).unwrap(), "a\nb\nc\n");
}
