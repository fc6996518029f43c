//! Before the first trade: take the lock, look at what is there, repair what a crash left.
//!
//! Runs on the main thread before any connection, so that whatever is wrong with the files is said
//! while somebody is still looking.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memchr;

use super::append_file::AppendFile;
use super::disk::{DiskFile, sync_directory};
use super::lock_file::{LockError, LockFile, ProofOfLife, lock_path};
use super::options::Fsync;
use super::repair::{end_of_rows, move_aside};
use super::row::header;
use crate::columns::Column;
use crate::error::printable;

/// `verify` and `check` hold a lock for an instant to see whether somebody records; on a busy
/// machine that instant may be some milliseconds.
const GLANCE: Duration = Duration::from_millis(30);

/// A header line is never longer; what is longer is no recording.
const LONGEST_HEADER: u64 = 64 << 10;

/// Why a recording cannot be opened: what, which file, what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path is a directory, a pipe or a device.
    #[error("{} is not an ordinary file; give --out the name of a CSV file", .0.display())]
    NotAFile(PathBuf),
    /// Another process records to it.
    #[error("{} is being recorded by another process{}; stop that one, or give another --out", .0.display(), .1.map(|pid| format!(" ({pid})")).unwrap_or_default())]
    InUse(PathBuf, Option<u32>),
    /// Its header is not the one asked for.
    #[error("{} has other columns: {found}; {advice}", path.display())]
    OtherColumns {
        /// The file.
        path: PathBuf,
        /// What its first line says.
        found: String,
        /// How to go on.
        advice: String,
    },
    /// The system refuses.
    #[error("cannot {action} {}: {reason}; check the directory and its permissions, or give another path", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's answer.
        reason: String,
    },
}

/// Maps a system's error, naming what was tried with which file.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |error| OpenError::Io { action, path, reason: error.to_string() }
}

/// A recording that is ours, whole, and ready for rows.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) lock: LockFile,
    pub(super) csv: AppendFile,
    pub(super) proof: Option<ProofOfLife>,
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
    let (lock, proof) =
        LockFile::take(out, fsync != Fsync::Never).map_err(|error| match error {
            LockError::Held(pid) => OpenError::InUse(out.to_owned(), pid),
            LockError::Io(error) => failed("create", &lock_path(out))(error),
        })?;
    let disk = DiskFile::append_to(out).map_err(failed("open", out))?;
    lock_rows(out, &disk)?;
    let known = proof.as_ref().map_or(0, |proof| proof.synced_length);
    let (csv, notes) = open_rows(out, disk, &header(columns), known, now_ms)?;
    let last_received_ms = last_received(&csv, columns).map_err(failed("read", out))?;
    Ok(Opened { lock, csv, proof, last_received_ms, notes })
}

/// Locks the file itself: a recording may have other names than ours (links), each with a lock file
/// of its own.
pub(super) fn lock_rows(path: &Path, disk: &DiskFile) -> Result<(), OpenError> {
    let until = Instant::now() + GLANCE;
    loop {
        match disk.file().try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned(), None)),
            Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
        }
    }
}

/// Opens a file of rows under `header`: checks the header, moves a torn tail aside, or begins the
/// file. `known` may be the end of a row, from which the search for the last one can start.
pub(super) fn open_rows(
    path: &Path,
    mut disk: DiskFile,
    header: &str,
    known: u64,
    now_ms: i64,
) -> Result<(AppendFile, Vec<String>), OpenError> {
    let mut notes = Vec::new();
    let mut file = disk.file().try_clone().map_err(failed("open", path))?;
    let length = file.metadata().map_err(failed("read", path))?.len();
    let has_header = check_header(path, &mut file, header)?;
    let known = if has_header && ends_a_row(&mut file, known, length) { known } else { 0 };
    let columns = header.split(',').count();
    let end = end_of_rows(&file, known, columns).map_err(failed("read", path))?;
    let end = if has_header { end } else { 0 };
    if let Some(aside) = move_aside(path, &mut disk, end, now_ms).map_err(failed("repair", path))? {
        notes.push(format!(
            "{} ended in a torn row of {} bytes; it was moved to {}",
            path.display(),
            length - end,
            aside.display()
        ));
    }
    let mut rows = AppendFile::new(disk, end);
    if end == 0 {
        rows.append(header.as_bytes()).map_err(failed("write", path))?;
        sync_directory(path).map_err(failed("write", path))?;
    }
    // What a kill has left in the system's memory is not on the disk yet. From here on it is.
    rows.sync().map_err(failed("sync", path))?;
    Ok((rows, notes))
}

/// Whether the file has its header; an empty file, or one with only the beginning of it, has not.
pub(super) fn check_header(path: &Path, file: &mut File, header: &str) -> Result<bool, OpenError> {
    file.rewind().map_err(failed("read", path))?;
    let mut line = Vec::new();
    BufReader::new(file.take(LONGEST_HEADER))
        .read_until(b'\n', &mut line)
        .map_err(failed("read", path))?;
    // Nothing behind a NUL counts: a power cut left the file longer than what was written.
    line.truncate(memchr(0, &line).unwrap_or(line.len()));
    let complete = line.last() == Some(&b'\n');
    // Spreadsheets put a byte order mark in front, and end lines in two characters.
    let text = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line);
    let found = text.trim_ascii_end();
    let wanted = header.trim_end().as_bytes();
    if (complete && names(found) == names(wanted)) || (!complete && wanted.starts_with(found)) {
        return Ok(complete);
    }
    Err(other_columns(path, &String::from_utf8_lossy(found)))
}

/// The fields of a line, whether quoted well or not.
pub(super) fn names(line: &[u8]) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let record = reader.byte_records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

fn other_columns(path: &Path, found: &str) -> OpenError {
    let names = names(found.as_bytes());
    let ours = !names.is_empty() && names.iter().all(|name| name.parse::<Column>().is_ok());
    let advice = if ours {
        format!("add --columns {} to go on with it, or give another --out", names.join(","))
    } else {
        "it is no recording of this program; give another --out".to_owned()
    };
    OpenError::OtherColumns { path: path.to_owned(), found: printable(found, 200), advice }
}

/// Whether `known` can be trusted as the end of a row.
fn ends_a_row(file: &mut File, known: u64, length: u64) -> bool {
    if known == 0 || known > length {
        return false;
    }
    let mut last = [0];
    file.seek(io::SeekFrom::Start(known - 1)).and_then(|_| file.read_exact(&mut last)).is_ok()
        && last == *b"\n"
}

/// Bytes at the end that surely hold the last row of an ordinary recording.
const LAST_ROW_BYTES: u64 = 4 << 10;

/// The reception time in the last row; `None` without such a column or such a row.
fn last_received(csv: &AppendFile, columns: &[Column]) -> io::Result<Option<i64>> {
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
    lock_rows(path, &disk)?;
    open_rows(path, disk, super::coverage::HEADER, 0, now_ms)
}
