//! What is said on standard error.
//!
//! Main thread.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use super::collect::Collector;
use super::read::{Failure, MALFORMED_SHOWN, Reader};
use crate::recording::ledger::LedgerError;
use crate::text::{counted, printable};

/// Lines on standard error.
pub(super) struct Told<'e> {
    errors: &'e mut dyn Write,
    /// Whether nothing was wrong.
    pub(super) all_well: bool,
}

impl<'e> Told<'e> {
    pub(super) fn new(errors: &'e mut dyn Write) -> Self {
        Self { errors, all_well: true }
    }

    /// Says what is wrong.
    fn report(&mut self, what: impl Display) {
        self.all_well = false;
        // Should standard error be gone, the exit code still says it.
        let _ = writeln!(self.errors, "error: {what}");
    }

    /// Says what is odd and no error.
    fn note(&mut self, what: impl Display) {
        let _ = writeln!(self.errors, "{what}");
    }

    /// Says which of the first rows are malformed that were not told yet.
    pub(super) fn rows(&mut self, path: &Path, reader: &mut Reader<'_>) {
        for (line, reason) in reader.shown.drain(..) {
            self.report(format_args!("{}: line {line}: {reason}", name(path)));
        }
    }

    /// Says how many others there are.
    pub(super) fn more_rows(&mut self, path: &Path, reader: &Reader<'_>) {
        let more = reader.malformed.saturating_sub(MALFORMED_SHOWN);
        if more > 0 {
            self.report(format_args!("{}: … and {}", name(path), counted(more, "malformed row")));
        }
    }

    /// Says what is wrong with a file that was read to its end, and how that has ended.
    ///
    /// # Errors
    /// When the bars cannot be written.
    pub(super) fn whole_file(
        &mut self,
        path: &Path,
        reader: &mut Reader<'_>,
        read: Result<Vec<String>, Failure>,
    ) -> io::Result<()> {
        self.rows(path, reader);
        self.more_rows(path, reader);
        self.file(path, read)
    }

    /// Says how the reading of a file has ended.
    ///
    /// # Errors
    /// When the bars cannot be written.
    pub(super) fn file(
        &mut self,
        path: &Path,
        read: Result<Vec<String>, Failure>,
    ) -> io::Result<()> {
        match read {
            Ok(notes) => self.notes(path, notes),
            Err(Failure::File(reason)) => self.report(format_args!("{}: {reason}", name(path))),
            Err(Failure::Output(error)) => return Err(error),
        }
        Ok(())
    }

    /// Says what is odd about a file.
    pub(super) fn notes(&mut self, path: &Path, notes: Vec<String>) {
        for note in notes {
            self.note(format_args!("{}: {note}", name(path)));
        }
    }

    /// Says why the ledger of a file cannot be read.
    pub(super) fn ledger<T>(&mut self, path: &Path, read: &Result<T, LedgerError>) {
        if let Err(error) = read {
            self.report(format_args!("{}: the ledger beside it: {error}", name(path)));
        }
    }

    /// Says how many recordings have no ledger.
    pub(super) fn without_ledger(&mut self, without: &[bool]) {
        let missing = without.iter().filter(|without| **without).count() as u64;
        if missing > 0 {
            self.note(format_args!(
                "{} without a ledger beside it: covered_ms is empty for its bars",
                counted(missing, "recording")
            ));
        }
    }

    /// Says which of the symbols asked for are in no file.
    pub(super) fn unseen(&mut self, collector: &Collector) {
        for symbol in collector.unseen() {
            self.note(format_args!(
                "{}: no row of it in these files; give the name as it stands there",
                printable(symbol, usize::MAX)
            ));
        }
    }

    /// Says what has come too late.
    pub(super) fn late(&mut self, collector: &Collector) {
        if collector.late > 0 {
            let late = counted(collector.late, "trade");
            self.note(format_args!("{late} came more than two hours late and are in no bar"));
        }
    }
}

fn name(path: &Path) -> String {
    printable(&path.to_string_lossy(), usize::MAX)
}
