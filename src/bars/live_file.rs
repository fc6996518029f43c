//! The file that is followed: what is new in it, and whether it is still the same.
//!
//! Main thread. The file stays open: it is read to its end also when it is renamed, compressed or
//! removed meanwhile. Nothing is written, and no lock is held.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::collect::Collector;
use super::layout::Layout;
use super::read::{FRONT_BYTES, Failure, Reader};
use crate::recording::gzip::GZIP_MARK;
use crate::recording::names::compressed_name;
use crate::recording::paths::open_at_once;
use crate::recording::rows::row_length;
use crate::recording::source::{FileId, RecordingFile, id_at, is_locked};
use crate::terminal::{CountedRead, ProgressLine};

/// More new bytes than this are read by several threads.
const FEW_BYTES: u64 = 256 << 10;

/// Bytes before the position that are compared, to see whether the file is still the one that was read.
const TAIL_BYTES: usize = 256;

/// How long a file may be shorter than what was read of it: a recorder cuts back a half write of a full disk, and
/// writes rows of a removed file again after its next check.
const SHORTER_AT_MOST: Duration = Duration::from_secs(5);

/// An open recording, read as it grows.
pub(super) struct LiveFile {
    path: PathBuf,
    pub(super) id: FileId,
    file: File,
    /// `None` as long as its header is not whole.
    layout: Option<Layout>,
    header_length: u64,
    /// All bytes before this offset were read.
    position: u64,
    /// Bytes behind the header that were read in another file: see [`LiveFile::go_on_after`].
    read_before: u64,
    /// The last bytes that were read.
    tail: Vec<u8>,
    /// Its length at the last poll: only these bytes are read, because a recorder cuts a half write of a full disk
    /// back at once.
    length: u64,
    /// Up to this offset the file was searched for rows.
    looked_until: u64,
    shorter_since: Option<Instant>,
}

