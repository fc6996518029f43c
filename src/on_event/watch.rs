//! Finds the events in the snapshots, each once.
//!
//! A pure rule: no I/O and no clock. `now_ms` is this machine's clock; spans are measured with `now`, which does
//! not change when the clock is set or the machine sleeps.

use std::time::{Duration, Instant};

use crate::status::silence::{Silence, UsStocks};
use crate::status::snapshot::{FeedState, Snapshot};
use crate::text::human_duration;

/// A shorter outage is routine: the server closes connections every day.
const OUTAGE: Duration = Duration::from_secs(60);

/// A connection that ends within this time does not end the outage: with a key that is used twice, connections
/// end like that (see `backoff`).
const SETTLED: Duration = Duration::from_secs(5);

/// After this many looks at the same snapshot, one a second, the writer is waiting for the disk. Looks are
/// counted, and no time, because a stopped process does not look.
const STUCK_LOOKS: u32 = 60;

/// Silence is reported at most this often: thin shares fall silent again and again.
const SILENT_AGAIN: Duration = Duration::from_secs(60 * 60);

/// Something that happened, for the command's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// The event in one word; the README lists them.
    pub(super) kind: &'static str,
    /// When, this machine's clock, UNIX milliseconds.
    pub(super) at_ms: i64,
    /// The reason as one line.
    pub(super) reason: String,
}

impl Event {
    pub(super) fn new(kind: &'static str, at_ms: i64, reason: impl Into<String>) -> Self {
        Self { kind, at_ms, reason: reason.into() }
    }
}

/// What has been reported so far.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is about an event of its own")]
pub(super) struct EventWatch {
    live_since: Option<Instant>,
    not_live_since: Option<Instant>,
    down_reported: bool,
    disk_reported: bool,
    key_reported: bool,
    silence_reported: bool,
    silence_reported_at: Option<Instant>,
    last_published_ms: i64,
    same_snapshot: u32,
}

impl EventWatch {
    /// The new events. To be called once a second.
    pub(super) fn poll(
        &mut self,
        snapshot: &Snapshot,
        key_refused: bool,
        now: Instant,
        now_ms: i64,
    ) -> Vec<Event> {
        if snapshot.started_ms == 0 {
            // The writer has not begun.
            return Vec::new();
        }
        let mut events = Vec::from_iter(self.outage(snapshot, now, now_ms));
        events.extend(self.disk(snapshot, now_ms));
        if key_refused && !self.key_reported {
            events.push(Event::new("key-refused", now_ms, "the server refuses the API key"));
        }
        self.key_reported = key_refused;
        events.extend(self.silence(snapshot, now, now_ms));
        events
    }

    fn outage(&mut self, snapshot: &Snapshot, now: Instant, now_ms: i64) -> Option<Event> {
        if snapshot.state == FeedState::Live {
            let since = *self.live_since.get_or_insert(now);
            if now - since < SETTLED {
                return None;
            }
            let began = self.not_live_since.take()?;
            let at_ms = snapshot.live_since_ms.unwrap_or(now_ms);
            let lasted = i64::try_from((since - began).as_millis()).unwrap_or(i64::MAX);
            let reason = format!("after {}", human_duration(lasted));
            return std::mem::take(&mut self.down_reported)
                .then(|| Event::new("live", at_ms, reason));
        }
        self.live_since = None;
        let since = *self.not_live_since.get_or_insert(now);
        if self.down_reported || now - since < OUTAGE {
            return None;
        }
        self.down_reported = true;
        let at_ms = snapshot.down_since_ms.unwrap_or(snapshot.started_ms);
        let reason = match snapshot.reason.as_str() {
            "" => "no connection yet",
            reason => reason,
        };
        Some(Event::new("down", at_ms, reason))
    }

    fn disk(&mut self, snapshot: &Snapshot, now_ms: i64) -> Option<Event> {
        let same = self.last_published_ms == snapshot.published_ms;
        self.same_snapshot = if same { self.same_snapshot.saturating_add(1) } else { 0 };
        self.last_published_ms = snapshot.published_ms;
        let stuck = || (self.same_snapshot >= STUCK_LOOKS).then_some("the disk does not answer");
        let cause = snapshot.disk_trouble.as_deref().or_else(stuck);
        let (kind, reason) = match (cause, self.disk_reported) {
            (Some(cause), false) => ("disk-full", cause),
            (None, true) => ("disk-ok", "writing again"),
            _ => return None,
        };
        self.disk_reported = cause.is_some();
        Some(Event::new(kind, now_ms, reason))
    }

    fn silence(&mut self, snapshot: &Snapshot, now: Instant, now_ms: i64) -> Option<Event> {
        // While nothing is recorded, silence means nothing; nor does it outside the regular session.
        let silence = Silence::of(snapshot, now_ms)?;
        let UsStocks::NoTrades { .. } = silence.us_stocks else {
            self.silence_reported = false;
            return None;
        };
        let too_soon = self.silence_reported_at.is_some_and(|at| now - at < SILENT_AGAIN);
        if self.silence_reported || too_soon {
            return None;
        }
        self.silence_reported = true;
        self.silence_reported_at = Some(now);
        Some(Event::new("silent", now_ms, silence.notice()?))
    }
}

#[cfg(test)]
mod tests;
