//! The writer's timers: the heartbeat with a check of the files, the snapshot, the sums.
//!
//! Writer thread. A retry and an fsync are planned by `retry` and `sync_plan`.

use std::time::{Duration, Instant};

/// A heartbeat is at most this old; the ledger promises 5 s.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(2);

/// How often a snapshot is published while there are changes: as fast as a person can read. Without changes there
/// is one with each heartbeat, which shows that the writer is not stuck.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(200);

/// How often the sums go to the log.
const SUMS_EVERY: Duration = Duration::from_secs(3600);

/// When each timer is due.
#[derive(Debug)]
pub(in crate::recorder) struct Timers {
    pub(in crate::recorder) heartbeat: Instant,
    /// The next snapshot, unless there is nothing new to be shown.
    snapshot: Option<Instant>,
    /// When the last snapshot was published.
    published: Instant,
    sums: Instant,
}

/// The timers that are due, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) heartbeat: bool,
    pub(super) snapshot: bool,
    pub(super) sums: bool,
}

impl Timers {
    /// The heartbeat comes first, at once.
    pub(super) fn new(now: Instant) -> Self {
        Self { heartbeat: now, snapshot: None, published: now, sums: now + SUMS_EVERY }
    }

    /// There is a change to be shown.
    pub(super) fn plan_snapshot(&mut self) {
        self.snapshot.get_or_insert(self.published + SNAPSHOT_EVERY);
    }

    /// The heartbeat comes `time` from now, or before.
    pub(super) fn bring_heartbeat_forward(&mut self, time: Duration) {
        self.heartbeat = self.heartbeat.min(Instant::now() + time);
    }

    /// The heartbeat comes at the next turn, after the entries that wait now.
    pub(super) fn plan_heartbeat(&mut self) {
        self.heartbeat = Instant::now();
    }

    /// The time until something is due; `others` are due at that time. The sums need no alarm of their own.
    pub(super) fn time_left(&self, now: Instant, others: Option<Instant>) -> Duration {
        let first =
            [others, self.snapshot].into_iter().flatten().fold(self.heartbeat, Instant::min);
        first.saturating_duration_since(now)
    }

    /// Which timers are due; the caller runs them. The sums stay due until [`Self::sums_said`].
    pub(super) fn due(&mut self, now: Instant) -> Due {
        let heartbeat = self.heartbeat <= now;
        if heartbeat {
            self.heartbeat = now + HEARTBEAT_EVERY;
            self.snapshot = Some(now);
        }
        let snapshot = self.snapshot.is_some_and(|due| due <= now);
        if snapshot {
            (self.snapshot, self.published) = (None, now);
        }
        Due { heartbeat, snapshot, sums: self.sums <= now }
    }

    /// The sums have gone to the log.
    pub(super) fn sums_said(&mut self, now: Instant) {
        self.sums = now + SUMS_EVERY;
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, Duration, Instant, SNAPSHOT_EVERY, SUMS_EVERY, Timers};

    #[test]
    fn a_heartbeat_brings_a_snapshot_and_the_sums_stay_due_until_they_are_said() {
        let nothing = Due { heartbeat: false, snapshot: false, sums: false };
        let start = Instant::now();
        let mut timers = Timers::new(start);
        assert_eq!(timers.due(start), Due { heartbeat: true, snapshot: true, ..nothing });
        assert_eq!(timers.due(start), nothing);
        timers.plan_snapshot();
        timers.plan_snapshot();
        assert_eq!(timers.time_left(start, None), SNAPSHOT_EVERY);
        let soon = Duration::from_millis(1);
        assert_eq!(timers.time_left(start, Some(start + soon)), soon);
        let shown = start + SNAPSHOT_EVERY;
        assert_eq!(timers.due(shown), Due { snapshot: true, ..nothing });
        let late = start + SUMS_EVERY;
        assert_eq!(timers.due(late), Due { heartbeat: true, snapshot: true, sums: true });
        assert_eq!(timers.due(late), Due { sums: true, ..nothing });
        timers.sums_said(late);
        assert_eq!(timers.due(late), nothing);
    }
}
