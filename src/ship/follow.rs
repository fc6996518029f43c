//! The next rows of the recording, cut into batches, and what becomes of the position.
//!
//! Main thread. While a recorder runs, only what that has forced to the disk is read. Bytes that
//! were shipped must stay what they were: a file that is shorter or other than before is an error.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use log::{info, warn};
use memchr::memchr;

use super::ShipOptions;
use super::error::ShipError;
use super::files::Files;
use super::position::{Bounds, Fingerprint, Mark, Position};
use super::progress::Lag;
use super::reach::Reach;
use super::rows::Rows;
use super::source::{Found, PIECE, Source, columns};
use crate::clock::now_ms;
use crate::recorder::columns::Column;
use crate::text::counted;

/// How often the files are looked at while there is nothing to ship.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Asks whether somebody wants the end.
pub(super) type Stopping<'s> = &'s mut dyn FnMut() -> bool;

/// What a look at the recording finds.
pub(super) enum Look {
    /// A batch.
    Batch,
    /// Nothing yet; the next look is due then.
    Nothing(Instant),
    /// With `--once`: everything is shipped.
    End,
}

/// The place in the recording.
pub(super) struct Follower<'o> {
    options: &'o ShipOptions,
    files: Files<'o>,
    position: Position,
    /// Whether the position has changed since it was written.
    unsaved: bool,
    source: Option<Source>,
    /// The current file's, with its line end; empty as long as it is not there.
    header: Vec<u8>,
    rows: Rows,
    piece: Vec<u8>,
    reach: Reach,
    /// When a row behind the last batch was seen for the first time.
    seen: Option<(Instant, i64)>,
    /// How long the live file was when `--once` came to its end for the first time.
    once_length: Option<u64>,
}

