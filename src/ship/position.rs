//! How far a recording has been shipped, kept in `op1.csv.ship-NAME` as JSON.
//!
//! Main thread. The file is replaced as a whole and forced to the disk, so a crash leaves the old
//! one or the new one; anything else has another checksum, and then nothing is guessed. Closed files
//! are found by what is between `op1-` and `.csv` in their names, the current one by its content.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use serde::{Deserialize, Serialize};

use crate::recording::closed::Label;
use crate::text::fnv1a;

/// Its first bytes.
pub(super) const BEGIN: &str = "{\n  \"format\": \"finnhub-stream ship\",\n";
const FORMAT: &str = "finnhub-stream ship";

/// The number changes when an older program must not read it.
const VERSION: u32 = 2;

/// Bytes at the beginning of the file, and before the offset, that a mark has fingerprints of.
pub(super) const MARK_BYTES: usize = 4096;

/// Closed files that are remembered over a restart, the next ones first: six weeks of hours. It
/// bounds what is written with each batch; the others are found again in the folder.
const MOST_WAITING: usize = 1000;

/// A hash, written in hexadecimal: JSON's numbers have not enough digits for it everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Hash(u64);

impl From<u64> for Hash {
    fn from(hash: u64) -> Self {
        Self(hash)
    }
}

impl From<Hash> for String {
    fn from(Hash(hash): Hash) -> Self {
        format!("{hash:016x}")
    }
}

impl TryFrom<String> for Hash {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

/// The number of bytes and their hash (FNV-1a, 64 bits: the same in every version).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    pub(super) length: usize,
    pub(super) hash: Hash,
}

impl Fingerprint {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len(), hash: Hash(fnv1a(bytes)) }
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self::of(b"")
    }
}

/// An offset in a file, and how to find the file again: by its first bytes and those before the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Mark {
    /// All bytes before it have been accepted.
    pub(super) offset: u64,
    pub(super) head: Fingerprint,
    pub(super) tail: Fingerprint,
}

/// The batch under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnderWay {
    pub(super) end: Mark,
    pub(super) rows: u64,
}

/// The state that must survive a crash.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Position {
    /// 128 random bits, made once, so that no two shippings on any machine have the same.
    pub(super) shipping: String,
    /// Rows accepted since the first start.
    pub(super) accepted: u64,
    /// The id of the batch that was accepted last; empty before the first.
    pub(super) after: String,
    /// Counts the files of this shipping, so that no two of its batches have the same id.
    pub(super) file_number: u64,
    /// The closed file that is being shipped; `None` for the live one.
    pub(super) file: Option<Label>,
    /// Closed files up to this one are shipped, unless they are in `waiting`.
    pub(super) passed: Option<Label>,
    pub(super) mark: Mark,
    pub(super) batch: Option<UnderWay>,
    /// Closed files that were seen and are still to be shipped.
    pub(super) waiting: BTreeSet<Label>,
}

/// The position as it is in its file.
#[derive(Serialize, Deserialize)]
struct Stored {
    format: String,
    version: u32,
    #[serde(flatten)]
    position: Position,
    /// The hash of the same with an empty `check`.
    check: String,
}

/// What a file holds instead of a position.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The text is no position, or was changed after it was written.
    Damaged,
    /// A position that a newer program has written.
    Newer,
}

impl Position {
    /// A new one, before the first file.
    pub(super) fn begin() -> Self {
        // The keys of a `RandomState` are 128 random bits of the system.
        let random = RandomState::new();
        let [high, low] = [0, 1].map(|half| random.hash_one(half));
        Self { shipping: format!("{high:016x}{low:016x}"), ..Self::default() }
    }

    /// The mark by which the current file is found again; with a batch under way, the mark at its end.
    pub(super) fn end_mark(&self) -> Mark {
        self.batch.map_or(self.mark, |batch| batch.end)
    }

    /// The id of the batch under way.
    pub(super) fn batch_id(&self) -> String {
        let (from, to) = (self.mark.offset, self.end_mark().offset);
        format!("{}-{}-{from}-{to}", self.shipping, self.file_number)
    }

