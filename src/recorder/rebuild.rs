//! A file that has lost its header, or has the stump of a row in its middle, made whole: a new file
//! is made beside it and put in its place in one step. A kill or a full disk at any instant leaves
//! the old one as it is, or the new one.
//!
//! Main thread at the start, writer thread later; only the holder of the lock.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::append_file::AppendFile;
use super::disk::{self, DiskFile, next_path};
use super::lock_file::lock_data_file;
use super::repair::copy_aside;

/// Puts `header` and two parts of `old` in the place of `old`, the file at `path`; what lies between
/// the parts is moved aside first. Gives the new file, its directory still to be forced to the disk,
/// and where the rest went.
pub(super) fn rebuild(
    path: &Path,
    old: &DiskFile,
    header: &str,
    parts: &[Range<u64>; 2],
    now_ms: i64,
) -> io::Result<(AppendFile, Option<PathBuf>)> {
    // A symbolic link stays one.
    let real = fs::canonicalize(path)?;
    let next = next_path(&real);
    disk::remove_if_exists(&next)?;
    let made = fill(&next, old, header, parts).and_then(|file| {
        let aside = copy_aside(path, old, parts[0].end..parts[1].start, now_ms)?;
        disk::replace(&next, &real)?;
        Ok((file, aside))
    });
    // As little as possible is left on a full disk.
    made.inspect_err(|_| drop(disk::remove(&next)))
}

/// A new file, locked and on the disk, with the header and the parts.
fn fill(path: &Path, old: &DiskFile, header: &str, parts: &[Range<u64>]) -> io::Result<AppendFile> {
    let mut new = DiskFile::append_to(path)?;
    lock_data_file(path, &new).map_err(io::Error::other)?;
    let mut old = old.file();
    new.file().set_permissions(old.metadata()?.permissions())?;
    new.write_all(header.as_bytes())?;
    for part in parts {
        old.seek(SeekFrom::Start(part.start))?;
        io::copy(&mut old.take(part.end - part.start), &mut new)?;
    }
    let length = new.length()?;
    let mut file = AppendFile::new(new, length);
    file.sync()?;
    Ok(file)
}
