//! One file of the recording, compressed or not: read at any offset of its content, as far as it may be read.
//!
//! Main thread. Positions are those of the uncompressed content. The file stays open: it is read to
//! its end also when it is renamed, compressed or removed meanwhile. While a recorder runs, only rows
//! that it has forced to the disk may be read; a lock is held for an instant to see whether it runs.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use memchr::memchr;

use super::error::ShipError;
use super::position::{Fingerprint, Mark};
use super::signals::Signals;
use crate::recording::columns::Column;
use crate::recording::gzip::{FORMAT_BYTES, GZIP_MARK, GzipText, OtherFormat};
use crate::recording::header::BARS_HEADER;
use crate::recording::lock_line::read_synced;
use crate::recording::paths::open_at_once;
use crate::recording::rows::row_length;
use crate::recording::source::{FileId, id_at, is_locked};

/// How much is read at a time.
pub(super) const PIECE: usize = 256 << 10;

/// No header is longer.
const FRONT_BYTES: usize = 64 << 10;

/// How far a file may be read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Readable {
    /// Up to this offset.
    pub(super) limit: u64,
    /// Length of the content; [`u64::MAX`] when only reading to the end would show it.
    pub(super) length: u64,
    /// Whether it is complete: nobody appends to it any more.
    pub(super) closed: bool,
}

/// The content of a compressed file; it can only be read forward.
struct Gzip {
    content: GzipText<BufReader<File>>,
    /// Bytes of it that were read.
    at: u64,
}

/// An open file of the recording.
pub(super) struct Source<'s> {
    signals: &'s Signals,
    /// The name it was opened under.
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    file: File,
    gzip: Option<Gzip>,
    /// The first bytes of a compressed file.
    front: Vec<u8>,
    /// The header line with its line end; empty before it is there.
    pub(super) header: Vec<u8>,
    /// Length that we have forced to the disk, because no recorder runs.
    forced: u64,
}

