//! How far a recording has been shipped, kept in `op1.csv.ship-NAME`.
//!
//! Main thread. The file is replaced as a whole and forced to the disk, so a crash leaves the old
//! one or the new one; a checksum tells anything else, and then nothing is guessed. It knows closed
//! files by what stands between `op1-` and `.csv`, and the current one by what is in it.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::closed_files::Label;
use crate::recorder::sync_directory;

/// The first line. The number changes when an older program must not read it.
const FORMAT: &str = "finnhub-stream ship 1";

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
    /// Of the last bytes, [`MARK_BYTES`] at most.
    pub(super) fn of_end(bytes: &[u8]) -> Fingerprint {
        Fingerprint::of(&bytes[bytes.len().saturating_sub(MARK_BYTES)..])
    }

    pub(super) fn of(bytes: &[u8]) -> Fingerprint {
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Fingerprint { length: bytes.len(), hash }
    }
}

impl Default for Fingerprint {
    fn default() -> Fingerprint {
        Fingerprint::of(b"")
    }
}

/// A place in a file, and how to know the file again: by its first bytes and those before the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// Everything before it has been accepted.
    pub(super) offset: u64,
    pub(super) head: Fingerprint,
    pub(super) tail: Fingerprint,
}

/// The batch under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Where it ends.
    pub(super) to: u64,
    pub(super) rows: u64,
    /// Its last bytes.
    pub(super) tail: Fingerprint,
}

/// Everything that must survive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    /// 128 random bits, made once: no two shippings have the same, on whatever machine.
    pub(super) shipping: String,
    /// Counts the files of this shipping, so that no two of its batches have the same id.
    pub(super) file_number: u64,
    /// The closed file that is being shipped; `None` for the live one.
    pub(super) file: Option<Label>,
    /// Of the closed files up to this one, none waits that is not in `waiting`.
    pub(super) passed: Option<Label>,
    /// Closed files that were seen and are still to be shipped, oldest first.
    pub(super) waiting: Vec<Label>,
    pub(super) mark: Mark,
    pub(super) batch: Option<Bounds>,
    /// Rows accepted since the first start.
    pub(super) accepted: u64,
}

/// Why there is no position.
#[derive(Debug)]
pub(super) enum LoadError {
    /// Its content is not what was written.
    Damaged,
    Io(io::Error),
}

