//! What a recording says day by day, so that months can be looked over.
//!
//! Main thread, for `verify`. Sums only. Days are those of UTC; rows are counted by `received_ms`,
//! the clock of the ledger, or by `timestamp_ms` where there is no such column.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Serialize, Serializer};

use super::spans::Spans;
use crate::recording::ledger::Reason;

/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// Days that are kept apart: more than fifty years. The times of a damaged file may be anything.
const MOST_DAYS: usize = 20_000;

/// The files of one recording: the live one, and those that a rotation has closed.
#[derive(Debug, Default, Serialize)]
pub(super) struct RecordingDays {
    /// The name of the live file.
    pub(super) recording: String,
    /// Its files among those named.
    pub(super) files: u64,
    pub(super) days: Days,
}

/// Days by their number since 1970; in JSON a list, the first day first.
#[derive(Debug, Default, Serialize)]
pub(super) struct Days(#[serde(serialize_with = "values")] BTreeMap<i64, Day>);

/// One UTC day. Time without a ledger is neither covered nor missing.
#[derive(Debug, Default, Serialize)]
pub(super) struct Day {
    /// As in `2026-11-23`.
    #[serde(rename = "day")]
    pub(super) date: String,
    /// Well-formed rows received on it.
    pub(super) rows: u64,
    /// Covered and missing time. A gap over midnight is one on each side.
    #[serde(flatten)]
    pub(super) spans: Spans,
}

impl RecordingDays {
    /// The recording whose live file is `live`.
    pub(super) fn of(live: &impl AsRef<Path>) -> Self {
        Self { recording: live.as_ref().display().to_string(), ..Self::default() }
    }
}

impl Days {
    /// The days with rows or a ledger, in order of time.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Day> {
        self.0.values()
    }

    /// Counts `rows` more rows on the day of `time_ms`.
    pub(super) fn add_rows(&mut self, time_ms: i64, rows: u64) {
        if let Some(day) = self.day(time_ms.div_euclid(DAY_MS)) {
            day.rows += rows;
        }
    }

    /// Adds the time from `from_ms` to `to_ms`, which is a gap when there is a `reason`.
    pub(super) fn add_span(&mut self, mut from_ms: i64, to_ms: i64, reason: Option<&Reason>) {
        while from_ms < to_ms {
            let number = from_ms.div_euclid(DAY_MS);
            let end_ms = (number + 1).saturating_mul(DAY_MS).min(to_ms);
            let Some(day) = self.day(number) else { return };
            day.spans.add(from_ms, end_ms, reason);
            from_ms = end_ms;
        }
    }

    /// `None` beyond the bound, and where the calendar ends.
    fn day(&mut self, number: i64) -> Option<&mut Day> {
        if !self.0.contains_key(&number) {
            if self.0.len() == MOST_DAYS {
                return None;
            }
            let begin = jiff::Timestamp::from_millisecond(number.checked_mul(DAY_MS)?).ok()?;
            let date = begin.strftime("%Y-%m-%d").to_string();
            self.0.insert(number, Day { date, ..Day::default() });
        }
        self.0.get_mut(&number)
    }
}

/// Writes a map's values as a list.
pub(super) fn values<K, V: Serialize, S: Serializer>(
    map: &BTreeMap<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map.values())
}

/// The span of the day that `time_ms` lies in, which spares most rows a look at the calendar.
pub(super) fn day_of(time_ms: i64) -> std::ops::Range<i64> {
    let start_ms = time_ms.div_euclid(DAY_MS).saturating_mul(DAY_MS);
    start_ms..start_ms.saturating_add(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::{DAY_MS, Day, Days, MOST_DAYS};

    #[test]
    fn a_span_is_cut_at_midnight() {
        let shown =
            |day: &Day| (day.date.clone(), day.rows, day.spans.covered_ms, day.spans.missing_ms);
        let mut days = Days::default();
        days.add_span(DAY_MS - 10, DAY_MS + 5, None);
        days.add_span(DAY_MS + 5, 3 * DAY_MS, Some(&"silent".into()));
        days.add_rows(DAY_MS - 1, 2);
        days.add_rows(DAY_MS, 3);
        days.add_rows(-1, 1);
        assert_eq!(
            days.iter().map(shown).collect::<Vec<_>>(),
            [
                ("1969-12-31".to_owned(), 1, 0, 0),
                ("1970-01-01".to_owned(), 2, 10, 0),
                ("1970-01-02".to_owned(), 3, 5, DAY_MS - 5),
                ("1970-01-03".to_owned(), 0, 0, DAY_MS),
            ]
        );
    }

    #[test]
    fn the_times_of_a_damaged_ledger_fill_no_memory() {
        let mut days = Days::default();
        days.add_span(0, i64::MAX, None);
        days.add_span(i64::MIN, i64::MAX, Some(&"x".into()));
        days.add_rows(i64::MIN, 1);
        assert_eq!(days.0.len(), MOST_DAYS);
    }
}