impl<'s> Source<'s> {
    /// Opens what is at `path`, if anything is. Reading it ends when `signals` ask for a stop.
    ///
    /// # Errors
    /// When it cannot be read, or a stop comes.
    pub(super) fn open(path: &Path, signals: &'s Signals) -> Result<Option<Self>, ShipError> {
        let failed = ShipError::read(path);
        let file = match open_at_once(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(&failed)?,
        };
        let metadata = file.metadata().map_err(&failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("it is not an ordinary file")));
        }
        let mut front = [0; FORMAT_BYTES];
        let read = file.read_at(&mut front, 0).map_err(&failed)?;
        if let Some(format) = OtherFormat::of(&front[..read]) {
            return Err(ShipError::Packed { file: path.to_owned(), format });
        }
        let compressed = front.starts_with(&GZIP_MARK);
        let mut source = Self {
            signals,
            path: path.to_owned(),
            id: (metadata.dev(), metadata.ino()),
            gzip: if compressed { Some(unpack(&file).map_err(&failed)?) } else { None },
            file,
            front: Vec::new(),
            header: Vec::new(),
            forced: 0,
        };
        if compressed {
            source.front = source.front()?;
        }
        Ok(Some(source))
    }

    /// How far it may be read. `out` is the live file's name; `has_label` when this file is known
    /// under the name of a closed one.
    ///
    /// # Errors
    /// When the file or the recorder's lock cannot be read, or the disk refuses to sync.
    pub(super) fn readable_until(
        &mut self,
        out: &Path,
        has_label: bool,
    ) -> Result<Readable, ShipError> {
        if self.gzip.is_some() {
            return Ok(Readable { limit: u64::MAX, length: u64::MAX, closed: true });
        }
        let live = id_at(out);
        let named = live == Some(self.id);
        // A recorder that holds the live file does not write to this one any more. This one is not locked then,
        // because the compressor needs its lock.
        let left = !named && open_at_once(out).is_ok_and(|live| is_locked(&live));
        let recorded = !left && is_locked(&self.file);
        let closed = !named && !recorded && (live.is_some() || has_label);
        let synced = read_synced(out, &self.file).map_err(ShipError::read(out))?;
        let length = self.file.metadata().map_err(ShipError::read(&self.path))?.len();
        let limit = match synced {
            _ if closed => length,
            Some(synced) if recorded && synced.goes_on => synced.bytes,
            Some(synced) if recorded => synced.written,
            // A recorder that has not written a heartbeat yet.
            None if recorded => 0,
            _ => {
                if !recorded && length > self.forced {
                    // No recorder does it, and a power cut must not take shipped rows.
                    let failed = ShipError::io("force to the disk", &self.path);
                    self.file.sync_data().map_err(failed)?;
                    self.forced = length;
                }
                length
            }
        };
        Ok(Readable { limit, length, closed })
    }

    /// The present length; `None` when only reading to the end would show it.
    pub(super) fn length(&self) -> Option<u64> {
        if self.gzip.is_some() { None } else { self.file.metadata().ok().map(|it| it.len()) }
    }

    /// Reads once at `offset`; 0 at the end. A compressed file may have to be unpacked up to there.
    ///
    /// # Errors
    /// When it cannot be read, or a stop comes.
    pub(super) fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, ShipError> {
        self.try_read_at(offset, buffer).map_err(ShipError::read(&self.path))
    }

    fn try_read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.signals.check_stop()?;
        let Some(gzip) = &mut self.gzip else { return self.file.read_at(buffer, offset) };
        let front = usize::try_from(offset).ok().and_then(|at| self.front.get(at..));
        if let Some(mut front) = front.filter(|front| !front.is_empty()) {
            return front.read(buffer);
        }
        if offset < gzip.at {
            *gzip = unpack(&self.file)?;
        }
        while gzip.at < offset {
            self.signals.check_stop()?;
            let most = (offset - gzip.at).min(PIECE as u64);
            match io::copy(&mut gzip.content.by_ref().take(most), &mut io::sink())? {
                0 => return Ok(0),
                count => gzip.at += count,
            }
        }
        let count = gzip.content.read(buffer)?;
        gzip.at += count as u64;
        Ok(count)
    }

    /// Up to `length` bytes from `offset` on; fewer only at the end.
    ///
    /// # Errors
    /// When it cannot be read, or a stop comes.
    pub(super) fn read_up_to(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, ShipError> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.read_at(offset + filled as u64, &mut bytes[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn front(&mut self) -> Result<Vec<u8>, ShipError> {
        self.read_up_to(0, FRONT_BYTES)
    }

    /// Reads the header, if it is there by now.
    ///
    /// # Errors
    /// When the first line names other things than the columns of a recording or of bars, or cannot be
    /// read.
    pub(super) fn find_header(&mut self) -> Result<(), ShipError> {
        if !self.header.is_empty() {
            return Ok(());
        }
        let mut front = self.front()?;
        match memchr(b'\n', &front) {
            Some(end) if is_header(&front[..=end]) => {
                front.truncate(end + 1);
                self.header = front;
                Ok(())
            }
            None if front.len() < FRONT_BYTES => Ok(()),
            _ => Err(ShipError::NoHeader(self.path.clone())),
        }
    }

    /// Whether `mark` was made in this file, by its content.
    ///
    /// # Errors
    /// [`ShipError::Shorter`] when it begins as that file did and ends before the mark; when it
    /// cannot be read, or a stop comes.
    pub(super) fn matches(&mut self, mark: &Mark) -> Result<bool, ShipError> {
        if Fingerprint::of(&self.read_up_to(0, mark.head.length)?) != mark.head {
            return Ok(false);
        }
        let start = mark.offset.saturating_sub(mark.tail.length as u64);
        let tail = Fingerprint::of(&self.read_up_to(start, mark.tail.length)?);
        if tail.length < mark.tail.length {
            let length = match &self.gzip {
                Some(gzip) => gzip.at,
                None => self.file.metadata().map_err(ShipError::read(&self.path))?.len(),
            };
            return Err(self.shorter(length, mark.offset));
        }
        Ok(tail == mark.tail)
    }

    /// Whether this is `other` again, shipped up to `mark`: an editor, or a program that copies, has
    /// put it in its place. With times in them, only the same file begins with the same row.
    ///
    /// # Errors
    /// [`ShipError::Changed`] or [`ShipError::Shorter`] when it begins as `other` did, and is another
    /// one before the mark; when one of them cannot be read, or a stop comes.
    pub(super) fn replaces(&mut self, other: &mut Self, mark: &Mark) -> Result<bool, ShipError> {
        let header = other.header.len();
        let has_times = columns(&other.header).is_some_and(|columns| {
            columns.iter().any(|it| matches!(it, Column::ReceivedMs | Column::TimestampMs))
        });
        let (front, other_front) = (self.front()?, other.front()?);
        let first_row = other_front.get(header..).and_then(row_length).unwrap_or_default();
        let begins_so = first_row > 0 && front.starts_with(&other_front[..header + first_row]);
        if !has_times || mark.offset == 0 || !begins_so {
            return Ok(false);
        }
        if self.matches(mark)? {
            return Ok(true);
        }
        Err(ShipError::Changed { file: self.path.clone(), offset: mark.offset })
    }

    /// The error of a file with only `length` bytes when `offset` bytes were shipped.
    pub(super) fn shorter(&self, length: u64, offset: u64) -> ShipError {
        ShipError::Shorter { file: self.path.clone(), length, offset }
    }

    /// Whether `other` is this file, under another name or compressed. Files may begin in the same
    /// way without being the same.
    ///
    /// # Errors
    /// When one of them cannot be read, or a stop comes.
    pub(super) fn is_same_as(&mut self, other: &mut Self) -> Result<bool, ShipError> {
        let mut offset = 0;
        while self.id != other.id {
            let piece = self.read_up_to(offset, PIECE)?;
            if piece != other.read_up_to(offset, PIECE)? {
                return Ok(false);
            }
            if piece.is_empty() {
                break;
            }
            offset += piece.len() as u64;
        }
        Ok(true)
    }
}

fn unpack(file: &File) -> io::Result<Gzip> {
    // Not by path, which may be another file by now. Nobody else uses the position of this handle.
    let mut compressed = file.try_clone()?;
    compressed.rewind()?;
    let content = GzipText::new(BufReader::with_capacity(PIECE / 4, compressed));
    Ok(Gzip { content, at: 0 })
}

/// Whether this line is the first one of a recording, or of bars.
fn is_header(line: &[u8]) -> bool {
    line == BARS_HEADER.as_bytes() || columns(line).is_some()
}

/// The columns of a recording that a header line names, if it is one.
pub(super) fn columns(line: &[u8]) -> Option<Vec<Column>> {
    let line = std::str::from_utf8(line).ok()?.trim_start_matches('\u{feff}').trim_end();
    line.split(',').map(|name| name.trim_matches('"').parse().ok()).collect()
}
