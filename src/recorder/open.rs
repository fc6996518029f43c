//! Opening a file of rows: locked, with its header, and whole.
//!
//! Main thread at the start, before any connection, so that whatever is wrong with the files is said
//! while somebody is still looking; writer thread later, for files that others have changed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use log::warn;

use super::append_file::AppendFile;
use super::beside::{NEXT, create_beside, left_beside};
use super::columns::Column;
use super::disk::{self, DiskFile, sync_directory};
use super::error::{OpenError, failed};
use super::header::{Head, check_header, names};
use super::lock_file::lock_data_file;
use super::repair::{end_of_rows, move_aside, rebuild};
use crate::clock;

/// Bytes at the end that surely hold the last row of an ordinary recording.
const LAST_ROW_BYTES: u64 = 4 << 10;

/// Opens, locks and repairs what is at `path`, or begins it. `known` may be the end of a row, from
/// which the search for the last one can start.
pub(super) fn open_rows(
    path: &Path,
    header: &str,
    known: u64,
    now_ms: i64,
) -> Result<AppendFile, OpenError> {
    let disk = DiskFile::append_to(path).map_err(failed("open", path))?;
    lock_data_file(path, &disk)?;
    let mut rows = make_whole(path, disk, header, known, None, now_ms)?;
    // What a kill has left in the system's memory is not on the disk yet. From here on it is.
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

/// Removes what a kill has left of files that were begun beside `path`.
pub(super) fn remove_begun(path: &Path, header: &str) {
    // What cannot be found or removed is in nobody's way: the next one has another name.
    for left in left_beside(path, NEXT, header.as_bytes()).unwrap_or_default() {
        let _ = disk::remove(&left);
    }
}

/// Gives a file its header where that is missing, and moves aside what is no whole row. With `ours`,
/// the rows from there on were appended just now, behind what somebody else has done to the file;
/// without, a file with another header is refused.
pub(super) fn make_whole(
    path: &Path,
    mut disk: DiskFile,
    header: &str,
    known: u64,
    ours: Option<u64>,
    now_ms: i64,
) -> Result<AppendFile, OpenError> {
    let length = disk.length().map_err(failed("read", path))?;
    let head = match check_header(path, disk.file(), header) {
        Err(OpenError::OtherColumns { .. }) if ours.is_some() => Head::Rows,
        head => head?,
    };
    let (is_ours, ours) = (ours.is_some(), ours.unwrap_or(length));
    let known = if head == Head::Header && known <= ours { known } else { 0 };
    let end = match head {
        Head::Nothing => Ok(0),
        _ if is_ours && follows_a_row(disk.file(), ours) => Ok(ours),
        _ if follows_a_row(disk.file(), known) => end_of_rows(disk.file(), known..ours, header),
        _ => end_of_rows(disk.file(), 0..ours, header),
    };
    let end = end.map_err(failed("read", path))?;
    let aside = if head == Head::Rows || (end < ours && ours < length) {
        let header = if head == Head::Header { "" } else { header };
        rebuild(path, &mut disk, header, &[0..end, ours..length], now_ms)
    } else {
        move_aside(path, &mut disk, if end < ours { end } else { length }, now_ms)
    };
    if let Some(aside) = aside.map_err(failed("repair", path))? {
        let (path, torn, aside) = (path.display(), ours - end, aside.display());
        warn!("{path} had a torn row of {torn} bytes; it was moved to {aside}");
    }
    if head == Head::Rows {
        warn!("{} had lost its header; it has one again", path.display());
    }
    let length = disk.length().map_err(failed("read", path))?;
    let mut rows = AppendFile::new(disk, length);
    if length == 0 {
        let begun = rows.append(header.as_bytes()).and_then(|()| sync_directory(path));
        begun.and_then(|()| rows.end_check()).map_err(failed("write", path))?;
    }
    Ok(rows)
}

/// Whether a row, or the file, ends just before `place`.
fn follows_a_row(file: &File, place: u64) -> bool {
    let Some(before) = place.checked_sub(1) else { return true };
    let mut last = [0];
    file.read_exact_at(&mut last, before).is_ok() && last == *b"\n"
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
