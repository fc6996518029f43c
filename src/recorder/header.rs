//! The first line of a recording and of its ledger, recognised at a start.
//!
//! Any thread. Reads files, changes none.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use memchr::{memchr, memrchr};

use super::error::{OpenError, failed};
use crate::recording::columns::Column;
use crate::recording::header::names;
use crate::text::printable;

/// A header line is never longer: a file with a longer first line is no recording.
const LONGEST_HEADER: u64 = 64 << 10;

/// The beginning of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// The file is empty, or has only the beginning of its header.
    Nothing,
    /// Its header.
    Header,
    /// Rows that fit the header, without it: the file was emptied while it was being recorded.
    Rows,
}

/// Compares the beginning of the file with `header`.
pub(super) fn check_header(path: &Path, mut file: &File, header: &str) -> Result<Head, OpenError> {
    file.rewind().map_err(failed("read", path))?;
    let mut front = Vec::new();
    file.take(LONGEST_HEADER).read_to_end(&mut front).map_err(failed("read", path))?;
    // Nothing behind a NUL counts: a power cut left the file longer than what was written.
    front.truncate(memchr(0, &front).unwrap_or(front.len()));
    let end = memchr(b'\n', &front).map(|end| end + 1);
    let line = &front[..end.unwrap_or(front.len())];
    // Spreadsheets put a byte order mark in front, and end lines in two characters.
    let text = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let found = text.trim_ascii_end();
    let wanted = header.trim_end().as_bytes();
    if end.is_some() && names(found) == names(wanted) {
        return Ok(Head::Header);
    }
    if end.is_none() && wanted.starts_with(found) {
        return Ok(Head::Nothing);
    }
    let whole = memrchr(b'\n', &front).map_or(0, |end| end + 1);
    if are_rows(&front[..whole], &names(wanted)) {
        return Ok(Head::Rows);
    }
    Err(other_columns(path, &String::from_utf8_lossy(found)))
}

/// Whether these lines, at least one, can only be rows with these columns: each field is of the kind of its
/// column, and one of them is a number.
fn are_rows(lines: &[u8], columns: &[String]) -> bool {
    let is_number = |field: &[u8]| serde_json::from_slice::<f64>(field).is_ok();
    let is_time = |field: &[u8]| serde_json::from_slice::<i64>(field).is_ok();
    let fits = |(column, field): (&String, &[u8])| match column.as_str() {
        "price" | "volume" => is_number(field),
        "timestamp_ms" | "received_ms" | "time_ms" => is_time(field),
        "state" => field == b"live" || field == b"down",
        "ticker" => !field.is_empty(),
        _ => true,
    };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(lines);
    let all_fit = reader.byte_records().all(|row| {
        row.is_ok_and(|row| row.len() == columns.len() && columns.iter().zip(&row).all(fits))
    });
    let tell = ["price", "volume", "timestamp_ms", "received_ms", "time_ms"];
    !lines.is_empty() && all_fit && columns.iter().any(|column| tell.contains(&column.as_str()))
}

fn other_columns(path: &Path, found: &str) -> OpenError {
    let names = names(found.as_bytes());
    let ours = !names.is_empty() && names.iter().all(|name| name.parse::<Column>().is_ok());
    let advice = if ours {
        format!("add --columns {} to go on with it, or give another --out", names.join(","))
    } else {
        "it is no recording of this program; give another --out".to_owned()
    };
    OpenError::OtherColumns { path: path.to_owned(), found: printable(found, 200), advice }
}
