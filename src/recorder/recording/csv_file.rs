//! The rows of a recording in their file.
//!
//! Opened on the main thread before any connection, then used by the writer thread alone.

use std::io;
use std::path::PathBuf;

use super::coverage::Coverage;
use super::external_changes::{Change, check_file};
use crate::recorder::append_file::AppendFile;
use crate::recorder::open::{self, last_received_ms};
use crate::recording::ledger::LedgerRow;

/// The open, locked file.
#[derive(Debug)]
pub(in crate::recorder) struct CsvFile {
    /// Its path: where its name led at the last check.
    pub(super) path: PathBuf,
    pub(super) header: String,
    pub(in crate::recorder) rows: AppendFile,
    /// When the last row was received, as far as that is known; `None` without rows.
    pub(super) last_row_ms: Option<i64>,
    /// When the file was last found whole: trades received before are in it, or wait.
    checked_ms: i64,
}

impl CsvFile {
    /// A file that was opened just now. Without a time in its last row, that is `last_row_ms`.
    pub(super) fn new(
        path: PathBuf,
        header: String,
        rows: AppendFile,
        last_row_ms: Option<i64>,
    ) -> Self {
        let mut csv = Self { path, header, rows, last_row_ms: None, checked_ms: i64::MIN };
        csv.last_row_ms = last_row_ms.filter(|_| csv.has_rows());
        csv
    }

    /// Whether there is more than a header.
    pub(super) fn has_rows(&self) -> bool {
        self.rows.length() > self.header.len() as u64
    }

    /// Appends whole rows, the last of which was received at `received_ms`: all of them or none.
    ///
    /// # Errors
    /// As [`AppendFile::append`].
    pub(in crate::recorder) fn append(&mut self, rows: &[u8], received_ms: i64) -> io::Result<()> {
        self.rows.append(rows)?;
        self.last_row_ms = Some(received_ms);
        Ok(())
    }

    /// Makes a file that is gone anew, and a damaged one whole; the same for its lock, which is held with
    /// its `coverage`.
    ///
    /// # Errors
    /// When a file cannot be read, made, repaired or locked; then no row may be appended before the next
    /// try has succeeded.
    pub(super) fn check(&mut self, coverage: &mut Coverage, now_ms: i64) -> io::Result<()> {
        coverage.lock.renew(&self.path);
        // Its ledger is on the same disk.
        coverage.ledger.file.doubt = coverage.ledger.file.doubt.max(self.rows.doubt);
        let (synced, checked) = (self.rows.synced_length, self.rows.checked_length);
        let synced_ms = coverage.lock.last.synced_ms;
        let change = check_file(&self.path, &self.header, &mut self.rows, now_ms);
        if !matches!(change, Ok(Change::Nothing)) {
            coverage.generation += 1;
        }
        // Before the first row: a program that reads along must not take the new file for the old one.
        let said = match change {
            Ok(Change::Nothing) => Ok(()),
            _ => coverage.write_heartbeat(Some(&self.rows), None).or_else(|_| {
                coverage.lock.renew(&self.path);
                coverage.write_heartbeat(Some(&self.rows), None)
            }),
        };
        let is_given_up = change? == Change::GivenUp;
        // The rows since the last check will be written again. Those before it are in the old file, or
        // in this one if it is the same.
        if is_given_up && synced < checked && self.rows.length() < checked {
            self.record_loss(coverage, synced_ms)?;
        }
        said?;
        self.rows.end_check()?;
        self.checked_ms = now_ms;
        // It was on the same disk; its own check comes next.
        coverage.ledger.is_unavailable |= is_given_up;
        Ok(())
    }

    /// Adds to the ledger that rows received before the last check may be lost with their disk; but not those
    /// received by `synced_ms`, which were forced to it.
    fn record_loss(&self, coverage: &mut Coverage, synced_ms: i64) -> io::Result<()> {
        let columns = open::columns(&self.header);
        let from_ms = last_received_ms(&self.rows, &columns)?.max(Some(synced_ms));
        let (ledger, until_ms) = (&mut coverage.ledger, self.checked_ms);
        let state = ledger.last.clone();
        if let Some(from_ms) = from_ms.filter(|from_ms| state.is_live() && *from_ms < until_ms) {
            ledger.down(from_ms, "disk gone: rows may be lost");
            ledger.push(LedgerRow { time_ms: until_ms, ..state });
        }
        Ok(())
    }
}
