//! Names of the files of a recording, made from one another: its ledger, its lock, its closed and
//! compressed files.
//!
//! Any thread. Changes no file.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::paths::{behind_links, with_suffix, without_gz};

/// The end of a ledger's name.
pub(crate) const LEDGER_ENDING: &str = ".coverage.csv";

/// `op1.coverage.csv` for `op1.csv`.
pub(crate) fn ledger_path(out: &Path) -> PathBuf {
    let mut name = split_name(out).0.to_owned();
    name.push(LEDGER_ENDING);
    out.with_file_name(name)
}

/// Where the ledger of the recording `out` is: beside the file that a symbolic link leads to; and if it is
/// a link itself, where that leads.
pub(crate) fn ledger_of(out: &Path) -> PathBuf {
    behind_links(&ledger_path(&behind_links(out)))
}

/// The name of the `ledger` after a rotation that has renamed the recording to `closed`.
pub(crate) fn closed_ledger(ledger: &Path, closed: &Path) -> PathBuf {
    let beside = ledger_path(closed);
    beside.file_name().map_or_else(|| beside.clone(), |name| ledger.with_file_name(name))
}

/// The recording that belongs to the ledger at `path`, if there is one.
pub(crate) fn recording_of_ledger(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?.strip_suffix(LEDGER_ENDING)?;
    let beside = ["", ".csv", ".csv.gz"].map(|end| path.with_file_name(format!("{name}{end}")));
    beside.into_iter().find(|path| path.is_file())
}

/// The files without the ledgers of recordings that are among them: `op1-*.csv` takes both.
pub(crate) fn without_ledgers(files: &[PathBuf]) -> Vec<PathBuf> {
    let recordings: HashSet<PathBuf> = files.iter().map(|path| without_gz(path)).collect();
    let is_beside = |path: &PathBuf| {
        recording_of_ledger(&without_gz(path))
            .is_some_and(|of| recordings.contains(&without_gz(&of)))
    };
    files.iter().filter(|path| !is_beside(path)).cloned().collect()
}

/// A recording's name without `.csv` at its end, and `.csv` or nothing. Names need not be UTF-8.
pub(crate) fn split_name(out: &Path) -> (&OsStr, &'static str) {
    if out.extension().is_some_and(|ending| ending == "csv") {
        (out.file_stem().unwrap_or_default(), ".csv")
    } else {
        (out.file_name().unwrap_or_default(), "")
    }
}

/// What follows the name of a recording or of its ledger in the names of other files: the lock, a file that
/// was begun for a rotation, the new end of a file, torn rows, and positions of `ship`.
const BESIDE: [&str; 5] = [".lock", ".next", ".redo", ".torn-", ".ship-"];

/// Whether `path` is the recording `out`, or one of the files that belong to it.
pub(crate) fn belongs_to_recording(path: &Path, out: &Path) -> bool {
    let name = |path: &Path| path.file_name().unwrap_or_default().as_encoded_bytes().to_owned();
    [out, &ledger_path(out)].into_iter().any(|own| {
        let rest = name(path).strip_prefix(&*name(own)).map(<[u8]>::to_owned);
        path.parent() == own.parent()
            && rest.is_some_and(|rest| {
                rest.is_empty() || BESIDE.iter().any(|end| rest.starts_with(end.as_bytes()))
            })
    })
}

/// `op1.csv.lock` for `op1.csv`, which must be no symbolic link: a recording has one lock, whatever links lead
/// to it.
pub(crate) fn lock_path(out: &Path) -> PathBuf {
    with_suffix(out, ".lock")
}

/// `op1-2026-11-23.csv.gz` for `op1-2026-11-23.csv`.
pub(crate) fn compressed_name(path: &Path) -> PathBuf {
    with_suffix(path, ".gz")
}

/// Whether there is a file at `path`, compressed or not.
pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok() || compressed_name(path).symlink_metadata().is_ok()
}

/// The closed file of `out` with this label, before it is compressed.
pub(crate) fn closed_path(out: &Path, label: &str) -> PathBuf {
    let (stem, ending) = split_name(out);
    let mut name = stem.to_owned();
    name.push(format!("-{label}{ending}"));
    out.with_file_name(name)
}

/// The label of `name`, if that is a closed, uncompressed file of `out`: its period, and its number where it has
/// one, as in `2026-11-23T14-2`.
pub(crate) fn closed_label<'n>(out: &Path, name: &'n OsStr) -> Option<&'n str> {
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
pub(crate) fn recording_of(path: &Path) -> PathBuf {
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
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    use super::{closed_label, ledger_path, recording_of};

    #[test]
    fn the_ledger_is_beside_its_recording() {
        for (out, ledger) in [
            ("op1.csv", "op1.coverage.csv"),
            ("/data/a.b.csv", "/data/a.b.coverage.csv"),
            ("trades", "trades.coverage.csv"),
        ] {
            assert_eq!(ledger_path(Path::new(out)), Path::new(ledger));
        }
        let [out, ledger] = [&b"d/\xff.csv"[..], b"d/\xff.coverage.csv"].map(OsStr::from_bytes);
        assert_eq!(ledger_path(Path::new(out)), Path::new(ledger), "not UTF-8");
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
