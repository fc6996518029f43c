//! What waits, what is dropped, and what is said of it, with a writer that takes nothing.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{LONGEST_WAIT, QUEUE_BYTES, RESUME_BYTES, TradeBatch, TradeSender, WriterMessage};
use crate::channel::{self, SharedState, WriterReceiver};

struct Queue {
    shared: Arc<SharedState>,
    sender: TradeSender,
    sent: WriterReceiver,
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
        self.sender.follow_loss(now_ms, |at_ms| WriterMessage::Log(format!("live from {at_ms}")));
        self.sent()
    }

    /// Sends a batch of `trades` while `waiting` gives how much waits, from its own size; gives
    /// what the writer gets.
    fn send(&mut self, received_ms: i64, trades: u64, waiting: impl Fn(usize) -> usize) -> String {
        let mut batch = TradeBatch::new(received_ms);
        let elements: Vec<String> = (0..trades).map(|number| number.to_string()).collect();
        batch.push(&format!(r#"{{"data":[{}],"type":"trade"}}"#, elements.join(",")));
        self.set_waiting(waiting(batch.bytes()));
        self.sender.send(batch, |at_ms| WriterMessage::Log(format!("live from {at_ms}")));
        self.sent()
    }

    fn sent(&self) -> String {
        let sent = iter::from_fn(|| self.sent.try_recv().ok()).map(|entry| match entry {
            WriterMessage::Trades(batch) => format!("trades of {}", batch.received_ms),
            WriterMessage::Dropped { after_ms, trades, .. } => {
                format!("{trades} dropped after {after_ms}")
            }
            WriterMessage::Log(text) => text,
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
