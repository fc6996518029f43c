//! The feed: whether trades are coming in, since when, and if not, why and for how long.
//!
//! Kept by the session, which notices it first, and shown at once, whatever the disk does. No I/O and
//! no clock: times are arguments, this machine's clock in UNIX milliseconds.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

/// Gaps that are kept; beyond that the shortest one is dropped. Disconnects come about eight times a day.
const MOST_GAPS: usize = 512;

/// Characters of a gap's reason that are kept; it is a label.
const REASON_CHARACTERS: usize = 160;

/// Whether trades are being recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedState {
    /// No connection yet, or a new one is being tried.
    #[default]
    Connecting,
    /// Subscribed and recording.
    Live,
    /// No connection: before the next try, or after the end.
    Down,
}

impl FeedState {
    /// The name in the live line, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Down => "down",
        }
    }
}

/// A span in which nothing was recorded, or only later. Times are this machine's UNIX milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// When it began.
    pub from_ms: i64,
    /// When it ended.
    pub to_ms: i64,
    /// Why.
    pub reason: String,
}

/// The state of the feed and its history.
#[derive(Debug, Clone, Default)]
pub struct FeedStatus {
    pub(super) state: FeedState,
    pub(super) reason: String,
    pub(super) connections: u64,
    pub(super) live_since_ms: Option<i64>,
    pub(super) down_since_ms: Option<i64>,
    pub(super) missing_ms: i64,
    pub(super) gaps: Arc<VecDeque<Gap>>,
}

impl FeedStatus {
    /// A connection is being tried.
    pub fn connecting(&mut self) {
        self.state = FeedState::Connecting;
    }

    /// Recording from `at_ms` on: a new connection, or a changed list.
    pub fn live(&mut self, at_ms: i64) {
        if self.state != FeedState::Live {
            self.connections += 1;
            self.live_since_ms = Some(at_ms);
        }
        self.state = FeedState::Live;
        let reason = std::mem::take(&mut self.reason);
        if let Some(since_ms) = self.down_since_ms.take() {
            self.add_missing(since_ms, at_ms, &reason);
        }
    }

    /// Nothing is recorded from `at_ms` on.
    pub fn down(&mut self, at_ms: i64, reason: &str) {
        self.down_since_ms.get_or_insert(at_ms);
        self.not_connected(reason);
    }

    /// Another try has failed in an outage that is known already.
    pub fn not_connected(&mut self, reason: &str) {
        self.state = FeedState::Down;
        reason.clone_into(&mut self.reason);
    }

    /// Trades were dropped in this span. Only its part since the connection is live counts: the time before
    /// has a gap of its own.
    pub fn lost(&mut self, from_ms: i64, to_ms: i64, reason: &str) {
        let from_ms = self.live_since_ms.map_or(from_ms, |since_ms| since_ms.max(from_ms));
        self.add_missing(from_ms, to_ms, reason);
    }

    fn add_missing(&mut self, from_ms: i64, to_ms: i64, reason: &str) {
        self.missing_ms += (to_ms - from_ms).max(0);
        self.add_gap(from_ms, to_ms, reason);
    }

    /// The program was paused (SIGSTOP, a suspend). Nothing is missing: what arrived in that time was recorded
    /// after it.
    pub(super) fn paused(&mut self, from_ms: i64, to_ms: i64) {
        let is_known = self.gaps.back().is_some_and(|gap| gap.to_ms > from_ms);
        if self.down_since_ms.is_none() && !is_known {
            self.add_gap(from_ms, to_ms, "held up, recorded late");
        }
    }

    fn add_gap(&mut self, from_ms: i64, to_ms: i64, reason: &str) {
        let gaps = Arc::make_mut(&mut self.gaps);
        let reason = reason.chars().take(REASON_CHARACTERS).collect();
        gaps.push_back(Gap { from_ms, to_ms, reason });
        if gaps.len() > MOST_GAPS {
            let earlier = gaps.iter().take(MOST_GAPS).enumerate();
            let shortest = earlier.min_by_key(|(_, gap)| gap.to_ms - gap.from_ms);
            if let Some((position, _)) = shortest {
                gaps.remove(position);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FeedState, FeedStatus, Gap, MOST_GAPS};
    use crate::status::snapshot::Snapshot;

    fn shown(feed: &FeedStatus, published_ms: i64) -> Snapshot {
        let mut snapshot = Snapshot { published_ms, ..Snapshot::default() };
        snapshot.show(feed);
        snapshot
    }

    #[test]
    fn missing_time_runs_from_down_to_live_also_before_the_first_connection() {
        let mut feed = FeedStatus::default();
        feed.connecting();
        assert_eq!(shown(&feed, 4).missing_ms, 0);
        feed.down(5, "refused");
        assert_eq!(shown(&feed, 8).missing_ms, 3);
        feed.live(10);
        feed.down(100, "lost");
        feed.down(150, "refused");
        assert_eq!(shown(&feed, 200).missing_ms, 105);
        feed.connecting();
        feed.not_connected("refused again");
        assert_eq!(shown(&feed, 200).reason, "refused again");
        feed.live(300);
        let snapshot = shown(&feed, 400);
        assert_eq!((snapshot.missing_ms, snapshot.reconnects), (205, 1));
        assert_eq!((snapshot.state, snapshot.live_since_ms), (FeedState::Live, Some(300)));
        feed.lost(310, 330, "disk full");
        assert_eq!(shown(&feed, 400).missing_ms, 225);
        let gap = |from_ms, to_ms, reason: &str| Gap { from_ms, to_ms, reason: reason.to_owned() };
        let gaps =
            [gap(5, 10, "refused"), gap(100, 300, "refused again"), gap(310, 330, "disk full")];
        assert_eq!(*shown(&feed, 400).gaps, gaps);
    }

    #[test]
    fn the_shortest_gaps_go_first() {
        let mut feed = FeedStatus::default();
        for number in 1..=600_i64 {
            feed.lost(number * 10_000, number * 10_001, "lost");
        }
        let gaps = shown(&feed, 0).gaps;
        assert_eq!(gaps.len(), MOST_GAPS);
        assert_eq!(gaps.iter().map(|gap| gap.to_ms - gap.from_ms).min(), Some(600 - 511));
    }

    #[test]
    fn a_changed_list_is_no_new_connection() {
        let mut feed = FeedStatus::default();
        feed.live(10);
        feed.live(30);
        let snapshot = shown(&feed, 40);
        assert_eq!((snapshot.reconnects, snapshot.live_since_ms), (0, Some(10)));
    }
}
