//! Sends trades to the writer, no faster than it writes and no more than a bounded queue takes.
//!
//! Main thread. A trade is dropped only when the queue is full, the newest first, and then
//! everything until there is room again, so that a loss is one span of time.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::channel::{Entry, EntrySender, TradeBatch};
use crate::protocol::message::Decoder;

/// Bytes of trade messages that may wait: hours of a busy free plan, minutes of the worst burst.
const QUEUE_BYTES: usize = 64 << 20;

/// After dropping, trades are taken in again below this: a queue that may empty a little first
/// makes one gap of what would otherwise be hundreds.
const RESUME_BYTES: usize = QUEUE_BYTES / 4 * 3;

/// Above this the socket is read no faster than the disk takes rows, as long as the disk takes
/// any: the server's own buffers are the better place for a burst than ours.
const PACE_BYTES: usize = 512 << 10;

/// The first pause for a busy disk; a fast one writes a fifth of [`PACE_BYTES`] in it. Each
/// further one is twice as long …
const PACE_STEP: Duration = Duration::from_micros(200);
/// … and together they end here: the server, a stop and a changed watch list come first.
const LONGEST_PACE: Duration = Duration::from_millis(50);

/// Sends trades to the writer.
pub(super) struct TradeSender {
    entries: EntrySender,
    /// Counts the trades that are dropped.
    decoder: Decoder,
    /// When the last trades that were sent had been received, UNIX milliseconds of this machine.
    last_sent_ms: i64,
    /// How many were dropped since then, while they are.
    dropped: Option<u64>,
    /// Whether the disk takes nothing although it reports no error, so that pacing is of no use.
    stalled: bool,
}

impl TradeSender {
    pub(super) fn new(entries: EntrySender) -> Self {
        Self {
            entries,
            decoder: Decoder::default(),
            last_sent_ms: 0,
            dropped: None,
            stalled: false,
        }
    }

    /// Sends trades, or drops and counts them when the queue is full. After a loss, `live_from`
    /// gives the ledger's entry for the time from which on they are recorded again.
    pub(super) fn send(&mut self, batch: TradeBatch, live_from: impl FnOnce(i64) -> Entry) {
        self.pace();
        let limit = if self.is_dropping() { RESUME_BYTES } else { QUEUE_BYTES };
        let waiting = self.waiting_bytes();
        if waiting > 0 && waiting + batch.bytes() > limit {
            let dropped = self.dropped.get_or_insert(0);
            for message in batch.messages() {
                // What is unreadable holds no trades.
                let _ = self.decoder.decode(message, |_| *dropped += 1);
            }
            return;
        }
        if self.report_loss(batch.received_ms) {
            self.entries.send(live_from(batch.received_ms));
        }
        self.last_sent_ms = batch.received_ms;
        self.entries.send(Entry::Trades(batch));
    }

    /// Whether trades have been dropped, and none was sent since.
    pub(super) fn is_dropping(&self) -> bool {
        self.dropped.is_some()
    }

    /// Reports trades that were dropped up to `until_ms`; whether there were any. Also to be called
    /// at the end of a connection, when no trade follows them.
    pub(super) fn report_loss(&mut self, until_ms: i64) -> bool {
        let Some(trades) = self.dropped.take() else { return false };
        let after_ms = self.last_sent_ms;
        let slot = &self.entries.shared().slot;
        slot.change_feed(|feed| feed.lost(after_ms, until_ms, "trades dropped"));
        self.entries.send(Entry::Dropped { after_ms, trades });
        true
    }

    fn waiting_bytes(&self) -> usize {
        self.entries.shared().waiting_bytes.load(Ordering::Relaxed)
    }

