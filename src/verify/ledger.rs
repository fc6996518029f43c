//! The coverage ledger beside a recording: how long trades were recorded, and how long not.
//!
//! Runs on the main thread, for `verify`. Reads the ledger row by row and keeps the longest gaps
//! only. It must not change the ledger, nor fail for a torn or damaged row: it counts those.

use std::io::{self, Read};
use std::path::Path;

use serde::{Serialize, Serializer};

use super::days::Days;
use super::spans::Spans;
use crate::recording::ledger::{LedgerLine, LedgerReader, LedgerRow, Reason, State, open_beside};
use crate::terminal::{CountedRead, ProgressLine};
use crate::text::in_words;

/// What the ledger says of a recording. Times are the recording machine's, UNIX milliseconds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Coverage {
    /// The ledger that was read.
    pub(super) ledger: String,
    /// Its first row; `null` when it has none.
    pub(super) from_ms: Option<i64>,
    /// Its last row, or the last `received_ms` of the recording when that is later and the ledger
    /// ends `live`.
    pub(super) to_ms: Option<i64>,
    /// Covered and missing time, as fields of this object.
    #[serde(flatten)]
    pub(super) spans: Spans,
    /// Since when the last state holds; `null` when the ledger has no rows.
    #[serde(serialize_with = "serialize_end")]
    pub(super) end: Option<LedgerRow>,
    /// Ledger rows that could not be understood and were passed over.
    pub(super) malformed: u64,
}

/// Reads the ledger beside `recording`, whose spans also count in `days`; `None` when there is none.
/// `last_received_ms` is the latest in the recording: an open `live` reaches to it.
///
/// # Errors
/// When a ledger that is there cannot be read, or has no whole header or another one.
pub(super) fn read_beside(
    recording: &Path,
    last_received_ms: Option<i64>,
    days: &mut Days,
    progress: &ProgressLine,
) -> Result<Option<Coverage>, String> {
    let wrap = |source| CountedRead { source, progress };
    let Some((path, reader)) = open_beside(recording, wrap) else { return Ok(None) };
    let ledger = path.display().to_string();
    let read = reader.and_then(|reader| Ok(read_ledger(reader, last_received_ms, days)?));
    match read {
        Ok(coverage) => Ok(Some(Coverage { ledger, ..coverage })),
        Err(error) => Err(format!("{ledger}: {error}")),
    }
}

/// Why nothing of a file can be read.
pub(super) fn unreadable(error: &io::Error) -> String {
    format!("cannot read it: {}", in_words(error))
}

fn read_ledger(
    mut reader: LedgerReader<impl Read>,
    last_received_ms: Option<i64>,
    days: &mut Days,
) -> io::Result<Coverage> {
    let mut coverage = Coverage::default();
    while let Some(line) = reader.next_line()? {
        match line {
            LedgerLine::Row(row) => coverage.enter(row, days),
            LedgerLine::Damaged(_) => coverage.malformed += 1,
        }
    }
    coverage.finish(last_received_ms, days);
    Ok(coverage)
}

impl Coverage {
    /// The next row of the ledger.
    fn enter(&mut self, next: LedgerRow, days: &mut Days) {
        self.from_ms.get_or_insert(next.time_ms);
        self.to_ms = Some(next.time_ms);
        // A new list of tickers, or the same reason again, continues the present state.
        let goes_on = self.end.as_ref().is_some_and(|end| match (&end.state, &next.state) {
            (State::Live { .. }, State::Live { .. }) => true,
            (State::Down { reason }, State::Down { reason: next }) => reason == next,
            _ => false,
        });
        if !goes_on {
            self.close(next.time_ms, days);
            self.end = Some(next);
        }
    }

    /// Adds the span of the present state, which ends at `to_ms`.
    fn close(&mut self, to_ms: i64, days: &mut Days) {
        let Some(end) = &self.end else { return };
        let reason = match &end.state {
            State::Live { .. } => None,
            // The rotation failed, and the same file was continued at once.
            State::Down { reason: Reason::Rotated } if end.time_ms == to_ms => return,
            State::Down { reason } => Some(reason),
        };
        self.spans.add(end.time_ms, to_ms, reason);
        days.add_span(end.time_ms, to_ms, reason);
    }

    fn finish(&mut self, last_received_ms: Option<i64>, days: &mut Days) {
        let Some(end) = &self.end else { return };
        if end.is_live() {
            self.to_ms = self.to_ms.max(last_received_ms);
        }
        // An open gap has no length yet, unless the ledger has several rows of it.
        let to_ms = self.to_ms.filter(|to_ms| end.is_live() || end.time_ms < *to_ms);
        if let Some(to_ms) = to_ms {
            self.close(to_ms, days);
        }
    }
}

/// The state in which a ledger ends.
#[derive(Serialize)]
struct End<'l> {
    /// `live` or `down`.
    state: &'static str,
    /// Since when, UNIX milliseconds.
    since_ms: i64,
    /// Why it is down; empty when live.
    reason: &'l str,
}

#[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn serialize_end<S: Serializer>(
    last: &Option<LedgerRow>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let end = last.as_ref().map(|LedgerRow { time_ms, state }| match state {
        State::Live { .. } => End { state: "live", since_ms: *time_ms, reason: "" },
        State::Down { reason } => End { state: "down", since_ms: *time_ms, reason: reason.text() },
    });
    end.serialize(serializer)
}

#[cfg(test)]
mod tests;
