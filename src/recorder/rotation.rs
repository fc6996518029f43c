//! When a file is closed and what it is called then.
//!
//! Writer thread. Periods are UTC hours or days of `received_ms`. A closed file is never put over
//! an existing one: a number is added, the same for the recording and its ledger.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::ledger::{ENDING as LEDGER_ENDING, closed_ledger, ledger_path, split_name};
use crate::recording::paths::{folder_of, with_suffix, without_gz};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Archives of one period: more means that something starts the program in a loop.
const MOST_NUMBERS: u32 = 10_000;

/// How often a new file is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotate {
    /// At each full hour, UTC.
    Hourly,
    /// At each midnight, UTC.
    Daily,
}

impl Rotate {
    /// How long a period is.
    pub(super) fn period_ms(self) -> i64 {
        match self {
            Self::Hourly => HOUR_MS,
            Self::Daily => DAY_MS,
        }
    }

    /// When the period that `time_ms` lies in ends and the next one begins, UNIX milliseconds.
    pub(super) fn period_end(self, time_ms: i64) -> i64 {
        // The last row of a damaged file may have any time.
        (time_ms.div_euclid(self.period_ms()) + 1).saturating_mul(self.period_ms())
    }

    /// `2026-11-23` or `2026-11-23T14`.
    fn label(self, time_ms: i64) -> String {
        let time = jiff::Timestamp::from_millisecond(time_ms).unwrap_or_default();
        let format = match self {
            Self::Hourly => "%Y-%m-%dT%H",
            Self::Daily => "%Y-%m-%d",
        };
        time.strftime(format).to_string()
    }
}

/// Whether there is such a file, compressed or not.
pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok() || compressed_name(path).symlink_metadata().is_ok()
}

/// `op1-2026-11-23.csv.gz` for `op1-2026-11-23.csv`.
pub fn compressed_name(path: &Path) -> PathBuf {
    with_suffix(path, ".gz")
}

/// A name for the closed file of a recording whose last row was received at `time_ms`; it is free,
/// and that of its ledger.
pub(super) fn free_name(
    out: &Path,
    ledger: &Path,
    rotate: Rotate,
    time_ms: i64,
) -> io::Result<PathBuf> {
    let is_free = |csv: &PathBuf| {
        let ledgers = [ledger_path(csv), closed_ledger(ledger, csv)];
        !exists(csv) && !ledgers.iter().any(|ledger| exists(ledger))
    };
    closed_names(out, rotate, time_ms)
        .find(is_free)
        .ok_or_else(|| io::Error::other("too many files of the same period"))
}

/// The closed files of `out` that are not compressed, by name.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn closed_files(out: &Path) -> io::Result<Vec<PathBuf>> {
    closed_in(folder_of(out), out, |name| Some(name.to_owned()))
}

/// The closed files of `out`, there or not, whose ledgers are in the folder of `ledger`; by name.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn closed_ledgers(out: &Path, ledger: &Path) -> io::Result<Vec<PathBuf>> {
    let ending = split_name(out).1.as_bytes();
    closed_in(folder_of(ledger), out, |ledger| {
        let stem = ledger.as_bytes().strip_suffix(LEDGER_ENDING.as_bytes())?;
        Some(OsStr::from_bytes(&[stem, ending].concat()).to_owned())
    })
}

/// What `closed_name` makes of the names in a folder, if it is a closed file of `out`.
fn closed_in(
    folder: &Path,
    out: &Path,
    closed_name: impl Fn(&OsStr) -> Option<OsString>,
) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = closed_name(&entry?.file_name());
        let name = name.filter(|name| closed_label(out, name).is_some());
        found.extend(name.map(|name| out.with_file_name(name)));
    }
    found.sort();
    Ok(found)
}

fn closed_names(out: &Path, rotate: Rotate, time_ms: i64) -> impl Iterator<Item = PathBuf> {
    let label = rotate.label(time_ms);
    (1..=MOST_NUMBERS).map(move |number| {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        closed_path(out, &format!("{label}{number}"))
    })
}

/// Where the closed file of `out` with this label is as long as it is not compressed.
pub(crate) fn closed_path(out: &Path, label: &str) -> PathBuf {
    let (stem, ending) = split_name(out);
    let mut name = stem.to_owned();
    name.push(format!("-{label}{ending}"));
    out.with_file_name(name)
}

