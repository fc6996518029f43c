//! Opens a file of a recording, compressed or not, and says whether somebody records to it.
//!
//! Runs on the main thread, for `verify`. Reads only: the recorder may be at work on the same file.

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use crate::recorder::{GZIP_MARK, is_locked};
use crate::terminal::{CountedRead, ProgressLine};

/// Compressed bytes are fetched in pieces of this size: few system calls, little memory.
const COMPRESSED_PIECE: usize = 64 * 1024;

/// An open file and its text.
pub(super) struct Source<'p> {
    file: File,
    pub(super) text: Box<dyn Read + 'p>,
}

impl<'p> Source<'p> {
    /// Opens the file at `path`; what is read of it counts in `progress`. Whether it is compressed
    /// is seen from its first bytes, not from its name: a renamed file reads as well.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub(super) fn open(path: &Path, progress: &'p ProgressLine) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut front = Vec::with_capacity(GZIP_MARK.len());
        file.by_ref().take(GZIP_MARK.len() as u64).read_to_end(&mut front)?;
        let compressed = front == GZIP_MARK;
        // Put back by chaining, not by seeking, which a pipe cannot do.
        let whole = Cursor::new(front).chain(CountedRead { source: file.try_clone()?, progress });
        // A file may be several gzip files end to end.
        let pieces = |text| MultiGzDecoder::new(BufReader::with_capacity(COMPRESSED_PIECE, text));
        let text: Box<dyn Read + 'p> =
            if compressed { Box::new(pieces(whole)) } else { Box::new(whole) };
        Ok(Self { file, text })
    }

    /// Whether a recorder holds its lock.
    pub(super) fn is_being_recorded(&self) -> bool {
        is_locked(&self.file)
    }
}
