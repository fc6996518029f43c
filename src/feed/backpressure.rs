//! Sends trades to the writer, no faster than it writes and no more than a bounded queue takes.
//!
//! Main thread. What is not read from the socket is not lost: while the queue is full, nothing is read.
//! A trade is dropped only when the disk reports an error, or takes nothing for half a minute: the newest
//! first, and then everything until there is room again, so that a loss is one span of time.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use log::{error, warn};

use crate::channel::{Entry, EntrySender, TradeBatch};
use crate::protocol::message::Decoder;

/// Bytes of trade messages that may wait: hours of a busy free plan, minutes of the worst burst. One
/// read of the socket may come on top.
const QUEUE_BYTES: usize = 64 << 20;

/// After dropping, trades are taken in again below this: a queue that may empty a little first
/// makes one gap of what would otherwise be hundreds.
const RESUME_BYTES: usize = QUEUE_BYTES / 4 * 3;

/// A full queue is waited for so long, if the disk reports no error and takes nothing all the time.
/// No longer: a server that cannot send closes the connection.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// From then on somebody who looks should know why nothing is read.
const SAID_AFTER: Duration = Duration::from_secs(1);

/// Above this the socket is read no faster than the disk takes rows: the server's own buffers are the
/// better place for a burst than ours.
const PACE_BYTES: usize = 512 << 10;

/// The first pause for a busy disk; a fast one writes a fifth of [`PACE_BYTES`] in it. Each
/// further one is twice as long …
const PACE_STEP: Duration = Duration::from_micros(200);
/// … and together they end here: the server, a stop and a changed watch list come first.
const LONGEST_PACE: Duration = Duration::from_millis(50);

/// While trades are dropped, their number is logged this soon; and then after pauses, each twice as
/// long as the one before …
const FIRST_REPORT: Duration = Duration::from_millis(500);
/// … up to this one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Sends trades to the writer.
pub(super) struct TradeSender {
    entries: EntrySender,
    /// Counts the trades that are dropped.
    decoder: Decoder,
    /// When the last trades that were sent had been received, UNIX milliseconds of this machine.
    last_sent_ms: i64,
    /// For how long the queue has been full, and nothing was read for it.
    waited: Duration,
    /// Whether that was logged.
    said_waiting: bool,
    /// How many bytes waited at the last look.
    last_waiting: usize,
    /// What was dropped since the last trades were sent, while trades are.
    loss: Option<Loss>,
}

/// Trades that were dropped.
struct Loss {
    trades: u64,
    /// Whether the disk had reported an error.
    disk_failed: bool,
    /// How many of them have been logged.
    said: u64,
    say_again: Instant,
    pause: Duration,
}

impl TradeSender {
    pub(super) fn new(entries: EntrySender) -> Self {
        Self {
            entries,
            decoder: Decoder::default(),
            last_sent_ms: 0,
            waited: Duration::ZERO,
            said_waiting: false,
            last_waiting: 0,
            loss: None,
        }
    }

    /// Whether the socket may be read now: there is room for what it gives, or it was waited for long
    /// enough, or waiting is of no use.
    pub(super) fn may_read(&mut self) -> bool {
        let waiting = self.waiting_bytes();
        if waiting < self.limit() || waiting < self.last_waiting {
            self.waited = Duration::ZERO;
        }
        self.last_waiting = waiting;
        self.said_waiting &= waiting >= RESUME_BYTES;
        waiting < self.limit() || self.has_no_patience()
    }

    /// Notes that nothing was read for so long, because [`Self::may_read`] said so.
    pub(super) fn has_waited(&mut self, time: Duration) {
        self.waited += time;
        if self.waited >= SAID_AFTER && !self.said_waiting {
            self.said_waiting = true;
            warn!(
                "{} MiB of trade messages wait to be written; the server is read no further until there is room, for {} s at most",
                QUEUE_BYTES >> 20,
                LONGEST_WAIT.as_secs()
            );
        }
    }

    /// Sends trades, or drops and counts them when the queue is full and must not be waited for. After
    /// a loss, `live_from` gives the ledger's entry for the time from which on they are recorded again.
    pub(super) fn send(&mut self, batch: TradeBatch, live_from: impl FnOnce(i64) -> Entry) {
        self.pace();
        let waiting = self.waiting_bytes();
        let is_full = waiting > 0 && waiting + batch.bytes() > self.limit();
        if is_full && (self.is_dropping() || self.has_no_patience()) {
            self.drop_trades(&batch);
            return;
        }
        self.end_loss(batch.received_ms, live_from);
        self.last_sent_ms = batch.received_ms;
        self.entries.send(Entry::Trades(batch));
    }

