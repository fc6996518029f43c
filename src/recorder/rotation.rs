//! When a file is closed, and the name that it gets.
//!
//! Writer thread. Periods are UTC hours or days of `received_ms`. A closed file never takes
//! the place of an existing one: a number is added to its name, and to that of its ledger.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::recording::names::{
    LEDGER_ENDING, closed_label, closed_ledger, closed_path, exists, ledger_path, split_name,
};
use crate::recording::paths::folder_of;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Closed files of one period. There are more only when something starts the program in a loop.
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

/// A free name for the closed file of a recording whose last row was received at `time_ms`; the name of its
/// ledger is free as well.
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

/// The closed files of `out` that have a ledger in the folder of `ledger`, whether they exist or not; by name.
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Rotate, closed_files, closed_ledgers, free_name};

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
}
