//! What was appended to a file since somebody last looked after it, so that it can be found again
//! when another program has cut the file meanwhile: the end of the file, append by append.
//!
//! Writer thread.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes kept of each append: a symbol, a price and a part of the time, by which it is recognised.
const FRONT_BYTES: usize = 24;

/// With so many appends it is time for another look: 128 KiB of memory.
const MANY: usize = 4096;

/// The appends since the last look.
#[derive(Debug, Default)]
pub(super) struct RecentAppends(Vec<Append>);

#[derive(Debug)]
struct Append {
    length: u64,
    front: [u8; FRONT_BYTES],
}

impl RecentAppends {
    /// Rows were appended.
    pub(super) fn push(&mut self, rows: &[u8]) {
        let kept = rows.len().min(FRONT_BYTES);
        let mut front = [0; FRONT_BYTES];
        front[..kept].copy_from_slice(&rows[..kept]);
        self.0.push(Append { length: rows.len() as u64, front });
    }

    /// Whether there are so many that memory asks for a look.
    pub(super) fn are_many(&self) -> bool {
        self.0.len() >= MANY
    }

    /// Somebody has looked.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many bytes each append had, from the first to the last.
    pub(super) fn lengths(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.0.iter().map(|append| append.length)
    }

    /// Where, in a file of `length` bytes that was changed meanwhile, the appends after the change
    /// begin. When the change left no stump of a row in front of them, it may be another place
    /// where a row begins.
    pub(super) fn begin_in(&self, file: &File, length: u64) -> io::Result<u64> {
        let mut place = length;
        for append in self.0.iter().rev() {
            if !follows_a_row(file, place)? {
                break;
            }
            match place.checked_sub(append.length) {
                Some(before) if append.stands_at(file, before)? => place = before,
                _ => break,
            }
        }
        Ok(place)
    }
}

impl Append {
    fn stands_at(&self, file: &File, place: u64) -> io::Result<bool> {
        let kept = usize::try_from(self.length).unwrap_or(FRONT_BYTES).min(FRONT_BYTES);
        let mut found = [0; FRONT_BYTES];
        file.read_exact_at(&mut found[..kept], place)?;
        Ok(found == self.front)
    }
}

/// Whether a row, or the file, ends just before `place`.
pub(super) fn follows_a_row(file: &File, place: u64) -> io::Result<bool> {
    let Some(before) = place.checked_sub(1) else { return Ok(true) };
    let mut last = [0];
    file.read_exact_at(&mut last, before)?;
    Ok(last == *b"\n")
}
