//! What a start would find, tried without changing anything: for the subcommand `check`, and for the
//! start itself, so that one that is refused leaves nothing behind.
//!
//! Main thread. Existing files are opened for appending and nothing is appended; where files would
//! have to be created, one of another name is, and removed at once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::error::{OpenError, failed};
use super::header::{Head, check_header, header};
use super::ledger::{self, ledger_path};
use super::lock_file::{self, lock_path, try_lock_for_a_moment};
use super::log_file::check_kind;
use super::options::{Destination, RecorderOptions};
use super::origin::{check_ledger_origin, check_origin};
use crate::clock::now_ms;
use crate::recorder::columns::Column;

/// Written to the probe by `check`: a full disk still takes an empty file.
const PROBE_BYTES: [u8; 4096] = [b'\n'; 4096];

/// Finds whatever would refuse the start, before anything is made; gives the files that it will make.
///
/// # Errors
/// Why it is refused.
pub(super) fn try_start(options: &RecorderOptions) -> Result<Vec<PathBuf>, OpenError> {
    let mut new = Vec::new();
    if look_log(&options.log_file)?.is_none() {
        let probe = Probe::beside(&options.log_file);
        probe.write(b"\n").map_err(failed("create", &options.log_file))?;
        new.push(options.log_file.clone());
    }
    let (out, first, mut made) = match &options.out {
        Destination::File(out) => {
            look(out)?;
            try_header(out, &options.columns, options.simulated)?;
            (out, header(&options.columns), vec![out.clone(), ledger_path(out), lock_path(out)])
        }
        Destination::StandardOutput { coverage: Some(ledger) } => {
            look_ledger_alone(ledger)
                .and_then(|_| check_ledger_origin(ledger, options.simulated))
                .map_err(OpenError::of_coverage)?;
            (ledger, ledger::HEADER.to_owned(), vec![ledger.clone(), lock_path(ledger)])
        }
        Destination::StandardOutput { coverage: None } => return Ok(new),
    };
    made.retain(|path| {
        fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
    });
    if !made.is_empty() {
        // No more than comes into the file at once: a disk with little room is one to begin on.
        Probe::beside(out).write(first.as_bytes()).map_err(failed("write", out))?;
    }
    new.append(&mut made);
    Ok(new)
}

/// Whether a recording to `out` could begin: the file, its ledger and its lock. Gives the size of the
/// file in bytes, or `None` when it can be created.
///
/// # Errors
/// Why not, as the start itself would say it.
pub fn try_out(out: &Path) -> Result<Option<u64>, OpenError> {
    try_found(out, look(out)?)
}

/// The same for a ledger beside rows on standard output.
///
/// # Errors
/// Why not.
pub fn try_ledger(path: &Path) -> Result<Option<u64>, OpenError> {
    look_ledger_alone(path).and_then(|found| try_found(path, found)).map_err(OpenError::of_coverage)
}

fn try_found(
    out: &Path,
    (size, must_create): (Option<u64>, bool),
) -> Result<Option<u64>, OpenError> {
    try_directory(out, must_create)?;
    Ok(size)
}

/// Looks at the file, its ledger and its lock: the size of the file, and whether one of the three is
/// still to be made.
fn look(out: &Path) -> Result<(Option<u64>, bool), OpenError> {
    let lock = look_lock(out)?;
    let file = open_existing(out)?;
    if let Some(file) = &file {
        try_lock(file, out, || OpenError::InUse(out.to_owned(), None))?;
    }
    let ledger = look_ledger(&ledger_path(out))?;
    let must_create = [&lock, &file, &ledger].into_iter().any(Option::is_none);
    Ok((file.as_ref().map(size), must_create))
}

/// The same for a ledger beside rows on standard output, and its lock.
fn look_ledger_alone(path: &Path) -> Result<(Option<u64>, bool), OpenError> {
    let lock = look_lock(path)?;
    let ledger = look_ledger(path)?;
    Ok((ledger.as_ref().map(size), lock.is_none() || ledger.is_none()))
}

/// The lock of `out`, which must be an ordinary file, if it is there.
fn look_lock(out: &Path) -> Result<Option<File>, OpenError> {
    if fs::metadata(out).is_ok_and(|found| !found.is_file()) {
        return Err(OpenError::NotAFile(out.to_owned()));
    }
    let path = lock_path(out);
    let lock = open_existing(&path)?;
    if let Some(file) = &lock {
        let holder = || lock_file::read(file).map(|heartbeat| heartbeat.process);
        try_lock(file, &path, || OpenError::InUse(out.to_owned(), holder()))?;
    }
    Ok(lock)
}