impl<'o> Follower<'o> {
    /// At `position`, or at the beginning.
    pub(super) fn resume(
        options: &'o ShipOptions,
        position: Option<Position>,
        stopping: Stopping<'_>,
    ) -> Result<Follower<'o>, ShipError> {
        let mut files = Files::of(options)?;
        let first_start = position.is_none();
        let mut position = match position {
            Some(position) => position,
            None => Position::begin().map_err(ShipError::read(Path::new("/dev/urandom")))?,
        };
        let mut source = None;
        if first_start {
            files.begin(&mut position, options.begins_now());
        } else if position.file_number > 0 {
            source = files.find(&mut position, stopping)?;
        }
        let mut follower = Follower {
            options,
            files,
            position,
            unsaved: true,
            source,
            header: Vec::new(),
            rows: Rows::default(),
            piece: vec![0; PIECE],
            reach: Reach::default(),
            seen: None,
            once_length: None,
        };
        if first_start && options.begins_now() {
            while matches!(follower.look_for(true, stopping)?, Look::Batch) {
                follower.begin_batch()?;
                follower.pass_batch();
            }
        }
        Ok(follower)
    }

    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// Writes the position down, if it has changed.
    pub(super) fn save(&mut self) -> Result<(), ShipError> {
        if self.unsaved {
            let path = self.options.position_path();
            self.position.store(&path).map_err(ShipError::io("write", &path))?;
            self.unsaved = false;
        }
        Ok(())
    }

    /// The file that we are in.
    pub(super) fn path(&self) -> &Path {
        self.source.as_ref().map_or(&self.options.file, Source::path)
    }

    /// Its header.
    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    /// The rows of the next batch.
    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Where rows that are not accepted begin.
    fn start(&self) -> u64 {
        self.position.mark.offset.max(self.header.len() as u64)
    }

    /// Looks for the next batch.
    pub(super) fn look(&mut self, stopping: Stopping<'_>) -> Result<Look, ShipError> {
        self.look_for(self.options.once, stopping)
    }

    /// The same; in a `hurry` no further rows are waited for.
    fn look_for(&mut self, hurry: bool, stopping: Stopping<'_>) -> Result<Look, ShipError> {
        if self.files.have_changed() {
            self.unsaved |= self.files.note_new(&mut self.position, self.source.as_mut())?;
        }
        let now = Instant::now();
        let nothing = Look::Nothing(now + LOOK_EVERY);
        while !stopping() {
            if self.source.is_none() && !self.next_file()? {
                return Ok(if hurry { Look::End } else { nothing });
            }
            if self.position.batch.is_some() {
                return Ok(if self.read_again(stopping)? { Look::Batch } else { nothing });
            }
            if let Some(source) = &self.source {
                let has_label = self.position.file.is_some();
                self.reach = self.reach.find(&self.options.file, source, has_label)?;
            }
            if !self.read_rows(stopping)? {
                // Full, or asked to stop.
                return self.unless_changed(if self.rows.is_full() {
                    Look::Batch
                } else {
                    nothing
                });
            }
            let Reach { limit, length, closed, .. } = self.reach;
            if self.rows.count() > 0 {
                let (seen_at, _) = *self.seen.get_or_insert_with(|| (now, now_ms()));
                let due = seen_at + self.options.batch_wait;
                if hurry || closed || due <= now {
                    return self.unless_changed(Look::Batch);
                }
                return Ok(Look::Nothing(due.min(now + LOOK_EVERY)));
            }
            // Rows that are not forced to the disk yet are waited for from now on.
            if length > self.start() {
                self.seen.get_or_insert_with(|| (now, now_ms()));
            }
            if closed {
                if !self.next_file()? {
                    return Ok(if hurry { Look::End } else { nothing });
                }
            } else {
                let all = hurry && limit >= *self.once_length.get_or_insert(length);
                return Ok(if all { Look::End } else { nothing });
            }
        }
        Ok(nothing)
    }

    /// Reads whole rows for the next batch; `false` when there may be more.
    fn read_rows(&mut self, stopping: Stopping<'_>) -> Result<bool, ShipError> {
        let Some(source) = &mut self.source else { return Ok(true) };
        let Reach { limit, length, closed, .. } = self.reach;
        let Mark { offset, .. } = self.position.mark;
        if length < offset {
            return Err(ShipError::Shorter { file: source.path().to_owned(), length, offset });
        }
        if self.header.is_empty() && limit > 0 {
            self.header = source.header()?.unwrap_or_default();
        }
        let start = offset.max(self.header.len() as u64);
        if length < start + self.rows.length() as u64 {
            // What was read is gone, but none of it was shipped.
            self.rows.clear();
        }
        while !self.header.is_empty() && !self.rows.is_full() {
            if stopping() {
                return Ok(false);
            }
            let at = start + self.rows.length() as u64;
            let room = usize::try_from(limit.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
            let count = match source.read_at(at, &mut self.piece[..room], stopping) {
                Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(false),
                count => count.map_err(ShipError::read(source.path()))?,
            };
            // What a power cut has left is no row, and nothing behind it is.
            let nul = if closed { None } else { memchr(0, &self.piece[..count]) };
            if count == 0 && closed {
                self.rows.finish(self.options.limits);
            } else {
                self.rows.push(&self.piece[..nul.unwrap_or(count)], self.options.limits);
            }
            if count == 0 || nul.is_some() {
                break;
            }
            if self.rows.is_endless() {
                return Err(ShipError::EndlessRow {
                    file: source.path().to_owned(),
                    offset: start,
                });
            }
        }
        if !closed {
            self.rows.drop_rest();
        }
        Ok(!self.rows.is_full())
    }

    /// Reads the batch that was under way before a restart; `false` when asked to stop meanwhile.
    fn read_again(&mut self, stopping: Stopping<'_>) -> Result<bool, ShipError> {
        let (Some(source), Some(batch)) = (&mut self.source, self.position.batch) else {
            return Ok(false);
        };
        if self.rows.count() > 0 {
            return Ok(true);
        }
        self.header = source.header()?.unwrap_or_default();
        let file = || source.path().to_owned();
        let start = self.position.mark.offset.max(self.header.len() as u64);
        let changed = || ShipError::Changed { file: file(), offset: batch.to };
        let length = batch.to.checked_sub(start).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(changed)?;
        while self.rows.length() < length {
            let room = PIECE.min(length - self.rows.length());
            let at = start + self.rows.length() as u64;
            match source.read_at(at, &mut self.piece[..room], stopping) {
                Ok(0) => {
                    let file = source.path().to_owned();
                    return Err(ShipError::Shorter { file, length: at, offset: batch.to });
                }
                Ok(count) => self.rows.push(&self.piece[..count], self.options.limits),
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    self.rows.clear();
                    return Ok(false);
                }
                Err(error) => return Err(ShipError::read(source.path())(error)),
            }
        }
        if self.rows.cut_at(length) != Some(batch.rows) {
            let file = source.path().to_owned();
            return Err(ShipError::Changed { file, offset: batch.to });
        }
        Ok(true)
    }

    /// Gives `look` if the bytes before the position are still those that were shipped.
    fn unless_changed(&mut self, look: Look) -> Result<Look, ShipError> {
        let Some(source) = self.source.as_mut().filter(|_| !self.reach.closed) else {
            return Ok(look);
        };
        match source
            .has(&self.position.mark, &mut || false)
            .map_err(ShipError::read(source.path()))?
        {
            Found::Same => Ok(look),
            _ => Err(ShipError::Changed {
                file: source.path().to_owned(),
                offset: self.position.mark.offset,
            }),
        }
    }

    /// Goes on with the next file, if there is one.
    fn next_file(&mut self) -> Result<bool, ShipError> {
        let next = self.files.open_next(&mut self.position, self.source.as_mut())?;
        // The name of the one that was left may have become known.
        self.unsaved = true;
        let Some(next) = next else { return Ok(false) };
        let rest = self.rows.length();
        if rest > 0 {
            let bytes = counted(rest as u64, "byte");
            warn!("{bytes} behind the last row of {} are no row; left out", self.path().display());
        }
        info!("going on with {}", next.path().display());
        self.source = Some(next);
        self.position.file_number += 1;
        self.position.mark = Mark::default();
        self.header.clear();
        self.rows.clear();
        (self.seen, self.once_length, self.reach) = (None, None, Reach::default());
        Ok(true)
    }

    /// Fixes the bounds of the next batch; they stay until it is accepted.
    pub(super) fn begin_batch(&mut self) -> Result<Bounds, ShipError> {
        if let Some(batch) = self.position.batch {
            return Ok(batch);
        }
        let to = self.start() + self.rows.batch().len() as u64;
        let tail = Fingerprint::of_end(self.rows.batch());
        let batch = Bounds { to, rows: self.rows.count(), tail };
        if let Some(source) = &mut self.source {
            let head = source.head(to).map_err(ShipError::read(source.path()))?;
            self.position.mark.head = head;
        }
        self.position.batch = Some(batch);
        self.unsaved = true;
        Ok(batch)
    }

    /// The batch was accepted.
    pub(super) fn accepted(&mut self) {
        self.position.accepted += self.rows.count();
        self.pass_batch();
    }

    fn pass_batch(&mut self) {
        self.position.mark = self.position.known_by();
        self.position.batch = None;
        self.unsaved = true;
        self.rows.drop_batch(self.options.limits);
        self.seen = None;
    }

    /// How much is still to be shipped.
    pub(super) fn lag(&self) -> Lag {
        let (count, bytes) = (self.rows.count(), self.rows.batch().len() as u64);
        let behind = match self.reach.length {
            u64::MAX => 0,
            length => length.saturating_sub(self.start() + bytes),
        };
        let more = behind.saturating_mul(count).checked_div(bytes).unwrap_or(0);
        let since_ms = self.first_received_ms().or(self.seen.map(|(_, seen_ms)| seen_ms));
        Lag { rows: count + more, files: self.position.waiting.len(), since_ms }
    }

    /// When the first row of the batch was received, where the file has a column for it.
    fn first_received_ms(&self) -> Option<i64> {
        let column = columns(&self.header)?.iter().position(|it| *it == Column::ReceivedMs)?;
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(false).from_reader(self.rows.batch());
        reader.into_records().next()?.ok()?.get(column)?.parse().ok()
    }
}