impl LiveFile {
    /// Opens what is at `path`, if anything is.
    ///
    /// # Errors
    /// When it cannot be opened, or is nothing that can grow.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, Failure> {
        let file = match open_at_once(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| Failure::cannot_open(&error))?,
        };
        let metadata = file.metadata()?;
        let mut front = [0; GZIP_MARK.len()];
        if !metadata.is_file() {
            return Err(Failure::File("it is not an ordinary file".to_owned()));
        }
        if file.read_at(&mut front, 0)? == front.len() && front == GZIP_MARK {
            let text = "it is compressed, and nothing will be added to it; name the file last that \
                        is being recorded";
            return Err(Failure::File(text.to_owned()));
        }
        Ok(Some(Self {
            path: path.to_owned(),
            id: (metadata.dev(), metadata.ino()),
            file,
            layout: None,
            header_length: 0,
            position: 0,
            read_before: 0,
            tail: Vec::new(),
            length: metadata.len(),
            looked_until: 0,
            shorter_since: None,
        }))
    }

    /// Whether a recorder holds its lock.
    pub(super) fn is_locked(&self) -> bool {
        is_locked(&self.file)
    }

    /// What is odd about it and no error; `None` as long as that is not known.
    pub(super) fn notes(&self) -> Option<Vec<String>> {
        self.layout.as_ref().map(Layout::notes)
    }

    /// Reads the rows that were there at the last look.
    ///
    /// # Errors
    /// When it cannot be read, or is no longer what was read before; when `print` fails.
    pub(super) fn read_new(
        &mut self,
        reader: &mut Reader<'_>,
        progress: &ProgressLine,
        collector: &mut Collector,
        print: impl FnMut(&mut Collector) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let length = self.file.metadata()?.len();
        let until = std::mem::replace(&mut self.length, length).min(length);
        if length < self.position {
            return self.wait_for_more(length);
        }
        self.shorter_since = None;
        self.read_until(until, reader, progress, collector, print)
    }

    /// Reads all that is left, of a file to which nobody appends any more.
    ///
    /// # Errors
    /// When it cannot be read; when `print` fails.
    pub(super) fn read_to_end(
        &mut self,
        reader: &mut Reader<'_>,
        progress: &ProgressLine,
        collector: &mut Collector,
        print: impl FnMut(&mut Collector) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let length = self.file.metadata()?.len();
        if length > self.position {
            self.read_until(length, reader, progress, collector, print)?;
            if length > self.position {
                reader.note_torn(length - self.position);
            }
        }
        Ok(())
    }

    fn read_until(
        &mut self,
        until: u64,
        reader: &mut Reader<'_>,
        progress: &ProgressLine,
        collector: &mut Collector,
        print: impl FnMut(&mut Collector) -> io::Result<()>,
    ) -> Result<(), Failure> {
        if self.layout.is_none() && until > 0 {
            self.find_layout(until, reader)?;
        }
        let Some(layout) = &self.layout else { return Ok(()) };
        if until <= self.position.max(self.looked_until) {
            return Ok(());
        }
        if self.bytes(self.position.saturating_sub(self.tail.len() as u64)..self.position)?
            != self.tail
        {
            return Err(self.changed());
        }
        let new = Stretch { file: &self.file, at: self.position, end: until };
        let new = CountedRead { source: new, progress };
        let unfinished = if until - self.position < FEW_BYTES {
            reader.read_row_by_row(new, layout, collector, print)?
        } else {
            reader.read_rows(Vec::new(), new, layout, collector, print)?
        };
        self.pass(until - unfinished)?;
        self.looked_until = until;
        Ok(())
    }

    fn find_layout(&mut self, until: u64, reader: &mut Reader<'_>) -> Result<(), Failure> {
        let front = self.bytes(0..until.min(FRONT_BYTES))?;
        match reader.layout(&front)? {
            Some((layout, length)) => {
                (self.layout, self.header_length) = (Some(layout), length as u64);
                if self.read_before == 0 {
                    return Ok(self.pass(self.header_length)?);
                }
                self.position = self.header_length + self.read_before;
                // Of which nothing is there yet, perhaps.
                reader.pass_lines(&self.bytes(self.header_length..self.position)?);
                Ok(())
            }
            None if front.len() as u64 == FRONT_BYTES => Err(Failure::no_header()),
            None => Ok(()),
        }
    }

    fn pass(&mut self, position: u64) -> io::Result<()> {
        self.position = position;
        self.tail = self.bytes(position.saturating_sub(TAIL_BYTES as u64)..position)?;
        Ok(())
    }

    /// The bytes of this range; fewer where the file ends before.
    fn bytes(&self, range: std::ops::Range<u64>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let (at, end) = (range.start, range.end);
        Stretch { file: &self.file, at, end }.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn wait_for_more(&mut self, length: u64) -> Result<(), Failure> {
        let since = *self.shorter_since.get_or_insert_with(Instant::now);
        // One that has no name any more is cut back when its recorder begins the next one.
        if since.elapsed() < SHORTER_AT_MOST || id_at(&self.path) != Some(self.id) {
            return Ok(());
        }
        Err(Failure::File(format!(
            "it has {length} bytes, and {} were read of it: somebody has emptied or cut it; start again to \
             make bars of what it holds now",
            self.position
        )))
    }

    fn changed(&self) -> Failure {
        Failure::File(format!(
            "what was read of it, up to byte {}, is no longer in it: somebody has changed it; start again \
             to make bars of what it holds now",
            self.position
        ))
    }

    /// Whether the closed file at `path`, compressed or not, is this one.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        if id_at(path) == Some(self.id) {
            return true;
        }
        // With times in them, two files that begin alike are one.
        let Ok(closed) = RecordingFile::open(&compressed_name(path), |file| file) else {
            return false;
        };
        let mut front = Vec::new();
        let read = closed.text.take(FRONT_BYTES).read_to_end(&mut front);
        read.is_ok() && self.bytes(0..FRONT_BYTES).is_ok_and(|own| own == front)
    }

    /// This file has taken the place of `other`, which was not closed. Rows that were read there are not
    /// read again: of a copy, those up to the same place; of a file that was removed while it was being
    /// recorded, those that its recorder has taken back to write them here.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(super) fn go_on_after(&mut self, other: &Self) -> io::Result<()> {
        let header = other.header_length;
        let other_front = other.bytes(0..FRONT_BYTES)?;
        let rows = usize::try_from(header).ok().and_then(|header| other_front.get(header..));
        let first_row = rows.and_then(row_length).map(|length| header + length as u64);
        let is_copy = first_row.is_some_and(|end| {
            self.bytes(0..end)
                .is_ok_and(|front| other_front.starts_with(&front) && front.len() as u64 == end)
        });
        self.read_before = if is_copy {
            other.position.saturating_sub(header)
        } else {
            other.position.saturating_sub(other.file.metadata()?.len())
        };
        let known = usize::try_from(self.read_before).unwrap_or(TAIL_BYTES).min(other.tail.len());
        self.tail = other.tail[other.tail.len() - known..].to_vec();
        Ok(())
    }
}

/// Reads a part of a file that others may write to.
struct Stretch<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for Stretch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
