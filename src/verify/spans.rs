//! Time that is covered, that is missing, and in which the recorder was not running; the longest gaps.
//!
//! Main thread, for `verify`. Sums only.

use serde::{Serialize, Serializer};
use serde_json::json;

use crate::recording::ledger::Reason;

/// Gaps that are listed: what a person reads at a glance.
const GAPS_LISTED: usize = 5;

/// These times: of one ledger, of all, or of a day. Milliseconds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Spans {
    /// Trades were being recorded.
    pub(super) covered_ms: i64,
    /// Trades were not being recorded, between the first row of a ledger and its last, and the recorder had not
    /// been stopped on purpose.
    pub(super) missing_ms: i64,
    /// The recorder was not running, after a stop on purpose.
    pub(super) not_running_ms: i64,
    /// How many times something is missing.
    pub(super) gap_count: u64,
    /// The longest ones, in order of length.
    pub(super) gaps: Vec<LedgerGap>,
    /// How many times the recorder was not running, after a stop on purpose.
    pub(super) stop_count: u64,
    /// The longest ones, in order of length.
    #[serde(serialize_with = "as_stops")]
    pub(super) stops: Vec<LedgerGap>,
}

/// A span without recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct LedgerGap {
    /// The last frame before it, UNIX milliseconds.
    pub(super) from_ms: i64,
    /// The first moment recorded again, UNIX milliseconds.
    pub(super) to_ms: i64,
    /// Its length in milliseconds.
    pub(super) missing_ms: i64,
    /// What the ledger says about it.
    pub(super) reason: String,
}

impl Spans {
    /// Adds the time from `from_ms` to `to_ms`, which is a gap when there is a `reason`.
    pub(super) fn add(&mut self, from_ms: i64, to_ms: i64, reason: Option<&Reason>) {
        let span_ms = to_ms.saturating_sub(from_ms);
        let Some(reason) = reason else { return add(&mut self.covered_ms, span_ms) };
        let gap =
            LedgerGap { from_ms, to_ms, missing_ms: span_ms, reason: reason.text().to_owned() };
        if reason.is_stop() {
            add(&mut self.not_running_ms, span_ms);
            self.stop_count += 1;
            keep_longest(&mut self.stops, gap);
        } else {
            add(&mut self.missing_ms, span_ms);
            self.gap_count += 1;
            keep_longest(&mut self.gaps, gap);
        }
    }

    /// Adds what another ledger says.
    pub(super) fn merge(&mut self, other: &Self) {
        add(&mut self.covered_ms, other.covered_ms);
        add(&mut self.missing_ms, other.missing_ms);
        add(&mut self.not_running_ms, other.not_running_ms);
        self.gap_count += other.gap_count;
        self.stop_count += other.stop_count;
        other.gaps.iter().for_each(|gap| keep_longest(&mut self.gaps, gap.clone()));
        other.stops.iter().for_each(|gap| keep_longest(&mut self.stops, gap.clone()));
    }
}

/// In JSON the length of a stop is no `missing_ms`.
fn as_stops<S: Serializer>(stops: &[LedgerGap], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(stops.iter().map(|stop| {
        let LedgerGap { from_ms, to_ms, missing_ms, reason } = stop;
        json!({ "from_ms": from_ms, "to_ms": to_ms, "not_running_ms": missing_ms, "reason": reason })
    }))
}

/// The times of a damaged ledger may be anything.
fn add(sum: &mut i64, span_ms: i64) {
    *sum = sum.saturating_add(span_ms);
}

/// Keeps the longest gaps, the longest first and the earlier where equal.
fn keep_longest(longest: &mut Vec<LedgerGap>, gap: LedgerGap) {
    let place = longest.partition_point(|kept| kept.missing_ms >= gap.missing_ms);
    longest.insert(place, gap);
    longest.truncate(GAPS_LISTED);
}
