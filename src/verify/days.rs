//! What a recording says day by day, so that months can be looked over.
//!
//! Main thread, for `verify`. Sums only. Days are those of UTC; rows are counted by `received_ms`,
//! the clock of the ledger, or by `timestamp_ms` where there is no such column.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::ledger::{Gap, Spans};
use super::report::FileReport;
use crate::recorder::recording_of;

/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// Days that are kept apart: more than fifty years. The times of a damaged file may be anything.
const MOST_DAYS: usize = 20_000;

/// One UTC day. What the ledgers say nothing of is in neither of the times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Day {
    /// As in `2026-11-23`.
    pub day: String,
    /// Well-formed rows received on it.
    pub rows: u64,
    /// Covered and missing time, as fields of this object. A gap over midnight is one on each side.
    #[serde(flatten)]
    pub spans: Spans,
}

/// The files of one recording: the live one, and those that a rotation has closed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Recording {
    /// The name of the live file.
    pub recording: String,
    /// Its files among those named.
    pub files: u64,
    /// The first day first.
    pub days: Vec<Day>,
}

/// Days by their number since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Days(BTreeMap<i64, Day>);

impl Days {
    /// Counts `rows` more rows on the day of `time_ms`.
    pub(super) fn add_rows(&mut self, time_ms: i64, rows: u64) {
        if let Some(day) = self.day(time_ms.div_euclid(DAY_MS)) {
            day.rows += rows;
        }
    }

    /// Adds the time from `from_ms` to `to_ms`, which is a gap when there is a `reason`.
    pub(super) fn add_span(&mut self, from_ms: i64, to_ms: i64, reason: Option<&str>) {
        let mut from_ms = from_ms;
        while from_ms < to_ms {
            let number = from_ms.div_euclid(DAY_MS);
            let end_ms = (number + 1).saturating_mul(DAY_MS).min(to_ms);
            let Some(day) = self.day(number) else { return };
            match reason {
                None => day.spans.add_covered(end_ms - from_ms),
                Some(reason) => day.spans.add_gap(Gap::new(from_ms, end_ms, reason)),
            }
            from_ms = end_ms;
        }
    }

    fn merge(&mut self, other: &Days) {
        for (&number, day) in &other.0 {
            if let Some(ours) = self.day(number) {
                ours.rows += day.rows;
                ours.spans.merge(&day.spans);
            }
        }
    }

    /// `None` beyond the bound, and where the calendar ends.
    fn day(&mut self, number: i64) -> Option<&mut Day> {
        if !self.0.contains_key(&number) {
            if self.0.len() == MOST_DAYS {
                return None;
            }
            let begin = jiff::Timestamp::from_millisecond(number.checked_mul(DAY_MS)?).ok()?;
            let day = begin.strftime("%Y-%m-%d").to_string();
            self.0.insert(number, Day { day, ..Day::default() });
        }
        self.0.get_mut(&number)
    }
}

/// The span of the day that `time_ms` lies in, which spares most rows a look at the calendar.
pub(super) fn day_of(time_ms: i64) -> std::ops::Range<i64> {
    let start_ms = time_ms.div_euclid(DAY_MS).saturating_mul(DAY_MS);
    start_ms..start_ms.saturating_add(DAY_MS)
}

/// The recordings that the files belong to, and their days.
#[derive(Debug, Default)]
pub(super) struct Recordings(BTreeMap<PathBuf, (u64, Days)>);

impl Recordings {
    pub(super) fn add(&mut self, file: &FileReport) {
        if file.columns.is_empty() {
            return;
        }
        let (files, days) = self.0.entry(recording_of(file.file.as_ref())).or_default();
        *files += 1;
        days.merge(&file.days);
        if let Some(coverage) = &file.coverage {
            days.merge(&coverage.days);
        }
    }

    pub(super) fn finish(self) -> Vec<Recording> {
        let recordings = self.0.into_iter().map(|(path, (files, days))| Recording {
            recording: path.display().to_string(),
            files,
            days: days.0.into_values().collect(),
        });
        recordings.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY_MS, Day, Days, MOST_DAYS};

    fn told(days: &Days) -> Vec<(&str, u64, i64, i64)> {
        let told = |day: &Day| (day.rows, day.spans.covered_ms, day.spans.missing_ms);
        let days = days.0.values().map(|day| (&*day.day, told(day)));
        days.map(|(name, (rows, covered, missing))| (name, rows, covered, missing)).collect()
    }

    #[test]
    fn a_span_is_cut_at_midnight() {
        let mut days = Days::default();
        days.add_span(DAY_MS - 10, DAY_MS + 5, None);
        days.add_span(DAY_MS + 5, 3 * DAY_MS, Some("silent"));
        days.add_rows(DAY_MS - 1, 2);
        days.add_rows(DAY_MS, 3);
        days.add_rows(-1, 1);
        assert_eq!(
            told(&days),
            [
                ("1969-12-31", 1, 0, 0),
                ("1970-01-01", 2, 10, 0),
                ("1970-01-02", 3, 5, DAY_MS - 5),
                ("1970-01-03", 0, 0, DAY_MS),
            ]
        );
    }

    #[test]
    fn the_times_of_a_damaged_ledger_fill_no_memory() {
        let mut days = Days::default();
        days.add_span(0, i64::MAX, None);
        days.add_span(i64::MIN, i64::MAX, Some("x"));
        days.add_rows(i64::MIN, 1);
        assert_eq!(days.0.len(), MOST_DAYS);
    }
}
