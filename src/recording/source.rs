//! Opens a file of a recording, compressed or not, and tells whether it is being recorded.
//!
//! Any thread. Reads only: the recorder may be at work on the same file.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::recording::gzip::Uncompressed;

/// Device and inode, which identify a file for as long as the machine runs.
pub(crate) type FileId = (u64, u64);

/// The file that has the name `path` now.
pub(crate) fn id_at(path: &Path) -> Option<FileId> {
    path.metadata().ok().map(|it| (it.dev(), it.ino()))
}

/// An open recording or ledger, and its text.
pub(crate) struct RecordingFile<R> {
    file: File,
    pub(crate) text: Uncompressed<R>,
}

impl<R: Read> RecordingFile<R> {
    /// Opens the file at `path`; its bytes are read through the reader that `wrap` makes.
    ///
    /// # Errors
    /// When the file cannot be opened or read; as [`io::ErrorKind::Unsupported`], saying what to do,
    /// when it is compressed in another way.
    pub(crate) fn open(path: &Path, wrap: impl FnOnce(File) -> R) -> io::Result<Self> {
        let file = File::open(path)?;
        let text = Uncompressed::new(wrap(file.try_clone()?))?;
        Ok(Self { file, text })
    }

    /// Whether a recorder holds the lock of the file.
    pub(crate) fn is_being_recorded(&self) -> bool {
        is_locked(&self.file)
    }
}

/// Whether a recorder, or the compressor, holds the lock of `file`. To find out, the lock is shared for an
/// instant; a recorder that starts just then waits for that.
pub(crate) fn is_locked(file: &File) -> bool {
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => true,
        // Closing the file would release the lock as well, but perhaps after hours of reading.
        Ok(()) => file.unlock().is_err(),
        // On a file system without locks this cannot be found out.
        Err(TryLockError::Error(_)) => false,
    }
}
