//! The closed files of a recording, by their names, and their order.
//!
//! Main thread. Reads the folder only. A closed file is one thing whether it is compressed or not.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::recorder::closed_label;

/// What tells a closed file from the others: `2026-11-23T14-2` for `op1-2026-11-23T14-2.csv.gz`.
/// Older ones are less.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label {
    day: String,
    /// `whole day` comes behind all hours: whoever changes from hourly to daily closes that file at
    /// midnight; the other way there is none.
    hour: String,
    number: u64,
    text: String,
}

impl Label {
    pub(super) fn parse(text: &str) -> Option<Self> {
        closed_label(Path::new(""), format!("-{text}").as_ref())?;
        let (day, rest) = text.split_at(10);
        let (hour, number) = match rest.strip_prefix('T') {
            Some(rest) => rest.split_at(2),
            None => ("whole day", rest),
        };
        let number = number.trim_start_matches('-').parse().unwrap_or(1);
        Some(Self { day: day.to_owned(), hour: hour.to_owned(), number, text: text.to_owned() })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the file of `out` is as long as it is not compressed.
    pub(super) fn path(&self, out: &Path) -> PathBuf {
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        let (stem, ending) = name.strip_suffix(".csv").map_or((&*name, ""), |stem| (stem, ".csv"));
        out.with_file_name(format!("{stem}-{}{ending}", self.text))
    }
}

/// The closed files beside `out`, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn list(out: &Path) -> io::Result<BTreeSet<Label>> {
    let mut found = look(out)?;
    // While a file gets its other name, a reading of the folder may see neither.
    loop {
        let again = look(out)?;
        if again == found {
            return Ok(found);
        }
        found = again;
    }
}

fn look(out: &Path) -> io::Result<BTreeSet<Label>> {
    let names = names_beside(out)?;
    let labels = names.iter().filter_map(|name| {
        let name = Path::new(name);
        let compressed = name.extension().is_some_and(|ending| ending == "gz");
        let plain = if compressed { name.file_stem() } else { name.file_name() };
        Label::parse(closed_label(out, plain?)?)
    });
    Ok(labels.collect())
}

/// All names in the folder of `path`.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn names_beside(path: &Path) -> io::Result<Vec<OsString>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = fs::read_dir(folder.unwrap_or(Path::new(".")))?;
    entries.map(|entry| Ok(entry?.file_name())).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Label, list};

    #[test]
    fn closed_files_are_found_in_the_order_in_which_they_were_closed() {
        let directory = tempfile::tempdir().unwrap();
        let names = [
            "op1-2026-11-22.csv.gz",
            "op1-2026-11-23T09.csv",
            "op1-2026-11-23T14.csv.gz",
            "op1-2026-11-23T14-2.csv",
            "op1-2026-11-23T14-10.csv.gz",
            "op1-2026-11-23.csv",
            "op1-2026-11-24T00.csv",
        ];
        let others = [
            "op1.csv",
            "op1-2026-11-22.coverage.csv",
            "op1-2026-11-21.csv.gz.part",
            "op1-old.csv",
            "op2-2026-11-22.csv",
            "op1-2026-11-23T09.csv.gz",
        ];
        for name in names.iter().chain(&others) {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let out = directory.path().join("op1.csv");
        let found: Vec<_> = list(&out).unwrap().iter().map(|label| label.path(&out)).collect();
        assert_eq!(found, names.map(|name| directory.path().join(name.trim_end_matches(".gz"))));
    }

    #[test]
    fn a_label_is_a_period_with_or_without_a_number() {
        for text in ["2026-11-23", "2026-11-23T14", "2026-11-23-2", "2026-11-23T14-12"] {
            assert_eq!(Label::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "-", "live", "2026-11-23.csv", "2026-11-23T1", "2026-11-23-", "../2026"] {
            assert!(Label::parse(text).is_none(), "{text}");
        }
    }
}
