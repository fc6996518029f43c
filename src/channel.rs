//! The channel to the writer thread: its two ends, what travels on it, and the state that both sides
//! share. And the lines for the terminal.
//!
//! Any thread sends, the writer receives. No I/O. The times in what is sent are UNIX
//! milliseconds by this machine's clock, and come as arguments.

use std::sync::atomic::{self, AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use log::Level;

use crate::status::snapshot::SnapshotSlot;

/// Memory of an entry without its texts: its place in a queue that may just have doubled, and what
/// the allocator needs for each of its two pieces of memory.
const MESSAGE_BYTES: usize = 2 * size_of::<WriterMessage>() + 2 * 16;

/// Trade messages from one read of the socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TradeBatch {
    /// When they were read from the socket.
    pub received_ms: i64,
    texts: String,
    ends: Vec<u32>,
}

impl TradeBatch {
    /// An empty batch.
    pub fn new(received_ms: i64) -> Self {
        Self { received_ms, texts: String::new(), ends: Vec::new() }
    }

    /// Adds one message.
    pub fn push(&mut self, message: &str) {
        self.texts.push_str(message);
        // A batch is one read of the socket, and a message 16 MiB at most.
        self.ends.push(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
    }

    /// The messages in arrival order.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|end| *end as usize));
        starts.zip(&self.ends).map(|(start, end)| &self.texts[start..*end as usize])
    }

    /// How much memory the batch takes: for messages of one trade the text is the smaller part of it.
    pub fn bytes(&self) -> usize {
        MESSAGE_BYTES + self.texts.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    /// Whether there is no message in it.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// A message to the writer thread: an entry of its queue. Entries are handled in the order sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriterMessage {
    /// Write these trades.
    Trades(TradeBatch),
    /// From `at_ms` on these tickers are subscribed and recorded.
    Live {
        /// When the subscriptions were sent.
        at_ms: i64,
        /// What is recorded.
        tickers: Vec<String>,
        /// What was asked for and refused by the server.
        refused: Vec<String>,
    },
    /// From `at_ms` on nothing is recorded.
    Down {
        /// When the last frame arrived.
        at_ms: i64,
        /// Why, for the ledger.
        reason: String,
    },
    /// The watch list while there is no connection; for the terminal and the page only.
    Wanted {
        /// Since when.
        at_ms: i64,
        /// The symbols.
        tickers: Vec<String>,
    },
    /// Trades that were dropped after `after_ms`, because too many were waiting.
    Dropped {
        /// When the last trade that was kept had been received.
        after_ms: i64,
        /// Elements of trade messages that are lost.
        trades: u64,
        /// Whether the disk had reported an error; if not, it took nothing.
        disk_failed: bool,
    },
    /// An fsync has ended, well or not.
    Synced(SyncOutcome),
    /// A finished line for the log file.
    Log(String),
    /// The last entry: write everything, force it to the disk, and end.
    Finish,
    /// The last entry when the server has refused the start: remove the files that it has made.
    Refused,
}

/// A message to the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A log line.
    Log(Level, String),
    /// From here on the table has the terminal.
    Table,
    /// The end has begun. No live line from here on: none may stay on the screen if the program ends
    /// at once.
    Stopping,
    /// A line as it is, at the end; the live line is gone before it.
    Plain(String),
    /// Nothing comes after this.
    End,
}

/// The result of an fsync in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncOutcome {
    /// The generation of the files; the number grows with each new file.
    pub generation: u64,
    /// Bytes of the CSV when it began.
    pub csv_length: u64,
    /// Bytes of the ledger when it began.
    pub ledger_length: u64,
    /// The number of ledger rows, written or not, that may be released once these bytes are on the disk.
    pub ledger_rows: u64,
    /// The system's error, if any.
    pub error: Option<String>,
}

/// The state that the session and the writer share without waiting for each other. Other threads read it.
#[derive(Debug, Default)]
pub struct SharedState {
    /// Bytes of trade messages that were sent and are not yet in the file.
    pub waiting_bytes: AtomicUsize,
    /// Bytes of log lines that were sent and are not yet in the log file.
    pub log_bytes: AtomicUsize,
    /// Elements of trade messages that were dropped. Counted at once; the entry that tells the ledger of
    /// them comes when the loss is over.
    pub dropped: AtomicU64,
    /// Rows cannot be written at the moment, because of an error.
    pub disk_trouble: AtomicBool,
    /// The server has refused the key, and has not accepted it since.
    pub key_refused: AtomicBool,
    /// When the last text message arrived; 0 before the first.
    pub last_message_ms: AtomicI64,
    /// How much the wall clock was ahead of the time since the boot when the session looked last, in
    /// milliseconds; 0 without a connection. That it was set forward has been sent before.
    pub clock_ahead_ms: AtomicI64,
    /// A stop was asked for: do not wait for a handshake or a slow reader any longer.
    pub stopping: Arc<AtomicBool>,
    /// Set with a stop: trades that are not written by then are counted as dropped.
    pub write_until: OnceLock<Instant>,
    /// The snapshot for the terminal and the page.
    pub slot: SnapshotSlot,
    /// The thread that waits for entries, once it has.
    receiver: OnceLock<Thread>,
    /// Whether it sleeps, or is about to.
    receiver_sleeps: AtomicBool,
}

