//! The lock that keeps a second process off the recording, and the heartbeat inside it.
//!
//! Writer thread; other processes may read the file. The system releases the lock however the process ends;
//! the file stays. `recording/lock_line` has its content.

use std::fs::{self, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use super::disk::{DiskFile, Location, locate};
use super::error::{OpenError, failed};
use crate::recording::lock_line::{Heartbeat, read};
use crate::recording::names::lock_path;
use crate::text::in_words;

/// The boot id, which changes with each boot of the machine. Linux only.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// `verify`, `check` and a start hold a lock for an instant to see whether a recorder runs; on a busy machine
/// that instant may be some milliseconds.
pub(super) const LOCK_MOMENT: Duration = Duration::from_millis(30);

/// The held lock.
#[derive(Debug)]
pub(super) struct LockFile {
    pub(super) file: DiskFile,
    /// The heartbeat that was written last.
    pub(super) last: Heartbeat,
    /// Whether the last write has failed.
    is_suspect: bool,
}

/// The id of this boot of the machine, if the system has one.
fn boot_id() -> Option<String> {
    let id = fs::read_to_string(BOOT_ID).ok()?;
    Some(id.trim().to_owned()).filter(|id| id.len() == 36 && id.is_ascii())
}

impl LockFile {
    /// Takes the lock for the recording `out`, for a recorder that `syncs` rows as they come, and
    /// reads what the last holder left.
    pub(super) fn take(out: &Path, syncs: bool) -> Result<(Self, Option<Heartbeat>), OpenError> {
        let path = lock_path(out);
        let file = DiskFile::open_in_place(&path).map_err(failed("create", &path))?;
        let holder = || read(file.file()).map(|heartbeat| heartbeat.process);
        let in_use = || OpenError::InUse(out.to_owned(), holder());
        take_lock(&path, || file.file().try_lock(), in_use)?;
        // Read only now: before, its holder could still renew it.
        let left = read(file.file());
        let (process, boot) = (std::process::id(), boot_id());
        let last = Heartbeat { process, boot, syncs, ..Heartbeat::default() };
        Ok((Self { file, last, is_suspect: false }, left))
    }

    /// Takes the lock anew when its file is gone or can no longer be written. If that fails, the lock of the
    /// recording itself still keeps others away.
    pub(super) fn renew(&mut self, out: &Path) {
        let path = lock_path(out);
        if self.is_suspect || !matches!(locate(&path, self.file.file()), Ok(Location::InPlace)) {
            // It may be the same file, which cannot be locked twice.
            let _ = self.file.file().unlock();
            match Self::take(out, self.last.syncs) {
                Ok((lock, _)) => (self.file, self.is_suspect) = (lock.file, false),
                Err(_) => drop(self.file.file().try_lock()),
            }
        }
    }

    /// Writes a new heartbeat. Times never run backwards.
    pub(super) fn write(&mut self, heartbeat: Heartbeat) -> io::Result<()> {
        let time_ms = heartbeat.time_ms.max(self.last.time_ms);
        self.last = Heartbeat { time_ms, ..heartbeat };
        // Always the same length and always in one write: there is never half a line.
        let written = self.file.write_at(self.last.line().as_bytes(), 0);
        self.is_suspect = written.is_err();
        written
    }
}

/// Locks the file itself: a recording may have several names (hard links), each with a lock file of its own.
pub(super) fn lock_data_file(path: &Path, disk: &DiskFile) -> Result<(), OpenError> {
    take_lock(path, || disk.file().try_lock(), || OpenError::InUse(path.to_owned(), None))
}

/// Takes the lock of the file at `path`. Fails with `in_use` when the lock is held longer
/// than a reader holds it.
pub(super) fn take_lock(
    path: &Path,
    mut try_lock: impl FnMut() -> Result<(), TryLockError>,
    in_use: impl FnOnce() -> OpenError,
) -> Result<(), OpenError> {
    // Not by the clock: to a process without a processor the moment is over at the second look.
    for _ in 0..LOCK_MOMENT.as_millis() {
        match try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(failed("lock", path)(lock_error(error))),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    }
    Err(in_use())
}

/// The error of a failed lock. A file system without locks is named as the cause.
pub(super) fn lock_error(error: io::Error) -> io::Error {
    let without_locks = [Errno::NOLCK, Errno::NOSYS, Errno::NOTSUP, Errno::OPNOTSUPP, Errno::INVAL];
    if without_locks.into_iter().all(|it| Some(it.raw_os_error()) != error.raw_os_error()) {
        return error;
    }
    let error = in_words(&error);
    io::Error::other(format!(
        "its file system has no locks ({error}), without which a second recorder could spoil it"
    ))
}

#[cfg(test)]
mod tests;