    /// Whether trades have been dropped, and the loss is not over.
    pub(super) fn is_dropping(&self) -> bool {
        self.loss.is_some()
    }

    /// While trades are dropped, to be called twice a second at least: says how many, and ends the loss
    /// when there is room, whether or not a trade follows. `now_ms` and `live_from` as in [`Self::send`].
    pub(super) fn follow_loss(&mut self, now_ms: i64, live_from: impl FnOnce(i64) -> Entry) {
        if self.waiting_bytes() < RESUME_BYTES {
            self.end_loss(now_ms, live_from);
        } else if let Some(loss) = &mut self.loss {
            loss.say(Instant::now());
        }
    }

    /// Reports trades that were dropped up to `until_ms`; whether there were any. Also to be called
    /// at the end of a connection.
    pub(super) fn report_loss(&mut self, until_ms: i64) -> bool {
        let Some(Loss { trades, disk_failed, .. }) = self.loss.take() else { return false };
        let after_ms = self.last_sent_ms;
        let slot = &self.entries.shared().slot;
        slot.change_feed(|feed| feed.lost(after_ms, until_ms, "trades dropped"));
        self.entries.send(Entry::Dropped { after_ms, trades, disk_failed });
        true
    }

    fn end_loss(&mut self, at_ms: i64, live_from: impl FnOnce(i64) -> Entry) {
        if self.report_loss(at_ms) {
            self.entries.send(live_from(at_ms));
        }
    }

    fn drop_trades(&mut self, batch: &TradeBatch) {
        let mut trades = 0;
        for message in batch.messages() {
            // What is unreadable holds no trades.
            let _ = self.decoder.decode(message, |_| trades += 1);
        }
        let shared = self.entries.shared();
        shared.dropped.fetch_add(trades, Ordering::Relaxed);
        let disk_failed = shared.disk_trouble.load(Ordering::Relaxed);
        self.loss.get_or_insert_with(|| Loss::begin(disk_failed)).trades += trades;
    }

    fn waiting_bytes(&self) -> usize {
        self.entries.shared().waiting_bytes.load(Ordering::Relaxed)
    }

    /// So many bytes may wait.
    fn limit(&self) -> usize {
        if self.is_dropping() { RESUME_BYTES } else { QUEUE_BYTES }
    }

    fn has_no_patience(&self) -> bool {
        let disk_failed = self.entries.shared().disk_trouble.load(Ordering::Relaxed);
        disk_failed || self.waited >= LONGEST_WAIT
    }

    /// Reads no faster than a healthy disk writes, so that a burst waits with the server rather
    /// than in our memory.
    fn pace(&self) {
        let (mut pause, mut paused) = (PACE_STEP, Duration::ZERO);
        while self.waiting_bytes() > PACE_BYTES
            && paused < LONGEST_PACE
            && !self.entries.shared().disk_trouble.load(Ordering::Relaxed)
        {
            thread::sleep(pause);
            paused += pause;
            pause *= 2;
        }
    }
}

impl Loss {
    fn begin(disk_failed: bool) -> Self {
        let say_again = Instant::now() + FIRST_REPORT;
        Self { trades: 0, disk_failed, said: 0, say_again, pause: 2 * FIRST_REPORT }
    }

