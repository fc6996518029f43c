//! One file of the recording, compressed or not, read from any place of its content.
//!
//! Main thread. Positions are those of the uncompressed content. The file stays open: it is read to
//! its end also when it is renamed, compressed or removed meanwhile.

use std::fs::{File, TryLockError};
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use memchr::memchr;

use super::error::ShipError;
use super::position::{Fingerprint, MARK_BYTES, Mark};
use crate::recorder::columns::Column;

/// How much is read at a time.
pub(super) const PIECE: usize = 256 << 10;

/// No header is longer.
const FRONT_BYTES: usize = 64 << 10;

/// The first two bytes of every gzip file; no recording begins with them.
const GZIP_MARK: [u8; 2] = [0x1f, 0x8b];

/// Which file it is, for as long as the machine runs: device and inode.
pub(super) type FileId = (u64, u64);

/// The file that has a name now.
pub(super) fn id_at(path: &Path) -> Option<FileId> {
    path.metadata().ok().map(|it| (it.dev(), it.ino()))
}

/// An open file of the recording.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    file: File,
    id: FileId,
    gzip: Option<Gzip>,
}

/// The content of a compressed file; it can only be read forward.
struct Gzip {
    content: MultiGzDecoder<BufReader<File>>,
    at: u64,
    /// The first bytes of the content.
    front: Vec<u8>,
}

impl std::fmt::Debug for Gzip {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Gzip at {}", self.at)
    }
}

impl Gzip {
    fn begin(file: &File) -> io::Result<Gzip> {
        // Another handle would share the place in the file; the path may be another file by now.
        let mut compressed = file.try_clone()?;
        io::Seek::rewind(&mut compressed)?;
        let content = MultiGzDecoder::new(BufReader::with_capacity(PIECE / 4, compressed));
        Ok(Gzip { content, at: 0, front: Vec::new() })
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Source {
    /// Opens what is at `path`.
    ///
    /// # Errors
    /// When there is nothing, or it cannot be read.
    pub(super) fn open(path: &Path) -> io::Result<Source> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not an ordinary file"));
        }
        let mut mark = [0; 2];
        let compressed = file.read_at(&mut mark, 0)? == 2 && mark == GZIP_MARK;
        let mut source = Source {
            path: path.to_owned(),
            id: (metadata.dev(), metadata.ino()),
            gzip: if compressed { Some(Gzip::begin(&file)?) } else { None },
            file,
        };
        let front = source.read_up_to(0, FRONT_BYTES, &mut || false)?;
        if let Some(gzip) = &mut source.gzip {
            gzip.front = front;
        }
        Ok(source)
    }

