//! Finds the bytes of a file that are no whole row, after a crash or a change by somebody else, and moves them
//! aside: nothing is thrown away.
//!
//! Main thread at the start, writer thread later; only the holder of the lock. A row counts as whole
//! only with its line end: `…,1` without one may have been `…,1;12`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memchr::memchr;
use rustix::fs::{self, seek};
use rustix::io::Errno;

use super::beside::{TORN, create_beside};
use super::disk::{self, DiskFile, sync_directory};
use super::redo;
use crate::recording::rows::{LONGEST_ROW, RowReader};

/// Bytes that a crash may leave torn: a kill leaves less than a row, and a power cut no more than the system had
/// in memory. A larger part is not ours, and a person must look at it.
const LARGEST_REMAINDER: u64 = 256 << 20;

/// The last row, and a few before it, begin within this many bytes of the end.
const NEAR_END: usize = 2 * LONGEST_ROW;

/// Where the last whole row in a part of a file ends; the part must begin where a row does. An
/// ordinary row has as many fields as `header`.
///
/// A recording has no NUL: where there is one, a power cut has lost blocks, and nothing behind it counts.
pub(super) fn end_of_rows(mut file: &File, part: Range<u64>, header: &str) -> io::Result<u64> {
    file.seek(SeekFrom::Start(part.start))?;
    let text = UntilNul::new(file, part.end.saturating_sub(part.start));
    let columns = header.split(',').count();
    let mut rows = RowReader::from_row(text, part.start, columns);
    loop {
        rows.skip_plain_rows();
        if rows.next_row()?.is_none() {
            return Ok(rows.position());
        }
    }
}

/// A file that ends before its first NUL.
#[derive(Debug)]
pub(super) struct UntilNul<'a> {
    file: Take<&'a File>,
    found: bool,
}

impl<'a> UntilNul<'a> {
    /// The next bytes of the file, at `most` this many.
    pub(super) fn new(file: &'a File, most: u64) -> Self {
        Self { file: file.take(most), found: false }
    }
}

impl Read for UntilNul<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = if self.found { 0 } else { self.file.read(buffer)? };
        let nul = memchr(0, &buffer[..read]);
        self.found |= nul.is_some();
        Ok(nul.unwrap_or(read))
    }
}

/// Where a row begins near the end of this `part`, so that little is to be read from there on. The part begins
/// with a row.
pub(super) fn row_near_end(file: &File, part: Range<u64>) -> io::Result<u64> {
    let from = part.end.saturating_sub(NEAR_END as u64);
    if from <= part.start {
        return Ok(part.start);
    }
    let mut near = vec![0; NEAR_END];
    file.read_exact_at(&mut near, from)?;
    // This may be a line end inside quotes; then the reader is right again after a row or two.
    Ok(memchr(b'\n', &near).map_or(part.start, |end| from + end as u64 + 1))
}