    /// Logs how many there are, if that is new and the last time is long enough ago.
    fn say(&mut self, now: Instant) {
        if self.trades > self.said && now >= self.say_again {
            error!(
                "{} trades dropped so far: {} MiB of messages wait to be written, and there is no room for more",
                self.trades,
                QUEUE_BYTES >> 20
            );
            self.said = self.trades;
            self.say_again = now + self.pause;
            self.pause = LONGEST_PAUSE.min(2 * self.pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::{Entry, LONGEST_WAIT, QUEUE_BYTES, RESUME_BYTES, TradeBatch, TradeSender};
    use crate::channel::{self, EntryReceiver, SharedState};

    struct Queue {
        shared: Arc<SharedState>,
        sender: TradeSender,
        sent: EntryReceiver,
    }

    impl Queue {
        /// With a disk that reports an error, or does not.
        fn new(disk_failed: bool) -> Self {
            let (entries, sent) = channel::open();
            let shared = Arc::clone(entries.shared());
            shared.disk_trouble.store(disk_failed, Ordering::Relaxed);
            Self { shared, sender: TradeSender::new(entries), sent }
        }

        fn set_waiting(&self, bytes: usize) {
            self.shared.waiting_bytes.store(bytes, Ordering::Relaxed);
        }

        /// What the writer gets when `waiting` bytes wait, and no trade comes.
        fn follow_loss(&mut self, now_ms: i64, waiting: usize) -> String {
            self.set_waiting(waiting);
            self.sender.follow_loss(now_ms, |at_ms| Entry::Log(format!("live from {at_ms}")));
            self.sent()
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
            self.set_waiting(waiting(batch.bytes()));
            self.sender.send(batch, |at_ms| Entry::Log(format!("live from {at_ms}")));
            self.sent()
        }

        fn sent(&self) -> String {
            let sent = iter::from_fn(|| self.sent.try_recv().ok()).map(|entry| match entry {
                Entry::Trades(batch) => format!("trades of {}", batch.received_ms),
                Entry::Dropped { after_ms, trades, .. } => {
                    format!("{trades} dropped after {after_ms}")
                }
                Entry::Log(text) => text,
                other => panic!("{other:?}"),
            });
            sent.collect::<Vec<_>>().join(", ")
        }
    }

    #[test]
    fn a_full_queue_drops_the_newest_until_a_quarter_is_free_again() {
        let mut queue = Queue::new(true);
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
        let mut queue = Queue::new(true);
        let mut batch = TradeBatch::new(1);
        batch.push(&"x".repeat(QUEUE_BYTES));
        queue.sender.send(batch, |_| panic!("nothing was lost"));
        assert_eq!(queue.sent(), "trades of 1");
    }

    #[test]
    fn a_loss_that_no_trade_follows_is_reported_at_the_end() {
        let mut queue = Queue::new(true);
        assert_eq!(queue.send(9, 1, |_| 0), "trades of 9");
        assert_eq!(queue.send(10, 3, |_| QUEUE_BYTES), "");
        assert!(queue.sender.report_loss(11));
        assert_eq!(queue.sent(), "3 dropped after 9");
        assert!(!queue.sender.report_loss(12));
    }

    #[test]
    fn a_loss_that_no_trade_follows_is_over_when_there_is_room_and_counted_at_once() {
        let mut queue = Queue::new(true);
        assert_eq!(queue.send(9, 1, |_| 0), "trades of 9");
        assert_eq!(queue.send(10, 3, |_| QUEUE_BYTES), "");
        assert_eq!(queue.shared.dropped.load(Ordering::Relaxed), 3);
        assert_eq!(queue.follow_loss(11, RESUME_BYTES), "");
        assert_eq!(queue.follow_loss(12, RESUME_BYTES - 1), "3 dropped after 9, live from 12");
        assert_eq!(queue.follow_loss(13, 0), "");
    }

    #[test]
    fn a_disk_without_an_error_is_waited_for_and_only_then_the_newest_are_dropped() {
        let mut queue = Queue::new(false);
        let a_moment = Duration::from_millis(1);
        let almost = LONGEST_WAIT.saturating_sub(a_moment);
        queue.set_waiting(QUEUE_BYTES - 1);
        assert!(queue.sender.may_read());
        assert_eq!(queue.send(1, 1, |_| QUEUE_BYTES - 1), "trades of 1", "one read more");
        queue.set_waiting(QUEUE_BYTES);
        assert!(!queue.sender.may_read());
        queue.sender.has_waited(almost);
        assert!(!queue.sender.may_read());
        // It takes something: it is waited for anew.
        queue.set_waiting(QUEUE_BYTES - 1);
        assert!(queue.sender.may_read());
        queue.set_waiting(QUEUE_BYTES);
        queue.sender.has_waited(almost);
        assert!(!queue.sender.may_read());
        queue.sender.has_waited(a_moment);
        assert!(queue.sender.may_read());
        assert_eq!(queue.send(2, 5, |_| QUEUE_BYTES), "");
        assert!(queue.sender.may_read(), "it goes on as it began");
        // Once it takes something again nothing is dropped any more, and then there is room.
        queue.set_waiting(QUEUE_BYTES - 1);
        assert!(!queue.sender.may_read());
        assert_eq!(queue.follow_loss(8, RESUME_BYTES - 1), "5 dropped after 1, live from 8");
        assert!(queue.sender.may_read());
    }

    #[test]
    fn a_disk_that_reports_an_error_is_not_waited_for() {
        let mut queue = Queue::new(true);
        queue.set_waiting(QUEUE_BYTES);
        assert!(queue.sender.may_read());
    }
}
