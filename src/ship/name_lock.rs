//! One `ship` for each NAME and recording.
//!
//! Main thread. The system frees the lock however the process ends; its file stays, empty but for a
//! number.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// The held lock.
#[derive(Debug)]
pub(super) struct NameLock(
    #[expect(dead_code, reason = "it is held for as long as it is open")] File,
);

/// Why the lock is not ours.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process holds it; its number, when it could be read.
    Held(Option<u32>),
    Io(io::Error),
}

impl NameLock {
    /// Takes the lock in the file at `path`.
    pub(super) fn take(path: &Path) -> Result<NameLock, LockError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = file.read_to_string(&mut holder).ok();
                return Err(LockError::Held(read.and_then(|_| holder.trim().parse().ok())));
            }
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        // For the words of the next one only; the lock is what counts.
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = writeln!(file, "{}", std::process::id());
        Ok(NameLock(file))
    }
}