/// The changes after which a file ends with a whole row.
#[derive(Debug)]
pub(super) struct Mending {
    /// The torn part, to be moved aside.
    pub(super) torn: Range<u64>,
    /// From here on the file is to have `bytes`, and nothing behind them.
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// Makes the changes; gives the path of the new file with the torn part, or `None` when nothing is torn. After a
/// crash in between, the torn part is in both files, or the next start does the rest.
///
/// # Errors
/// When the disk refuses something: see [`redo`].
pub(super) fn mend(
    path: &Path,
    disk: &mut DiskFile,
    Mending { torn, offset, bytes }: Mending,
    now_ms: i64,
) -> io::Result<Option<PathBuf>> {
    let aside = copy_aside(path, disk, torn, now_ms)?;
    // Else there would be one more copy at each try.
    let drop_copy = |_: &io::Error| drop(aside.as_deref().map(disk::remove));
    if bytes.is_empty() {
        if disk.length()? > offset {
            disk.set_len(offset).inspect_err(drop_copy)?;
            disk.sync()?;
        }
    } else {
        let redo = redo::begin(path, disk, offset, bytes, now_ms).inspect_err(drop_copy)?;
        redo.apply(disk)?;
    }
    Ok(aside)
}

/// Fails when more is torn than a crash can leave.
pub(super) fn check_torn(file: &File, torn: Range<u64>) -> io::Result<()> {
    let bytes: u64 = data_in(file, torn.clone()).map(|data| data.end - data.start).sum();
    if bytes <= LARGEST_REMAINDER {
        return Ok(());
    }
    let from = torn.start;
    Err(io::Error::other(format!(
        "its last {bytes} bytes are no whole rows, more than a crash leaves; look at them from byte {from} on, and move them away"
    )))
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
    let copied = copy_part(disk.file(), part, &mut copy)
        .and_then(|()| copy.sync())
        .and_then(|()| sync_directory(path));
    // Half a copy is useless, and a full disk would get another one at each try.
    copied.inspect_err(|_| drop(disk::remove(&aside)))?;
    Ok(Some(aside))
}

/// Copies a part of a file into an empty one. Holes stay holes, which cost no room and no time.
fn copy_part(mut file: &File, part: Range<u64>, copy: &mut DiskFile) -> io::Result<()> {
    let lengthen = |copy: &mut DiskFile, length| {
        if copy.length()? < length { copy.set_len(length) } else { Ok(()) }
    };
    for data in data_in(file, part.clone()) {
        lengthen(copy, data.start - part.start)?;
        file.seek(SeekFrom::Start(data.start))?;
        io::copy(&mut file.take(data.end - data.start), copy)?;
    }
    lengthen(copy, part.end - part.start)
}

/// The pieces of a part of a file that are not holes.
fn data_in(file: &File, part: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut at = part.start;
    std::iter::from_fn(move || {
        let start = match seek(file, fs::SeekFrom::Data(at)) {
            Err(Errno::NXIO) => part.end,
            // Where the system cannot tell holes, all is data.
            found => found.unwrap_or(at),
        };
        let end = seek(file, fs::SeekFrom::Hole(start)).map_or(part.end, |end| end.min(part.end));
        at = end;
        (start < end).then_some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{DiskFile, LONGEST_ROW, Mending, NEAR_END, end_of_rows, mend, row_near_end};

    const HEADER: &str = "ticker,price\n";

    fn move_aside(path: &Path, disk: &mut DiskFile, end: u64) -> Option<PathBuf> {
        let torn = end..disk.length().unwrap();
        mend(path, disk, Mending { torn, offset: end, bytes: Vec::new() }, 77).unwrap()
    }

    fn check(content: &[u8], known: u64, whole: usize) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.csv");
        fs::write(&path, content).unwrap();
        let mut disk = DiskFile::append_to(&path).unwrap();
        let end = end_of_rows(disk.file(), known..u64::MAX, HEADER).unwrap();
        assert_eq!(end, whole as u64, "{:?}", String::from_utf8_lossy(content));
        let aside = move_aside(&path, &mut disk, end);
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
            let aside = move_aside(&path, &mut disk, 2);
            assert_eq!(aside, Some(directory.path().join(name)));
        }
    }

    #[test]
    fn only_the_end_of_a_large_file_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.csv");
        for row in ["A,1\n", "\"A\nB\",1\n", "\"A\n\"\"B\n\",1\n"] {
            let rows = format!("{HEADER}{}", row.repeat(LONGEST_ROW));
            fs::write(&path, format!("{rows}{}", &row[..row.len() - 1])).unwrap();
            let disk = DiskFile::append_to(&path).unwrap();
            let length = disk.length().unwrap();
            let near = row_near_end(disk.file(), 0..length).unwrap();
            let from = length - NEAR_END as u64;
            assert!(near > from && near < from + 20, "{row:?}");
            let end = end_of_rows(disk.file(), near..length, HEADER).unwrap();
            assert_eq!(end, rows.len() as u64, "{row:?}");
        }
    }
}
