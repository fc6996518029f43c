//! Before the first trade: take the lock, look at what is there, repair what a crash left.
//!
//! Runs on the main thread before any connection, so that whatever is wrong with the files is said
//! while somebody is still looking.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use memchr::{memchr, memrchr};

use super::append_file::AppendFile;
use super::disk::{DiskFile, sync_directory};
use super::lock_file::{LockError, LockFile, ProofOfLife, lock_path};
use super::options::Fsync;
use super::rebuild::rebuild;
use super::recent::follows_a_row;
use super::repair::{end_of_rows, move_aside};
use super::row::header;
use crate::error::printable;
use crate::recorder::columns::Column;

/// `verify`, `check` and a start hold a lock for an instant to see whether somebody records; on a
/// busy machine that instant may be some milliseconds.
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
    /// It holds trades of the other kind of market.
    #[error(
        "{} holds trades of {ticker}; simulated (DEMO:…) and real ones never meet in one file: give another --out", path.display()
    )]
    OtherMarket {
        /// The file.
        path: PathBuf,
        /// What it holds.
        ticker: String,
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
    wait_out_glances(|| disk.file().try_lock()).map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::InUse(path.to_owned(), None),
        TryLockError::Error(error) => failed("lock", path)(error),
    })
}

/// Tries a lock until it is clear that its holder does more than to look.
pub(super) fn wait_out_glances(
    mut try_lock: impl FnMut() -> Result<(), TryLockError>,
) -> Result<(), TryLockError> {
    let until = Instant::now() + GLANCE;
    loop {
        match try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(1));
            }
            tried => return tried,
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
        rows.looked_after();
    }
    // What a kill has left in the system's memory is not on the disk yet. From here on it is.
    rows.sync().map_err(failed("sync", path))?;
    Ok((rows, notes))
}

/// What a file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// Nothing, or only the beginning of its header.
    Nothing,
    /// Its header.
    Header,
    /// Rows that fit the header: somebody has emptied the file while it was being recorded.
    Rows,
}

/// Looks whether the file begins as one with this `header` should.
pub(super) fn check_header(path: &Path, mut file: &File, header: &str) -> Result<Head, OpenError> {
    file.rewind().map_err(failed("read", path))?;
    let mut front = Vec::new();
    file.take(LONGEST_HEADER).read_to_end(&mut front).map_err(failed("read", path))?;
    // Nothing behind a NUL counts: a power cut left the file longer than what was written.
    front.truncate(memchr(0, &front).unwrap_or(front.len()));
    let end = memchr(b'\n', &front).map(|end| end + 1);
    let line = &front[..end.unwrap_or(front.len())];
    // Spreadsheets put a byte order mark in front, and end lines in two characters.
    let text = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let found = text.trim_ascii_end();
    let wanted = header.trim_end().as_bytes();
    if end.is_some() && names(found) == names(wanted) {
        return Ok(Head::Header);
    }
    if end.is_none() && wanted.starts_with(found) {
        return Ok(Head::Nothing);
    }
    let whole = memrchr(b'\n', &front).map_or(0, |end| end + 1);
    if are_rows(&front[..whole], &names(wanted)) {
        return Ok(Head::Rows);
    }
    Err(other_columns(path, &String::from_utf8_lossy(found)))
}

/// Whether these lines, at least one, can only be rows with these columns: each field is what its
/// column asks for, and one of them is a number.
fn are_rows(lines: &[u8], columns: &[String]) -> bool {
    let is_number = |field: &[u8]| serde_json::from_slice::<f64>(field).is_ok();
    let is_time = |field: &[u8]| serde_json::from_slice::<i64>(field).is_ok();
    let fits = |(column, field): (&String, &[u8])| match column.as_str() {
        "price" | "volume" => is_number(field),
        "timestamp_ms" | "received_ms" | "time_ms" => is_time(field),
        "state" => field == b"live" || field == b"down",
        "ticker" => !field.is_empty(),
        _ => true,
    };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(lines);
    let all_fit = reader.byte_records().all(|row| {
        row.is_ok_and(|row| row.len() == columns.len() && columns.iter().zip(&row).all(fits))
    });
    let tell = ["price", "volume", "timestamp_ms", "received_ms", "time_ms"];
    !lines.is_empty() && all_fit && columns.iter().any(|column| tell.contains(&column.as_str()))
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

/// `known` if it can be trusted as the end of a row, else the beginning of the file.
pub(super) fn row_end(file: &File, known: u64, length: u64) -> u64 {
    if known <= length && follows_a_row(file, known).unwrap_or(false) { known } else { 0 }
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
    open_rows(path, disk, super::ledger::HEADER, 0, now_ms)
}
