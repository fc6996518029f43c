//! The coverage ledger while it is being written; `recording/ledger` has its rows.
//!
//! Writer thread. A row waits until the trades before it are on the disk, and trades behind a `down` wait until
//! that is: whatever a power cut takes, the ledger never calls anything recorded that is gone. Times are this
//! machine's clock in UNIX milliseconds and never run backwards.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek};

use log::warn;

use super::append_file::AppendFile;
use super::repair::UntilNul;
use crate::recording::ledger::{LedgerReader, LedgerRow, Reason};
use crate::text::in_words;

pub(crate) use crate::recording::header::LEDGER_HEADER as HEADER;

/// Bytes of rows that may wait in memory: those of weeks, or some of the longest lists. Beyond that only the
/// newest row is kept, and one outage in the place of the others.
const PENDING_BYTES: usize = 4 << 20;

/// Memory of a waiting row without its text.
const PENDING_ROW_BYTES: usize = size_of::<PendingRow>() + 16;

/// The reason for the time whose rows could not be kept.
const TOO_MANY_ROWS: &str = "too many changes while the ledger could not be written";

/// The ledger while it is being written. Rows that may not go to the disk yet wait in memory.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The file, with the rows that are written.
    pub(super) file: AppendFile,
    /// The last row, written or waiting.
    pub(super) last: LedgerRow,
    pending: VecDeque<PendingRow>,
    /// Number of rows so far, with the pending ones. They are [released](Ledger::release) when the trades before
    /// them are on the disk.
    pub(super) rows: u64,
    /// Rows up to this number may be written to the file.
    released: u64,
    /// Whether a `down` is not known to be on the disk.
    has_unsynced_outage: bool,
    /// Whether the file cannot be written, or is not found under its name. Then its rows wait, and nothing waits
    /// for them.
    pub(super) is_unavailable: bool,
}

/// A row that waits.
#[derive(Debug)]
struct PendingRow {
    /// Counted from 1.
    number: u64,
    time_ms: i64,
    text: Vec<u8>,
}

impl Ledger {
    /// Goes on with a file that holds a header and whole rows.
    pub(super) fn resume(file: AppendFile) -> io::Result<Self> {
        let last = last_row(file.disk.file())?;
        Ok(Self::new(file, last))
    }

    /// The same when its `last` row is known.
    pub(super) fn new(file: AppendFile, last: LedgerRow) -> Self {
        Self {
            file,
            last,
            pending: VecDeque::new(),
            rows: 0,
            released: 0,
            has_unsynced_outage: false,
            is_unavailable: false,
        }
    }

    /// From `at_ms` on these tickers are recorded.
    pub(super) fn live(&mut self, at_ms: i64, tickers: &[String]) {
        self.push(LedgerRow::live(at_ms, tickers.join(";")));
    }

    /// From `at_ms` on nothing is recorded.
    pub(super) fn down(&mut self, at_ms: i64, reason: impl Into<Reason>) {
        self.push(LedgerRow::down(at_ms, reason.into()));
    }

    /// Adds a row; its time becomes that of the last row when it is earlier.
    pub(super) fn push(&mut self, row: LedgerRow) {
        let row = LedgerRow { time_ms: row.time_ms.max(self.last.time_ms), ..row };
        self.rows += 1;
        self.pending.push_back(pending(&row, self.rows));
        self.has_unsynced_outage |= !row.is_live();
        self.last = row;
        let bytes = |row: &PendingRow| PENDING_ROW_BYTES + row.text.len();
        if self.pending.iter().map(bytes).sum::<usize>() > PENDING_BYTES {
            self.keep_newest_row();
        }
    }

    /// Replaces all waiting rows but the newest by one `down` at the time of the first: nothing is called
    /// recorded that was not.
    fn keep_newest_row(&mut self) {
        let Some(newest) = self.pending.pop_back() else { return };
        if let (Some(first), Some(last)) = (self.pending.front(), self.pending.back()) {
            let outage = LedgerRow::down(first.time_ms, TOO_MANY_ROWS.into());
            // It may be written when all of the replaced rows may.
            self.pending = VecDeque::from([pending(&outage, last.number)]);
            self.has_unsynced_outage = true;
        }
        self.pending.push_back(newest);
    }

    /// Adds `row` again, at the time of the last row, unless the last row is the same.
    pub(super) fn repeat(&mut self, row: &LedgerRow) {
        let row = LedgerRow { time_ms: self.last.time_ms, ..row.clone() };
        if row != self.last {
            self.push(row);
        }
    }

