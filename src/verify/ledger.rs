//! The coverage ledger beside a recording: how long trades were recorded, and how long not.
//!
//! Runs on the main thread, for `verify`. Reads the ledger row by row and keeps the longest gaps
//! only. It must not change the ledger, nor fail for a torn or damaged row: it counts those.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::days::Days;
use super::spans::Spans;
use crate::recorder::{LEDGER_HEADER, ROTATED};
use crate::recording::names::{compressed_name, ledger_path};
use crate::recording::paths::{behind_links, without_gz};
use crate::recording::row_rules::shown;
use crate::recording::rows::RowReader;
use crate::recording::source::Source;
use crate::terminal::{CountedRead, ProgressLine};
use crate::text::{in_words, parse_integer};

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
    /// The last state; `null` when the ledger has no rows.
    pub(super) end: Option<End>,
    /// Ledger rows that could not be understood and were passed over.
    pub(super) malformed: u64,
}

/// The state in which a ledger ends.
#[derive(Debug, Serialize)]
pub(super) struct End {
    pub(super) state: State,
    /// Since when, UNIX milliseconds.
    pub(super) since_ms: i64,
    /// Why it is down; empty when live.
    pub(super) reason: String,
}

/// Whether trades were being recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Live,
    Down,
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
    for path in ledger_paths(recording) {
        let source = match Source::open(&path, |source| CountedRead { source, progress }) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            source => source.map_err(|error| unreadable(&error)),
        };
        let read = source.and_then(|source| read_ledger(source.text, last_received_ms, days));
        let ledger = path.display().to_string();
        return match read {
            Ok(coverage) => Ok(Some(Coverage { ledger, ..coverage })),
            Err(error) => Err(format!("{ledger}: {error}")),
        };
    }
    Ok(None)
}

/// Where the ledger of `recording` may lie: `op1.csv` → `op1.coverage.csv`, or compressed; first beside the
/// file that a symbolic link leads to.
fn ledger_paths(recording: &Path) -> impl Iterator<Item = PathBuf> {
    [behind_links(recording), recording.to_owned()].into_iter().flat_map(|recording| {
        let ledger = ledger_path(&without_gz(&recording));
        let compressed = compressed_name(&ledger);
        [ledger, compressed]
    })
}

/// Why nothing of a file can be read.
pub(super) fn unreadable(error: &io::Error) -> String {
    format!("cannot read it: {}", in_words(error))
}

fn read_ledger(
    text: impl Read,
    last_received_ms: Option<i64>,
    days: &mut Days,
) -> Result<Coverage, String> {
    let mut rows = RowReader::new(text);
    let header = LEDGER_HEADER.trim_end();
    match rows.next_row().map_err(|error| unreadable(&error))? {
        None => return Err("it has no whole header line yet".to_owned()),
        Some(row) if row.text == header.as_bytes() => {}
        Some(row) => {
            let found = shown(row.text);
            return Err(format!("its header is {found}, not \"{header}\": it is no ledger"));
        }
    }
    let mut coverage = Coverage::default();
    while let Some(row) = rows.next_row().map_err(|error| unreadable(&error))? {
        let entry = row.fields.ok().filter(|fields| fields.count() == 4).and_then(|fields| {
            let state = match &*fields.get(1) {
                b"live" => State::Live,
                b"down" => State::Down,
                _ => return None,
            };
            let reason = String::from_utf8(fields.get(3).into_owned()).ok()?;
            Some(End { state, since_ms: parse_integer(&fields.get(0))?, reason })
        });
        match entry {
            Some(entry) => coverage.enter(entry, days),
            None => coverage.malformed += 1,
        }
    }
    coverage.finish(last_received_ms, days);
    Ok(coverage)
}

impl Coverage {
    /// The next row of the ledger. Its times never run backwards; a row that does all the same
    /// counts as written at the time of the one before.
    fn enter(&mut self, mut next: End, days: &mut Days) {
        next.since_ms = next.since_ms.max(self.to_ms.unwrap_or(i64::MIN));
        self.from_ms.get_or_insert(next.since_ms);
        self.to_ms = Some(next.since_ms);
        // A new list of tickers, or the same fault said twice, goes on with what was.
        let goes_on = self.end.as_ref().is_some_and(|end| {
            end.state == next.state && (end.state == State::Live || end.reason == next.reason)
        });
        if !goes_on {
            self.close(next.since_ms, days);
            self.end = Some(next);
        }
    }

    /// Adds the span of the present state, which ends at `to_ms`.
    fn close(&mut self, to_ms: i64, days: &mut Days) {
        let Some(end) = &self.end else { return };
        // A rotation that failed: the file went on at the same instant.
        if end.is_rotation() && end.since_ms == to_ms {
            return;
        }
        let gap = (end.state == State::Down).then_some(&*end.reason);
        self.spans.add(end.since_ms, to_ms, gap);
        days.add_span(end.since_ms, to_ms, gap);
    }

    fn finish(&mut self, last_received_ms: Option<i64>, days: &mut Days) {
        let Some(End { state, since_ms, .. }) = self.end else { return };
        if state == State::Live {
            self.to_ms = self.to_ms.max(last_received_ms);
        }
        // An open gap has no length yet, unless the ledger spoke of it twice.
        let to_ms = self.to_ms.filter(|to_ms| state == State::Live || since_ms < *to_ms);
        if let Some(to_ms) = to_ms {
            self.close(to_ms, days);
        }
    }
}

