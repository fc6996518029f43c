//! The closed files of a recording, by their names, and their order.
//!
//! Main thread. Reads the folder only. A closed file is one thing whether it is compressed or not.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::recorder::closed_label;

/// What tells a closed file from the others: `2026-11-23T14-2` for `op1-2026-11-23T14-2.csv.gz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label(String);

impl Label {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the file of `out` is as long as it is not compressed.
    pub(super) fn path(&self, out: &Path) -> PathBuf {
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        let (stem, ending) = name.strip_suffix(".csv").map_or((&*name, ""), |stem| (stem, ".csv"));
        out.with_file_name(format!("{stem}-{}{ending}", self.0))
    }

    /// Day, hour and number. A file of a whole day comes behind the hours of that day: whoever
    /// changes from hourly to daily closes it at midnight; the other way there is none.
    fn key(&self) -> (&str, &str, u64) {
        let (day, rest) = self.0.split_at(10);
        let (hour, number) = match rest.strip_prefix('T') {
            Some(rest) => rest.split_at(2),
            None => ("whole day", rest),
        };
        (day, hour, number.trim_start_matches('-').parse().unwrap_or(1))
    }
}

impl FromStr for Label {
    type Err = ();

    fn from_str(text: &str) -> Result<Label, ()> {
        let name = format!("-{text}");
        closed_label(Path::new(""), name.as_ref()).map(|_| Label(text.to_owned())).ok_or(())
    }
}

impl Ord for Label {
    fn cmp(&self, other: &Label) -> Ordering {
        self.key().cmp(&other.key()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Label {
    fn partial_cmp(&self, other: &Label) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Closed files, oldest first, each with where it is.
pub(super) type ClosedFiles = BTreeMap<Label, PathBuf>;

/// The closed files beside `out`.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn list(out: &Path) -> io::Result<ClosedFiles> {
    let mut found = look(out)?;
    // While a file gets its other name, a reading of the folder may see neither.
    loop {
        let again = look(out)?;
        if again.keys().eq(found.keys()) {
            return Ok(again);
        }
        found = again;
    }
}

fn look(out: &Path) -> io::Result<ClosedFiles> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut found = ClosedFiles::new();
    for entry in fs::read_dir(parent.unwrap_or(Path::new(".")))? {
        let name = entry?.file_name();
        let compressed = Path::new(&name).extension().is_some_and(|ending| ending == "gz");
        let stem = Path::new(&name).file_stem().filter(|_| compressed);
        let Some(label) = closed_label(out, stem.unwrap_or(&name)) else { continue };
        let label = Label(label.to_owned());
        // Of both, the plain one is read faster, and is whole for as long as it is there.
        if !compressed || !found.contains_key(&label) {
            found.insert(label, out.with_file_name(&name));
        }
    }
    Ok(found)
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
        let found = list(&directory.path().join("op1.csv")).unwrap();
        let found: Vec<_> = found.values().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(found, names);
    }

    #[test]
    fn a_label_is_a_period_with_or_without_a_number() {
        for text in ["2026-11-23", "2026-11-23T14", "2026-11-23-2", "2026-11-23T14-12"] {
            assert!(text.parse::<Label>().is_ok(), "{text}");
        }
        for text in ["", "-", "live", "2026-11-23.csv", "2026-11-23T1", "2026-11-23-", "../2026"] {
            assert!(text.parse::<Label>().is_err(), "{text}");
        }
    }
}
