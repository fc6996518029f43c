//! What a start would find, tried without changing anything: for the subcommand `check`, and for the
//! start itself, so that one that is refused leaves nothing behind.
//!
//! Main thread. Existing files are opened for appending and nothing is appended; where files would
//! have to be created, one of another name is, and removed at once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::error::{OpenError, failed, is_full};
use super::header::{Head, check_header};
use super::ledger;
use super::lock_file::{lock_error, take_lock};
use super::log_file::check_kind;
use super::options::{Destination, RecorderOptions};
use super::origin::{check_ledger_origin, check_origin};
use crate::recording::columns::Column;
use crate::recording::header::header;
use crate::recording::lock_line;
use crate::recording::names::{ledger_of, lock_path};
use crate::recording::paths::behind_links;
use crate::text::clock::now_ms;

/// Written to the probe by `check`: a full disk still takes an empty file.
const PROBE_BYTES: [u8; 4096] = [b'\n'; 4096];

/// Finds whatever would refuse the start, before anything is made; gives the files that it will make.
///
/// # Errors
/// The file or log is none, or is in use, or has other columns or trades of the other market; a file
/// cannot be opened, read or made.
pub(super) fn try_start(options: &RecorderOptions) -> Result<Vec<PathBuf>, OpenError> {
    let (log_file, mut new) = (&options.log_file, Vec::new());
    if look_log(log_file)?.is_none() {
        probe(log_file, b"\n", false).map_err(failed("create", log_file))?;
        new.push(log_file.clone());
    }
    let (out, first, mut made) = match &options.out {
        Destination::File(out) => {
            let (file, ledger) = (behind_links(out), ledger_of(out));
            look(out, &ledger)?;
            try_header(out, &options.columns, options.simulated)?;
            let made = vec![file.clone(), ledger, lock_path(&file)];
            (file, header(&options.columns), made)
        }
        Destination::StandardOutput { coverage: Some(ledger) } => {
            let tried = look(ledger, ledger);
            let tried = tried.and_then(|_| check_ledger_origin(ledger, ledger, options.simulated));
            tried.map_err(OpenError::of_coverage)?;
            let file = behind_links(ledger);
            let made = vec![file.clone(), lock_path(&file)];
            (file, ledger::HEADER.to_owned(), made)
        }
        Destination::StandardOutput { coverage: None } => return Ok(new),
    };
    let is_free = |error: io::Error| error.kind() == ErrorKind::NotFound;
    made.retain(|path| fs::symlink_metadata(path).is_err_and(is_free));
    if !made.is_empty() {
        // No more than comes into the file at once: a disk with little room is one to begin on.
        probe(&out, first.as_bytes(), true).map_err(failed("write", &out))?;
    }
    new.append(&mut made);
    Ok(new)
}

/// Whether a recording to `out` could begin: the file, its ledger and its lock. Gives the size of the
/// file in bytes, or `None` when it can be created. Without a file there is nothing to try.
///
/// # Errors
/// As for a start: a file is none or in use, or cannot be opened, read or made; the ledger is none.
pub fn try_out(out: &Destination) -> Option<Result<Option<u64>, OpenError>> {
    match out {
        Destination::File(out) => Some(try_files(out, &ledger_of(out))),
        Destination::StandardOutput { coverage } => {
            let ledger = coverage.as_ref()?;
            Some(try_files(ledger, ledger).map_err(OpenError::of_coverage))
        }
    }
}

fn try_files(out: &Path, ledger: &Path) -> Result<Option<u64>, OpenError> {
    let (size, is_complete) = look(out, ledger)?;
    match probe(&behind_links(out), &PROBE_BYTES, true) {
        Err(error) if !is_complete || is_full(&error) => Err(failed("create", out)(error)),
        _ => Ok(size),
    }
}

/// Looks at the file, its ledger and its lock: the size of the file, and whether all three are there.
/// The file may be the ledger itself, when rows go to standard output.
fn look(out: &Path, ledger: &Path) -> Result<(Option<u64>, bool), OpenError> {
    if fs::metadata(out).is_ok_and(|found| !found.is_file()) {
        return Err(OpenError::NotAFile(out.to_owned()));
    }
    let holder = |lock: &File| lock_line::read(lock).map(|heartbeat| heartbeat.process);
    let lock = lock_path(&behind_links(out));
    let lock = open_unlocked(&lock, |file| OpenError::InUse(out.to_owned(), holder(file)))?;
    let csv = open_unlocked(out, |_| OpenError::InUse(out.to_owned(), None))?;
    let ledger_file = open_unlocked(ledger, |_| OpenError::InUse(ledger.to_owned(), None))?;
    if let Some(file) = &ledger_file {
        check_header(ledger, file, ledger::HEADER)?;
    }
    let is_complete = lock.is_some() && csv.is_some() && ledger_file.is_some();
    Ok((csv.as_ref().map(size), is_complete))
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

/// Whether the recording at `out` has these columns, and trades of this kind of market if any;
/// `false` when it has no header yet.
///
/// # Errors
/// When it has other columns (the error says which, and how to match them) or trades of the other
/// market, or cannot be read.
pub fn try_header(out: &Path, columns: &[Column], simulated: bool) -> Result<bool, OpenError> {
    let has_header = match File::open(out) {
        Ok(file) => check_header(out, &file, &header(columns))? == Head::Header,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(failed("open", out)(error)),
    };
    check_origin(out, columns, simulated)?;
    Ok(has_header)
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

fn size(file: &File) -> u64 {
    file.metadata().map_or(0, |data| data.len())
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
    // Some disks find out only at the sync that they are full.
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

    use super::{Destination, OpenError, try_header, try_out};
    use crate::recorder::lock_file::LockFile;
    use crate::recording::columns::Column;
    use crate::recording::header::header;

    #[test]
    fn a_recording_in_progress_is_in_use_and_a_finished_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("op1.csv");
        fs::write(&out, header(&Column::ALL)).unwrap();
        let tried = || try_out(&Destination::File(out.clone())).unwrap();
        let running = LockFile::take(&out, true).unwrap();
        assert!(matches!(tried(), Err(OpenError::InUse(_, None))));
        drop(running);
        let linked = fs::File::open(&out).unwrap();
        linked.try_lock().unwrap();
        assert!(matches!(tried(), Err(OpenError::InUse(_, None))));
        drop(linked);
        let before = fs::metadata(&out).unwrap();
        assert_eq!(tried().unwrap(), Some(before.len()));
        assert!(try_header(&out, &Column::ALL, false).unwrap());
        let other = try_header(&out, &[Column::Price], false).unwrap_err().to_string();
        assert!(other.contains("--columns ticker,price"), "{other}");
        let after = fs::metadata(&out).unwrap();
        assert_eq!(before.modified().unwrap(), after.modified().unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing was left behind");
    }
}