    /// Reads no faster than a healthy disk writes, so that a burst waits with the server rather
    /// than in our memory. A disk that takes nothing is not waited for.
    fn pace(&mut self) {
        let before = self.waiting_bytes();
        if before <= PACE_BYTES {
            self.stalled = false;
            return;
        }
        let (mut pause, mut paused) = (PACE_STEP, Duration::ZERO);
        while !self.stalled
            && self.waiting_bytes() > PACE_BYTES
            && paused < LONGEST_PACE
            && !self.entries.shared().disk_trouble.load(Ordering::Relaxed)
        {
            thread::sleep(pause);
            paused += pause;
            pause *= 2;
        }
        self.stalled |= paused >= LONGEST_PACE && self.waiting_bytes() >= before;
    }
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use super::{Entry, QUEUE_BYTES, RESUME_BYTES, TradeBatch, TradeSender};
    use crate::channel::{self, EntryReceiver, SharedState};

    struct Queue {
        shared: Arc<SharedState>,
        sender: TradeSender,
        sent: EntryReceiver,
    }

    impl Queue {
        fn new() -> Self {
            let (entries, sent) = channel::open();
            let shared = Arc::clone(entries.shared());
            // Such a disk is not waited for.
            shared.disk_trouble.store(true, Ordering::Relaxed);
            Self { shared, sender: TradeSender::new(entries), sent }
        }

        /// Sends a batch of `trades` while `waiting` gives how much waits, from its own size; gives
        /// what the writer gets.
        fn send(
            &mut self,
            received_ms: i64,
            trades: u64,
            waiting: impl Fn(usize) -> usize,
        ) -> String {
            let mut batch = TradeBatch::new(received_ms);
            let elements: Vec<String> = (0..trades).map(|number| number.to_string()).collect();
            batch.push(&format!(r#"{{"data":[{}],"type":"trade"}}"#, elements.join(",")));
            self.shared.waiting_bytes.store(waiting(batch.bytes()), Ordering::Relaxed);
            self.sender.send(batch, |at_ms| Entry::Log(format!("live from {at_ms}")));
            self.sent()
        }

        fn sent(&self) -> String {
            let sent = iter::from_fn(|| self.sent.try_recv().ok()).map(|entry| match entry {
                Entry::Trades(batch) => format!("trades of {}", batch.received_ms),
                Entry::Dropped { after_ms, trades } => format!("{trades} dropped after {after_ms}"),
                Entry::Log(text) => text,
                other => panic!("{other:?}"),
            });
            sent.collect::<Vec<_>>().join(", ")
        }
    }

    #[test]
    fn a_full_queue_drops_the_newest_until_a_quarter_is_free_again() {
        let mut queue = Queue::new();
        assert_eq!(queue.send(2, 1, |bytes| QUEUE_BYTES - bytes), "trades of 2");
        assert_eq!(queue.send(3, 4, |bytes| QUEUE_BYTES - bytes + 1), "");
        assert!(queue.sender.is_dropping());
        assert_eq!(queue.send(4, 2, |bytes| RESUME_BYTES - bytes + 1), "");
        let kept = queue.send(5, 1, |bytes| RESUME_BYTES - bytes);
        assert_eq!(kept, "6 dropped after 2, live from 5, trades of 5");
        assert_eq!(queue.send(6, 1, |bytes| QUEUE_BYTES - bytes), "trades of 6");
        assert!(!queue.sender.report_loss(7));
    }

    #[test]
    fn a_batch_that_is_larger_than_the_queue_is_taken_when_nothing_waits() {
        let mut queue = Queue::new();
        let mut batch = TradeBatch::new(1);
        batch.push(&"x".repeat(QUEUE_BYTES));
        queue.sender.send(batch, |_| panic!("nothing was lost"));
        assert_eq!(queue.sent(), "trades of 1");
    }

    #[test]
    fn a_loss_that_no_trade_follows_is_reported_at_the_end() {
        let mut queue = Queue::new();
        assert_eq!(queue.send(9, 1, |_| 0), "trades of 9");
        assert_eq!(queue.send(10, 3, |_| QUEUE_BYTES), "");
        assert!(queue.sender.report_loss(11));
        assert_eq!(queue.sent(), "3 dropped after 9");
        assert!(!queue.sender.report_loss(12));
    }
}
