//! What the routes read from: the latest snapshot, the history, and the events made from both.
//!
//! The dashboard's thread. A look at the writer's snapshot moves one pointer and makes nobody
//! wait. Events are made once for all clients. A client takes the next one when its connection has
//! room for it. What it missed is not kept for it: it gets the whole state instead.

use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

use super::history::History;
use super::status;
use crate::channel::SharedState;
use crate::status::snapshot::Snapshot;
use crate::text::clock::now_ms;

/// How often the writer's snapshot is looked at and an event made: as often as an eye can follow
/// numbers, whatever the trade rate.
const EVENT_EVERY: Duration = Duration::from_millis(250);

/// How often it is looked at for the history alone, when nobody follows the events: its bars are a
/// second long.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// How long a browser is to wait before it connects again.
const RETRY: &[u8] = b"retry: 1000\n";

/// Bytes of answers that may wait for clients which do not take them. The longest list makes 1.5 MB of
/// JSON, and a hundred clients that never read would keep one each.
const WAITING_BYTES: usize = 4 << 20;

/// An answer, and its part of [`WAITING_BYTES`] until the last client has taken it.
struct Waiting {
    text: Box<str>,
    _part: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Waiting {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// One state of everything, and the events made of it.
#[derive(Debug, Default)]
struct Update {
    number: u64,
    snapshot: Arc<Snapshot>,
    /// When the snapshot was sampled, this machine's clock, UNIX milliseconds.
    sampled_ms: i64,
    /// What has changed since the update before; `None` when only the whole state will do.
    change: Option<Bytes>,
    whole: OnceLock<Bytes>,
}

impl Update {
    /// The event for a client that has seen the update with the number `seen`; `None` when too much
    /// waits for other clients.
    fn event(&self, seen: Option<u64>, data: &LiveData) -> Option<Bytes> {
        let is_next = seen.is_some_and(|seen| seen + 1 == self.number);
        let change = self.change.as_ref().filter(|_| is_next);
        if let Some(made) = change.or_else(|| self.whole.get()) {
            return Some(made.clone());
        }
        let whole = event(&status::whole(&self.snapshot, &data.recording, now_ms()));
        let whole = data.to_be_taken(whole)?;
        Some(self.whole.get_or_init(|| whole).clone())
    }
}

/// A JSON text as a server-sent event. JSON has no raw line ends, so one data line holds it.
fn event(json: &str) -> String {
    format!("data: {json}\n\n")
}

/// What all requests read from.
pub(super) struct LiveData {
    pub(super) recording: Arc<SharedState>,
    history: Mutex<History>,
    updates: watch::Sender<Arc<Update>>,
    room: Arc<Semaphore>,
}

impl LiveData {
    /// What is known now.
    pub(super) fn new(recording: Arc<SharedState>) -> Self {
        let updates = watch::Sender::new(Arc::default());
        let room = Arc::new(Semaphore::new(WAITING_BYTES));
        let data = Self { recording, history: Mutex::default(), updates, room };
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
        let (snapshot, candles) = self.recording.slot.latest_and_candles();
        history.remember(&snapshot.tickers, candles);
        history
    }

    /// An answer for clients to take; `None` when too much waits to be taken.
    pub(super) fn to_be_taken(&self, text: String) -> Option<Bytes> {
        // Without the half that may be free at its end.
        let text = text.into_boxed_str();
        let bytes = u32::try_from(text.len()).ok()?;
        let part = Arc::clone(&self.room).try_acquire_many_owned(bytes).ok()?;
        Some(Bytes::from_owner(Waiting { text, _part: part }))
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
        let last = (&*before.snapshot, before.sampled_ms);
        let sampled_ms = now_ms();
        let change = (self.followers() > 0)
            .then(|| status::change(last, &snapshot, &self.recording, sampled_ms))
            .flatten()
            .and_then(|json| self.to_be_taken(event(&json)));
        let (number, whole) = (before.number + 1, OnceLock::new());
        self.updates.send_replace(Arc::new(Update { number, snapshot, sampled_ms, change, whole }));
    }

    /// Events for one client: the whole state, then changes. They end when too much waits for others;
    /// a browser comes back.
    pub(super) fn events(self: Arc<Self>) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        let start = (self.updates.subscribe(), self, None);
        let retry = stream::once(ready(Ok(Bytes::from_static(RETRY))));
        retry.chain(stream::unfold(start, |(mut updates, data, seen)| async move {
            if seen.is_some() {
                updates.changed().await.ok()?;
            }
            let update = Arc::clone(&updates.borrow_and_update());
            let event = update.event(seen, &data)?;
            Some((Ok(event), (updates, data, Some(update.number))))
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use axum::body::Bytes;

    use super::{LiveData, Update};

    #[test]
    fn who_missed_an_update_gets_the_whole_state() {
        let whole = OnceLock::from(Bytes::from("whole"));
        let update =
            Update { number: 7, change: Some("change".into()), whole, ..Update::default() };
        let data = LiveData::new(Arc::default());
        for (seen, expected) in
            [(None, "whole"), (Some(6), "change"), (Some(5), "whole"), (Some(0), "whole")]
        {
            assert_eq!(update.event(seen, &data).unwrap(), expected, "{seen:?}");
        }
    }
}