fn look_ledger(path: &Path) -> Result<Option<File>, OpenError> {
    let ledger = open_existing(path)?;
    if let Some(file) = &ledger {
        try_lock(file, path, || OpenError::InUse(path.to_owned(), None))?;
        check_header(path, file, ledger::HEADER)?;
    }
    Ok(ledger)
}

/// Whether the recording at `out` has these columns, and trades of this kind of market if any;
/// `false` when it has no header yet.
///
/// # Errors
/// When it has others; the error says which, and how to match them.
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
/// Why not.
pub fn try_log(log_file: &Path) -> Result<Option<u64>, OpenError> {
    let file = look_log(log_file)?;
    if file.is_none() {
        try_directory(log_file, true)?;
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

/// Takes the lock for the moment that `file` stays open.
fn try_lock(file: &File, path: &Path, held: impl FnOnce() -> OpenError) -> Result<(), OpenError> {
    match try_lock_for_a_moment(|| file.try_lock_shared()) {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(held()),
        Err(TryLockError::Error(error)) => Err(failed("lock", path)(error)),
    }
}

/// Whether the directory of `path` takes a new file, and its disk a few more bytes.
fn try_directory(path: &Path, must_create: bool) -> Result<(), OpenError> {
    let probe = Probe::beside(path);
    // Some disks find out only at the sync that they are full.
    match probe.write(&PROBE_BYTES).and_then(|file| file.sync_all()) {
        Err(error) if must_create || is_full(&error) => Err(failed("create", path)(error)),
        _ => Ok(()),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// A file that is gone as soon as it goes out of scope.
struct Probe(PathBuf);

impl Probe {
    fn beside(path: &Path) -> Self {
        // In containers every process may have the same number, and a kill leaves the file behind.
        let name = format!(".finnhub-stream-check-{}-{}", std::process::id(), now_ms());
        Self(path.with_file_name(name))
    }

    fn write(&self, bytes: &[u8]) -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&self.0)?;
        file.write_all(bytes)?;
        Ok(file)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // There is none when it could not be created.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{OpenError, TryLockError, try_header, try_lock_for_a_moment, try_log, try_out};
    use crate::recorder::columns::Column;
    use crate::recorder::header::header;
    use crate::recorder::lock_file::LockFile;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_empty_directory_is_left_empty() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("op1.csv");
        assert_eq!(try_out(&out).unwrap(), None);
        assert_eq!(try_log(&directory.path().join("log")).unwrap(), None);
        assert!(!try_header(&out, &Column::ALL, false).unwrap());
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[test]
    fn a_recording_in_progress_is_in_use_and_a_finished_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("op1.csv");
        fs::write(&out, header(&Column::ALL)).unwrap();
        let running = LockFile::take(&out, true).unwrap();
        assert!(matches!(try_out(&out), Err(OpenError::InUse(_, None))));
        drop(running);
        let linked = fs::File::open(&out).unwrap();
        linked.try_lock().unwrap();
        assert!(matches!(try_out(&out), Err(OpenError::InUse(_, None))));
        drop(linked);
        let before = fs::metadata(&out).unwrap();
        assert_eq!(try_out(&out).unwrap(), Some(before.len()));
        assert!(try_header(&out, &Column::ALL, false).unwrap());
        let other = try_header(&out, &[Column::Price], false).unwrap_err().to_string();
        assert!(other.contains("--columns ticker,price"), "{other}");
        let after = fs::metadata(&out).unwrap();
        assert_eq!(before.modified().unwrap(), after.modified().unwrap());
        assert_eq!(names(directory.path()), ["op1.csv", "op1.csv.lock"], "nothing was left behind");
    }

    #[test]
    fn who_only_looks_at_a_lock_refuses_no_start() {
        let file = tempfile::tempfile().unwrap();
        let mut looks = 3;
        let tried = try_lock_for_a_moment(|| {
            looks -= 1;
            if looks > 0 { Err(TryLockError::WouldBlock) } else { file.try_lock() }
        });
        assert!(tried.is_ok());
        let held = try_lock_for_a_moment(|| Err(TryLockError::WouldBlock));
        assert!(matches!(held, Err(TryLockError::WouldBlock)));
    }

    #[test]
    fn what_a_start_would_refuse_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(try_out(directory.path()), Err(OpenError::NotAFile(_))));
        assert!(try_out(&directory.path().join("missing/op1.csv")).is_err());
        assert!(try_log(&directory.path().join("missing/log")).is_err());
        assert!(try_log(directory.path()).is_err());
        let out = directory.path().join("op1.csv");
        fs::write(directory.path().join("op1.coverage.csv"), "something else\n").unwrap();
        assert!(matches!(try_out(&out), Err(OpenError::OtherColumns { .. })));
    }
}