    /// Gives the current file another name: `file`.
    pub(super) fn set_current(&mut self, file: Option<Label>) {
        self.waiting.retain(|label| Some(label) != file.as_ref());
        self.passed = self.passed.take().max(file.clone());
        self.file = file;
    }

    /// Begins `file`, of which nothing has been shipped.
    pub(super) fn begin_file(&mut self, file: Option<Label>) {
        self.set_current(file);
        self.file_number += 1;
        self.mark = Mark::default();
    }

    /// The content of its file.
    pub(super) fn text(&self) -> String {
        let mut position = self.clone();
        if let Some(first_left_out) = position.waiting.iter().nth(MOST_WAITING).cloned() {
            position.waiting.split_off(&first_left_out);
        }
        let mut stored =
            Stored { format: FORMAT.to_owned(), version: VERSION, position, check: String::new() };
        stored.check = Hash(fnv1a(stored.text().as_bytes())).into();
        stored.text()
    }

    /// Reads it back.
    ///
    /// # Errors
    /// When it was changed after it was written, or was written by a newer program.
    pub(super) fn parse(text: &str) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Begin {
            format: String,
            version: u32,
        }
        match serde_json::from_str::<Begin>(text) {
            Ok(Begin { format, version }) if format == FORMAT && version > VERSION => {
                return Err(Unreadable::Newer);
            }
            _ => {}
        }
        let stored: Stored = serde_json::from_str(text).map_err(|_| Unreadable::Damaged)?;
        // Every byte counts.
        let is_whole = stored.position.text() == text;
        is_whole.then_some(stored.position).ok_or(Unreadable::Damaged)
    }
}

impl Stored {
    fn text(&self) -> String {
        // Maps with keys of text and numbers always have a text.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{BEGIN, Fingerprint, Label, Mark, Position, UnderWay, Unreadable};
    use crate::recording::paths::replace_file;

    fn position() -> Position {
        let label = |text: &str| Label::parse(text).unwrap();
        let [head, tail] = [&b"head"[..], b""].map(Fingerprint::of);
        Position {
            file_number: 3,
            file: Some(label("2026-11-23T14-2")),
            passed: Some(label("2026-11-23T14-2")),
            waiting: [label("2026-11-24"), label("2026-11-25")].into(),
            mark: Mark { offset: 9000, head, tail },
            batch: Some(UnderWay {
                end: Mark { offset: 10_000, head, tail: Fingerprint::of(b"tail") },
                rows: 12,
            }),
            accepted: 99,
            after: "00ff-3-0-9000".to_owned(),
            ..Position::begin()
        }
    }

    #[test]
    fn what_is_stored_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.csv.ship-x");
        for position in [position(), Position::begin()] {
            replace_file(&path, &position.text()).unwrap();
            assert_eq!(Position::parse(&fs::read_to_string(&path).unwrap()), Ok(position));
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_position_of_a_newer_program_is_not_called_damaged() {
        let text = position().text();
        assert!(text.starts_with(BEGIN), "{text}");
        let newer = text.replace("\"version\": 2", "\"version\": 3").replace("passed", "beyond");
        assert_eq!(Position::parse(&newer), Err(Unreadable::Newer));
    }

    #[test]
    fn of_very_many_waiting_files_the_next_ones_are_kept() {
        let label = |number: u64| Label::parse(&format!("2026-11-23T14-{number}")).unwrap();
        let waiting = (2..2000).map(label).collect();
        let stored = Position::parse(&Position { waiting, ..position() }.text()).unwrap();
        assert_eq!(stored.waiting, (2..1002).map(label).collect());
    }

    #[test]
    fn any_other_byte_is_damage() {
        let whole = position().text().into_bytes();
        let damaged = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            assert!(Position::parse(&text).is_err(), "{text}");
        };
        for at in 0..whole.len() {
            damaged(&whole[..at]);
            let mut other = whole.clone();
            other[at] ^= 1;
            damaged(&other);
        }
        damaged(&[&whole[..], b"more\n"].concat());
    }

    #[test]
    fn no_two_shippings_have_the_same_identity() {
        assert_ne!(Position::begin().shipping, Position::begin().shipping);
    }
}
