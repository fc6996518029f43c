//! The text of a file that may be compressed with gzip. Files in other formats are refused by their names.
//!
//! Any thread. Reads only, and forward only.

use std::fmt;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use crate::recording::paths::with_suffix;

/// The first two bytes of every gzip file; no recording in plain text begins with them.
pub(crate) const GZIP_MARK: [u8; 2] = [0x1f, 0x8b];

/// Compressed bytes are fetched in pieces of this size: few system calls, little memory.
const COMPRESSED_PIECE: usize = 64 * 1024;

/// Text is unpacked in pieces of this size: text in the same piece as damage is lost.
const TEXT_PIECE: usize = 64 * 1024;

/// The first bytes, which were read to find the format, and the rest. Chained, because a pipe cannot seek
/// back.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// The uncompressed text of a source.
#[derive(Debug)]
pub(crate) enum Uncompressed<R> {
    /// It is not compressed.
    Plain(Whole<R>),
    /// It is.
    Gzip(Box<GzipText<BufReader<Whole<R>>>>),
}

impl<R: Read> Uncompressed<R> {
    /// The first bytes tell whether it is compressed, not its name, so that a renamed file can be read.
    ///
    /// # Errors
    /// When the first bytes cannot be read; as [`io::ErrorKind::Unsupported`], saying what to do, when
    /// it is compressed in another way.
    pub(crate) fn new(mut source: R) -> io::Result<Self> {
        let mut front = Vec::with_capacity(FORMAT_BYTES);
        source.by_ref().take(FORMAT_BYTES as u64).read_to_end(&mut front)?;
        if let Some(format) = OtherFormat::of(&front) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, format.to_string()));
        }
        let compressed = front.starts_with(&GZIP_MARK);
        let whole = Cursor::new(front).chain(source);
        Ok(if compressed {
            let compressed = BufReader::with_capacity(COMPRESSED_PIECE, whole);
            Self::Gzip(Box::new(GzipText::new(compressed)))
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

/// The text of one or more gzip files end to end. Zeros behind them are ignored: tapes and copies of whole
/// disk blocks fill the last block with them.
#[derive(Debug)]
pub(crate) struct GzipText<R> {
    /// `None` only after a failure to begin the next gzip file.
    gzip: Option<GzDecoder<R>>,
    /// Whether the end of this one has been read.
    at_end: bool,
    /// Why nothing more can be read; the text before is given first.
    failure: Option<io::Error>,
}

impl<R: BufRead> GzipText<R> {
    /// Of a file that begins with [`GZIP_MARK`].
    pub(crate) fn new(compressed: R) -> Self {
        Self { gzip: Some(GzDecoder::new(compressed)), at_end: false, failure: None }
    }

    fn read_piece(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(gzip) = &mut self.gzip {
            if !self.at_end {
                let count = gzip.read(buffer)?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
                self.at_end = true;
            }
            if is_at_end(gzip.get_mut())? {
                return Ok(0);
            }
            self.gzip = self.gzip.take().map(|gzip| GzDecoder::new(gzip.into_inner()));
            self.at_end = false;
        }
        Ok(0)
    }
}

impl<R: BufRead> Read for GzipText<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut filled = 0;
        for piece in buffer.chunks_mut(TEXT_PIECE) {
            match self.read_piece(piece) {
                Ok(count) => {
                    filled += count;
                    if count < piece.len() {
                        break;
                    }
                }
                Err(error) if filled == 0 => return Err(error),
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
        }
        Ok(filled)
    }
}

/// Whether only zeros follow; skips them.
fn is_at_end(compressed: &mut impl BufRead) -> io::Result<bool> {
    let mut has_zeros = false;
    loop {
        let next = compressed.fill_buf()?;
        let Some(first) = next.first() else { return Ok(true) };
        match (*first, has_zeros) {
            (0, _) => {
                let zeros = next.iter().take_while(|byte| **byte == 0).count();
                compressed.consume(zeros);
                has_zeros = true;
            }
            (_, false) => return Ok(false),
            (_, true) => {
                let text = "there is something behind the zeros at its end";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
    }
}

/// Bytes at the beginning of a file that are enough to tell its format.
pub(crate) const FORMAT_BYTES: usize = 10;

/// The formats that are not read: how they begin, and the endings of their files.
const OTHERS: [(OtherFormat, &[u8], &str); 5] = [
    (OtherFormat { name: "zstd", command: "zstd -d" }, b"\x28\xb5\x2f\xfd", ".zst"),
    (OtherFormat { name: "xz", command: "xz -d" }, b"\xfd7zXZ\0", ".xz"),
    (OtherFormat { name: "bzip2", command: "bzip2 -d" }, b"BZh91AY&SY", ".bz2"),
    (OtherFormat { name: "lz4", command: "lz4 -d" }, b"\x04\x22\x4d\x18", ".lz4"),
    (OtherFormat { name: "zip", command: "unzip" }, b"PK\x03\x04", ".zip"),
];

/// A format of compression that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OtherFormat {
    name: &'static str,
    command: &'static str,
}

impl OtherFormat {
    /// What the first [`FORMAT_BYTES`] of a file say; `None` for gzip, and for a file that is not
    /// compressed.
    pub(crate) fn of(front: &[u8]) -> Option<Self> {
        let begins = |start: &[u8]| {
            // The fourth byte of bzip2 is the size of its blocks.
            let is_any = |at: usize| at == 3 && start.starts_with(b"BZh");
            let same = |(at, (ours, theirs)): (usize, (&u8, &u8))| ours == theirs || is_any(at);
            front.len() >= start.len() && front.iter().zip(start).enumerate().all(same)
        };
        OTHERS.into_iter().find(|(_, start, _)| begins(start)).map(|(format, ..)| format)
    }

    /// The file that has taken the place of the one at `path`, compressed in such a format, if there is one.
    pub(crate) fn in_place_of(path: &Path) -> Option<(PathBuf, Self)> {
        let files = OTHERS.into_iter().map(|(format, _, end)| (with_suffix(path, end), format));
        files.into_iter().find(|(path, _)| path.is_file())
    }
}

impl fmt::Display for OtherFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, command } = self;
        write!(
            formatter,
            "it is compressed with {name}, which is not read here; unpack it first, with `{command}`"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read as _, Write as _};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::{GzipText, OtherFormat};

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn check(compressed: &[u8], expected: Result<&str, &str>) {
        for step in [1, 7, 4096] {
            let mut text = String::new();
            let read = GzipText::new(BufReader::with_capacity(step, compressed));
            let read = { read }.read_to_string(&mut text).map_err(|error| error.to_string());
            let found = read.as_ref().map(|_| text.as_str()).map_err(String::as_str);
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn files_end_to_end_and_zeros_behind_them_are_read_as_gzip_does() {
        let [one, other, empty] = ["one\n", "two\n", ""].map(gzip);
        check(&one, Ok("one\n"));
        check(&[&one[..], &other, &empty].concat(), Ok("one\ntwo\n"));
        check(&[&one[..], &other, &[0; 10_000]].concat(), Ok("one\ntwo\n"));
        check(&[&empty[..], &[0]].concat(), Ok(""));
        check(&[&one[..], b"no gzip at all"].concat(), Err("invalid gzip header"));
        let text = "there is something behind the zeros at its end";
        check(&[&one[..], &[0; 9], &other].concat(), Err(text));
        check(&one[..one.len() - 1], Err("unexpected end of file"));
    }

    #[test]
    fn text_before_damage_is_read() {
        let numbers: Vec<String> = (0..200_000).map(|number| number.to_string()).collect();
        let text = numbers.join("\n");
        let mut compressed = gzip(&text);
        let middle = compressed.len() / 2;
        compressed[middle..].fill(0xff);
        let mut gzip = GzipText::new(compressed.as_slice());
        let mut read = vec![0; text.len()];
        let count = gzip.read(&mut read).unwrap();
        assert!(count > text.len() / 4 && text.as_bytes().starts_with(&read[..count / 2]));
        gzip.read(&mut read).unwrap_err();
    }

    #[test]
    fn other_formats_are_called_by_their_names() {
        for (front, name) in [
            (&b"\x28\xb5\x2f\xfd\x24\x05"[..], "zstd"),
            (b"\xfd7zXZ\0\0\x04\xe6\xd6", "xz"),
            (b"BZh91AY&SY", "bzip2"),
            (b"BZh11AY&SY", "bzip2"),
            (b"\x04\x22\x4d\x18\x64", "lz4"),
            (b"PK\x03\x04\x14", "zip"),
        ] {
            let text = OtherFormat::of(front).unwrap().to_string();
            assert!(text.starts_with(&format!("it is compressed with {name},")), "{text}");
        }
        for front in [&b"ticker,pri"[..], b"\x1f\x8b\x08", b"BZh,price,", b"PK,1.0", b""] {
            assert_eq!(OtherFormat::of(front), None);
        }
    }
}
