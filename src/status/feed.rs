//! The feed: whether trades are coming in, since when, and if not, why and for how long.
//!
//! Kept by the session, which knows it first, and shown at once, whatever the disk does. No I/O and
//! no clock: times are arguments, this machine's clock in UNIX milliseconds.

use super::snapshot::Snapshot;

/// Whether trades are being recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FeedState {
    /// No connection yet, or a new one is being tried.
    #[default]
    Connecting,
    /// Subscribed and recording.
    Live,
    /// Waiting before the next try, or ended.
    Down,
}

impl FeedState {
    /// The word for it on the page and in its JSON.
    pub fn name(self) -> &'static str {
        match self {
            FeedState::Connecting => "connecting",
            FeedState::Live => "live",
            FeedState::Down => "down",
        }
    }
}

/// The state of the feed and its history in numbers.
#[derive(Debug, Clone, Default)]
pub struct Feed {
    state: FeedState,
    reason: String,
    connections: u64,
    live_since_ms: Option<i64>,
    down_since_ms: Option<i64>,
    missing_ms: i64,
    changes: u64,
}

impl Feed {
    /// A connection is being tried.
    pub fn connecting(&mut self) {
        self.changes += 1;
        self.state = FeedState::Connecting;
    }

    /// Recording from `at_ms` on: a new connection, or a changed list.
    pub fn live(&mut self, at_ms: i64) {
        self.changes += 1;
        if self.state != FeedState::Live {
            self.connections += 1;
            self.live_since_ms = Some(at_ms);
        }
        if let Some(since_ms) = self.down_since_ms.take() {
            self.lost(since_ms, at_ms);
        }
        self.state = FeedState::Live;
        self.reason.clear();
    }

    /// Nothing is recorded from `at_ms` on.
    pub fn down(&mut self, at_ms: i64, reason: &str) {
        self.down_since_ms.get_or_insert(at_ms);
        self.not_connected(reason);
    }

    /// Another try has failed in an outage that is known already.
    pub fn not_connected(&mut self, reason: &str) {
        self.changes += 1;
        self.state = FeedState::Down;
        reason.clone_into(&mut self.reason);
    }

    /// A span in which nothing was kept.
    pub fn lost(&mut self, from_ms: i64, to_ms: i64) {
        self.changes += 1;
        self.missing_ms += (to_ms - from_ms).max(0);
    }

    /// How often it has changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Shows itself in a snapshot; nothing to show before the first change.
    pub(super) fn put_into(&self, snapshot: &mut Snapshot) {
        if self.changes == 0 {
            return;
        }
        let running = self.down_since_ms.map_or(0, |since| (snapshot.published_ms - since).max(0));
        snapshot.state = self.state;
        snapshot.reason.clone_from(&self.reason);
        snapshot.live_since_ms = self.live_since_ms;
        snapshot.down_since_ms = self.down_since_ms;
        snapshot.reconnects = self.connections.saturating_sub(1);
        snapshot.missing_ms = self.missing_ms + running;
        snapshot.feed_changes = self.changes;
    }
}

#[cfg(test)]
mod tests {
    use super::{Feed, FeedState, Snapshot};

    fn shown(feed: &Feed, published_ms: i64) -> Snapshot {
        let mut snapshot = Snapshot { published_ms, ..Snapshot::default() };
        feed.put_into(&mut snapshot);
        snapshot
    }

    #[test]
    fn missing_time_runs_from_down_to_live_also_before_the_first_connection() {
        let mut feed = Feed::default();
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
        feed.lost(310, 330);
        assert_eq!(shown(&feed, 400).missing_ms, 225);
    }

    #[test]
    fn a_changed_list_is_no_new_connection() {
        let mut feed = Feed::default();
        feed.live(10);
        feed.live(30);
        let snapshot = shown(&feed, 40);
        assert_eq!((snapshot.reconnects, snapshot.live_since_ms), (0, Some(10)));
    }
}