impl End {
    /// Whether the recording goes on in another file.
    pub(super) fn is_rotation(&self) -> bool {
        self.state == State::Down && self.reason == ROTATED
    }
}

#[cfg(test)]
mod tests {
    use super::super::spans::Gap;
    use super::*;

    fn read(rows: &str, last_received_ms: Option<i64>) -> Coverage {
        let text = format!("time_ms,state,tickers,reason\n{rows}");
        read_ledger(text.as_bytes(), last_received_ms, &mut Days::default()).unwrap()
    }

    /// Covered, missing and stopped milliseconds.
    fn check(rows: &str, last_received_ms: Option<i64>, expected: (i64, i64, i64)) -> Coverage {
        let coverage = read(rows, last_received_ms);
        let found =
            (coverage.spans.covered_ms, coverage.spans.missing_ms, coverage.spans.stopped_ms);
        assert_eq!(found, expected, "{rows}");
        coverage
    }

    #[test]
    fn the_ledger_lies_beside_the_recording() {
        for (recording, ledger) in [
            ("op1.csv", "op1.coverage.csv"),
            ("d/op1.csv.gz", "d/op1.coverage.csv"),
            ("op1-2026-11-23T14.csv.gz", "op1-2026-11-23T14.coverage.csv"),
        ] {
            let paths: Vec<_> = ledger_paths(Path::new(recording)).take(2).collect();
            assert_eq!(paths, [Path::new(ledger), Path::new(&format!("{ledger}.gz"))]);
        }
    }

    #[test]
    fn covered_and_missing_are_the_sums_of_their_spans() {
        check("", None, (0, 0, 0));
        check("1000,live,A,\n", None, (0, 0, 0));
        check("1000,live,A,\n", Some(1700), (700, 0, 0));
        check("1000,live,A,\n", Some(400), (0, 0, 0));
        check("1000,live,A,\n2000,live,A;B,\n", Some(2500), (1500, 0, 0));
        check("1000,down,,silent\n", Some(9000), (0, 0, 0));
        check("1000,live,A,\n3000,down,,silent\n3500,live,A,\n", Some(4000), (2500, 500, 0));
        check("0,live,A,\n10,down,,stopped\n70,live,A,\n90,down,,stopped\n", None, (30, 60, 60));
    }

    #[test]
    fn stops_and_faults_are_listed_apart() {
        let coverage = check(
            "0,live,A,\n10,down,,killed\n30,live,A,\n40,down,,stopped\n140,live,A,\n",
            None,
            (20, 120, 100),
        );
        let gap = |from_ms, to_ms, reason: &str| Gap {
            from_ms,
            to_ms,
            missing_ms: to_ms - from_ms,
            reason: reason.to_owned(),
        };
        assert_eq!(coverage.spans.gaps, [gap(10, 30, "killed")]);
        assert_eq!(coverage.spans.stops, [gap(40, 140, "stopped")]);
    }

    #[test]
    fn the_same_fault_said_twice_is_one_gap_and_another_fault_is_another() {
        let coverage = check(
            "0,live,A,\n10,down,,x\n20,down,,x\n30,down,,y\n45,live,A,\n50,down,,z\n60,down,,z\n",
            None,
            (15, 45, 0),
        );
        let gaps: Vec<_> =
            coverage.spans.gaps.iter().map(|gap| (gap.from_ms, gap.to_ms, &*gap.reason)).collect();
        assert_eq!(gaps, [(10, 30, "x"), (30, 45, "y"), (50, 60, "z")]);
        assert_eq!(coverage.end.unwrap().since_ms, 50);
    }

    #[test]
    fn the_five_longest_gaps_are_kept_and_all_are_counted() {
        let lengths = [3, 9, 1, 7, 5, 9, 2];
        let gaps: Vec<String> = lengths
            .into_iter()
            .zip(1..)
            .map(|(length, n)| format!("{n}00,down,,r{n}\n{},live,A,\n", n * 100 + length))
            .collect();
        let rows = format!("0,live,A,\n{}", gaps.concat());
        let coverage = read(&rows, None);
        let kept: Vec<_> = coverage.spans.gaps.iter().map(|gap| &*gap.reason).collect();
        assert_eq!(kept, ["r2", "r6", "r4", "r5", "r1"]);
        assert_eq!(coverage.spans.gap_count, 7);
        assert_eq!(coverage.spans.missing_ms, 36);
    }

    #[test]
    fn torn_damaged_and_backward_rows_do_not_spoil_the_sum() {
        let coverage = check(
            "0,live,\"A;B\",\n10,down,,\"x, \"\"y\"\"\"\nrubbish\n12,up,,\n5,live,A,\n30,dow",
            Some(40),
            (40, 0, 0),
        );
        assert_eq!(coverage.malformed, 2);
        assert_eq!(coverage.spans.gaps[0].reason, "x, \"y\"");
    }

    #[test]
    fn what_is_no_ledger_is_said_to_be_none() {
        let check = |text: &str, expected: &str| {
            let error = read_ledger(text.as_bytes(), None, &mut Days::default()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("", "no whole header line yet");
        check("time_ms,st", "no whole header line yet");
        check("a,b\n", "\"a,b\"");
    }
}
