//! Opens a file of a recording, compressed or not, and says whether somebody records to it.
//!
//! Runs on the main thread, for `verify`. Reads only: the recorder may be at work on the same file.

use std::{fs::File, io, path::Path};

use crate::gzip::Uncompressed;
use crate::recorder::is_locked;
use crate::terminal::{CountedRead, ProgressLine};

/// An open file and its text.
pub(super) struct Source<'p> {
    file: File,
    pub(super) text: Uncompressed<CountedRead<'p, File>>,
}

impl<'p> Source<'p> {
    /// Opens the file at `path`; what is read of it counts in `progress`.
    ///
    /// # Errors
    /// When the file cannot be opened or read; as [`io::ErrorKind::Unsupported`], saying what to do,
    /// when it is compressed in another way.
    pub(super) fn open(path: &Path, progress: &'p ProgressLine) -> io::Result<Self> {
        let file = File::open(path)?;
        let text = Uncompressed::new(CountedRead { source: file.try_clone()?, progress })?;
        Ok(Self { file, text })
    }

    /// Whether a recorder holds its lock.
    pub(super) fn is_being_recorded(&self) -> bool {
        is_locked(&self.file)
    }
}
