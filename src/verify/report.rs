//! What `verify` finds, in the shape of its `--json`.
//!
//! Runs on the main thread. Shapes and sums only; it must not read files or format text. Every
//! time is in UNIX milliseconds: `timestamp_ms` by the exchange's clock, everything else by the
//! clock of the machine that recorded.

use serde::Serialize;

use super::days::{Days, Recording};
use super::ledger::{Coverage, Spans};
use super::symbols::{SymbolCounts, Symbols};

/// The whole answer: the one object of `--json`.
#[derive(Serialize)]
pub struct Report {
    /// Whether every file could be read and every row of them is well-formed.
    pub ok: bool,
    /// One entry for each file named, in that order.
    pub files: Vec<FileReport>,
    /// The recordings that these files belong to, day by day.
    pub recordings: Vec<Recording>,
    /// The sum of all files, as far as they could be read.
    pub total: Total,
}

/// One recording.
#[derive(Debug, Default, Serialize)]
pub struct FileReport {
    /// The file as it was named.
    pub file: String,
    /// Why it could not be read, or not to its end, and what to do; else `null`. The numbers speak
    /// of what was read.
    pub error: Option<String>,
    /// Whether a process records to it: it was read up to its last whole row.
    pub being_recorded: bool,
    /// Its columns in their order; none when it has no header that could be read.
    pub columns: Vec<&'static str>,
    /// The numbers, as fields of this object.
    #[serde(flatten)]
    pub counts: Counts,
    /// The first malformed rows, one hundred at most; `malformed` counts them all.
    pub malformed_rows: Vec<MalformedRow>,
    /// Bytes after the last whole row: a row still being written, or a torn one, which is
    /// malformed.
    pub unfinished_bytes: u64,
    /// Rows per symbol, as fields of this object.
    #[serde(flatten)]
    pub symbols: Symbols,
    /// What the ledger says; `null` when there is none or it cannot be read.
    pub coverage: Option<Coverage>,
    /// Why the ledger that is there cannot be read; else `null`.
    pub ledger_error: Option<String>,
    /// Its rows day by day.
    #[serde(skip)]
    pub(super) days: Days,
}

/// A row that is not well-formed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MalformedRow {
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// The first thing that is wrong with it.
    pub reason: String,
}

/// What is counted over the rows of one file or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Well-formed rows, without the header.
    pub rows: u64,
    /// Rows that are not.
    pub malformed: u64,
    /// The earliest and latest by the exchange's clock; `null` without the column or rows.
    pub first_timestamp_ms: Option<i64>,
    /// See `first_timestamp_ms`.
    pub last_timestamp_ms: Option<i64>,
    /// The earliest and latest by the recording machine's clock; `null` without the column or rows.
    pub first_received_ms: Option<i64>,
    /// See `first_received_ms`.
    pub last_received_ms: Option<i64>,
    /// Rows whose `timestamp_ms` is before that of the well-formed row above. Finnhub does this;
    /// it is no error.
    pub timestamp_ms_backwards: u64,
    /// Rows whose `received_ms` is before that of the well-formed row above: the machine's clock
    /// was set back. No error.
    pub received_ms_backwards: u64,
    /// Rows that are the very row above. Finnhub's feed repeats trades; it is no error.
    pub repeats: u64,
}

impl Counts {
    fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.malformed += other.malformed;
        self.first_timestamp_ms = earlier(self.first_timestamp_ms, other.first_timestamp_ms);
        self.last_timestamp_ms = self.last_timestamp_ms.max(other.last_timestamp_ms);
        self.first_received_ms = earlier(self.first_received_ms, other.first_received_ms);
        self.last_received_ms = self.last_received_ms.max(other.last_received_ms);
        self.timestamp_ms_backwards += other.timestamp_ms_backwards;
        self.received_ms_backwards += other.received_ms_backwards;
        self.repeats += other.repeats;
    }
}

/// The sum over several files.
#[derive(Debug, Default, Serialize)]
pub struct Total {
    /// Files named.
    pub files: u64,
    /// Files that could not be read, or not to their end.
    pub failed_files: u64,
    /// The numbers, as fields of this object. Files are summed one by one: a time that runs
    /// backwards from one file to the next is not counted.
    #[serde(flatten)]
    pub counts: Counts,
    /// Files with an unfinished last row.
    pub unfinished_files: u64,
    /// Rows per symbol, as fields of this object.
    #[serde(flatten)]
    pub symbols: Symbols,
    /// Files without a ledger that could be read: the spans do not speak of them.
    pub files_without_ledger: u64,
    /// Covered and missing time, as fields of this object. Time between one file's ledger and the
    /// next is in neither.
    #[serde(flatten)]
    pub spans: Spans,
    #[serde(skip)]
    by_symbol: SymbolCounts,
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
        self.by_symbol.merge(&file.symbols);
        match &file.coverage {
            Some(coverage) => self.spans.merge(&coverage.spans),
            None => self.files_without_ledger += u64::from(!file.columns.is_empty()),
        }
    }

    pub(super) fn finish(mut self) -> Self {
        self.symbols = std::mem::take(&mut self.by_symbol).into_sorted();
        self
    }
}

/// The earlier of two times that may not be known.
pub(super) fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}
