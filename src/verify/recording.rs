//! Reads one recording from end to end and counts what `verify` reports.
//!
//! Runs on the main thread. One pass, in memory that does not grow with the file; it must not
//! write anything, nor stop at a malformed row.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::days::{Days, day_of};
use super::ledger::{self, unreadable};
use super::report::{FileReport, earlier};
use crate::recording::columns::Column;
use crate::recording::header::columns_of;
use crate::recording::row_rules::{Values, check_row};
use crate::recording::rows::RowReader;
use crate::recording::source::RecordingFile;
use crate::terminal::{CountedRead, ProgressLine};
use crate::text::in_words;

/// Verifies the recording at `path` with the ledger beside it, as far as they can be read. Its days
/// are added to `days`, what is read counts in `progress`.
pub(super) fn verify_file(path: &Path, days: &mut Days, progress: &ProgressLine) -> FileReport {
    let mut report = FileReport { file: path.display().to_string(), ..FileReport::default() };
    report.error = read_recording(path, &mut report, days, progress).err();
    if !report.columns.is_empty() {
        match ledger::read_beside(path, report.counts.last_received_ms, days, progress) {
            Ok(coverage) => report.coverage = coverage,
            Err(error) => report.ledger_error = Some(error),
        }
    }
    report
}

/// Fills in everything but the name and the ledger.
fn read_recording(
    path: &Path,
    report: &mut FileReport,
    days: &mut Days,
    progress: &ProgressLine,
) -> Result<(), String> {
    let mut source =
        RecordingFile::open(path, |source| CountedRead { source, progress }).map_err(|error| {
            if error.kind() == io::ErrorKind::Unsupported {
                return error.to_string();
            }
            let advice = similar(path).map_or_else(
                || "check the name and the permissions".to_owned(),
                |meant| format!("did you mean {}?", meant.display()),
            );
            format!("cannot open it: {}; {advice}", in_words(&error))
        })?;
    report.being_recorded = source.is_being_recorded();
    let mut rows = RowReader::new(&mut source.text);
    let first = rows.next_row().map_err(|error| unreadable(&error))?;
    let header =
        first.ok_or("no whole header line in it; a recording begins with its column names")?;
    let columns = columns_of(&header)?;
    report.columns = columns.iter().map(|column| column.name()).collect();
    let header = header.text.to_vec();
    let mut tally = Tally::default();
    loop {
        let line = rows.line();
        let row = rows.next_row().map_err(|error| {
            tally.end_of_day(days);
            format!(
                "cannot read on at line {line}: {}; what comes before was readable",
                in_words(&error)
            )
        })?;
        let Some(row) = row else { break };
        // An empty line is a row only where the conditions are the one column.
        if row.text.is_empty() && columns != [Column::Conditions] {
            continue;
        }
        match check_row(&row, &columns, &header) {
            Ok(values) => tally.well_formed(row.text, &values, report, days),
            Err(reason) => {
                tally.last_row.clear();
                report.malformed(row.line, reason);
            }
        }
    }
    tally.end_of_day(days);
    let bytes = rows.unfinished_bytes();
    let line = rows.line();
    report.unfinished_bytes = bytes;
    // A recorder may have begun in the meantime.
    report.being_recorded |= bytes > 0 && source.is_being_recorded();
    if bytes > 0 && !report.being_recorded {
        let reason = format!("a torn row: the file ends in the middle of it ({bytes} bytes)");
        report.malformed(line, reason);
    }
    Ok(())
}

/// An existing recording whose name differs from `path` only in `.csv` or `.gz` at the end.
fn similar(path: &Path) -> Option<PathBuf> {
    let name = path.as_os_str().to_string_lossy();
    let stem = name.trim_end_matches(".gz").trim_end_matches(".csv");
    let mut endings = [".csv", ".csv.gz"].into_iter().map(|ending| format!("{stem}{ending}"));
    let missing = !path.exists();
    endings.find(|name| missing && Path::new(name).is_file()).map(PathBuf::from)
}

/// What is remembered of the rows so far.
#[derive(Default)]
struct Tally {
    /// The row above with a line end, if it was well-formed.
    last_row: Vec<u8>,
    last_timestamp_ms: Option<i64>,
    last_received_ms: Option<i64>,
    /// The day of the row above, and its rows that are not among the days yet.
    today: Range<i64>,
    rows_today: u64,
}

impl Tally {
    fn well_formed(
        &mut self,
        text: &[u8],
        values: &Values<'_>,
        report: &mut FileReport,
        days: &mut Days,
    ) {
        let counts = &mut report.counts;
        counts.rows += 1;
        counts.numbers_with_exponent += values.with_exponent;
        counts.numbers_with_many_decimals += values.with_many_decimals;
        if let Some(ticker) = &values.ticker {
            report.symbols.add(ticker, 1);
        }
        if let Some(time_ms) = values.timestamp_ms {
            let (first, last) = (&mut counts.first_timestamp_ms, &mut counts.last_timestamp_ms);
            let is_back = note_time(time_ms, first, last, &mut self.last_timestamp_ms);
            counts.timestamp_ms_backwards += u64::from(is_back);
        }
        if let Some(time_ms) = values.received_ms {
            let (first, last) = (&mut counts.first_received_ms, &mut counts.last_received_ms);
            let is_back = note_time(time_ms, first, last, &mut self.last_received_ms);
            counts.received_ms_backwards += u64::from(is_back);
        }
        if let Some(time_ms) = values.received_ms.or(values.timestamp_ms) {
            if !self.today.contains(&time_ms) {
                self.end_of_day(days);
                self.today = day_of(time_ms);
            }
            self.rows_today += 1;
        }
        if self.last_row.strip_suffix(b"\n") == Some(text) {
            counts.repeats += 1;
        } else {
            self.last_row.clear();
            self.last_row.extend_from_slice(text);
            self.last_row.push(b'\n');
        }
    }

    fn end_of_day(&mut self, days: &mut Days) {
        let rows = std::mem::take(&mut self.rows_today);
        if rows > 0 {
            days.add_rows(self.today.start, rows);
        }
    }
}

/// Whether `time_ms` is before that of the row above.
fn note_time(
    time_ms: i64,
    first: &mut Option<i64>,
    last: &mut Option<i64>,
    above: &mut Option<i64>,
) -> bool {
    *first = earlier(*first, Some(time_ms));
    *last = (*last).max(Some(time_ms));
    above.replace(time_ms).is_some_and(|above_ms| time_ms < above_ms)
}
