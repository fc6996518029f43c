//! The nearest `.env` file: found, read once, and taken apart line by line.
//!
//! Main thread, before anything is started. A line that cannot be read is left out, and no other.
//! Messages name its number and never its text, which may be the key.

use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memchr;

use crate::recording::paths::open_at_once;
use crate::text::in_words;

/// What some editors put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What begins UTF-16 text, of either order of bytes.
const UTF_16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// Settings are never longer than this, and a pipe may never end.
const LARGEST_FILE: u64 = 1 << 20;

/// How long a pipe is waited for: a person may have to unlock a password manager first.
const PIPE_WAIT: Duration = Duration::from_secs(30);

/// How often a pipe is tried.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Lines of a value in quotes: a long certificate has fewer.
const LONGEST_VALUE: usize = 200;

/// The file, read.
pub(super) struct DotEnv {
    pub(super) path: PathBuf,
    values: Vec<(String, String)>,
    /// What is wrong with it.
    pub(super) fault: Option<String>,
}

impl DotEnv {
    /// Reads the file in the working directory or in the nearest parent that has one. A pipe counts as a file,
    /// a folder does not.
    pub(super) fn find() -> Option<Self> {
        let here = env::current_dir().ok()?;
        let mut paths = here.ancestors().map(|directory| directory.join(".env"));
        let is_one = |path: &PathBuf| path.is_file() || is_pipe(path);
        let mut file = Self { path: paths.find(is_one)?, values: Vec::new(), fault: None };
        match content(&file.path) {
            Ok(bytes) => file.read(&bytes),
            Err(error) => file.fault = Some(format!("cannot be read ({})", in_words(&error))),
        }
        Some(file)
    }

    /// The value of a name; the last one, if there are several.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.values.iter().rfind(|(found, _)| found == name)?;
        Some(value)
    }

    fn read(&mut self, bytes: &[u8]) {
        if UTF_16_MARKS.iter().any(|mark| bytes.starts_with(mark)) || memchr(0, bytes).is_some() {
            let fault =
                "is UTF-16 text; save it as UTF-8 (in PowerShell: Set-Content -Encoding utf8)";
            self.fault = Some(fault.to_owned());
            return;
        }
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let (mut good, mut next) = (String::new(), 0);
        while next < lines.len() {
            match entry(&lines[next..]) {
                Ok((text, count)) => {
                    good.push_str(&text);
                    next += count;
                }
                Err(fault) => {
                    next += 1;
                    self.fault.get_or_insert(format!("has a line that is {fault}: line {next}"));
                }
            }
        }
        // All lines at once, because a value may refer to an earlier one.
        self.values = dotenvy::from_read_iter(good.as_bytes()).flatten().collect();
    }
}

/// Whether it is a named pipe, into which a password manager may write.
pub(super) fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

/// The pair that the first line begins, and how many lines it takes: more than one when the value begins with
/// a quote that a later line closes. A quote inside a value, as in `O'Brien`, has no meaning.
fn entry(lines: &[&[u8]]) -> Result<(String, usize), &'static str> {
    let line = |line: &[u8]| str::from_utf8(line).map(|line| format!("{line}\n"));
    let mut text = line(lines[0]).map_err(|_| "not UTF-8 text (save the file as UTF-8)")?;
    if is_whole(&text) {
        return Ok((text, 1));
    }
    let value = text.split_once('=').map_or("", |(_, value)| value.trim_start());
    let quote = value.chars().next().filter(|first| "\"'".contains(*first));
    for (index, more) in lines.iter().enumerate().take(LONGEST_VALUE).skip(1) {
        let (Some(quote), Ok(more)) = (quote, line(more)) else { break };
        text += &more;
        if more.contains(quote) && is_whole(&text) {
            return Ok((text, index + 1));
        }
    }
    Err("not NAME=value")
}

