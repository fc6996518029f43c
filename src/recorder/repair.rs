//! What is no whole row in a file, after a crash or because somebody has cut it: found, moved aside,
//! never thrown away.
//!
//! Main thread at the start, writer thread later; only the holder of the lock. A row counts as whole
//! only with its line end: `…,1` without one may have been `…,1;12`.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Take, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memchr::memchr;

use super::beside::{NEXT, TORN, create_beside};
use super::disk::{self, DiskFile, sync_directory};
use super::lock_file::lock_data_file;
use crate::rows::RowReader;

/// No crash of ours leaves more than one row, and a power cut no more than the system had in
/// memory. A larger remainder is nothing that we left, and for a person to look at.
const LARGEST_REMAINDER: u64 = 256 << 20;

/// Where the last whole row in a part of a file ends; the part must begin where a row does. An
/// ordinary row has as many fields as `header`.
///
/// A NUL is never written to a recording; where one is found, blocks were lost in a power cut, and
/// nothing behind it counts.
pub(super) fn end_of_rows(mut file: &File, part: Range<u64>, header: &str) -> io::Result<u64> {
    file.seek(SeekFrom::Start(part.start))?;
    let file = file.take(part.end.saturating_sub(part.start));
    let columns = header.split(',').count();
    let mut rows = RowReader::from_row(UntilNul { file, found: false }, part.start, columns);
    loop {
        rows.skip_plain_rows();
        if rows.next_row()?.is_none() {
            return Ok(rows.position());
        }
    }
}

/// A file that ends before its first NUL.
struct UntilNul<'a> {
    file: Take<&'a File>,
    found: bool,
}

impl Read for UntilNul<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = if self.found { 0 } else { self.file.read(buffer)? };
        let nul = memchr(0, &buffer[..read]);
        self.found |= nul.is_some();
        Ok(nul.unwrap_or(read))
    }
}

/// Moves everything behind `end` into a file of its own beside `path`; gives its path, or `None`
/// when there is nothing. A second crash in between leaves the bytes in both places.
pub(super) fn move_aside(
    path: &Path,
    disk: &mut DiskFile,
    end: u64,
    now_ms: i64,
) -> io::Result<Option<PathBuf>> {
    let length = disk.length()?;
    if length > end && length - end > LARGEST_REMAINDER {
        return Err(io::Error::other(format!(
            "its last {} bytes are no whole rows, more than a crash leaves; look at them from byte {end} on, and move them away",
            length - end
        )));
    }
    let aside = copy_aside(path, disk, end..length, now_ms)?;
    if aside.is_some() {
        disk.set_len(end)?;
        disk.sync()?;
    }
    Ok(aside)
}

/// Copies a part of the file at `path` into a file of its own beside it; gives its path, or `None`
/// when the part is empty.
fn copy_aside(
    path: &Path,
    disk: &DiskFile,
    part: Range<u64>,
    now_ms: i64,
) -> io::Result<Option<PathBuf>> {
    if part.is_empty() {
        return Ok(None);
    }
    let (aside, mut copy) = create_beside(path, TORN, now_ms)?;
    let mut torn = disk.file();
    let copied = torn
        .seek(SeekFrom::Start(part.start))
        .and_then(|_| io::copy(&mut torn.take(part.end - part.start), &mut copy))
        .and_then(|_| copy.sync())
        .and_then(|()| sync_directory(path));
    // Half a copy is of no use, and a full disk would get another one at each try.
    copied.inspect_err(|_| drop(disk::remove(&aside)))?;
    Ok(Some(aside))
}

/// Puts `header` and two parts of `old` in the place of `old`, the file at `path`; what lies between
/// the parts is moved aside first. The new file is made beside the old one and put in its place in
/// one step: a kill or a full disk at any instant leaves one of them, whole. Gives where the rest
/// went.
pub(super) fn rebuild(
    path: &Path,
    old: &mut DiskFile,
    header: &str,
    parts: &[Range<u64>; 2],
    now_ms: i64,
) -> io::Result<Option<PathBuf>> {
    // A symbolic link stays one.
    let real = fs::canonicalize(path)?;
    let (next, new) = create_beside(&real, NEXT, now_ms)?;
    let made = copy_parts(&next, new, old, header, parts).and_then(|new| {
        let aside = copy_aside(path, old, parts[0].end..parts[1].start, now_ms)?;
        disk::replace(&next, &real)?;
        *old = new;
        sync_directory(&real)?;
        Ok(aside)
    });
    // As little as possible is left on a full disk.
    made.inspect_err(|_| drop(disk::remove(&next)))
}

/// A new file, locked and on the disk, with the header and the parts.
fn copy_parts(
    path: &Path,
    mut new: DiskFile,
    old: &DiskFile,
    header: &str,
    parts: &[Range<u64>],
) -> io::Result<DiskFile> {
    lock_data_file(path, &new)?;
    let mut old = old.file();
    new.file().set_permissions(old.metadata()?.permissions())?;
    new.write_all(header.as_bytes())?;
    for part in parts {
        old.seek(SeekFrom::Start(part.start))?;
        io::copy(&mut old.take(part.end - part.start), &mut new)?;
    }
    new.sync()?;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{DiskFile, end_of_rows, move_aside};
    use crate::rows::LONGEST_ROW;

    const HEADER: &str = "ticker,price\n";

    fn check(content: &[u8], known: u64, whole: usize) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.csv");
        fs::write(&path, content).unwrap();
        let mut disk = DiskFile::append_to(&path).unwrap();
        let end = end_of_rows(disk.file(), known..u64::MAX, HEADER).unwrap();
        assert_eq!(end, whole as u64, "{:?}", String::from_utf8_lossy(content));
        let aside = move_aside(&path, &mut disk, end, 77).unwrap();
        assert_eq!(fs::read(&path).unwrap(), content[..whole]);
        match aside {
            None => assert_eq!(whole, content.len()),
            Some(aside) => {
                assert_eq!(aside, directory.path().join("op1.csv.torn-77"));
                assert_eq!(fs::read(aside).unwrap(), content[whole..]);
            }
        }
    }

    #[test]
    fn rows_are_found_across_chunks() {
        let mut content = b"h\n".to_vec();
        content.extend_from_slice("\"x\ny\",1\n".repeat(LONGEST_ROW / 4).as_bytes());
        let whole = content.len();
        content.extend_from_slice(b"\"x\n");
        check(&content, 0, whole);
    }

    #[test]
    fn a_stray_quote_costs_its_own_row_and_moves_nothing_aside() {
        for row in ["\"A,1\n", "A\"B,1\n", "\"A\"B,1\n", "A,\"1\n"] {
            let few = format!("{HEADER}{row}{}", "B,2\n".repeat(3));
            check(few.as_bytes(), 0, few.len());
            let many = format!("{HEADER}{row}{}", "B,2\n".repeat(LONGEST_ROW));
            check(many.as_bytes(), 0, many.len());
            check(format!("{many}C,").as_bytes(), HEADER.len() as u64, many.len());
        }
    }

    #[test]
    fn two_repairs_at_the_same_time_keep_both_remainders() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.csv");
        for name in ["op1.csv.torn-77", "op1.csv.torn-78"] {
            fs::write(&path, "h\nA").unwrap();
            let mut disk = DiskFile::append_to(&path).unwrap();
            let aside = move_aside(&path, &mut disk, 2, 77).unwrap();
            assert_eq!(aside, Some(directory.path().join(name)));
        }
    }
}
