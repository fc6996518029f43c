//! Looks at the files before a recording begins, without a change: for the subcommand `check`, and as the first
//! half of a start, so that a refused start leaves nothing behind.
//!
//! Main thread. Existing files are opened for appending, and nothing is appended. Where files would have to be
//! created, a file of another name is created and removed at once. Simulated and real trades must never be in one
//! file: the market is found in the first and the last rows, and in the ledger's lists of symbols, which also
//! serve for a recording without the column `ticker`.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{OpenError, failed, is_full};
use super::header::{Head, check_header};
use super::ledger;
use super::lock_file::{lock_error, take_lock};
use super::log_file::check_kind;
use super::options::{Destination, RecorderOptions};
use crate::market::symbol::is_simulated;
use crate::recording::columns::Column;
use crate::recording::header::header;
use crate::recording::ledger::{LedgerRow, State};
use crate::recording::lock_line;
use crate::recording::names::{ledger_of, lock_path};
use crate::recording::paths::behind_links;
use crate::recording::rows::RowReader;
use crate::text::clock::now_ms;
use crate::text::printable;

/// Written to the probe by `check`: a full disk still takes an empty file.
const PROBE_BYTES: [u8; 4096] = [b'\n'; 4096];

/// Bytes at the beginning and at the end of a recording that are read to find its market: dozens of rows each.
const LOOKED_AT: u64 = 4 << 10;

/// Characters of a ticker that are shown.
const SHOWN_CHARACTERS: usize = 60;

/// What was found of a recording.
#[derive(Debug)]
pub struct Inspection {
    /// The size in bytes of the file, or of the ledger when rows go to standard output; `None` when it can
    /// be created. An error says why no recording can begin.
    pub output: Result<Option<u64>, OpenError>,
    /// Whether the file has its header already. An error says that the file has other columns, and how to
    /// match them, or trades of the other market. `None` when the output cannot be used,
    /// and for standard output.
    pub header: Option<Result<bool, OpenError>>,
    pub(super) files: FoundFiles,
    /// Whether nothing has to be created.
    is_complete: bool,
}

/// The existing files, for the rest of a start.
#[derive(Debug, Default)]
pub(super) struct FoundFiles {
    pub(super) csv: Option<FoundFile>,
    pub(super) ledger: Option<FoundFile>,
}

/// A file as it was found before its lock was held.
#[derive(Debug)]
pub(super) struct FoundFile {
    metadata: Metadata,
    /// Its beginning.
    pub(super) head: Head,
    /// Where the last whole row of a ledger ends.
    pub(super) rows_end: u64,
    /// The last row of a ledger.
    pub(super) last: LedgerRow,
    /// A ticker of the other market in it.
    other: Option<String>,
}

impl FoundFile {
    /// Whether `file` is this one, and has not been changed since.
    pub(super) fn is(&self, file: &File) -> bool {
        let key = |it: &Metadata| (it.dev(), it.ino(), it.len(), it.mtime(), it.mtime_nsec());
        file.metadata().is_ok_and(|now| key(&now) == key(&self.metadata))
    }
}

/// Looks at the files of a recording to `out` for a start: gives the existing ones, and the names of those that the
/// start will create.
///
/// # Errors
/// The file or log is none, or is in use, or has other columns or trades of the other market; a file
/// cannot be opened, read or made.
pub(super) fn before_start(
    options: &RecorderOptions,
) -> Result<(FoundFiles, Vec<PathBuf>), OpenError> {
    let RecorderOptions { out, log_file, columns, simulated, .. } = options;
    let mut new = Vec::new();
    if look_log(log_file)?.is_none() {
        probe(log_file, b"\n", false).map_err(failed("create", log_file))?;
        new.push(log_file.clone());
    }
    let (Some(found), Some(file)) = (inspect(out, columns, *simulated), out.file()) else {
        return Ok((FoundFiles::default(), new));
    };
    found.output?;
    found.header.transpose()?;
    let mut made = vec![file.clone(), lock_path(&file)];
    let first = match out {
        Destination::File(csv) => {
            made.insert(1, ledger_of(csv));
            header(columns)
        }
        Destination::StandardOutput { .. } => ledger::HEADER.to_owned(),
    };
    let is_free = |error: io::Error| error.kind() == ErrorKind::NotFound;
    made.retain(|path| fs::symlink_metadata(path).is_err_and(is_free));
    if !made.is_empty() {
        // With no more bytes than a new file has, so that a disk with little room is accepted.
        probe(&file, first.as_bytes(), true).map_err(failed("write", &file))?;
    }
    new.append(&mut made);
    Ok((found.files, new))
}

