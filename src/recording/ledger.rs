//! The rows of a coverage ledger: since when trades were recorded, since when not, and why.
//!
//! Any thread. No I/O but reading. Times are the recording machine's clock, UNIX milliseconds.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::gzip::Uncompressed;
use super::header::{LEDGER_HEADER, names};
use super::names::{compressed_name, ledger_path};
use super::paths::{behind_links, without_gz};
use super::row::push_text;
use super::row_rules::shown;
use super::rows::{Fields, LONGEST_ROW, Row, RowReader};
use super::source::RecordingFile;
use crate::market::symbol::LONGEST_LIST;
use crate::text::{in_words, parse_integer};

// A row with the longest list, its time and its state must be read back.
const _: () = assert!(LONGEST_LIST + 100 < LONGEST_ROW);

/// One row. What it says holds until the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LedgerRow {
    /// Since when.
    pub(crate) time_ms: i64,
    pub(crate) state: State,
}

/// Whether trades were being recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Live {
        /// The symbols that were subscribed, joined with `;`.
        tickers: String,
    },
    Down {
        reason: Reason,
    },
}

/// Why nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The recorder was asked to stop.
    Stopped,
    /// The recorder ended without a stop; the next start writes this.
    Killed,
    /// The same, and the machine has been started again since.
    PowerCut,
    /// The file was closed, and the next file goes on from there.
    Rotated,
    /// Any other reason, in words.
    Other(String),
}

impl LedgerRow {
    pub(crate) fn live(time_ms: i64, tickers: String) -> Self {
        Self { time_ms, state: State::Live { tickers } }
    }

    pub(crate) fn down(time_ms: i64, reason: Reason) -> Self {
        Self { time_ms, state: State::Down { reason } }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state, State::Live { .. })
    }

    /// The row as it stands in the file, with its line end.
    pub(crate) fn to_csv(&self) -> Vec<u8> {
        let (state, tickers, reason) = match &self.state {
            State::Live { tickers } => ("live", tickers.as_str(), ""),
            State::Down { reason } => ("down", "", reason.text()),
        };
        let mut text = format!("{},{state},", self.time_ms).into_bytes();
        push_text(&mut text, tickers.as_bytes());
        text.push(b',');
        push_text(&mut text, reason.as_bytes());
        text.push(b'\n');
        text
    }

    /// Reads a row as a recorder writes it.
    fn parse(fields: &Fields<'_>) -> Option<Self> {
        let time_ms = parse_integer(&fields.get(0)).filter(|_| fields.count() == 4)?;
        let text = |index| String::from_utf8(fields.get(index).into_owned()).ok();
        match &*fields.get(1) {
            b"live" => Some(Self::live(time_ms, text(2)?)),
            b"down" => Some(Self::down(time_ms, text(3)?.as_str().into())),
            _ => None,
        }
    }

    /// What can be read of a damaged row, if its time can be.
    fn salvage(row: &Row<'_>) -> Option<Self> {
        let damaged = if row.fields.is_err() { names(row.text) } else { Vec::new() };
        let text = |index| match &row.fields {
            Ok(fields) => String::from_utf8_lossy(&fields.get(index)).into_owned(),
            Err(_) => damaged.get(index).cloned().unwrap_or_default(),
        };
        let time_ms = text(0).parse().ok()?;
        let is_live = text(1) == "live";
        Some(if is_live {
            Self::live(time_ms, text(2))
        } else {
            Self::down(time_ms, text(3).as_str().into())
        })
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Down { reason: Reason::Other(String::new()) }
    }
}

