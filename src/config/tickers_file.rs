//! The tickers file: one symbol per line, read again whenever it changes, written back when the
//! page changes the list.
//!
//! A thread of its own looks at it, because a file can wait on a disk. A file that is missing,
//! empty or unreadable changes nothing but is reported, once per change of state.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::feed::{check_count, check_symbol, without_repeats};

/// How often the file is looked at. A change is to be applied within two seconds.
const LOOK_EVERY: Duration = Duration::from_millis(800);

/// How soon a new content is looked at again: it counts when it is seen twice.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// A list of symbols is never larger; what is, is the wrong file.
const LARGEST_FILE: u64 = 1 << 20;

/// Why the file gives no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TickersFileError {
    /// It cannot be read or written.
    #[error("cannot {action} the tickers file {}: {reason}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        reason: String,
    },
    /// What is in it is no list of symbols.
    #[error("the tickers file {}{fault}", path.display())]
    NoList {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, to be read behind its name.
        fault: String,
    },
}

fn failed(action: &'static str, path: &Path, error: &io::Error) -> TickersFileError {
    TickersFileError::Io { action, path: path.to_owned(), reason: error.to_string() }
}

/// The symbols in the file, each once, in their order. `beside` are recorded as well.
///
/// # Errors
/// When it cannot be read, names no symbol, has a line that is none, or when they are too many.
pub fn read(path: &Path, beside: &[String]) -> Result<Vec<String>, TickersFileError> {
    parse(path, &content(path)?, beside)
}

fn content(path: &Path) -> Result<String, TickersFileError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_string(&mut text))
        .map_err(|error| failed("read", path, &error))?;
    if text.len() as u64 > LARGEST_FILE {
        let reason = format!("it has more than {LARGEST_FILE} bytes");
        return Err(TickersFileError::Io { action: "read", path: path.to_owned(), reason });
    }
    Ok(text)
}

fn parse(path: &Path, text: &str, beside: &[String]) -> Result<Vec<String>, TickersFileError> {
    let no_list = |fault| TickersFileError::NoList { path: path.to_owned(), fault };
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
/// read as the whole list.
///
/// # Errors
/// When the file cannot be read or replaced; then it is as it was.
pub fn change(
    path: &Path,
    symbol: &str,
    add: bool,
    in_use: &[String],
) -> Result<(), TickersFileError> {
    let mut text = match content(path) {
        Ok(text) => text,
        Err(_) if !path.exists() => String::new(),
        Err(error) => return Err(error),
    };
    if !text.lines().any(|line| symbol_of(line).is_some()) {
        for listed in in_use {
            text = with_line(&text, listed);
        }
    }
    let changed = if add { with_line(&text, symbol) } else { without_lines(&text, symbol) };
    replace(path, &changed).map_err(|error| failed("write", path, &error))
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

/// Puts a whole new file in the place of the old one: a reader sees one or the other.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays a link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let result = write_new(&new, text, &path).and_then(|()| fs::rename(&new, &path));
    if result.is_err() {
        let _ = fs::remove_file(&new);
    }
    result
}

fn write_new(new: &Path, text: &str, old: &Path) -> io::Result<()> {
    let mut file = File::create(new)?;
    if let Ok(metadata) = fs::metadata(old) {
        file.set_permissions(metadata.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// What a look at the file found.
#[derive(Debug, PartialEq, Eq)]
pub enum Finding {
    /// Another content, with this list in it.
    List {
        /// The symbols.
        list: Vec<String>,
        /// Whether there was trouble before.
        recovered: bool,
    },
    /// It gives no list any more, or for another reason than before.
    Trouble(TickersFileError),
}

/// Remembers what was found before.
#[derive(Debug)]
pub struct Watcher {
    path: PathBuf,
    beside: Vec<String>,
    seen: Result<String, TickersFileError>,
    judged: bool,
    trouble: Option<TickersFileError>,
}

impl Watcher {
    /// Begins with what is in the file now. `beside` are recorded as well.
    pub fn new(path: PathBuf, beside: Vec<String>) -> Self {
        // A file that has gone bad since the list was read is news.
        let seen = content(&path);
        Self { path, beside, seen, judged: false, trouble: None }
    }

    /// When to look again: soon, once there is a content to be judged.
    pub fn next_look(&self) -> Duration {
        if self.judged { LOOK_EVERY } else { LOOK_AGAIN_AFTER }
    }

    /// Looks at the file. A content is judged when it is seen the second time: the first look may
    /// have met an editor that had emptied the file and was about to write it.
    pub fn look(&mut self) -> Option<Finding> {
        let now = content(&self.path);
        if now != self.seen {
            self.seen = now;
            self.judged = false;
            return None;
        }
        if std::mem::replace(&mut self.judged, true) {
            return None;
        }
        let parsed = self.seen.clone().and_then(|text| parse(&self.path, &text, &self.beside));
        match parsed {
            // Whether it is new to who uses it is not known here: the page changes the list, too.
            Ok(list) => {
                let recovered = self.trouble.take().is_some();
                Some(Finding::List { list, recovered })
            }
            Err(error) if self.trouble.as_ref() == Some(&error) => None,
            Err(error) => {
                self.trouble = Some(error.clone());
                Some(Finding::Trouble(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{Finding, TickersFileError, Watcher, change, parse};

    fn list(text: &str) -> Result<Vec<String>, TickersFileError> {
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
            let error = list(text).expect_err(text).to_string();
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

    struct Watched {
        _directory: tempfile::TempDir,
        path: PathBuf,
        watcher: Watcher,
    }

    fn watched(text: &str) -> Watched {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tickers");
        fs::write(&path, text).unwrap();
        let watcher = Watcher::new(path.clone(), Vec::new());
        Watched { _directory: directory, path, watcher }
    }

    #[test]
    fn a_new_content_counts_when_it_is_seen_twice() {
        let Watched { _directory, path, mut watcher } = watched("A\n");
        assert!(matches!(watcher.look(), Some(Finding::List { recovered: false, .. })));
        assert_eq!(watcher.look(), None);
        fs::write(&path, "").unwrap();
        assert_eq!(watcher.look(), None, "an editor may be about to write");
        fs::write(&path, "A\nB\n").unwrap();
        assert_eq!(watcher.look(), None);
        let both = vec!["A".to_owned(), "B".to_owned()];
        assert_eq!(watcher.look(), Some(Finding::List { list: both, recovered: false }));
        assert_eq!(watcher.look(), None);
    }

    #[test]
    fn trouble_is_told_once_and_so_is_its_end() {
        let Watched { _directory, path, mut watcher } = watched("A\n");
        fs::remove_file(&path).unwrap();
        assert_eq!(watcher.look(), None);
        assert!(matches!(watcher.look(), Some(Finding::Trouble(TickersFileError::Io { .. }))));
        assert_eq!(watcher.look(), None);
        fs::write(&path, "# soon\n").unwrap();
        assert_eq!(watcher.look(), None);
        assert!(
            matches!(watcher.look(), Some(Finding::Trouble(TickersFileError::NoList { fault, .. })) if fault.contains("names no symbol"))
        );
        fs::write(&path, "A\n").unwrap();
        assert_eq!(watcher.look(), None);
        let same = vec!["A".to_owned()];
        assert_eq!(watcher.look(), Some(Finding::List { list: same, recovered: true }));
        assert_eq!(watcher.look(), None);
    }
}
