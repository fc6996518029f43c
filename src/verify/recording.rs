//! Reads one recording from end to end and counts what `verify` tells of it.
//!
//! Runs on the main thread. One pass, in memory that does not grow with the file; it must not
//! write anything, nor stop at a malformed row.

use std::{io::Read, ops::Range, path::Path};

use super::check::{Values, check_row, shown};
use super::days::day_of;
use super::ledger::{self, LEDGER_HEADER};
use super::report::{FileReport, MalformedRow, earlier};
use super::source::Source;
use super::symbols::SymbolCounts;
use crate::recorder::columns::Column;
use crate::rows::{Row, RowReader};
use crate::terminal::ProgressLine;

/// Malformed rows that are listed. Where there are more, their cause is one and the same.
const MALFORMED_LISTED: usize = 100;

/// Verifies the recording at `path` with the ledger beside it, as far as they can be read. What is
/// read counts in `progress`.
pub(super) fn verify_file(path: &Path, progress: &ProgressLine) -> FileReport {
    let mut report = FileReport { file: path.display().to_string(), ..FileReport::default() };
    report.error = read_recording(path, &mut report, progress).err();
    if !report.columns.is_empty() {
        match ledger::read_beside(path, report.counts.last_received_ms, progress) {
            Ok(coverage) => report.coverage = coverage,
            Err(error) => report.ledger_error = Some(error),
        }
    }
    report
}

/// Everything about a recording but its name and its ledger.
fn read_recording(
    path: &Path,
    report: &mut FileReport,
    progress: &ProgressLine,
) -> Result<(), String> {
    let mut source = Source::open(path, progress)
        .map_err(|error| format!("cannot open it: {error}; check the name and the permissions"))?;
    report.being_recorded = source.is_being_recorded();
    let mut rows = RowReader::new(&mut source.text);
    let first = rows.next_row().map_err(|error| format!("cannot read it: {error}"))?;
    let Some(header) = first else {
        return Err(
            "no whole header line in it; a recording begins with its column names".to_owned()
        );
    };
    let columns = columns_of(&header)?;
    report.columns = columns.iter().map(|column| column.name()).collect();
    let header = header.text.to_vec();
    let mut tally = Tally::new(&columns, &header, report);
    let read = tally.read_rows(&mut rows);
    tally.end_of_day();
    let symbols = tally.symbols.into_sorted();
    report.symbols = symbols;
    read?;
    report.unfinished_bytes = rows.unfinished_bytes();
    let line = rows.line();
    // A recorder may have begun in the meantime.
    report.being_recorded |= report.unfinished_bytes > 0 && source.is_being_recorded();
    if report.unfinished_bytes > 0 && !report.being_recorded {
        let bytes = report.unfinished_bytes;
        let reason = format!("a torn row: the file ends in the middle of it ({bytes} bytes)");
        malformed(report, line, reason);
    }
    Ok(())
}

/// The columns that a header names.
fn columns_of(row: &Row<'_>) -> Result<Vec<Column>, String> {
    if row.text == LEDGER_HEADER {
        return Err("it is a coverage ledger; name the recording that it stands beside".to_owned());
    }
    let wrong = |why: String| format!("its header is {}: {why}", shown(row.text));
    let fields = row.fields.map_err(|broken| wrong(broken.to_string()))?;
    let mut columns = Vec::with_capacity(Column::ALL.len());
    // A column that stands there twice ends this before it runs out of remembered fields.
    for index in 0..fields.count() {
        let name = fields.get(index);
        let column: Column = String::from_utf8_lossy(&name).parse().map_err(wrong)?;
        if columns.contains(&column) {
            return Err(wrong(format!("the column {column} stands in it twice")));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn malformed(report: &mut FileReport, line: u64, reason: String) {
    report.counts.malformed += 1;
    if report.malformed_rows.len() < MALFORMED_LISTED {
        report.malformed_rows.push(MalformedRow { line, reason });
    }
}

/// The counts of one file while it is read.
struct Tally<'a> {
    columns: &'a [Column],
    header: &'a [u8],
    report: &'a mut FileReport,
    symbols: SymbolCounts,
    /// The row above, if it was well-formed.
    last_row: Vec<u8>,
    has_last_row: bool,
    last_timestamp_ms: Option<i64>,
    last_received_ms: Option<i64>,
    /// The day of the row above, and its rows that are not in the report yet.
    today: Range<i64>,
    rows_today: u64,
}

impl<'a> Tally<'a> {
    fn new(columns: &'a [Column], header: &'a [u8], report: &'a mut FileReport) -> Self {
        Self {
            columns,
            header,
            report,
            symbols: SymbolCounts::default(),
            last_row: Vec::new(),
            has_last_row: false,
            last_timestamp_ms: None,
            last_received_ms: None,
            today: 0..0,
            rows_today: 0,
        }
    }

    fn read_rows(&mut self, rows: &mut RowReader<impl Read>) -> Result<(), String> {
        loop {
            let line = rows.line();
            let row = rows.next_row().map_err(|error| {
                format!("cannot read on at line {line}: {error}; what comes before was readable")
            })?;
            let Some(row) = row else { return Ok(()) };
            match check_row(&row, self.columns, self.header) {
                Ok(values) => self.well_formed(row.text, &values),
                Err(reason) => {
                    self.has_last_row = false;
                    malformed(self.report, row.line, reason);
                }
            }
        }
    }

    fn count_today(&mut self, time_ms: i64) {
        if !self.today.contains(&time_ms) {
            self.end_of_day();
            self.today = day_of(time_ms);
        }
        self.rows_today += 1;
    }

    fn end_of_day(&mut self) {
        let rows = std::mem::take(&mut self.rows_today);
        if rows > 0 {
            self.report.days.add_rows(self.today.start, rows);
        }
    }

    fn well_formed(&mut self, text: &[u8], values: &Values<'_>) {
        let counts = &mut self.report.counts;
        counts.rows += 1;
        if let Some(ticker) = &values.ticker {
            self.symbols.add(ticker, 1);
        }
        if let Some(time) = values.timestamp_ms {
            counts.timestamp_ms_backwards += u64::from(Some(time) < self.last_timestamp_ms);
            counts.first_timestamp_ms = earlier(counts.first_timestamp_ms, Some(time));
            counts.last_timestamp_ms = counts.last_timestamp_ms.max(Some(time));
            self.last_timestamp_ms = Some(time);
        }
        if let Some(time) = values.received_ms {
            counts.received_ms_backwards += u64::from(Some(time) < self.last_received_ms);
            counts.first_received_ms = earlier(counts.first_received_ms, Some(time));
            counts.last_received_ms = counts.last_received_ms.max(Some(time));
            self.last_received_ms = Some(time);
        }
        if let Some(time_ms) = values.received_ms.or(values.timestamp_ms) {
            self.count_today(time_ms);
        }
        let counts = &mut self.report.counts;
        if self.has_last_row && self.last_row == text {
            counts.repeats += 1;
        } else {
            self.last_row.clear();
            self.last_row.extend_from_slice(text);
            self.has_last_row = true;
        }
    }
}