impl Reason {
    /// The words in the ledger.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::PowerCut => "power cut",
            Self::Rotated => "rotated",
            Self::Other(text) => text,
        }
    }

    /// Whether the recorder was stopped on purpose. The words may go on after a colon.
    pub(crate) fn is_stop(&self) -> bool {
        self.text().split(':').next() == Some(Self::Stopped.text())
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        let known = [Self::Stopped, Self::Killed, Self::PowerCut, Self::Rotated];
        let found = known.into_iter().find(|known| known.text() == text);
        found.unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

/// Why a ledger cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    #[error("cannot read it: {}", in_words(.0))]
    Unreadable(#[from] io::Error),
    /// The recorder has just made the file, or was killed then.
    #[error("it has no whole header line yet")]
    NoHeader,
    #[error("its header is {found}, not \"{}\": it is no ledger", LEDGER_HEADER.trim_end())]
    OtherHeader { found: String },
}

/// Reads a ledger row by row.
pub(crate) struct LedgerReader<R> {
    rows: RowReader<R>,
    /// The time of the last whole row.
    last_ms: i64,
}

/// A line of a ledger.
pub(crate) enum LedgerLine {
    Row(LedgerRow),
    /// A line that no recorder writes. What can be read of it, if anything, may be wrong.
    Damaged(Option<LedgerRow>),
}

impl<R: Read> LedgerReader<R> {
    /// Reads the header line of `text`.
    ///
    /// # Errors
    /// When there is no header yet, or another one; when it cannot be read.
    pub(crate) fn new(text: R) -> Result<Self, LedgerError> {
        let mut rows = RowReader::new(text);
        match rows.next_row()? {
            None => Err(LedgerError::NoHeader),
            Some(row) if row.text == LEDGER_HEADER.trim_end().as_bytes() => {
                Ok(Self { rows, last_ms: i64::MIN })
            }
            Some(row) => Err(LedgerError::OtherHeader { found: shown(row.text) }),
        }
    }

    /// The next line; `None` at the end. A line without its line end is not there yet. Times never run
    /// backwards: a row with an earlier time than the row before counts as written at that time.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<LedgerLine>> {
        let Some(row) = self.rows.next_row()? else { return Ok(None) };
        let whole = row.fields.as_ref().ok().and_then(LedgerRow::parse);
        Ok(Some(match whole {
            Some(row) => {
                self.last_ms = self.last_ms.max(row.time_ms);
                LedgerLine::Row(LedgerRow { time_ms: self.last_ms, ..row })
            }
            None => LedgerLine::Damaged(LedgerRow::salvage(&row)),
        }))
    }

    /// Reads on to the last row, and lets `see` every whole one. Gives where that one ends, in bytes, and
    /// what it says. What can be read of damaged rows counts, too: for the recorder, which has to go on from
    /// there. Its default when there is no row. A year of hourly reconnects is half a megabyte.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(text: R, mut see: impl FnMut(&LedgerRow)) -> io::Result<(u64, LedgerRow)> {
        let columns = LEDGER_HEADER.split(',').count();
        // The header is checked when the file is opened, and may be spelled in another way.
        let mut reader = Self { rows: RowReader::from_row(text, 0, columns), last_ms: 0 };
        let mut last = LedgerRow::default();
        while let Some(line) = reader.next_line()? {
            if let LedgerLine::Row(row) = &line {
                see(row);
            }
            if let LedgerLine::Row(row) | LedgerLine::Damaged(Some(row)) = line {
                last = LedgerRow { time_ms: row.time_ms.max(last.time_ms), ..row };
            }
        }
        Ok((reader.rows.position(), last))
    }
}

/// A ledger that was found, and its rows if it can be read.
pub(crate) type Found<R> = (PathBuf, Result<LedgerReader<Uncompressed<R>>, LedgerError>);

/// Opens the ledger beside `recording`, compressed or not; `None` when there is none. Its bytes are read
/// by what `wrap` makes of the file.
pub(crate) fn open_beside<R: Read>(recording: &Path, wrap: impl Fn(File) -> R) -> Option<Found<R>> {
    paths_beside(recording).find_map(|path| {
        let opened = match RecordingFile::open(&path, &wrap) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            opened => opened.map_err(LedgerError::from),
        };
        Some((path, opened.and_then(|source| LedgerReader::new(source.text))))
    })
}

/// Where the ledger of `recording` may lie: `op1.csv` → `op1.coverage.csv`, or compressed; first beside the
/// file that a symbolic link leads to.
fn paths_beside(recording: &Path) -> impl Iterator<Item = PathBuf> {
    [behind_links(recording), recording.to_owned()].into_iter().flat_map(|recording| {
        let ledger = ledger_path(&without_gz(&recording));
        let compressed = compressed_name(&ledger);
        [ledger, compressed]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_lies_beside_the_recording() {
        for (recording, ledger) in [
            ("op1.csv", "op1.coverage.csv"),
            ("d/op1.csv.gz", "d/op1.coverage.csv"),
            ("op1-2026-11-23T14.csv.gz", "op1-2026-11-23T14.coverage.csv"),
        ] {
            let paths: Vec<_> = paths_beside(Path::new(recording)).take(2).collect();
            assert_eq!(paths, [Path::new(ledger), Path::new(&format!("{ledger}.gz"))]);
        }
    }

    #[test]
    fn what_is_no_ledger_is_said_to_be_none() {
        let check = |text: &str, expected: &str| {
            let error = LedgerReader::new(text.as_bytes()).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("", "no whole header line yet");
        check("time_ms,st", "no whole header line yet");
        check("a,b\n", "\"a,b\"");
    }

    #[test]
    fn a_row_that_was_written_is_read() {
        let reasons = ["stopped", "killed", "power cut", "rotated", "lost: \"x\", y", ""];
        let downs = reasons.map(|reason| LedgerRow::down(7, reason.into()));
        let live = ["", "A", "A;IC MARKETS:1", "A,B"].map(|it| LedgerRow::live(7, it.to_owned()));
        for row in downs.into_iter().chain(live) {
            let text = [LEDGER_HEADER.as_bytes(), &row.to_csv()].concat();
            let mut reader = LedgerReader::new(text.as_slice()).unwrap();
            let read = reader.next_line().unwrap();
            assert!(matches!(read, Some(LedgerLine::Row(read)) if read == row), "{row:?}");
            assert!(reader.next_line().unwrap().is_none());
            let all = LedgerReader::read(text.as_slice(), |_| ()).unwrap();
            assert_eq!(all, (text.len() as u64, row));
        }
        assert_eq!(Reason::from("power cut"), Reason::PowerCut);
        assert!(Reason::from("stopped: by hand").is_stop() && !Reason::Killed.is_stop());
    }
}
