//! What `verify` finds, in the shape of its `--json`.
//!
//! Runs on the main thread. Shapes and sums only; it must not read files or format text. Every
//! time is in UNIX milliseconds: `timestamp_ms` by the exchange's clock, everything else by the
//! clock of the machine that recorded.

use serde::Serialize;

use super::{
    ledger::{Coverage, Gap, LongestGaps},
    symbols::{SymbolCounts, SymbolRows},
};

/// The whole answer: the one object of `--json`.
#[derive(Serialize)]
pub struct Report {
    /// Whether every file could be read and every row of them is well-formed.
    pub ok: bool,
    /// One entry for each file named, in that order.
    pub files: Vec<FileAnswer>,
    /// The sum of all files that could be read.
    pub total: Total,
}

/// What became of one file.
#[derive(Serialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "nearly every entry is the large one")]
pub enum FileAnswer {
    /// It was read.
    Read(FileReport),
    /// It could not be read.
    Failed {
        /// The file as it was named.
        file: String,
        /// What failed and what to do, in one line.
        error: String,
    },
}

/// One recording.
#[derive(Debug, Serialize)]
pub struct FileReport {
    /// The file as it was named.
    pub file: String,
    /// Its columns in their order.
    pub columns: Vec<&'static str>,
    /// The numbers, as fields of this object.
    #[serde(flatten)]
    pub counts: Counts,
    /// The first malformed rows, one hundred at most; `malformed` counts them all.
    pub malformed_rows: Vec<MalformedRow>,
    /// Bytes after the last whole row: a row still being written, or torn. It is not malformed.
    pub unfinished_bytes: u64,
    /// Rows per symbol, most first.
    pub symbols: Vec<SymbolRows>,
    /// Rows of symbols beyond the first 100,000, which have no count of their own.
    pub other_symbols_rows: u64,
    /// What the ledger says; `null` when there is none or it cannot be read.
    pub coverage: Option<Coverage>,
    /// Why the ledger that is there cannot be read; else `null`.
    pub ledger_error: Option<String>,
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
#[derive(Debug, Serialize)]
pub struct Total {
    /// Files named.
    pub files: u64,
    /// Files that could not be read.
    pub failed_files: u64,
    /// The numbers, as fields of this object. Files are summed one by one: a time that runs
    /// backwards from one file to the next is not counted.
    #[serde(flatten)]
    pub counts: Counts,
    /// Files with an unfinished last row.
    pub unfinished_files: u64,
    /// Rows per symbol, most first.
    pub symbols: Vec<SymbolRows>,
    /// Rows of symbols that have no count of their own.
    pub other_symbols_rows: u64,
    /// Files without a ledger that could be read: the next three do not speak of them.
    pub files_without_ledger: u64,
    /// Milliseconds in which trades were being recorded.
    pub covered_ms: i64,
    /// Milliseconds in which they were not; time between one file's ledger and the next is in
    /// neither.
    pub missing_ms: i64,
    /// The part of `missing_ms` in which the recorder had been stopped on purpose.
    pub stopped_ms: i64,
    /// How many gaps were faults.
    pub gap_count: u64,
    /// The longest of them, the longest first.
    pub gaps: Vec<Gap>,
    /// How many gaps lay between runs, after a stop on purpose.
    pub stop_count: u64,
    /// The longest of them, the longest first.
    pub stops: Vec<Gap>,
}

/// Adds up files while they are read.
#[derive(Default)]
pub(super) struct TotalSum {
    files: u64,
    failed_files: u64,
    counts: Counts,
    unfinished_files: u64,
    symbols: SymbolCounts,
    files_without_ledger: u64,
    covered_ms: i64,
    missing_ms: i64,
    stopped_ms: i64,
    gaps: LongestGaps,
    stops: LongestGaps,
}

impl TotalSum {
    /// Whether all files so far are readable and well-formed.
    pub(super) fn is_ok(&self) -> bool {
        self.failed_files == 0 && self.counts.malformed == 0
    }

    pub(super) fn add(&mut self, answer: &FileAnswer) {
        self.files += 1;
        let FileAnswer::Read(file) = answer else {
            self.failed_files += 1;
            return;
        };
        self.counts.merge(&file.counts);
        self.unfinished_files += u64::from(file.unfinished_bytes > 0);
        for symbol in &file.symbols {
            self.symbols.add(symbol.ticker.as_bytes(), symbol.rows);
        }
        self.symbols.add_other(file.other_symbols_rows);
        let Some(coverage) = &file.coverage else {
            self.files_without_ledger += 1;
            return;
        };
        self.covered_ms = self.covered_ms.saturating_add(coverage.covered_ms);
        self.missing_ms = self.missing_ms.saturating_add(coverage.missing_ms);
        self.stopped_ms = self.stopped_ms.saturating_add(coverage.stopped_ms);
        self.gaps.merge(coverage.gap_count, &coverage.gaps);
        self.stops.merge(coverage.stop_count, &coverage.stops);
    }

    pub(super) fn finish(self) -> Total {
        let (symbols, other_symbols_rows) = self.symbols.into_sorted();
        Total {
            files: self.files,
            failed_files: self.failed_files,
            counts: self.counts,
            unfinished_files: self.unfinished_files,
            symbols,
            other_symbols_rows,
            files_without_ledger: self.files_without_ledger,
            covered_ms: self.covered_ms,
            missing_ms: self.missing_ms,
            stopped_ms: self.stopped_ms,
            gap_count: self.gaps.count,
            gaps: self.gaps.longest,
            stop_count: self.stops.count,
            stops: self.stops.longest,
        }
    }
}

/// The earlier of two times that may not be known.
pub(super) fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