impl Position {
    /// A new one, before the first file.
    ///
    /// # Errors
    /// When the system gives no random bits.
    pub(super) fn begin() -> io::Result<Position> {
        let mut bits = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut bits)?;
        Ok(Position {
            shipping: format!("{:032x}", u128::from_ne_bytes(bits)),
            file_number: 0,
            file: None,
            passed: None,
            waiting: Vec::new(),
            mark: Mark::default(),
            batch: None,
            accepted: 0,
        })
    }

    /// Reads what is at `path`, if anything is.
    pub(super) fn load(path: &Path) -> Result<Option<Position>, LoadError> {
        match fs::read(path) {
            Ok(bytes) => match std::str::from_utf8(&bytes).ok().and_then(Position::parse) {
                Some(position) => Ok(Some(position)),
                None => Err(LoadError::Damaged),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LoadError::Io(error)),
        }
    }

    /// Puts it in the place of what is at `path`, on the disk when this returns.
    pub(super) fn store(&self, path: &Path) -> io::Result<()> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&new)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        sync_directory(path)
    }

    /// How to know the current file again: the bytes of a batch under way count, too.
    pub(super) fn known_by(&self) -> Mark {
        match self.batch {
            Some(Bounds { to, tail, .. }) => Mark { offset: to, tail, ..self.mark },
            None => self.mark,
        }
    }

    /// The id of the batch under way.
    pub(super) fn batch_id(&self, batch: Bounds) -> String {
        format!("{}-{}-{}-{}", self.shipping, self.file_number, self.mark.offset, batch.to)
    }

    fn text(&self) -> String {
        let name = |label: &Option<Label>| label.as_ref().map_or("-", Label::as_str).to_owned();
        let Mark { offset, head, tail } = self.mark;
        let batch = self.batch.map(|Bounds { to, rows, tail }| {
            format!("{to} {rows} {} {:016x}", tail.length, tail.hash)
        });
        let mut text = format!(
            "{FORMAT}\nshipping {}\naccepted {}\nfile {} {}\npassed {}\n\
             head {} {:016x}\ntail {} {:016x}\noffset {offset}\nbatch {}\n",
            self.shipping,
            self.accepted,
            self.file_number,
            name(&self.file),
            name(&self.passed),
            head.length,
            head.hash,
            tail.length,
            tail.hash,
            batch.as_deref().unwrap_or("-"),
        );
        for label in self.waiting.iter().take(MOST_WAITING) {
            let _ = writeln!(text, "waiting {}", label.as_str());
        }
        let _ = writeln!(text, "check {:016x}", Fingerprint::of(text.as_bytes()).hash);
        text
    }

    fn parse(text: &str) -> Option<Position> {
        let (body, check) = text.strip_suffix('\n')?.rsplit_once("\ncheck ")?;
        let body = &text[..=body.len()];
        if u64::from_str_radix(check, 16) != Ok(Fingerprint::of(body.as_bytes()).hash) {
            return None;
        }
        let mut lines = body.lines();
        if lines.next()? != FORMAT {
            return None;
        }
        let mut words = |key: &str| -> Option<Vec<&str>> {
            let mut words = lines.next()?.split(' ');
            (words.next()? == key).then(|| words.collect())
        };
        let shipping = (*words("shipping")?.first()?).to_owned();
        let accepted = words("accepted")?.first()?.parse().ok()?;
        let file = words("file")?;
        let (file_number, file) = (file.first()?.parse().ok()?, label(file.get(1)?).ok()?);
        let passed = label(words("passed")?.first()?).ok()?;
        let (head, tail) = (fingerprint(&words("head")?)?, fingerprint(&words("tail")?)?);
        let offset = words("offset")?.first()?.parse().ok()?;
        let batch = match words("batch")?[..] {
            ["-"] => None,
            [to, rows, ref tail @ ..] => {
                let (to, rows) = (to.parse().ok()?, rows.parse().ok()?);
                Some(Bounds { to, rows, tail: fingerprint(tail)? })
            }
            _ => return None,
        };
        let waiting = lines.map(|line| line.strip_prefix("waiting ")?.parse().ok());
        Some(Position {
            shipping,
            file_number,
            file,
            passed,
            waiting: waiting.collect::<Option<_>>()?,
            mark: Mark { offset, head, tail },
            batch,
            accepted,
        })
    }
}

/// A label, or `-` for none.
fn label(word: &str) -> Result<Option<Label>, ()> {
    if word == "-" { Ok(None) } else { word.parse().map(Some) }
}

fn fingerprint(words: &[&str]) -> Option<Fingerprint> {
    let [length, hash] = words else { return None };
    Some(Fingerprint {
        length: length.parse().ok().filter(|length| *length <= MARK_BYTES)?,
        hash: u64::from_str_radix(hash, 16).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Bounds, Fingerprint, LoadError, Mark, Position};

    fn position() -> Position {
        let label = |text: &str| text.parse().unwrap();
        Position {
            file_number: 3,
            file: Some(label("2026-11-23T14-2")),
            passed: Some(label("2026-11-23T14-2")),
            waiting: vec![label("2026-11-24"), label("2026-11-25")],
            mark: Mark { offset: 9000, head: Fingerprint::of(b"head"), tail: Fingerprint::of(b"") },
            batch: Some(Bounds { to: 10_000, rows: 12, tail: Fingerprint::of(b"tail") }),
            accepted: 99,
            ..Position::begin().unwrap()
        }
    }

    #[test]
    fn what_is_stored_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.csv.ship-x");
        assert!(matches!(Position::load(&path), Ok(None)));
        for position in [position(), Position::begin().unwrap()] {
            position.store(&path).unwrap();
            assert_eq!(Position::load(&path).unwrap(), Some(position));
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn any_other_byte_is_damage() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1.csv.ship-x");
        let whole = position().text().into_bytes();
        let damaged = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            assert!(
                matches!(Position::load(&path), Err(LoadError::Damaged)),
                "{}",
                String::from_utf8_lossy(bytes)
            );
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
        assert_ne!(Position::begin().unwrap().shipping, Position::begin().unwrap().shipping);
    }
}