/// Looks at the files of a recording to `out`, and whether one could begin. `None` for standard output
/// without a ledger: there is nothing to try.
pub fn try_out(out: &Destination, columns: &[Column], simulated: bool) -> Option<Inspection> {
    let (mut found, file) = (inspect(out, columns, simulated)?, out.file()?);
    if found.output.is_ok()
        && let Err(error) = probe(&file, &PROBE_BYTES, true)
        && (!found.is_complete || is_full(&error))
    {
        (found.output, found.header) = (Err(out.error(failed("create", &file)(error))), None);
    }
    Some(found)
}

/// Whether `log_file` can be appended to. Gives its size in bytes, or `None` when it can be created.
///
/// # Errors
/// It is a pipe, a socket or a disk, or cannot be opened or made.
pub fn try_log(log_file: &Path) -> Result<Option<u64>, OpenError> {
    let file = look_log(log_file)?;
    if file.is_none() {
        probe(log_file, &PROBE_BYTES, false).map_err(failed("create", log_file))?;
    }
    Ok(file.as_ref().map(size))
}

fn look_log(log_file: &Path) -> Result<Option<File>, OpenError> {
    check_kind(log_file).map_err(failed("open", log_file))?;
    open_existing(log_file)
}

fn inspect(out: &Destination, columns: &[Column], simulated: bool) -> Option<Inspection> {
    match out {
        Destination::File(csv) => {
            Some(inspect_files(csv, &ledger_of(csv), Some(columns), simulated))
        }
        Destination::StandardOutput { coverage } => {
            let ledger = coverage.as_deref()?;
            let mut found = inspect_files(ledger, ledger, None, simulated);
            let header = found.header.take().unwrap_or(Ok(false));
            found.output = found.output.and_then(|size| header.map(|_| size));
            found.output = found.output.map_err(|error| out.error(error));
            Some(found)
        }
    }
}

/// Looks at a recording with these columns; without columns, `out` is the ledger itself.
fn inspect_files(
    out: &Path,
    ledger: &Path,
    columns: Option<&[Column]>,
    simulated: bool,
) -> Inspection {
    let looked = look(out, ledger);
    let is_complete = looked.as_ref().is_ok_and(|(_, is_complete)| *is_complete);
    let output = looked.map(|(size, _)| size);
    let files = FoundFiles::default();
    let mut found = Inspection { output, header: None, files, is_complete };
    // While another process records, the header can be read all the same.
    if found.output.as_ref().is_err_and(|error| !error.is_in_use()) {
        return found;
    }
    match see_ledger(ledger, simulated) {
        Ok(ledger) => found.files.ledger = ledger,
        Err(error) if found.output.is_ok() => return Inspection { output: Err(error), ..found },
        Err(_) => {}
    }
    let csv = columns.map_or(Ok(None), |columns| see_csv(out, columns, simulated));
    found.header = Some(csv.and_then(|csv| {
        let has_header = csv.as_ref().is_some_and(|csv| csv.head == Head::Header);
        found.files.csv = csv;
        let mut files = [&found.files.csv, &found.files.ledger].into_iter().flatten();
        let other = files.find_map(|file| file.other.clone());
        let refused = |ticker| OpenError::OtherMarket { path: out.to_owned(), ticker };
        other.map_or(Ok(has_header), |ticker| Err(refused(ticker)))
    }));
    found
}

