//! The files that a start has made. They are removed again when the server or a disk refuses the start.
//!
//! Main thread until the writer runs, then the writer thread.

use std::fs::{self, File, TryLockError};
use std::path::{self, Path, PathBuf};

use memchr::memchr_iter;

use super::disk;
use crate::recording::names::lock_path;

/// A file with more bytes than this is not a new one.
const MOST_BYTES: u64 = 64 << 10;

/// Removed when it is dropped, unless the recording has begun by then.
#[derive(Debug)]
pub(super) struct CreatedFiles {
    /// The files that did not exist before the start, the lock last.
    paths: Vec<PathBuf>,
    log_file: PathBuf,
    /// The lock, if it is not held yet.
    lock: Option<PathBuf>,
    are_kept: bool,
}

impl CreatedFiles {
    /// The files of a recording to `out`, if it has files, that do not exist yet.
    pub(super) fn new(paths: &[PathBuf], log_file: &Path, out: Option<&Path>) -> Self {
        // The working directory may be changed.
        let absolute = |path: &Path| path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self {
            paths: paths.iter().map(|path| absolute(path)).collect(),
            log_file: absolute(log_file),
            lock: out.map(|out| absolute(&lock_path(out))),
            are_kept: false,
        }
    }

    /// The lock is held from now on, for as long as there may be something to remove.
    pub(super) fn lock_is_held(&mut self) {
        self.lock = None;
    }

    /// The recording has begun.
    pub(super) fn keep(&mut self) {
        self.are_kept = true;
    }

    /// Removes the files that have only their first line, and in the log only our own lines: nobody else has
    /// written to them.
    pub(super) fn remove(&self, log_written: u64) {
        let lock = self.lock.as_deref().and_then(|path| File::open(path).ok());
        if lock.is_some_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock))) {
            // Another process has begun to use them just now.
            return;
        }
        for path in &self.paths {
            let Ok(found) = fs::metadata(path) else { continue };
            let is_ours = if *path == self.log_file {
                found.len() == log_written
            } else {
                found.len() <= MOST_BYTES
                    && fs::read(path).is_ok_and(|text| memchr_iter(b'\n', &text).count() <= 1)
            };
            if is_ours && let Err(error) = disk::remove(path) {
                log::debug!("cannot remove what the start has made: {error}");
            }
        }
    }
}

impl Drop for CreatedFiles {
    fn drop(&mut self) {
        if !self.are_kept {
            self.remove(0);
        }
    }
}
