//! The next rows of the recording, cut into batches, and what becomes of the position.
//!
//! Main thread. Bytes that were shipped must stay what they were: a file that is shorter or other
//! than before is an error.

use std::path::Path;
use std::time::{Duration, Instant};

use log::{info, warn};
use memchr::memchr;

use super::command::Batch;
use super::error::ShipError;
use super::files::Files;
use super::options::{From, ShipOptions};
use super::position::{Fingerprint, MARK_BYTES, Mark, Position, UnderWay};
use super::progress::{Lag, milliseconds};
use super::rows::{LONGEST_LINE, Rows};
use super::source::{PIECE, Readable, Source, columns};
use crate::recording::columns::Column;
use crate::recording::paths::{replace_file, sync_directory};
use crate::text::clock::now_ms;
use crate::text::counted;

/// How often the files are polled while there is nothing to ship.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The result of a poll of the recording.
pub(super) enum Look {
    /// A batch.
    Batch,
    /// Nothing yet; the next poll is due at this time.
    Nothing(Instant),
    /// Everything is shipped, and no more rows are waited for.
    End,
}

/// The place in the recording.
pub(super) struct Follower<'o> {
    options: &'o ShipOptions,
    files: Files<'o>,
    position: Position,
    /// The text of the position that was written last.
    saved: String,
    /// The current file.
    source: Option<Source<'o>>,
    readable: Readable,
    pub(super) rows: Rows,
    piece: Vec<u8>,
    /// When a row behind the last batch was seen for the first time.
    seen: Option<Instant>,
    /// With `--once`: how long the live file was when its end was reached for the first time.
    end: Option<u64>,
}

impl<'o> Follower<'o> {
    /// Begins at the position of the last run, or at the beginning.
    ///
    /// # Errors
    /// When the file of `position` is missing or has changed, or when a stop comes meanwhile.
    pub(super) fn resume(
        options: &'o ShipOptions,
        files: Files<'o>,
        position: Option<Position>,
    ) -> Result<Self, ShipError> {
        let from_now = position.is_none() && options.from == Some(From::Now);
        let mut follower = Self {
            options,
            files,
            position: position.unwrap_or_else(Position::begin),
            saved: String::new(),
            source: None,
            readable: Readable::default(),
            rows: Rows::new(options.limits),
            piece: vec![0; PIECE],
            seen: None,
            end: None,
        };
        if from_now {
            follower.position.passed = follower.files.known.last().cloned();
            while matches!(follower.look(true)?, Look::Batch) {
                follower.begin_batch()?;
                follower.pass_batch();
            }
        } else {
            follower.source = follower.files.find(&mut follower.position)?;
        }
        Ok(follower)
    }

    /// Writes the position, if it has changed.
    ///
    /// # Errors
    /// When it cannot be written, forced to the disk or renamed.
    pub(super) fn save(&mut self) -> Result<(), ShipError> {
        let text = self.position.text();
        if text != self.saved {
            let path = self.options.position_path();
            let replaced = replace_file(&path, &text).and_then(|()| sync_directory(&path));
            replaced.map_err(ShipError::io("write", &path))?;
            self.saved = text;
        }
        Ok(())
    }

    /// Looks for the next batch; with `once` it waits for no further rows.
    ///
    /// # Errors
    /// When a file is missing, or is shorter or other than it was; when a stop comes.
    pub(super) fn look(&mut self, once: bool) -> Result<Look, ShipError> {
        if self.files.have_changed() {
            self.files.note_new(&mut self.position, self.source.as_mut())?;
        }
        let now = Instant::now();
        let nothing = Look::Nothing(now + LOOK_EVERY);
        loop {
            if self.read()? {
                let Readable { limit, length, closed } = self.readable;
                // Rows that are not forced to the disk yet are waited for from now on.
                if length > self.start() {
                    self.seen.get_or_insert(now);
                }
                if self.rows.count > 0 {
                    let due = self.seen.unwrap_or(now) + self.options.batch_wait;
                    let ready = self.rows.full || once || closed || due <= now;
                    let wait = || Look::Nothing(due.min(now + LOOK_EVERY));
                    return Ok(if ready { Look::Batch } else { wait() });
                }
                if !closed {
                    let all = once && limit >= *self.end.get_or_insert(length);
                    return Ok(if all { Look::End } else { nothing });
                }
            }
            if !self.next_file()? {
                return Ok(if once { Look::End } else { nothing });
            }
        }
    }

