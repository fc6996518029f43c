//! Before the first trade: take the lock, look at what is there, repair what a crash left.
//!
//! Runs on the main thread before any connection, so that whatever is wrong with the files is said
//! while somebody is still looking.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;

use super::append_file::AppendFile;
use super::disk::{DiskFile, sync_directory};
use super::error::{OpenError, failed};
use super::header::{Head, check_header, header, names};
use super::lock_file::{Heartbeat, LockFile, lock_data_file};
use super::options::Fsync;
use super::rebuild::rebuild;
use super::recent_appends::follows_a_row;
use super::repair::{end_of_rows, move_aside};
use crate::recorder::columns::Column;

/// A recording that is ours, whole, and ready for rows.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) lock: LockFile,
    pub(super) csv: AppendFile,
    pub(super) heartbeat: Option<Heartbeat>,
    /// What the last whole row says of its reception, if it has that column.
    pub(super) last_received_ms: Option<i64>,
    /// Lines for the log about what was found and repaired.
    pub(super) notes: Vec<String>,
}

/// Takes the lock of the recording at `out` and makes it whole.
pub(super) fn open_recording(
    out: &Path,
    columns: &[Column],
    fsync: Fsync,
    now_ms: i64,
) -> Result<Opened, OpenError> {
    if fs::metadata(out).is_ok_and(|found| !found.is_file()) {
        return Err(OpenError::NotAFile(out.to_owned()));
    }
    let (lock, heartbeat) = LockFile::take(out, fsync != Fsync::Never)?;
    let disk = DiskFile::append_to(out).map_err(failed("open", out))?;
    lock_data_file(out, &disk)?;
    let known = heartbeat.as_ref().map_or(0, |heartbeat| heartbeat.synced_length);
    let (csv, notes) = open_rows(out, disk, &header(columns), known, now_ms)?;
    let last_received_ms = last_received_ms(&csv, columns).map_err(failed("read", out))?;
    Ok(Opened { lock, csv, heartbeat, last_received_ms, notes })
}

/// Opens a file of rows under `header`: checks the header, moves a torn tail aside, or begins the
/// file. `known` may be the end of a row, from which the search for the last one can start.
fn open_rows(
    path: &Path,
    mut disk: DiskFile,
    header: &str,
    known: u64,
    now_ms: i64,
) -> Result<(AppendFile, Vec<String>), OpenError> {
    let mut notes = Vec::new();
    let length = disk.length().map_err(failed("read", path))?;
    let head = check_header(path, disk.file(), header)?;
    let known = if head == Head::Header { row_end(disk.file(), known, length) } else { 0 };
    let columns = header.split(',').count();
    let end = end_of_rows(disk.file(), known..length, columns).map_err(failed("read", path))?;
    let end = if head == Head::Nothing { 0 } else { end };
    if let Some(aside) = move_aside(path, &mut disk, end, now_ms).map_err(failed("repair", path))? {
        notes.push(format!(
            "{} ended in a torn row of {} bytes; it was moved to {}",
            path.display(),
            length - end,
            aside.display()
        ));
    }
    if head == Head::Rows {
        let parts = [0..end, end..end];
        let made = rebuild(path, &disk, header, &parts, now_ms).map_err(failed("repair", path))?;
        sync_directory(path).map_err(failed("repair", path))?;
        notes.push(format!("{} had lost its header; it has one again", path.display()));
        return Ok((made.0, notes));
    }
    let mut rows = AppendFile::new(disk, end);
    if end == 0 {
        rows.append(header.as_bytes()).map_err(failed("write", path))?;
        sync_directory(path).map_err(failed("write", path))?;
        rows.mark_checked();
    }
    // What a kill has left in the system's memory is not on the disk yet. From here on it is.
    rows.sync().map_err(failed("sync", path))?;
    Ok((rows, notes))
}

/// `known` if it can be trusted as the end of a row, else the beginning of the file.
pub(super) fn row_end(file: &File, known: u64, length: u64) -> u64 {
    if known <= length && follows_a_row(file, known).unwrap_or(false) { known } else { 0 }
}

/// Bytes at the end that surely hold the last row of an ordinary recording.
const LAST_ROW_BYTES: u64 = 4 << 10;

/// The reception time in the last row; `None` without such a column or such a row.
fn last_received_ms(csv: &AppendFile, columns: &[Column]) -> io::Result<Option<i64>> {
    let Some(column) = columns.iter().position(|column| *column == Column::ReceivedMs) else {
        return Ok(None);
    };
    let mut file = csv.disk().file();
    file.seek(io::SeekFrom::Start(csv.length().saturating_sub(LAST_ROW_BYTES)))?;
    let mut tail = Vec::new();
    file.take(LAST_ROW_BYTES).read_to_end(&mut tail)?;
    let line = tail.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let fields = names(line);
    let field = (fields.len() == columns.len()).then(|| fields[column].parse().ok());
    Ok(field.flatten())
}

/// Opens the ledger's file, with the same care as the recording.
pub(super) fn open_ledger(
    path: &Path,
    now_ms: i64,
) -> Result<(AppendFile, Vec<String>), OpenError> {
    let disk = DiskFile::append_to(path).map_err(failed("open", path))?;
    // `--out op1` and `--out op1.csv` are two recordings with one ledger.
    lock_data_file(path, &disk)?;
    open_rows(path, disk, super::ledger::HEADER, 0, now_ms)
}

/// Opens, locks and repairs what now has the name, or begins it.
pub(super) fn open_or_create(path: &Path, header: &str, now_ms: i64) -> io::Result<AppendFile> {
    let disk = DiskFile::append_to(path)?;
    lock_data_file(path, &disk).map_err(io::Error::other)?;
    let (file, _notes) = open_rows(path, disk, header, 0, now_ms).map_err(io::Error::other)?;
    Ok(file)
}
