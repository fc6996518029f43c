//! The closed files of a recording, in the order in which they were closed.
//!
//! Any thread. Reads folders, changes nothing.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::names::{closed_label, closed_path};
use super::paths::{behind_links, names_beside, without_gz};

/// What distinguishes a closed file from the others: `2026-11-23T14-2` for `op1-2026-11-23T14-2.csv.gz`.
/// The label of an older file is the smaller one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Label {
    day: String,
    /// `whole day` for the file of a day, which is larger than all hours: after a change from hourly to daily
    /// the file of the day is closed at midnight. A change to hourly leaves no file of that day.
    hour: String,
    number: u64,
    text: String,
}

impl Label {
    /// Reads what stands between `op1-` and `.csv` in a name; `None` when that is no label.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        closed_label(Path::new(""), format!("-{text}").as_ref())?;
        let (day, rest) = text.split_at(10);
        let (hour, number) = match rest.strip_prefix('T') {
            Some(rest) => rest.split_at(2),
            None => ("whole day", rest),
        };
        let number = number.trim_start_matches('-').parse().unwrap_or(1);
        Some(Self { day: day.to_owned(), hour: hour.to_owned(), number, text: text.to_owned() })
    }

    /// Where the file of `out` is as long as it is not compressed: beside the one that a symbolic link leads to.
    pub(crate) fn path(&self, out: &Path) -> PathBuf {
        closed_path(&behind_links(out), &self.text)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.text
    }
}

impl TryFrom<String> for Label {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no name of a closed file")
    }
}

/// The closed files of `out`, compressed or not, oldest first. They are beside the file that a
/// symbolic link leads to.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn closed_files(out: &Path) -> io::Result<BTreeSet<Label>> {
    let out = &behind_links(out);
    let mut found = read_labels(out)?;
    // A file that is renamed meanwhile may be seen under neither name.
    loop {
        let again = read_labels(out)?;
        if again == found {
            return Ok(found);
        }
        found = again;
    }
}

fn read_labels(out: &Path) -> io::Result<BTreeSet<Label>> {
    let names = names_beside(out)?;
    let labels = names.iter().filter_map(|name| {
        Label::parse(closed_label(out, without_gz(Path::new(name)).as_os_str())?)
    });
    Ok(labels.collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Label, closed_files};

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
        let found: Vec<_> =
            closed_files(&out).unwrap().iter().map(|label| label.path(&out)).collect();
        assert_eq!(found, names.map(|name| directory.path().join(name.trim_end_matches(".gz"))));
    }

    #[test]
    fn a_label_is_a_period_with_or_without_a_number() {
        for text in ["2026-11-23", "2026-11-23T14", "2026-11-23-2", "2026-11-23T14-12"] {
            assert_eq!(Label::parse(text).unwrap().text, text);
        }
        for text in ["", "-", "live", "2026-11-23.csv", "2026-11-23T1", "2026-11-23-", "../2026"] {
            assert!(Label::parse(text).is_none(), "{text}");
        }
    }
}