    /// Reads rows of the current file until a batch is full or no more may be read; `false` when
    /// there is no current file.
    fn read(&mut self) -> Result<bool, ShipError> {
        let Some(source) = &mut self.source else { return Ok(false) };
        self.readable = source.readable_until(&self.options.file, self.position.file.is_some())?;
        source.find_header()?;
        let Readable { limit, length, closed } = self.readable;
        let start = self.position.mark.offset.max(source.header.len() as u64);
        let offset = self.position.end_mark().offset;
        if length < offset {
            return Err(source.shorter(length, offset));
        }
        if let Some(UnderWay { end, rows }) = self.position.batch {
            // The batch that was under way before a restart; its end has been checked.
            let length = usize::try_from(end.offset.saturating_sub(start)).unwrap_or_default();
            self.rows.set_batch(source.read_up_to(start, length)?, rows);
            return Ok(true);
        }
        if length < start + self.rows.length() as u64 {
            // The bytes that were read are gone, but none of them was shipped.
            self.rows.clear();
        }
        while !source.header.is_empty() && !self.rows.full {
            let at = start + self.rows.length() as u64;
            let room = usize::try_from(limit.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
            let count = source.read_at(at, &mut self.piece[..room])?;
            // Zeros that a power cut has left are no row, and neither is anything behind them.
            let nul = if closed { None } else { memchr(0, &self.piece[..count]) };
            self.rows.push(&self.piece[..nul.unwrap_or(count)], closed && count == 0);
            if count == 0 || nul.is_some() {
                break;
            }
            if self.rows.count == 0 && self.rows.length() > LONGEST_LINE {
                let file = source.path.clone();
                return Err(ShipError::EndlessRow { file, offset: start });
            }
        }
        if !closed {
            self.rows.drop_rest();
        }
        Ok(true)
    }

    /// Goes on with the next file, if there is one.
    fn next_file(&mut self) -> Result<bool, ShipError> {
        let next = self.files.open_next(&mut self.position, self.source.as_mut())?;
        let Some(next) = next else { return Ok(false) };
        let rest = self.rows.length();
        if rest > 0 {
            let bytes = counted(rest as u64, "byte");
            warn!(
                "{bytes} after the last row of {} are no row; they are left out",
                self.path().display()
            );
        }
        let is_first = self.source.is_none();
        info!("{} {}", if is_first { "reading" } else { "going on with" }, next.path.display());
        self.source = Some(next);
        self.rows.clear();
        (self.seen, self.end) = (None, None);
        Ok(true)
    }

    /// Fixes the bounds of the next batch; they stay until it is accepted.
    ///
    /// # Errors
    /// When the bytes before it are no longer those that were shipped, or cannot be read.
    pub(super) fn begin_batch(&mut self) -> Result<(), ShipError> {
        let (start, mark) = (self.start(), self.position.mark);
        let Some(source) = self.source.as_mut().filter(|_| self.position.batch.is_none()) else {
            return Ok(());
        };
        if !self.readable.closed && !source.matches(&mark)? {
            return Err(ShipError::Changed { file: source.path.clone(), offset: mark.offset });
        }
        let bytes = self.rows.batch();
        let to = start + bytes.len() as u64;
        // At most the first half, so that a file that was cut is still recognised.
        let length = usize::try_from(to / 2).unwrap_or(MARK_BYTES).min(MARK_BYTES);
        let head = Fingerprint::of(&source.read_up_to(0, length)?);
        let tail = Fingerprint::of(&bytes[bytes.len().saturating_sub(MARK_BYTES)..]);
        let end = Mark { offset: to, head, tail };
        self.position.batch = Some(UnderWay { end, rows: self.rows.count });
        Ok(())
    }

    /// The batch under way, for CMD.
    pub(super) fn batch(&self) -> Batch<'_> {
        let source = self.source.as_ref().filter(|_| self.options.header);
        Batch {
            id: self.position.batch_id(),
            after: &self.position.after,
            rows: self.rows.count,
            file: self.path(),
            header: source.map_or(b"", |source| &source.header),
            bytes: self.rows.batch(),
        }
    }

    /// The batch was accepted; gives how many rows it had.
    pub(super) fn accepted(&mut self) -> u64 {
        let rows = self.rows.count;
        self.position.accepted += rows;
        self.position.after = self.position.batch_id();
        self.pass_batch();
        rows
    }

    fn pass_batch(&mut self) {
        self.position.mark = self.position.end_mark();
        self.position.batch = None;
        self.rows.drop_batch();
        self.seen = None;
    }

    /// How much is still to be shipped.
    pub(super) fn lag(&mut self) -> Lag {
        if let Some(length) = self.source.as_ref().and_then(Source::length) {
            self.readable.length = length;
        }
        let (count, bytes) = (self.rows.count, self.rows.batch().len() as u64);
        let behind = match self.readable.length {
            u64::MAX => 0,
            length => length.saturating_sub(self.start() + bytes),
        };
        let more = behind.saturating_mul(count).checked_div(bytes).unwrap_or(0);
        let seen_ms = || Some(now_ms() - milliseconds(self.seen?.elapsed()));
        let since_ms = self.first_received_ms().or_else(seen_ms);
        Lag { rows: count + more, files: self.position.waiting.len(), since_ms }
    }

    /// When the first row of the batch was received, where the file has a column for it.
    fn first_received_ms(&self) -> Option<i64> {
        let columns = columns(&self.source.as_ref()?.header)?;
        let column = columns.iter().position(|it| *it == Column::ReceivedMs)?;
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(false).from_reader(self.rows.batch());
        reader.into_records().next()?.ok()?.get(column)?.parse().ok()
    }

    /// The file that we are in.
    fn path(&self) -> &Path {
        self.source.as_ref().map_or(&self.options.file, |source| &source.path)
    }

    /// Where rows that are not accepted begin.
    fn start(&self) -> u64 {
        let header = self.source.as_ref().map_or(0, |source| source.header.len());
        self.position.mark.offset.max(header as u64)
    }
}
