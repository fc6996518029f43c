//! The text of a file that may be compressed with gzip.
//!
//! Any thread. Reads only, and forward only.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// The first two bytes of every gzip file; no recording in plain text begins with them.
pub(crate) const GZIP_MARK: [u8; 2] = [0x1f, 0x8b];

/// Compressed bytes are fetched in pieces of this size: few system calls, little memory.
const COMPRESSED_PIECE: usize = 64 * 1024;

/// The first bytes, which were looked at, and all others. Put back by chaining, not by seeking, which
/// a pipe cannot do.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// Gives the uncompressed text of what `R` reads.
#[derive(Debug)]
pub(crate) enum Uncompressed<R> {
    /// It is not compressed.
    Plain(Whole<R>),
    /// A file may be several gzip files end to end.
    Gzip(MultiGzDecoder<BufReader<Whole<R>>>),
}

impl<R: Read> Uncompressed<R> {
    /// Whether it is compressed is seen from its first bytes, not from a name: a renamed file reads as
    /// well.
    ///
    /// # Errors
    /// When the first bytes cannot be read.
    pub(crate) fn new(mut source: R) -> io::Result<Self> {
        let mut front = Vec::with_capacity(GZIP_MARK.len());
        source.by_ref().take(GZIP_MARK.len() as u64).read_to_end(&mut front)?;
        let compressed = front == GZIP_MARK;
        let whole = Cursor::new(front).chain(source);
        Ok(if compressed {
            let pieces = BufReader::with_capacity(COMPRESSED_PIECE, whole);
            Self::Gzip(MultiGzDecoder::new(pieces))
        } else {
            Self::Plain(whole)
        })
    }
}

impl<R: Read> Read for Uncompressed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(whole) => whole.read(into),
            Self::Gzip(text) => text.read(into),
        }
    }
}
