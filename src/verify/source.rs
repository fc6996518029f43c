//! Opens a file of a recording, compressed or not.
//!
//! Runs on the main thread, for `verify`. Reads only; it must not write or lock anything, since the
//! recorder may be at work on the same file.

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

/// The first two bytes of every gzip file. No recording in plain text begins with them.
const GZIP_MARK: [u8; 2] = [0x1f, 0x8b];

/// Compressed bytes are fetched in pieces of this size: few system calls, little memory.
const COMPRESSED_PIECE: usize = 64 * 1024;

/// The text in the file at `path`. Whether it is compressed is told by its first bytes, not by its
/// name: a renamed file reads as well.
///
/// # Errors
/// What the operating system answers.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = File::open(path)?;
    let mut front = Vec::with_capacity(GZIP_MARK.len());
    file.by_ref().take(GZIP_MARK.len() as u64).read_to_end(&mut front)?;
    let compressed = front == GZIP_MARK;
    // Put back by chaining, not by seeking, which a pipe cannot do.
    let whole = Cursor::new(front).chain(file);
    if compressed {
        // A file may be several gzip files end to end.
        let pieces = BufReader::with_capacity(COMPRESSED_PIECE, whole);
        Ok(Box::new(MultiGzDecoder::new(pieces)))
    } else {
        Ok(Box::new(whole))
    }
}