/// Looks whether the file, its ledger and its lock can be opened and are free: the size of the file, and
/// whether all three are there. The file may be the ledger itself, when rows go to standard output.
fn look(out: &Path, ledger: &Path) -> Result<(Option<u64>, bool), OpenError> {
    // A pipe, for example, would be waited for.
    let is_other = |path: &&Path| fs::metadata(path).is_ok_and(|found| !found.is_file());
    if let Some(other) = [out, ledger].into_iter().find(is_other) {
        return Err(OpenError::NotAFile(other.to_owned()));
    }
    let holder = |lock: &File| lock_line::read(lock).map(|heartbeat| heartbeat.process);
    let lock = lock_path(&behind_links(out));
    let lock = open_unlocked(&lock, |file| OpenError::InUse(out.to_owned(), holder(file)))?;
    let csv = open_unlocked(out, |_| OpenError::InUse(out.to_owned(), None))?;
    let ledger = open_unlocked(ledger, |_| OpenError::InUse(ledger.to_owned(), None))?;
    Ok((csv.as_ref().map(size), lock.is_some() && csv.is_some() && ledger.is_some()))
}

/// Opens a file that may be there, and sees whether somebody else has locked it.
fn open_unlocked(
    path: &Path,
    in_use: impl FnOnce(&File) -> OpenError,
) -> Result<Option<File>, OpenError> {
    let file = open_existing(path)?;
    if let Some(file) = &file {
        take_lock(path, || file.try_lock_shared(), || in_use(file))?;
    }
    Ok(file)
}

/// Reads the header of a recording, and enough to know its market.
fn see_csv(
    path: &Path,
    columns: &[Column],
    simulated: bool,
) -> Result<Option<FoundFile>, OpenError> {
    let Some((file, metadata)) = open_to_read(path).map_err(failed("open", path))? else {
        return Ok(None);
    };
    let head = check_header(path, &file, &header(columns))?;
    let ticker = columns.iter().position(|column| *column == Column::Ticker);
    let other = ticker.map(|ticker| find_other(&file, columns.len(), ticker, simulated));
    let other = other.transpose().map_err(failed("read", path))?.flatten();
    Ok(Some(FoundFile { metadata, head, rows_end: 0, last: LedgerRow::default(), other }))
}

/// Reads a ledger, all of it.
fn see_ledger(path: &Path, simulated: bool) -> Result<Option<FoundFile>, OpenError> {
    let Some((file, metadata)) = open_to_read(path).map_err(failed("open", path))? else {
        return Ok(None);
    };
    let head = check_header(path, &file, ledger::HEADER)?;
    let mut other = None;
    let read = ledger::read(&file, |row| {
        if let State::Live { tickers } = &row.state
            && !tickers.is_empty()
            && is_simulated(tickers) != simulated
        {
            other.get_or_insert_with(|| printable(tickers, SHOWN_CHARACTERS));
        }
    });
    let (rows_end, last) = read.map_err(failed("read", path))?;
    Ok(Some(FoundFile { metadata, head, rows_end, last, other }))
}

/// A ticker of the other market in the first or last rows of a file with `columns` columns; `ticker` is the index of
/// the tickers.
fn find_other(
    mut file: &File,
    columns: usize,
    ticker: usize,
    simulated: bool,
) -> io::Result<Option<String>> {
    let last = file.metadata()?.len().saturating_sub(LOOKED_AT);
    for from in [0, last].into_iter().take(if last > 0 { 2 } else { 1 }) {
        file.seek(SeekFrom::Start(from))?;
        let mut rows = RowReader::from_row(file.take(LOOKED_AT), from, columns);
        // The first row is the header, or only a part of a row.
        rows.next_row()?;
        while let Some(row) = rows.next_row()? {
            let Ok(fields) = row.fields else { continue };
            let symbol = String::from_utf8_lossy(&fields.get(ticker)).into_owned();
            let is_known = fields.count() == columns && !symbol.is_empty();
            if is_known && is_simulated(&symbol) != simulated {
                return Ok(Some(printable(&symbol, SHOWN_CHARACTERS)));
            }
        }
    }
    Ok(None)
}

fn size(file: &File) -> u64 {
    file.metadata().map_or(0, |data| data.len())
}

/// Opens a file that may exist; gives its metadata before it is read, too.
fn open_to_read(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    Ok(Some((file, metadata)))
}

fn open_existing(path: &Path) -> Result<Option<File>, OpenError> {
    match OpenOptions::new().read(true).append(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("open", path)(error)),
    }
}

