//! Opening a file of rows: locked, with its header, and whole.
//!
//! Main thread at the start, before any connection, so that faults of the files are reported while a person is
//! still looking; writer thread later, for files that others have changed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use log::warn;

use super::append_file::AppendFile;
use super::beside::{NEXT, create_beside, left_beside};
use super::disk::{self, DiskFile, sync_directory};
use super::error::{OpenError, failed};
use super::header::{Head, check_header};
use super::inspect::FoundFile;
use super::lock_file::lock_data_file;
use super::redo;
use super::repair::{Mending, check_torn, end_of_rows, mend, row_near_end};
use crate::recording::columns::Column;
use crate::recording::header::names;
use crate::text::clock;

/// Bytes at the end that have the last row of an ordinary recording.
const LAST_ROW_BYTES: u64 = 4 << 10;

/// Bytes before which a missing header is put. A file that was emptied has the rows until that was noticed, some
/// hundred kilobytes; a file of gigabytes would have to be copied.
const MOST_BEHIND_A_HEADER: u64 = 4 << 20;

/// Opens, locks and repairs what is at `path`, or begins it. Up to `known` there were whole rows once, so
/// that what is torn can only be behind it, or at an end that is before it.
pub(super) fn open_rows(
    path: &Path,
    header: &str,
    known: u64,
    now_ms: i64,
) -> Result<AppendFile, OpenError> {
    open_found_rows(path, header, &mut None, known, now_ms)
}

/// The same for a file that was `found` before. What was read then is not read again; it is taken away when
/// somebody has changed the file since.
pub(super) fn open_found_rows(
    path: &Path,
    header: &str,
    found: &mut Option<FoundFile>,
    known: u64,
    now_ms: i64,
) -> Result<AppendFile, OpenError> {
    let mut disk = DiskFile::append_to(path).map_err(failed("open", path))?;
    lock_data_file(path, &disk)?;
    let is_changed = redo::finish(path, &mut disk, now_ms).map_err(failed("repair", path))?;
    // The file may have the same length then, and on most systems the same time for some milliseconds.
    *found = found.take().filter(|found| !is_changed && found.is(disk.file()));
    let (head, known) = match found {
        Some(found) => (found.head, known.max(found.rows_end)),
        None => (check_header(path, disk.file(), header)?, known),
    };
    let mut rows = make_whole(path, disk, header, head, known, None, now_ms)?;
    // Rows that a kill has left in the system's memory are forced to the disk here.
    rows.sync().map_err(failed("sync", path))?;
    Ok(rows)
}

/// Begins a file beside `path` that is to have its name later: nothing but its header, locked as the
/// recording is. Gives its present name. It is not on the disk yet.
pub(super) fn begin_beside(path: &Path, header: &str) -> io::Result<(PathBuf, AppendFile)> {
    let (name, disk) = create_beside(path, NEXT, clock::now_ms())?;
    let begin = || {
        lock_data_file(&name, &disk)?;
        let mut rows = AppendFile::new(disk, 0);
        rows.append(header.as_bytes())?;
        rows.end_check()?;
        io::Result::Ok(rows)
    };
    let rows = begin().inspect_err(|_| drop(disk::remove(&name)))?;
    Ok((name, rows))
}

/// Removes files that were begun beside `path` and left by a kill.
pub(super) fn remove_begun(path: &Path, header: &str) {
    // A file that cannot be found or removed does no harm: the next one has another name.
    for left in left_beside(path, NEXT, header.as_bytes()).unwrap_or_default() {
        let _ = disk::remove(&left);
    }
}