impl SharedState {
    /// Lets everybody know that a stop was asked for, and until when rows are still written.
    pub fn stop(&self, write_until: Instant) {
        // The first stop counts.
        let _ = self.write_until.set(write_until);
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether there is no time left to write rows.
    pub fn is_out_of_time(&self) -> bool {
        self.write_until.get().is_some_and(|until| Instant::now() >= *until)
    }
}

/// Opens the channel to the writer, with nothing in it yet.
pub fn open() -> (WriterSender, WriterReceiver) {
    let (sender, entries) = mpsc::channel();
    let shared = Arc::<SharedState>::default();
    (WriterSender { sender, shared: Arc::clone(&shared) }, WriterReceiver { entries, shared })
}

/// The writer's end of the channel.
///
/// It does not sleep inside the standard library's channel: a sender that wakes somebody there holds
/// a lock which the woken thread needs as soon as it has written its row. At 5,000 messages a second
/// that made five switches between the threads for each message, instead of two.
#[derive(Debug)]
pub struct WriterReceiver {
    entries: Receiver<WriterMessage>,
    shared: Arc<SharedState>,
}

impl WriterReceiver {
    /// The next entry, if there is one.
    ///
    /// # Errors
    /// `Empty` when there is none, `Disconnected` when none will ever come.
    pub fn try_recv(&self) -> Result<WriterMessage, TryRecvError> {
        self.entries.try_recv()
    }

    /// Waits for the next entry, but no longer than `time`. Always to be called by the same thread. That
    /// nobody can send any more is noticed when the time is over.
    ///
    /// # Errors
    /// `Timeout` when none has come, `Disconnected` when none will ever come.
    pub fn recv_timeout(&self, time: Duration) -> Result<WriterMessage, RecvTimeoutError> {
        let SharedState { receiver, receiver_sleeps, .. } = &*self.shared;
        receiver.get_or_init(thread::current);
        let until = Instant::now() + time;
        loop {
            receiver_sleeps.store(true, Ordering::Release);
            // Either the look below finds an entry, or its sender finds this thread asleep.
            atomic::fence(Ordering::SeqCst);
            let left = until.saturating_duration_since(Instant::now());
            let found = match self.entries.try_recv() {
                Err(TryRecvError::Empty) if !left.is_zero() => None,
                Err(TryRecvError::Empty) => Some(Err(RecvTimeoutError::Timeout)),
                Err(TryRecvError::Disconnected) => Some(Err(RecvTimeoutError::Disconnected)),
                Ok(entry) => Some(Ok(entry)),
            };
            if let Some(found) = found {
                receiver_sleeps.store(false, Ordering::Relaxed);
                return found;
            }
            thread::park_timeout(left);
        }
    }
}

/// The sending end of the channel to the writer.
#[derive(Debug, Clone)]
pub struct WriterSender {
    sender: Sender<WriterMessage>,
    shared: Arc<SharedState>,
}

impl WriterSender {
    /// Sends an entry. Never waits; once the writer has ended, entries go nowhere.
    pub fn send(&self, entry: WriterMessage) {
        if let WriterMessage::Trades(batch) = &entry {
            self.shared.waiting_bytes.fetch_add(batch.bytes(), Ordering::Relaxed);
        }
        let _ = self.sender.send(entry);
        atomic::fence(Ordering::SeqCst);
        let SharedState { receiver, receiver_sleeps, .. } = &*self.shared;
        if receiver_sleeps.load(Ordering::Relaxed)
            && receiver_sleeps.swap(false, Ordering::Acquire)
            && let Some(receiver) = receiver.get()
        {
            receiver.unpark();
        }
    }

    /// What both sides share.
    pub fn shared(&self) -> &Arc<SharedState> {
        &self.shared
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::RecvTimeoutError;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{TradeBatch, WriterMessage, open};

    #[test]
    fn no_entry_is_slept_through_however_it_meets_the_receiver() {
        const ENTRIES: i64 = 20_000;
        let long = Duration::from_secs(20);
        let (entries, inbox) = open();
        let receiving = thread::spawn(move || {
            for number in 0..ENTRIES {
                let asked = Instant::now();
                let received = inbox.recv_timeout(long);
                assert_eq!(received, Ok(WriterMessage::Trades(TradeBatch::new(number))));
                assert!(asked.elapsed() < long, "it was found only when the time was over");
            }
            inbox.recv_timeout(Duration::from_millis(1))
        });
        for number in 0..ENTRIES {
            entries.send(WriterMessage::Trades(TradeBatch::new(number)));
            // Now and then the receiver has the time to fall asleep.
            if number % 16 == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(receiving.join().unwrap(), Err(RecvTimeoutError::Timeout));
    }

    #[test]
    fn a_batch_gives_its_messages_back_in_order() {
        let mut batch = TradeBatch::new(7);
        assert!(batch.is_empty());
        for message in ["a", "", "bcd"] {
            batch.push(message);
        }
        assert_eq!(batch.messages().collect::<Vec<_>>(), ["a", "", "bcd"]);
    }

    #[test]
    fn a_batch_takes_room_for_all_the_memory_it_holds() {
        let mut batch = TradeBatch::new(7);
        batch.push("a");
        let held = batch.texts.capacity() + 4 * batch.ends.capacity();
        assert!(batch.bytes() > held + size_of::<WriterMessage>(), "{} for {held}", batch.bytes());
        batch.push(&"b".repeat(100_000));
        assert!(batch.bytes() > 100_000);
    }
}
