//! How far a recording has been shipped, kept in `op1.csv.ship-NAME`.
//!
//! Main thread. The file is replaced as a whole and forced to the disk, so a crash leaves the old
//! one or the new one; anything else has another checksum, and then nothing is guessed. Closed files
//! are found by what is between `op1-` and `.csv` in their names, the current one by its content.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use crate::recording::closed::Label;
use crate::text::fnv1a;

/// The first line. The number changes when an older program must not read it.
pub(super) const FORMAT: &str = "finnhub-stream ship 1\n";

/// In the place of what there is none of.
const NONE: &str = "-";

/// A mark looks at so many bytes at the beginning of the file, and before the place.
pub(super) const MARK_BYTES: usize = 4096;

/// Closed files that are remembered over a restart, the next ones first: six weeks of hours. It
/// bounds what is written with each batch; the others are found again in the folder.
const MOST_WAITING: usize = 1000;

/// Bytes known by their number and their hash (FNV-1a, 64 bits: the same in every version).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) length: usize,
    hash: u64,
}

impl Fingerprint {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len(), hash: fnv1a(bytes) }
    }

    fn parse(text: &str) -> Option<Self> {
        let (length, hash) = text.split_once(' ')?;
        Some(Self { length: length.parse().ok()?, hash: u64::from_str_radix(hash, 16).ok()? })
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self::of(b"")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:016x}", self.length, self.hash)
    }
}

/// A place in a file, and how to find the file again: by its first bytes and those before the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// Everything before it has been accepted.
    pub(super) offset: u64,
    pub(super) head: Fingerprint,
    pub(super) tail: Fingerprint,
}

/// Everything that must survive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Position {
    /// 128 random bits, made once: no two shippings have the same, on whatever machine.
    pub(super) shipping: String,
    /// Counts the files of this shipping, so that no two of its batches have the same id.
    pub(super) file_number: u64,
    /// The closed file that is being shipped; `None` for the live one.
    pub(super) file: Option<Label>,
    /// Of the closed files up to this one, none waits that is not in `waiting`.
    pub(super) passed: Option<Label>,
    /// Closed files that were seen and are still to be shipped.
    pub(super) waiting: BTreeSet<Label>,
    pub(super) mark: Mark,
    /// The batch under way: its end and its rows.
    pub(super) batch: Option<(Mark, u64)>,
    /// Rows accepted since the first start.
    pub(super) accepted: u64,
}

impl Position {
    /// A new one, before the first file.
    pub(super) fn begin() -> Self {
        // Its keys are 128 random bits of the system.
        let random = RandomState::new();
        let [high, low] = [0, 1].map(|half| random.hash_one(half));
        Self { shipping: format!("{high:016x}{low:016x}"), ..Self::default() }
    }

    /// How to find the current file again: the bytes of a batch under way count, too.
    pub(super) fn known_by(&self) -> Mark {
        self.batch.map_or(self.mark, |(end, _)| end)
    }

    /// The id of the batch under way.
    pub(super) fn batch_id(&self) -> String {
        let (from, to) = (self.mark.offset, self.known_by().offset);
        format!("{}-{}-{from}-{to}", self.shipping, self.file_number)
    }

    /// From now on, `file` is the name of the current one.
    pub(super) fn enter(&mut self, file: Option<Label>) {
        self.waiting.retain(|label| Some(label) != file.as_ref());
        self.passed = self.passed.take().max(file.clone());
        self.file = file;
    }

    /// From now on, `file` is the current one, and nothing of it has been shipped.
    pub(super) fn begin_file(&mut self, file: Option<Label>) {
        self.enter(file);
        self.file_number += 1;
        self.mark = Mark::default();
    }

    /// The content of its file.
    pub(super) fn text(&self) -> String {
        let name =
            |label: &Option<Label>| label.as_ref().map_or(NONE, |label| label.text()).to_owned();
        let Self { shipping, accepted, file_number, mark: Mark { offset, tail, .. }, .. } = self;
        let head = self.known_by().head;
        let batch = self.batch.map(|(end, rows)| format!("{} {rows} {}", end.offset, end.tail));
        let batch = batch.as_deref().unwrap_or(NONE);
        let mut text = format!(
            "{FORMAT}shipping {shipping}\naccepted {accepted}\nfile {file_number} {}\npassed {}\n\
             head {head}\ntail {tail}\noffset {offset}\nbatch {batch}\n",
            name(&self.file),
            name(&self.passed),
        );
        for label in self.waiting.iter().take(MOST_WAITING) {
            text.extend(["waiting ", label.text(), "\n"]);
        }
        let check = check(&text);
        text + &check
    }

    /// Reads it back; `None` when it is not what was written.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (lines, checked) = text.split_at(text.rfind("check ")?);
        if checked != check(lines) {
            return None;
        }
        let values = lines.strip_prefix(FORMAT)?.lines();
        let values: Vec<&str> = values.filter_map(|line| Some(line.split_once(' ')?.1)).collect();
        let [shipping, accepted, file, passed, head, tail, offset, batch, waiting @ ..] =
            &values[..]
        else {
            return None;
        };
        let (file_number, file) = file.split_once(' ')?;
        let (head, tail) = (Fingerprint::parse(head)?, Fingerprint::parse(tail)?);
        let bounds = |text: &str| {
            let (to, rest) = text.split_once(' ')?;
            let (rows, tail) = rest.split_once(' ')?;
            let (offset, tail) = (to.parse().ok()?, Fingerprint::parse(tail)?);
            Some((Mark { offset, head, tail }, rows.parse().ok()?))
        };
        Some(Self {
            shipping: (*shipping).to_owned(),
            file_number: file_number.parse().ok()?,
            file: Label::parse(file),
            passed: Label::parse(passed),
            waiting: waiting.iter().filter_map(|label| Label::parse(label)).collect(),
            mark: Mark { offset: offset.parse().ok()?, head, tail },
            batch: bounds(batch),
            accepted: accepted.parse().ok()?,
        })
    }
}

/// The last line of a position.
fn check(lines: &str) -> String {
    format!("check {:016x}\n", fnv1a(lines.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Fingerprint, Label, Mark, Position};
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
            batch: Some((Mark { offset: 10_000, head, tail: Fingerprint::of(b"tail") }, 12)),
            accepted: 99,
            ..Position::begin()
        }
    }

    #[test]
    fn what_is_stored_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.csv.ship-x");
        for position in [position(), Position::begin()] {
            replace_file(&path, &position.text()).unwrap();
            assert_eq!(Position::parse(&fs::read_to_string(&path).unwrap()), Some(position));
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_position_of_an_earlier_version_is_read() {
        let text = "finnhub-stream ship 1\nshipping 00ff\naccepted 7\nfile 2 2026-11-23T14-2\n\
            passed 2026-11-24\nhead 4 0f3ee7e5a5a5a5a5\ntail 0 cbf29ce484222325\noffset 90\n\
            batch 120 1 30 00000000000000aa\nwaiting 2026-11-25\n";
        let text = text.to_owned() + &super::check(text);
        assert_eq!(Position::parse(&text).unwrap().text(), text);
    }

    #[test]
    fn any_other_byte_is_damage() {
        let whole = position().text().into_bytes();
        let damaged = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(Position::parse(&text), None, "{text}");
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