/// Whether `text` is one pair, or a blank line or comment.
fn is_whole(text: &str) -> bool {
    let mut found = dotenvy::from_read_iter(text.as_bytes());
    found.next().is_none_or(|pair| pair.is_ok()) && found.next().is_none()
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = if is_pipe(path) {
        read_pipe(path, PIPE_WAIT)?
    } else {
        let mut bytes = Vec::new();
        File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
        bytes
    };
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other(format!("it has more than {LARGEST_FILE} bytes")));
    }
    Ok(bytes)
}

/// Reads what is written into a pipe until its writer closes it.
fn read_pipe(path: &Path, wait: Duration) -> io::Result<Vec<u8>> {
    // Any other way of opening would wait for a writer, perhaps for ever.
    let mut pipe = open_at_once(path)?.take(LARGEST_FILE + 1);
    let (mut bytes, until) = (Vec::new(), Instant::now() + wait);
    while Instant::now() < until {
        match pipe.read_to_end(&mut bytes) {
            Ok(_) if !bytes.is_empty() => return Ok(bytes),
            // No writer yet, or nothing from it.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        thread::sleep(LOOK_EVERY);
    }
    let what = if bytes.is_empty() { "nobody has written to it" } else { "nobody has closed it" };
    let text = format!("it is a pipe, and within {} s {what}", wait.as_secs());
    Err(io::Error::new(ErrorKind::TimedOut, text))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::PathBuf;
    use std::process::Command;
    use std::time::Duration;

    use super::{DotEnv, read_pipe};

    fn read(text: impl AsRef<[u8]>) -> DotEnv {
        let mut file = DotEnv { path: PathBuf::new(), values: Vec::new(), fault: None };
        file.read(text.as_ref());
        file
    }

    fn check(text: &str, key: Option<&str>, fault: Option<usize>) {
        let file = read(text);
        let expected = fault.map(|line| format!("has a line that is not NAME=value: line {line}"));
        assert_eq!((file.value("KEY"), file.fault.clone()), (key, expected), "{text:?}");
    }

    #[test]
    fn a_line_that_is_none_costs_that_line_alone() {
        check("AUTHOR=O'Brien\nKEY=k\n", Some("k"), Some(1));
        check("AUTHOR=O'Brien\nKEY=k\nNOTE=it's\n", Some("k"), Some(1));
        check("A='open\nKEY=k\n", Some("k"), Some(1));
        check("A=\"open\nKEY=k\nB=\"closed\"\n", Some("k"), Some(1));
        check("KEY=k\nno pair\nKEY two\n", Some("k"), Some(2));
        check("# it's a comment\nKEY=k # it's the key", Some("k"), None);
    }

    #[test]
    fn the_last_of_several_counts() {
        check("KEY=old\nKEY=new\n", Some("new"), None);
        check("export KEY=old\r\nKEY = 'new'\r\n", Some("new"), None);
        check("KEY=old\nKEY=a b\n", Some("old"), Some(2));
    }

    #[test]
    fn a_value_in_quotes_may_go_over_lines_and_name_others() {
        check("CERT=\"-----\nKEY=inside\n-----\"\nKEY=k\n", Some("k"), None);
        check("A='one\n\ntwo'\nB=b\nKEY=\"${B}k\"\n", Some("bk"), None);
        check("KEY=k   ", Some("k"), None);
        check("", None, None);
    }

    #[test]
    fn text_of_another_encoding_is_named() {
        let utf_16: Vec<u8> = "KEY=k\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [[b"\xff\xfe", &utf_16[..]].concat(), utf_16] {
            let file = read(bytes);
            assert!(file.values.is_empty() && file.fault.is_some_and(|it| it.contains("UTF-16")));
        }
        let latin_1 = read(b"# Schl\xfcssel\nKEY=k\n");
        assert_eq!(latin_1.value("KEY"), Some("k"));
        assert!(latin_1.fault.is_some_and(|it| it.contains("UTF-8") && it.ends_with("line 1")));
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_not_waited_for_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = read_pipe(&path, Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