    /// The name it was opened under.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn id(&self) -> FileId {
        self.id
    }

    /// The file itself, for forcing it to the disk.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Whether a recorder, or the compressor, holds the file. To find out, the lock is shared for an
    /// instant, which a recorder that starts just then waits out.
    pub(super) fn is_locked(&self) -> bool {
        match self.file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => true,
            Ok(()) => self.file.unlock().is_err(),
            // A file system without locks cannot tell.
            Err(TryLockError::Error(_)) => false,
        }
    }

    /// How long the content is; `None` when only reading to the end would tell.
    pub(super) fn length(&self) -> io::Result<Option<u64>> {
        match self.gzip {
            None => Ok(Some(self.file.metadata()?.len())),
            Some(_) => Ok(None),
        }
    }

    /// Reads once at `offset`; 0 at the end. A compressed file may have to be unpacked up to there;
    /// this ends with [`ErrorKind::Interrupted`] when `stopping` says so.
    pub(super) fn read_at(
        &mut self,
        offset: u64,
        buffer: &mut [u8],
        stopping: &mut dyn FnMut() -> bool,
    ) -> io::Result<usize> {
        let Some(gzip) = &mut self.gzip else { return self.file.read_at(buffer, offset) };
        if offset < gzip.at {
            let front = std::mem::take(&mut gzip.front);
            *gzip = Gzip { front, ..Gzip::begin(&self.file)? };
        }
        let mut passed_over = Vec::new();
        while gzip.at < offset {
            if stopping() {
                return Err(ErrorKind::Interrupted.into());
            }
            passed_over.resize(PIECE, 0);
            let length = usize::try_from(offset - gzip.at).unwrap_or(PIECE).min(PIECE);
            if gzip.read(&mut passed_over[..length])? == 0 {
                return Ok(0);
            }
        }
        gzip.read(buffer)
    }

    /// Up to `length` bytes from `offset` on; fewer only at the end.
    fn read_up_to(
        &mut self,
        offset: u64,
        length: usize,
        stopping: &mut dyn FnMut() -> bool,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.read_at(offset + filled as u64, &mut bytes[filled..], stopping)? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// The first bytes, at most `length` (up to [`FRONT_BYTES`]).
    pub(super) fn front(&mut self, length: usize) -> io::Result<Vec<u8>> {
        match &self.gzip {
            Some(gzip) => Ok(gzip.front[..gzip.front.len().min(length)].to_vec()),
            None => self.read_up_to(0, length, &mut || false),
        }
    }

    /// The header with its line end; `None` when it is not there yet.
    ///
    /// # Errors
    /// When the first line names other things than a recording's columns.
    pub(super) fn header(&mut self) -> Result<Option<Vec<u8>>, ShipError> {
        let front = self.front(FRONT_BYTES).map_err(ShipError::read(&self.path))?;
        let Some(end) = memchr(b'\n', &front).map(|at| at + 1) else {
            return match front.len() {
                FRONT_BYTES => Err(ShipError::NoHeader(self.path.clone())),
                _ => Ok(None),
            };
        };
        if columns(&front[..end]).is_none() {
            return Err(ShipError::NoHeader(self.path.clone()));
        }
        Ok(Some(front[..end].to_vec()))
    }

    /// How to know a file again of which everything up to `offset` has been read.
    pub(super) fn head(&mut self, offset: u64) -> io::Result<Fingerprint> {
        // The first half at most: a file that was cut is then still known as the one it was.
        let length = usize::try_from(offset / 2).unwrap_or(MARK_BYTES).min(MARK_BYTES);
        Ok(Fingerprint::of(&self.front(length)?))
    }

    /// Whether this is the file that `mark` was made in, by what is in it.
    pub(super) fn has(
        &mut self,
        mark: &Mark,
        stopping: &mut dyn FnMut() -> bool,
    ) -> io::Result<Found> {
        if Fingerprint::of(&self.front(mark.head.length)?) != mark.head {
            return Ok(Found::OtherFile);
        }
        if let Some(length) = self.length()?
            && length < mark.offset
        {
            return Ok(Found::Shorter(length));
        }
        let length = mark.tail.length;
        let start = mark.offset.saturating_sub(length as u64);
        let tail = self.read_up_to(start, length, stopping)?;
        match Fingerprint::of(&tail) {
            found if found == mark.tail => Ok(Found::Same),
            // A compressed file tells its length by its end only.
            found if found.length < length => Ok(Found::Shorter(start + found.length as u64)),
            _ => Ok(Found::OtherFile),
        }
    }

    /// Whether `path` is this file under another name: renamed, or compressed. Only for a file that
    /// is not compressed itself.
    pub(super) fn is_now_at(&mut self, path: &Path) -> io::Result<bool> {
        if id_at(path) == Some(self.id) {
            return Ok(true);
        }
        let mut other = Source::open(path)?;
        let compressed_length = other.file.metadata()?.len();
        let (Some(length), true) = (self.length()?, other.gzip.is_some()) else { return Ok(false) };
        let mut end = [0; 4];
        other.file.read_exact_at(&mut end, compressed_length.saturating_sub(4))?;
        // A gzip file ends with the length of its content, modulo 2^32.
        let same_length = u64::from(u32::from_le_bytes(end)) == length & u64::from(u32::MAX);
        Ok(same_length && self.front(FRONT_BYTES)? == other.front(FRONT_BYTES)?)
    }
}

/// What a look for a [`Mark`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Its file.
    Same,
    /// One that begins as its file did and is only so long.
    Shorter(u64),
    /// Another one.
    OtherFile,
}

/// The columns that a header line names, if it is one.
pub(super) fn columns(line: &[u8]) -> Option<Vec<Column>> {
    let line = std::str::from_utf8(line).ok()?.trim_start_matches('\u{feff}').trim_end();
    line.split(',').map(|name| name.trim_matches('"').parse().ok()).collect()
}