/// What distinguishes the closed file `name` of `out`, not compressed, from the others: its period, and its
/// number where it has one, as in `2026-11-23T14-2`. `None` when it is no closed file of `out`.
pub fn closed_label<'n>(out: &Path, name: &'n OsStr) -> Option<&'n str> {
    let (stem, ending) = split_name(out);
    let label = name.as_encoded_bytes().strip_prefix(stem.as_encoded_bytes())?;
    let label = str::from_utf8(label.strip_prefix(b"-")?.strip_suffix(ending.as_bytes())?).ok()?;
    let shape: String = label.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let rest = shape.strip_prefix("0000-00-00")?;
    let rest = rest.strip_prefix("T00").unwrap_or(rest);
    let number = |number: &str| !number.is_empty() && number.chars().all(|c| c == '0');
    (rest.is_empty() || rest.strip_prefix('-').is_some_and(number)).then_some(label)
}

/// The recording that a file belongs to: `op1.csv` for `op1-2026-11-23T14-2.csv.gz`, and for itself.
pub fn recording_of(path: &Path) -> PathBuf {
    let plain = without_gz(path);
    let (stem, ending) = split_name(&plain);
    let (name, stem) = (plain.file_name().unwrap_or_default(), stem.to_string_lossy());
    let outs = stem
        .match_indices('-')
        .map(|(at, _)| plain.with_file_name(format!("{}{ending}", &stem[..at])));
    let found = outs.into_iter().find(|out| closed_label(out, name).is_some());
    found.unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Rotate, closed_files, closed_label, closed_ledgers, free_name, recording_of};

    /// 2026-11-23T14:59:59.999Z
    const TIME: i64 = 1_795_445_999_999;

    #[test]
    fn periods_are_utc_hours_and_days() {
        assert_eq!(Rotate::Hourly.label(TIME), "2026-11-23T14");
        assert_eq!(Rotate::Hourly.label(TIME + 1), "2026-11-23T15");
        assert_eq!(Rotate::Hourly.period_end(TIME), TIME + 1);
        assert_eq!(Rotate::Hourly.period_end(i64::MAX), i64::MAX);
        assert_eq!(Rotate::Hourly.period_end(TIME + 1), TIME + 1 + 3_600_000);
        assert_eq!(Rotate::Daily.label(TIME), "2026-11-23");
        assert_eq!(Rotate::Daily.label(Rotate::Daily.period_end(TIME)), "2026-11-24");
        assert_eq!(Rotate::Daily.label(Rotate::Daily.period_end(TIME) - 1), "2026-11-23");
    }

    #[test]
    fn a_closed_file_is_never_put_over_another() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("op1.csv");
        let path = |name: &str| directory.path().join(name);
        let ledger = directory.path().join("op1.coverage.csv");
        let next = || free_name(&out, &ledger, Rotate::Daily, TIME).unwrap();
        assert_eq!(next(), path("op1-2026-11-23.csv"));

        fs::write(path("op1-2026-11-23.csv.gz"), "").unwrap();
        assert_eq!(next(), path("op1-2026-11-23-2.csv"));
        fs::write(path("op1-2026-11-23-2.coverage.csv"), "").unwrap();
        assert_eq!(next(), path("op1-2026-11-23-3.csv"));
        fs::write(path("op1-2026-11-22.csv"), "").unwrap();
        fs::write(path("op1.coverage.csv"), "").unwrap();
        assert_eq!(closed_files(&out).unwrap(), [path("op1-2026-11-22.csv")]);
        assert_eq!(closed_ledgers(&out, &ledger).unwrap(), [path("op1-2026-11-23-2.csv")]);
    }

    #[test]
    fn closed_files_are_found_by_their_names() {
        let out = Path::new("/data/op1.csv");
        for name in [
            "op1-2026-11-23.csv",
            "op1-2026-11-23T14.csv",
            "op1-2026-11-23-2.csv",
            "op1-2026-11-23T14-12.csv",
        ] {
            assert!(closed_label(out, name.as_ref()).is_some(), "{name}");
            assert_eq!(recording_of(&out.with_file_name(name)), out);
            assert_eq!(recording_of(&out.with_file_name(format!("{name}.gz"))), out);
        }
        for name in ["op1.csv", "my-op1.csv", "op1-old.csv", "-", "op1-2026-11-23-.csv"] {
            assert_eq!(recording_of(name.as_ref()), Path::new(name));
        }
        for name in [
            "op1.csv",
            "op1-2026-11-23.csv.gz",
            "op1-2026-11-23.coverage.csv",
            "op1-old.csv",
            "op1-2026-11-23-.csv",
            "op1-2026-11-23x.csv",
            "op2-2026-11-23.csv",
        ] {
            assert!(closed_label(out, name.as_ref()).is_none(), "{name}");
        }
    }
}