/// Whether the directory of `path` takes a new file with these bytes, and, if it is to be locked, has
/// locks.
fn probe(path: &Path, bytes: &[u8], is_to_be_locked: bool) -> io::Result<()> {
    // In containers every process may have the same number, and a kill leaves the file behind.
    let name = format!(".finnhub-stream-check-{}-{}", std::process::id(), now_ms());
    let path = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    // On some disks only the sync fails when they are full.
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let locked = match file.try_lock() {
        Err(TryLockError::Error(error)) if is_to_be_locked => Err(lock_error(error)),
        _ => Ok(()),
    };
    written.and(locked).and(fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Destination, FoundFile, OpenError, see_ledger, try_out};
    use crate::recorder::disk::DiskFile;
    use crate::recorder::lock_file::LockFile;
    use crate::recorder::open::open_found_rows;
    use crate::recorder::redo;
    use crate::recording::columns::Column;
    use crate::recording::header::{LEDGER_HEADER, header};

    #[test]
    fn a_recording_in_progress_is_in_use_and_a_finished_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("op1.csv");
        fs::write(&out, header(&Column::ALL)).unwrap();
        let try_with =
            |columns: &[Column]| try_out(&Destination::File(out.clone()), columns, false).unwrap();
        let tried = || try_with(&Column::ALL);
        let running = LockFile::take(&out, true).unwrap();
        assert!(matches!(tried().output, Err(OpenError::InUse(_, None))));
        assert!(matches!(tried().header, Some(Ok(true))), "it can be read all the same");
        drop(running);
        let linked = fs::File::open(&out).unwrap();
        linked.try_lock().unwrap();
        assert!(matches!(tried().output, Err(OpenError::InUse(_, None))));
        drop(linked);
        let before = fs::metadata(&out).unwrap();
        assert_eq!(tried().output.unwrap(), Some(before.len()));
        assert!(tried().header.unwrap().unwrap());
        let other = try_with(&[Column::Price]).header.unwrap().unwrap_err().to_string();
        assert!(other.contains("--columns ticker,price"), "{other}");
        let after = fs::metadata(&out).unwrap();
        assert_eq!(before.modified().unwrap(), after.modified().unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing was left behind");
    }

    /// The end that a kill has cut short may be as long as what was found, and of the same millisecond.
    #[test]
    fn a_ledger_whose_end_is_put_right_at_the_start_is_looked_at_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.coverage.csv");
        fs::write(&path, format!("{LEDGER_HEADER}10,live,A,\n")).unwrap();
        let mut disk = DiskFile::append_to(&path).unwrap();
        let end = b"15,down,,\n\n".to_vec();
        redo::begin(&path, &mut disk, LEDGER_HEADER.len() as u64, end, 7).unwrap();
        drop(disk);
        let mut found = see_ledger(&path, false).unwrap();
        assert!(found.as_ref().unwrap().last.is_live());
        open_found_rows(&path, LEDGER_HEADER, &mut found, 0, 8).unwrap();
        assert!(found.is_none());
        assert!(fs::read_to_string(&path).unwrap().contains("15,down"));
        // Where times are too coarse to tell, this does.
        let mut disk = DiskFile::append_to(&path).unwrap();
        let end = b"17,down,,\n\n".to_vec();
        redo::begin(&path, &mut disk, LEDGER_HEADER.len() as u64, end, 9).unwrap();
        assert!(redo::finish(&path, &mut disk, 9).unwrap(), "the file was changed");
        assert!(!redo::finish(&path, &mut disk, 9).unwrap(), "nothing was left to do");
    }

    #[test]
    fn a_ledger_that_was_changed_since_is_looked_at_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.coverage.csv");
        let text = format!("{LEDGER_HEADER}10,live,A,\n20,down,,lost\n");
        fs::write(&path, format!("{text}30,li")).unwrap();
        let see = || see_ledger(&path, false).unwrap().unwrap();
        let is = |found: &FoundFile| found.is(&fs::File::open(&path).unwrap());
        let found = see();
        assert_eq!((found.rows_end, found.last.time_ms), (text.len() as u64, 20));
        assert!(is(&found));
        fs::write(&path, &text).unwrap();
        assert!(!is(&found) && is(&see()));
        let copy = path.with_file_name("copy");
        fs::copy(&path, &copy).unwrap();
        let found = see();
        fs::rename(&copy, &path).unwrap();
        assert!(!is(&found));
    }
}
