//! The tickers file: one symbol per line, read again whenever it changes, written back when the
//! page changes the list.
//!
//! A thread of its own looks at the file, because reading can wait for a disk. A file that is missing,
//! empty or unreadable leaves the list as it is, and is reported once.

use std::collections::HashSet;
use std::fmt::Display;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::market::symbol::{check_count, check_symbol, without_repeats};
use crate::recording::paths::{NewFile, open_at_once, overwrite};
use crate::text::in_words;

/// How often the file is looked at. A change is to be applied within two seconds.
const LOOK_EVERY: Duration = Duration::from_millis(800);

/// How soon a new content is read again: it counts when it was the same twice.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// A list of symbols is never larger: a larger file is the wrong one.
const LARGEST_FILE: u64 = 1 << 20;

/// Errors after which the file cannot be replaced, but perhaps written. The last one means an owner that is
/// unknown inside a container.
const REFUSED_TO_REPLACE: [ErrorKind; 5] = [
    ErrorKind::ResourceBusy,
    ErrorKind::PermissionDenied,
    ErrorKind::ReadOnlyFilesystem,
    ErrorKind::CrossesDevices,
    ErrorKind::InvalidInput,
];

fn failed(action: &str, path: &Path, reason: impl Display) -> String {
    format!("cannot {action} the tickers file {}: {}", path.display(), in_words(&reason))
}

/// The symbols in the file, each once, in their order. `beside` are recorded as well.
///
/// # Errors
/// When the file cannot be read, names no symbol, has a line that is no symbol, or has too many.
pub(crate) fn read(path: &Path, beside: &[String]) -> Result<Vec<String>, String> {
    parse(path, &content(path)?, beside)
}

/// Whether `path` is something that cannot be read again and again: a folder, a pipe, a device.
pub(crate) fn is_no_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file())
}

fn content(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = open_at_once(path).map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::NotFound => "; make it, with one symbol per line, such as AAPL",
            _ => "",
        };
        failed("read", path, error) + advice
    })?;
    if file.metadata().is_ok_and(|found| !found.is_file()) {
        let fault = "it is no file, and could not be read again whenever it changes; write the symbols to a file, or give them with --tickers";
        return Err(failed("read", path, fault));
    }
    file.take(LARGEST_FILE + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed("read", path, error))?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(failed("read", path, format_args!("it has more than {LARGEST_FILE} bytes")));
    }
    Ok(text)
}

fn parse(path: &Path, text: &str, beside: &[String]) -> Result<Vec<String>, String> {
    let no_list = |fault: String| format!("the tickers file {}{fault}", path.display());
    let mut symbols = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(symbol) = symbol_of(line) else { continue };
        check_symbol(symbol).map_err(|fault| {
            no_list(format!(", line {}: {fault}; write one symbol per line", index + 1))
        })?;
        symbols.push(symbol.to_owned());
    }
    if symbols.is_empty() {
        return Err(no_list(" names no symbol; write one per line".to_owned()));
    }
    let all: HashSet<&String> = symbols.iter().chain(beside).collect();
    check_count(all.len()).map_err(|fault| no_list(format!(": {fault}")))?;
    Ok(without_repeats(symbols))
}

/// The symbol on a line, without comment and the space around it.
fn symbol_of(line: &str) -> Option<&str> {
    let line = line.trim_start_matches('\u{feff}');
    let symbol = line.split('#').next().unwrap_or_default().trim();
    (!symbol.is_empty()).then_some(symbol)
}

/// Adds a line for `symbol`, or takes its lines out, leaving everything else as it is. A file that
/// somebody has removed or emptied is given the symbols `in_use` back first, because it would be
/// read as the whole list. Gives whether the file names a symbol now.
///
/// # Errors
/// When the file cannot be read or written; then it is as it was.
pub(crate) fn change(
    path: &Path,
    symbol: &str,
    add: bool,
    in_use: &[String],
) -> Result<bool, String> {
    let mut text = match content(path) {
        Ok(text) => text,
        Err(_) if !path.exists() => String::new(),
        Err(error) => return Err(error),
    };
    if !names_symbols(&text) {
        for listed in in_use {
            text = with_line(&text, listed);
        }
    }
    let changed = if add { with_line(&text, symbol) } else { without_lines(&text, symbol) };
    write_back(path, &changed).map_err(|error| failed("write", path, error))?;
    Ok(names_symbols(&changed))
}