/// Gives a file its header where that is missing, as its `head` says, and moves aside what is no whole row.
/// With `ours`, the rows from there on were appended just now, behind what somebody else has done to the
/// file.
pub(super) fn make_whole(
    path: &Path,
    mut disk: DiskFile,
    header: &str,
    head: Head,
    known: u64,
    ours: Option<u64>,
    now_ms: i64,
) -> Result<AppendFile, OpenError> {
    let length = disk.length().map_err(failed("read", path))?;
    let known = if head == Head::Header || known > length { known } else { 0 };
    let torn = match head {
        Head::Nothing => Ok(0..ours.unwrap_or(length)),
        _ => torn_part(disk.file(), header, known, ours, length),
    };
    let torn = torn.map_err(failed("read", path))?;
    let (torn_bytes, gets_header) =
        (torn.end - torn.start, head == Head::Rows && torn.start <= MOST_BEHIND_A_HEADER);
    let check = if ours.is_none() { check_torn(disk.file(), torn.clone()) } else { Ok(()) };
    let mending = check
        .and_then(|()| plan(disk.file(), gets_header.then_some(header), torn, length))
        .map_err(failed("repair", path))?;
    // Somebody may change it again in this very moment, which the next look finds.
    let length = mending.offset + mending.bytes.len() as u64;
    let aside = mend(path, &mut disk, mending, now_ms).map_err(failed("repair", path))?;
    if let Some(aside) = aside {
        let (path, aside) = (path.display(), aside.display());
        warn!("{path} had a torn row of {torn_bytes} bytes; it was moved to {aside}");
    }
    if gets_header {
        warn!("{} had lost its header; it has one again", path.display());
    } else if head == Head::Rows {
        let (path, header) = (path.display(), header.trim_end());
        warn!("{path} has lost its header; rows go on, but put this line in front of it: {header}");
    }
    let mut rows = AppendFile::new(disk, length);
    if length == 0 {
        let begun = rows.append(header.as_bytes()).and_then(|()| sync_directory(path));
        begun.and_then(|()| rows.end_check()).map_err(failed("write", path))?;
    }
    Ok(rows)
}

/// The torn part at the end of the file, or in front of `ours`. There were only whole rows up to `known` once.
fn torn_part(
    file: &File,
    header: &str,
    known: u64,
    ours: Option<u64>,
    length: u64,
) -> io::Result<Range<u64>> {
    let end = ours.unwrap_or(length);
    let from = if ours.is_some() && follows_a_row(file, end) {
        end
    } else if (1..=end).contains(&known) && follows_a_row(file, known) {
        known
    } else if ours.is_some() || known > end {
        row_near_end(file, 0..end)?
    } else {
        // A power cut may have taken blocks anywhere.
        0
    };
    Ok(end_of_rows(file, from..end, header)?..end)
}

/// The changes that make the file whole: without its torn part, and with a `header` if it is to get one. Bytes
/// behind the torn part stay.
fn plan(file: &File, header: Option<&str>, torn: Range<u64>, length: u64) -> io::Result<Mending> {
    let mut mending = Mending { torn: torn.clone(), offset: length, bytes: Vec::new() };
    if let Some(header) = header {
        let before = read_part(file, 0..torn.start)?;
        // Somebody may have emptied it by writing an empty line to it, which is a row only where there is
        // one column.
        let is_empty = |byte: &&u8| header.contains(',') && b"\r\n".contains(byte);
        let empty = before.iter().take_while(is_empty).count();
        let before = &before[empty..];
        // The line may have come into the file just before the header was put back there.
        let header = if before.starts_with(header.as_bytes()) { "" } else { header };
        mending.bytes = [header.as_bytes(), before].concat();
        mending.offset = 0;
    } else if !torn.is_empty() {
        mending.offset = torn.start;
    }
    if mending.offset < length {
        mending.bytes.append(&mut read_part(file, torn.end..length)?);
    }
    Ok(mending)
}

fn read_part(file: &File, part: Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(part.end - part.start).unwrap_or_default()];
    file.read_exact_at(&mut bytes, part.start)?;
    Ok(bytes)
}

/// Whether a row, or the file, ends just before `place`.
fn follows_a_row(file: &File, place: u64) -> bool {
    let Some(before) = place.checked_sub(1) else { return true };
    let mut last = [0];
    file.read_exact_at(&mut last, before).is_ok() && last == *b"\n"
}

/// The columns of a `header` of ours.
pub(super) fn columns(header: &str) -> Vec<Column> {
    header.trim_end().split(',').filter_map(|name| name.parse().ok()).collect()
}

/// The reception time in the last row; `None` without such a column or such a row.
pub(super) fn last_received_ms(csv: &AppendFile, columns: &[Column]) -> io::Result<Option<i64>> {
    let Some(column) = columns.iter().position(|column| *column == Column::ReceivedMs) else {
        return Ok(None);
    };
    let mut file = csv.disk.file();
    file.seek(SeekFrom::Start(csv.length().saturating_sub(LAST_ROW_BYTES)))?;
    let mut tail = Vec::new();
    file.take(LAST_ROW_BYTES).read_to_end(&mut tail)?;
    let line = tail.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let fields = names(line);
    let field = (fields.len() == columns.len()).then(|| fields[column].parse().ok());
    Ok(field.flatten())
}
