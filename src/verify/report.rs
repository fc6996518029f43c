//! What `verify` finds, in the shape of its `--json`.
//!
//! Runs on the main thread. Shapes and sums only; it must not read files or format text. Every
//! time is in UNIX milliseconds: `timestamp_ms` by the exchange's clock, everything else by the
//! clock of the machine that recorded.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::days::{RecordingDays, values};
use super::ledger::Coverage;
use super::spans::Spans;
use super::symbols::Symbols;

/// Malformed rows that are listed. When there are more, they have the same cause.
pub(super) const MALFORMED_LISTED: usize = 100;

/// The whole answer: the one object of `--json`.
#[derive(Serialize)]
pub(super) struct Report {
    /// Whether every file could be read and every row of them is well-formed.
    pub(super) ok: bool,
    /// The same for people, with what is missing: one line.
    pub(super) verdict: String,
    /// One entry for each file named, in that order.
    pub(super) files: Vec<FileReport>,
    /// The recordings that these files belong to, day by day.
    #[serde(serialize_with = "values")]
    pub(super) recordings: BTreeMap<PathBuf, RecordingDays>,
    /// The sum of all files, as far as they could be read.
    pub(super) total: Total,
}

/// One recording.
#[derive(Debug, Default, Serialize)]
pub(super) struct FileReport {
    /// The file as it was named.
    pub(super) file: String,
    /// Why it could not be read, or not to its end, and what to do; else `null`. The numbers are
    /// those of the part that was read.
    pub(super) error: Option<String>,
    /// Whether a process records to it: it was read up to its last whole row.
    pub(super) being_recorded: bool,
    /// Its columns in their order; none when it has no header that could be read.
    pub(super) columns: Vec<&'static str>,
    /// The numbers, as fields of this object.
    #[serde(flatten)]
    pub(super) counts: RowCounts,
    /// The first malformed rows, one hundred at most; `malformed` counts them all.
    pub(super) malformed_rows: Vec<MalformedRow>,
    /// Bytes after the last whole row: a row still being written, or a torn one, which is
    /// malformed.
    pub(super) unfinished_bytes: u64,
    /// Rows per symbol, as fields of this object.
    #[serde(flatten)]
    pub(super) symbols: Symbols,
    /// What the ledger says; `null` when there is none or it cannot be read.
    pub(super) coverage: Option<Coverage>,
    /// Why the ledger that is there cannot be read; else `null`.
    pub(super) ledger_error: Option<String>,
}

impl FileReport {
    /// Counts a row that is not well-formed.
    pub(super) fn malformed(&mut self, line: u64, reason: String) {
        self.counts.malformed += 1;
        self.list_malformed(line, reason);
    }

    /// Lists a row that was counted.
    pub(super) fn list_malformed(&mut self, line: u64, reason: String) {
        if self.malformed_rows.len() < MALFORMED_LISTED {
            self.malformed_rows.push(MalformedRow { line, reason });
        }
    }
}

/// A row that is not well-formed.
#[derive(Debug, Serialize)]
pub(super) struct MalformedRow {
    /// The line of the file on which it begins, from 1.
    pub(super) line: u64,
    /// The first thing that is wrong with it.
    pub(super) reason: String,
}

/// What is counted over the rows of one file or of all.
#[derive(Debug, Default, Serialize)]
pub(super) struct RowCounts {
    /// Well-formed rows, without the header.
    pub(super) rows: u64,
    /// Rows that are not well-formed.
    pub(super) malformed: u64,
    /// The earliest and latest by the exchange's clock; `null` without the column or rows.
    pub(super) first_timestamp_ms: Option<i64>,
    /// See `first_timestamp_ms`.
    pub(super) last_timestamp_ms: Option<i64>,
    /// The earliest and latest by the recording machine's clock; `null` without the column or rows.
    pub(super) first_received_ms: Option<i64>,
    /// See `first_received_ms`.
    pub(super) last_received_ms: Option<i64>,
    /// Rows whose `timestamp_ms` is before that of the well-formed row above. Finnhub does this;
    /// it is no error.
    pub(super) timestamp_ms_backwards: u64,
    /// Rows whose `received_ms` is before that of the well-formed row above: the machine's clock
    /// was set back. No error.
    pub(super) received_ms_backwards: u64,
    /// Rows that are equal to the row above. Finnhub's feed repeats trades; it is no error.
    pub(super) repeats: u64,
    /// Prices and volumes that are written with an exponent. No error.
    pub(super) numbers_with_exponent: u64,
    /// Prices and volumes with more than 12 decimals. No error.
    pub(super) numbers_with_many_decimals: u64,
}

impl RowCounts {
    pub(super) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.malformed += other.malformed;
        self.first_timestamp_ms = earlier(self.first_timestamp_ms, other.first_timestamp_ms);
        self.last_timestamp_ms = self.last_timestamp_ms.max(other.last_timestamp_ms);
        self.first_received_ms = earlier(self.first_received_ms, other.first_received_ms);
        self.last_received_ms = self.last_received_ms.max(other.last_received_ms);
        self.timestamp_ms_backwards += other.timestamp_ms_backwards;
        self.received_ms_backwards += other.received_ms_backwards;
        self.repeats += other.repeats;
        self.numbers_with_exponent += other.numbers_with_exponent;
        self.numbers_with_many_decimals += other.numbers_with_many_decimals;
    }
}

/// The sum over several files.
#[derive(Debug, Default, Serialize)]
pub(super) struct Total {
    /// Files named.
    pub(super) files: u64,
    /// Files that could not be read, or not to their end.
    pub(super) failed_files: u64,
    /// The numbers, as fields of this object. Files are summed one by one: a time that runs
    /// backwards from one file to the next is not counted.
    #[serde(flatten)]
    pub(super) counts: RowCounts,
    /// Files with an unfinished last row.
    pub(super) unfinished_files: u64,
    /// Rows per symbol, as fields of this object.
    #[serde(flatten)]
    pub(super) symbols: Symbols,
    /// Files without a ledger that could be read: they are not in the spans.
    pub(super) files_without_ledger: u64,
    /// Covered and missing time, as fields of this object. Time between one file's ledger and the
    /// next is in neither.
    #[serde(flatten)]
    pub(super) spans: Spans,
}

impl Total {
    /// Whether all files so far are readable and well-formed.
    pub(super) fn is_ok(&self) -> bool {
        self.failed_files == 0 && self.counts.malformed == 0
    }

    pub(super) fn add(&mut self, file: &FileReport) {
        self.files += 1;
        self.failed_files += u64::from(file.error.is_some());
        self.counts.merge(&file.counts);
        self.unfinished_files += u64::from(file.unfinished_bytes > 0);
        self.symbols.merge(&file.symbols);
        match &file.coverage {
            Some(coverage) => self.spans.merge(&coverage.spans),
            None => self.files_without_ledger += u64::from(!file.columns.is_empty()),
        }
    }
}

/// The earlier of two times that may not be known.
pub(super) fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}