/// Puts a new file in the place of the old one, with the same owner, group and permissions. Where that
/// cannot be done, the old one is written over: a file that is mounted by itself into a container, a folder
/// that takes no new files, an owner that we may not set. The new file stays beside it until then.
fn write_back(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = None;
    let mut replace = || {
        let new = beside.insert(NewFile::beside(path)?);
        new.write(text)?;
        new.keep_owner()?;
        new.take_place()
    };
    match replace() {
        Err(error) if REFUSED_TO_REPLACE.contains(&error.kind()) && path.exists() => {
            overwrite(path, text)
        }
        replaced => replaced,
    }
}

fn names_symbols(text: &str) -> bool {
    text.lines().any(|line| symbol_of(line).is_some())
}

fn with_line(text: &str, symbol: &str) -> String {
    if text.lines().any(|line| symbol_of(line) == Some(symbol)) {
        return text.to_owned();
    }
    let joint = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{joint}{symbol}\n")
}

fn without_lines(text: &str, symbol: &str) -> String {
    text.split_inclusive('\n').filter(|line| symbol_of(line) != Some(symbol)).collect()
}

/// Finds out when the file has changed.
#[derive(Debug)]
pub(crate) struct Watcher {
    path: PathBuf,
    beside: Vec<String>,
    seen: Result<String, String>,
    is_read: bool,
}

impl Watcher {
    /// Begins with what is in the file now. `beside` are recorded as well.
    pub(crate) fn new(path: PathBuf, beside: Vec<String>) -> Self {
        // A file that has become unreadable since the list was read is still to be reported.
        let seen = content(&path);
        Self { path, beside, seen, is_read: false }
    }

    /// Whether the content seen last names no symbol.
    pub(crate) fn names_none(&self) -> bool {
        self.seen.as_ref().is_ok_and(|text| !names_symbols(text))
    }

    /// When to look again: soon, once there is a content to be read.
    pub(crate) fn next_look(&self) -> Duration {
        if self.is_read { LOOK_EVERY } else { LOOK_AGAIN_AFTER }
    }

    /// Looks at the file; gives the list in it, or why it gives none, when it has changed. A content
    /// is read when it is seen the second time: the first look may have met an editor that had
    /// emptied the file and was about to write it.
    pub(crate) fn poll(&mut self) -> Option<Result<Vec<String>, String>> {
        let now = content(&self.path);
        if now != self.seen {
            self.seen = now;
            self.is_read = false;
            return None;
        }
        if std::mem::replace(&mut self.is_read, true) {
            return None;
        }
        Some(self.seen.clone().and_then(|text| parse(&self.path, &text, &self.beside)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Watcher, change, parse};

    fn list(text: &str) -> Result<Vec<String>, String> {
        parse(Path::new("t"), text, &[])
    }

    #[test]
    fn a_file_is_one_symbol_per_line_and_comments() {
        let text = "\u{feff}# my list\r\nAAPL # big\r\n\r\n  IC MARKETS:1  \nAAPL\nMSFT";
        assert_eq!(list(text).unwrap(), ["AAPL", "IC MARKETS:1", "MSFT"]);
        for (text, message) in [
            ("", "names no symbol"),
            ("# only\n\n", "names no symbol"),
            ("AAPL\nA,B\n", "line 2: the symbol \"A,B\" contains ','; write one symbol per line"),
            ("A\u{1b}B\n", "line 1: the symbol"),
        ] {
            let error = list(text).expect_err(text);
            assert!(error.contains(message) && !error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn a_change_keeps_comments_links_and_permissions() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&file, "# mine\nAAPL # big\nMSFT").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        change(&link, "TSLA", true, &[]).unwrap();
        change(&link, "TSLA", true, &[]).unwrap();
        change(&link, "AAPL", false, &[]).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "# mine\nMSFT\nTSLA\n");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left behind");
    }

    #[test]
    fn a_file_that_names_nothing_is_given_what_is_in_use_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tickers");
        let in_use = ["A".to_owned(), "B".to_owned()];
        change(&path, "C", true, &in_use).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "A\nB\nC\n");
        fs::write(&path, "# mine\n").unwrap();
        change(&path, "A", false, &in_use).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\nB\n");
    }

    #[test]
    fn a_new_content_counts_when_it_is_seen_twice() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tickers");
        fs::write(&path, "A\n").unwrap();
        let mut watcher = Watcher::new(path.clone(), Vec::new());
        assert_eq!(watcher.poll(), Some(Ok(vec!["A".to_owned()])));
        assert_eq!(watcher.poll(), None);
        fs::write(&path, "").unwrap();
        assert_eq!(watcher.poll(), None, "an editor may be about to write");
        fs::write(&path, "A\nB\n").unwrap();
        assert_eq!(watcher.poll(), None);
        assert_eq!(watcher.poll(), Some(Ok(vec!["A".to_owned(), "B".to_owned()])));
        assert_eq!(watcher.poll(), None);
    }
}
