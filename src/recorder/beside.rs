//! Files beside a recording while work on it is in progress: made under free names, and found again after a
//! kill. A user's file of a similar name is not touched.
//!
//! Any of the recorder's threads; only the holder of the lock.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::memchr;

use super::disk::{DiskFile, rename_no_replace};
use crate::recording::paths::{folder_of, with_suffix};

/// The next file of a rotation, until the recording has another name: `op1.csv.next-<time>`.
pub(super) const NEXT: &str = ".next-";

/// A compressed file before it is whole: `op1-2026-11-23.csv.gz.part-<time>`.
pub(super) const PART: &str = ".part-";

/// The new end of a file, until it is written there: `op1.csv.redo-<time>`.
pub(super) const REDO: &str = ".redo-";

/// Bytes that were no whole row: `op1.csv.torn-<time>`.
pub(super) const TORN: &str = ".torn-";

/// Creates a file beside `path` with a free name: `op1.csv.next-<time>` for
/// `op1.csv` and `.next-`.
pub(super) fn create_beside(
    path: &Path,
    suffix: &str,
    now_ms: i64,
) -> io::Result<(PathBuf, DiskFile)> {
    let mut stamp = now_ms;
    loop {
        let name = with_suffix(path, &format!("{suffix}{stamp}"));
        match DiskFile::create_new(&name) {
            Ok(file) => return Ok((name, file)),
            // Two in one millisecond. Any free name will do.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => stamp += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Renames the file `name` to a free name beside `path`, as [`create_beside`] makes it; gives the new name.
pub(super) fn rename_beside(
    name: &Path,
    path: &Path,
    suffix: &str,
    now_ms: i64,
) -> io::Result<PathBuf> {
    let mut stamp = now_ms;
    loop {
        let other = with_suffix(path, &format!("{suffix}{stamp}"));
        match rename_no_replace(name, &other) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => stamp += 1,
            renamed => return renamed.map(|()| other),
        }
    }
}

/// Files beside `path` that [`create_beside`] has made with this `suffix` and a kill has left, the
/// oldest first. Such a file begins with `beginning`; one that begins otherwise is a user's.
pub(super) fn left_beside(path: &Path, suffix: &str, beginning: &[u8]) -> io::Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        if made_beside(&entry.file_name(), suffix) == path.file_name()
            && is_left(&entry.path(), beginning)
        {
            left.push(entry.path());
        }
    }
    left.sort();
    Ok(left)
}

/// The name of the file for which [`create_beside`] has made the file `name`, if it has.
pub(super) fn made_beside<'n>(name: &'n OsStr, suffix: &str) -> Option<&'n OsStr> {
    let name = name.as_bytes();
    let stamp = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let before = name[..name.len() - stamp].strip_suffix(suffix.as_bytes())?;
    (stamp > 0).then_some(OsStr::from_bytes(before))
}

/// Whether the file begins with these bytes, or is a part of them that a crash has left.
pub(super) fn is_left(path: &Path, beginning: &[u8]) -> bool {
    let read = || {
        let mut found = Vec::new();
        File::open(path)?.take(beginning.len() as u64).read_to_end(&mut found)?;
        io::Result::Ok(found)
    };
    // Links are not followed: we have made none.
    let is_file = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    is_file
        && read().is_ok_and(|mut found| {
            // A power cut leaves zeros at places that were not written yet.
            found.truncate(memchr(0, &found).unwrap_or(found.len()));
            beginning.starts_with(&found)
        })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::{NEXT, create_beside, left_beside};

    #[test]
    fn what_a_kill_leaves_is_found_again_and_nobody_elses() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.csv");
        let left = || {
            let left = left_beside(&path, NEXT, b"header\n").unwrap().into_iter();
            let names = left.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
            names.collect::<Vec<_>>()
        };
        for name in ["op1.csv.next-", "op1.csv.next-x", "op1.csv.next", "op2.csv.next-7"] {
            fs::write(directory.path().join(name), "header\n").unwrap();
        }
        fs::write(directory.path().join("op1.csv.next-7"), "somebody else's").unwrap();
        fs::create_dir(directory.path().join("op1.csv.next-8")).unwrap();
        assert!(left().is_empty());
        for (number, text) in ["header\nmore\n", "head", "head\0\0\0", ""].iter().enumerate() {
            let (name, mut file) = create_beside(&path, NEXT, 7).unwrap();
            assert_eq!(name, directory.path().join(format!("op1.csv.next-{}", number + 9)));
            file.write_all(text.as_bytes()).unwrap();
        }
        let names = ["op1.csv.next-10", "op1.csv.next-11", "op1.csv.next-12", "op1.csv.next-9"];
        assert_eq!(left(), names);
    }
}