    /// Takes back the last row, which was added just now after `before`. If it is in the file already, `before`
    /// is added again instead.
    pub(super) fn take_back(&mut self, before: &LedgerRow) {
        if self.last == *before {
            return;
        }
        if self.pending.pop_back().is_some() {
            self.rows -= 1;
            self.released = self.released.min(self.rows);
            self.last = before.clone();
        } else {
            self.repeat(before);
        }
    }

    /// Goes on in this file after the old one was `moved` away. The old one ends at `at_ms`, and this one begins
    /// there with the present state, unless it is a copy of the old one.
    ///
    /// # Errors
    /// When this file cannot be read.
    pub(super) fn go_on_after(&mut self, mut moved: AppendFile, at_ms: i64) -> io::Result<()> {
        let said = match last_row(moved.disk.file()) {
            Ok(said) => said,
            // The old file may be on a disk that was taken away. The waiting rows say the rest.
            Err(_) if self.has_pending() => return Ok(()),
            Err(_) => self.last.clone(),
        };
        let next = self.pending.front().map(|row| row.time_ms);
        let mut holds = if next.is_some() { said.clone() } else { self.last.clone() };
        if holds.time_ms == 0 {
            return Ok(());
        }
        let is_copy = last_row(self.file.disk.file())? == holds;
        if holds.is_live() {
            holds.time_ms = at_ms.min(next.unwrap_or(i64::MAX)).max(holds.time_ms);
        }
        if said.is_live() {
            let end = LedgerRow::down(holds.time_ms.max(said.time_ms), Reason::Rotated);
            if let Err(error) = moved.append(&end.to_csv()).and_then(|()| moved.sync()) {
                let error = in_words(&error);
                warn!("the ledger that was moved away cannot be ended with rotated: {error}");
            }
        }
        if !is_copy {
            // With the number 0 it waits for nothing.
            self.pending.push_front(pending(&holds, 0));
            self.last.time_ms = self.last.time_ms.max(holds.time_ms);
        }
        Ok(())
    }

    /// Adds the last row again when the file does not end with it any more, at `at_ms` or at its own time if
    /// that is later.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn repeat_last(&mut self, at_ms: i64) -> io::Result<()> {
        if self.pending.is_empty() && last_row(self.file.disk.file())? != self.last {
            self.push(LedgerRow { time_ms: at_ms, ..self.last.clone() });
            self.release(self.rows);
        }
        Ok(())
    }

    /// Whether rows still wait for the disk.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The trades before the first `rows` rows are on the disk: these rows may be written.
    pub(super) fn release(&mut self, rows: u64) {
        self.released = self.released.max(rows);
    }

    /// Writes the waiting rows to the file, as far as they are released.
    ///
    /// # Errors
    /// When the file cannot be written; the rows go on waiting.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.is_unavailable {
            return Ok(());
        }
        let ready = self.pending.iter().take_while(|row| row.number <= self.released).count();
        if ready > 0 {
            let texts: Vec<&[u8]> =
                self.pending.iter().take(ready).map(|row| row.text.as_slice()).collect();
            self.file.append(&texts.concat())?;
            self.pending.drain(..ready);
        }
        Ok(())
    }

    /// Writes all waiting rows to the file. To be called when all trades before them are
    /// written.
    ///
    /// # Errors
    /// When the file cannot be written; the rows go on waiting.
    pub(super) fn flush_all(&mut self) -> io::Result<()> {
        self.release(self.rows);
        self.flush()
    }

    /// Whether all rows are known to be on the disk, or the file is unavailable.
    pub(super) fn is_synced(&self) -> bool {
        self.is_unavailable || (self.pending.is_empty() && !self.file.is_dirty())
    }

    /// Whether a `down` is not known to be on the disk: trades that came after it must wait, or a
    /// power cut could leave them without it, and the outage would look recorded.
    pub(super) fn has_unsynced_outage(&mut self) -> bool {
        self.has_unsynced_outage &= !self.is_synced();
        self.has_unsynced_outage
    }
}

/// The `row` with this number, to be written later.
fn pending(row: &LedgerRow, number: u64) -> PendingRow {
    PendingRow { number, time_ms: row.time_ms, text: row.to_csv() }
}

/// Reads the whole ledger for its last row.
pub(super) fn last_row(file: &File) -> io::Result<LedgerRow> {
    read(file, |_| ()).map(|(_, last)| last)
}

/// Reads the whole ledger, row by row. Gives where its last whole row ends, and what that says.
pub(super) fn read(mut file: &File, see: impl FnMut(&LedgerRow)) -> io::Result<(u64, LedgerRow)> {
    file.rewind()?;
    LedgerReader::read(UntilNul::new(file, u64::MAX), see)
}

#[cfg(test)]
mod tests;
