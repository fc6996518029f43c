//! What the routes read from: the latest snapshot, the history, and the events made from both.
//!
//! The dashboard's thread. A look at the writer's snapshot moves one pointer and makes nobody
//! wait. Events are made once for all clients. A client takes the next one when its connection has
//! room for it. What it missed is not kept for it: it gets the whole state instead.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::history::History;
use super::status;
use crate::channel::SharedState;
use crate::clock::now_ms;
use crate::status::snapshot::Snapshot;

/// How often the writer's snapshot is looked at and an event made: as often as an eye can follow
/// numbers, whatever the trade rate.
const EVENT_EVERY: Duration = Duration::from_millis(250);

/// How often it is looked at for the history alone, when nobody follows the events: its bars are a
/// second long.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// How long a browser is to wait before it connects again.
const RETRY: &str = "retry: 1000\n";

/// One state of everything, and the events made of it.
#[derive(Debug, Default)]
struct Update {
    number: u64,
    snapshot: Arc<Snapshot>,
    /// What has changed since the update before; `None` when only the whole state will do.
    change: Option<Bytes>,
    whole: OnceLock<Bytes>,
}

impl Update {
    /// The event for a client that has seen the update with the number `seen`.
    fn event(&self, seen: Option<u64>, recording: &SharedState) -> Bytes {
        let is_next = seen.is_some_and(|seen| seen + 1 == self.number);
        if let Some(change) = self.change.clone().filter(|_| is_next) {
            return change;
        }
        let make = || event(&status::whole(&self.snapshot, recording, now_ms()));
        self.whole.get_or_init(make).clone()
    }
}

/// A JSON text as a server-sent event. JSON has no raw line ends, so one data line holds it.
fn event(json: &str) -> Bytes {
    Bytes::from(format!("data: {json}\n\n"))
}

/// What all requests read from.
pub(super) struct LiveData {
    pub(super) recording: Arc<SharedState>,
    history: Mutex<History>,
    updates: watch::Sender<Arc<Update>>,
}

impl LiveData {
    /// What is known now.
    pub(super) fn new(recording: Arc<SharedState>) -> Self {
        let updates = watch::Sender::new(Arc::default());
        let data = Self { recording, history: Mutex::default(), updates };
        data.sample();
        data
    }

    /// The writer's latest snapshot.
    pub(super) fn latest(&self) -> Arc<Snapshot> {
        self.recording.slot.latest()
    }

    /// The history up to now, for the length of one function.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.remember(&self.latest().tickers);
        history
    }

    /// How many connections follow the events.
    pub(super) fn followers(&self) -> usize {
        self.updates.receiver_count()
    }

    /// Looks at the writer's snapshot again and again.
    pub(super) async fn sample_for_ever(&self) {
        loop {
            let pause = if self.followers() > 0 { EVENT_EVERY } else { SAMPLE_EVERY };
            sleep(pause).await;
            self.sample();
        }
    }

    /// Looks at the writer's snapshot, remembers it, and sends it to who listens.
    fn sample(&self) {
        let snapshot = self.latest();
        // Remembers what is new.
        drop(self.history());
        let before = Arc::clone(&self.updates.borrow());
        let change = (self.followers() > 0)
            .then(|| status::change(&before.snapshot, &snapshot, &self.recording, now_ms()))
            .flatten()
            .map(|json| event(&json));
        let (number, whole) = (before.number + 1, OnceLock::new());
        self.updates.send_replace(Arc::new(Update { number, snapshot, change, whole }));
    }

    /// Events for one client: the whole state, then changes.
    pub(super) fn events(&self) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        let start = (self.updates.subscribe(), Arc::clone(&self.recording), None);
        stream::unfold(start, |(mut updates, recording, seen)| async move {
            if seen.is_some() {
                updates.changed().await.ok()?;
            }
            let update = Arc::clone(&updates.borrow_and_update());
            let mut event = update.event(seen, &recording);
            if seen.is_none() {
                event = [RETRY.as_bytes(), &event].concat().into();
            }
            Some((Ok(event), (updates, recording, Some(update.number))))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use axum::body::Bytes;

    use super::{SharedState, Update};

    #[test]
    fn who_missed_an_update_gets_the_whole_state() {
        let whole = OnceLock::from(Bytes::from("whole"));
        let update =
            Update { number: 7, change: Some("change".into()), whole, ..Update::default() };
        for (seen, expected) in
            [(None, "whole"), (Some(6), "change"), (Some(5), "whole"), (Some(0), "whole")]
        {
            assert_eq!(update.event(seen, &SharedState::default()), expected, "{seen:?}");
        }
    }
}
