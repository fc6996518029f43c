//! What the routes read from: the latest snapshot, the history, and the events made from both.
//!
//! The dashboard's thread. A look at the writer's snapshot moves one pointer and makes nobody
//! wait. Events are made once for all clients. A client takes the next one when its connection has
//! room for it; what it missed meanwhile never piles up, it gets the whole state instead.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::StopSign;
use super::history::History;
use super::status::{self, Moment};
use crate::channel::SharedState;
use crate::clock::now_ms;
use crate::status::snapshot::{Snapshot, SnapshotSlot};

/// How often the writer's snapshot is looked at and an event made: as often as an eye can follow
/// numbers, whatever the trade rate.
const EVENT_EVERY: Duration = Duration::from_millis(250);

/// How often it is looked at for the history alone, when nobody follows the events: its bars are a
/// second long.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// What a browser is told to wait before it connects again.
const RETRY: &str = "retry: 1000\n";

/// One state of everything, and how it is told.
#[derive(Debug, Default)]
struct Update {
    number: u64,
    snapshot: Arc<Snapshot>,
    moment: Option<Moment>,
    /// What has changed since the update before; `None` when only the whole state will do.
    change: Option<Bytes>,
    whole: OnceLock<Bytes>,
}

impl Update {
    /// The event for a client that has seen the update with the number `seen`.
    fn event(&self, seen: Option<u64>) -> Bytes {
        let is_next = seen.is_some_and(|seen| seen + 1 == self.number);
        if let Some(change) = self.change.clone().filter(|_| is_next) {
            return change;
        }
        let make = || self.moment.map(|moment| event(&status::whole(&self.snapshot, moment)));
        self.whole.get_or_init(|| make().unwrap_or_default()).clone()
    }
}

/// A JSON text as a server-sent event. JSON has no raw line ends, so one data line holds it.
fn event(json: &str) -> Bytes {
    Bytes::from(format!("data: {json}\n\n"))
}

/// What all requests share.
pub(super) struct Shared {
    slot: SnapshotSlot,
    gauges: Arc<SharedState>,
    history: Mutex<History>,
    updates: watch::Sender<Arc<Update>>,
}

impl Shared {
    /// Nothing seen yet.
    pub(super) fn new(slot: SnapshotSlot, gauges: Arc<SharedState>) -> Shared {
        let updates = watch::Sender::new(Arc::default());
        let shared = Shared { slot, gauges, history: Mutex::default(), updates };
        shared.sample();
        shared
    }

    /// The writer's latest snapshot, and what belongs to it now.
    pub(super) fn latest(&self) -> (Arc<Snapshot>, Moment) {
        (self.slot.latest(), self.moment())
    }

    fn moment(&self) -> Moment {
        use std::sync::atomic::Ordering::Relaxed;
        let last_message_ms = self.gauges.last_message_ms.load(Relaxed);
        Moment {
            now_ms: now_ms(),
            last_message_ms: (last_message_ms > 0).then_some(last_message_ms),
            waiting_bytes: self.gauges.waiting_bytes.load(Relaxed),
        }
    }

    /// The history, for the length of one function; up to date also when nobody follows the events.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        if self.followers() == 0 {
            self.sample();
        }
        self.lock_history()
    }

    fn lock_history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections follow the events.
    pub(super) fn followers(&self) -> usize {
        self.updates.receiver_count()
    }

    /// Looks at the writer's snapshot, remembers it, and tells who listens.
    fn sample(&self) {
        let (snapshot, moment) = self.latest();
        self.lock_history().remember(&snapshot);
        let before = Arc::clone(&self.updates.borrow());
        let change = (self.followers() > 0)
            .then(|| status::change(&before.snapshot, &snapshot, moment))
            .flatten()
            .map(|json| event(&json));
        self.updates.send_replace(Arc::new(Update {
            number: before.number + 1,
            snapshot,
            moment: Some(moment),
            change,
            whole: OnceLock::new(),
        }));
    }

    /// Events for one client: the whole state, then changes.
    pub(super) fn events(
        &self,
        stop: StopSign,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        let updates = self.updates.subscribe();
        stream::unfold((updates, stop, None), |(mut updates, mut stop, seen)| async move {
            if seen.is_some() {
                tokio::select! {
                    changed = updates.changed() => changed.ok()?,
                    () = stop.shown() => return None,
                }
            }
            let update = Arc::clone(&updates.borrow_and_update());
            let mut event = update.event(seen);
            if seen.is_none() {
                event = [RETRY.as_bytes(), &event].concat().into();
            }
            Some((Ok(event), (updates, stop, Some(update.number))))
        })
    }
}

/// Looks at the writer's snapshot again and again until the stop sign is shown.
pub(super) async fn sample_for_ever(shared: Arc<Shared>, mut stop: StopSign) {
    loop {
        let pause = if shared.followers() > 0 { EVENT_EVERY } else { SAMPLE_EVERY };
        tokio::select! {
            () = stop.shown() => return,
            () = sleep(pause) => shared.sample(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use axum::body::Bytes;

    use super::Update;

    #[test]
    fn who_missed_an_update_gets_the_whole_state() {
        let whole = OnceLock::from(Bytes::from("whole"));
        let update =
            Update { number: 7, change: Some("change".into()), whole, ..Update::default() };
        for (seen, expected) in
            [(None, "whole"), (Some(6), "change"), (Some(5), "whole"), (Some(0), "whole")]
        {
            assert_eq!(update.event(seen), expected, "{seen:?}");
        }
    }
}
