//! Reads one recording from end to end and counts what `verify` tells of it.
//!
//! Runs on the main thread. One pass, in memory that does not grow with the file; it must not
//! write anything, nor stop at a malformed row.

use std::{
    io::{self, Read},
    path::Path,
};

use super::{
    check::{Fault, Shown, Values, check_row},
    ledger::{self, LEDGER_HEADER},
    report::{Counts, FileReport, MalformedRow, earlier},
    rows::{Broken, Row, RowReader},
    source,
    symbols::SymbolCounts,
};
use crate::columns::{Column, UnknownColumn};

/// Malformed rows that are listed. Where there are more, their cause is one and the same.
const MALFORMED_LISTED: usize = 100;

/// Why a file cannot be verified.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("cannot open it: {0}; check the name and the permissions")]
    Open(#[source] io::Error),
    #[error("cannot read on at line {line}: {source}; what comes before was readable")]
    Read { line: u64, source: io::Error },
    #[error("no whole header line in it; a recording begins with its column names")]
    NoHeader,
    #[error("it is a coverage ledger; name the recording that it stands beside")]
    IsLedger,
    #[error("its header is {}: {source}", Shown(header))]
    Header { header: Vec<u8>, source: HeaderError },
}

/// What is wrong with a header.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error(transparent)]
    Unknown(#[from] UnknownColumn),
    #[error("the column {0} stands in it twice")]
    Twice(Column),
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// Verifies the recording at `path` with the ledger beside it.
///
/// # Errors
/// When it cannot be opened or read to its end, or is no recording. Malformed rows are no error.
pub(super) fn verify_file(path: &Path) -> Result<FileReport, FileError> {
    let text = source::open(path).map_err(FileError::Open)?;
    let mut report = read_recording(text)?;
    report.file = path.display().to_string();
    match ledger::read_beside(path, report.counts.last_received_ms) {
        None => {}
        Some((_, Ok(coverage))) => report.coverage = Some(coverage),
        Some((ledger, Err(error))) => {
            report.ledger_error = Some(format!("{}: {error}", ledger.display()));
        }
    }
    Ok(report)
}

/// Everything about a recording but its name and its ledger.
fn read_recording(text: impl Read) -> Result<FileReport, FileError> {
    let mut rows = RowReader::new(text).map_err(|source| FileError::Read { line: 1, source })?;
    let first = rows.next_row().map_err(|source| FileError::Read { line: 1, source })?;
    let Some(header_row) = first else { return Err(FileError::NoHeader) };
    let header = header_row.text.to_vec();
    let columns = columns_of(&header_row)?;
    let mut tally = Tally::new(&columns, &header);
    loop {
        let line = rows.line();
        if let Some(row) = rows.next_row().map_err(|source| FileError::Read { line, source })? {
            tally.count(&row);
        } else if hides_a_row(&rows, &columns, &header) {
            tally.malformed(line, &Fault::Broken(Broken::OpenQuote));
            rows.skip_unfinished_line();
        } else {
            break;
        }
    }
    let (symbols, other_symbols_rows) = tally.symbols.into_sorted();
    Ok(FileReport {
        file: String::new(),
        columns: columns.iter().map(|column| column.name()).collect(),
        counts: tally.counts,
        malformed_rows: tally.malformed_rows,
        unfinished_bytes: rows.unfinished_bytes(),
        symbols,
        other_symbols_rows,
        coverage: None,
        ledger_error: None,
    })
}

/// The columns that a header names.
fn columns_of(row: &Row<'_>) -> Result<Vec<Column>, FileError> {
    if row.text == LEDGER_HEADER {
        return Err(FileError::IsLedger);
    }
    let wrong = |source| FileError::Header { header: row.text.to_vec(), source };
    let fields = row.fields.map_err(|broken| wrong(broken.into()))?;
    let mut columns = Vec::with_capacity(Column::ALL.len());
    // A column that stands there twice ends this before it runs out of remembered fields.
    for index in 0..fields.count() {
        let field = fields.get(index);
        let column: Column = String::from_utf8_lossy(&field)
            .parse()
            .map_err(|error: UnknownColumn| wrong(error.into()))?;
        if columns.contains(&column) {
            return Err(wrong(HeaderError::Twice(column)));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// Whether the unfinished end of a file, which can only have several lines by a quote that was
/// opened and not closed, holds a well-formed row on its second line. Then it is no row still
/// being written: a quote has gone astray, and must not hide the rows after it.
fn hides_a_row<R: Read>(rows: &RowReader<R>, columns: &[Column], header: &[u8]) -> bool {
    let mut lines = rows.unfinished().split_inclusive(|&byte| byte == b'\n').skip(1);
    let Some(second) = lines.next() else { return false };
    let Ok(mut reader) = RowReader::new(second) else { return false };
    match reader.next_row() {
        Ok(Some(row)) => check_row(&row, columns, header).is_ok(),
        _ => false,
    }
}

/// The counts of one file while it is read.
struct Tally<'h> {
    columns: &'h [Column],
    header: &'h [u8],
    counts: Counts,
    malformed_rows: Vec<MalformedRow>,
    symbols: SymbolCounts,
    /// The row above, if it was well-formed.
    last_row: Vec<u8>,
    has_last_row: bool,
    last_timestamp_ms: Option<i64>,
    last_received_ms: Option<i64>,
}

impl<'h> Tally<'h> {
    fn new(columns: &'h [Column], header: &'h [u8]) -> Self {
        Self {
            columns,
            header,
            counts: Counts::default(),
            malformed_rows: Vec::new(),
            symbols: SymbolCounts::default(),
            last_row: Vec::new(),
            has_last_row: false,
            last_timestamp_ms: None,
            last_received_ms: None,
        }
    }

    fn count(&mut self, row: &Row<'_>) {
        match check_row(row, self.columns, self.header) {
            Ok(values) => self.well_formed(row.text, &values),
            Err(fault) => self.malformed(row.line, &fault),
        }
    }

    fn well_formed(&mut self, text: &[u8], values: &Values<'_>) {
        let counts = &mut self.counts;
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
        if self.has_last_row && self.last_row == text {
            counts.repeats += 1;
        } else {
            self.last_row.clear();
            self.last_row.extend_from_slice(text);
            self.has_last_row = true;
        }
    }

    fn malformed(&mut self, line: u64, fault: &Fault<'_>) {
        self.counts.malformed += 1;
        self.has_last_row = false;
        if self.malformed_rows.len() < MALFORMED_LISTED {
            self.malformed_rows.push(MalformedRow { line, reason: fault.to_string() });
        }
    }
}
