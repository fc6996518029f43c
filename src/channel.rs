//! The channel to the writer thread: its two ends, what travels on it, and the state that both sides
//! share. And the lines for the terminal.
//!
//! Any thread sends, the writer receives. No I/O and no clock: times are arguments, UNIX
//! milliseconds by this machine's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use log::Level;

use crate::status::snapshot::SnapshotSlot;

/// Memory of an entry without its texts: its place in a queue that may just have doubled, and what
/// the allocator needs for each of its two pieces of memory.
const ENTRY_BYTES: usize = 2 * size_of::<Entry>() + 2 * 16;

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
        ENTRY_BYTES + self.texts.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    /// Whether there is no message in it.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// One thing for the writer thread to do, in the order sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
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

/// One thing for the terminal to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A log line.
    Log(Level, String),
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
    /// Which files it was about; the number grows with each rotation.
    pub generation: u64,
    /// Bytes of the CSV when it began.
    pub csv_length: u64,
    /// Bytes of the ledger when it began.
    pub ledger_length: u64,
    /// So many rows of the ledger, written or not, come after trades that are in those bytes.
    pub ledger_rows: u64,
    /// The system's error, if any.
    pub error: Option<String>,
}

/// What the session and the writer share without waiting for each other. Other threads read it.
#[derive(Debug, Default)]
pub struct SharedState {
    /// Bytes of trade messages that were sent and are not yet in the file.
    pub waiting_bytes: AtomicUsize,
    /// Bytes of log lines that were sent and are not yet in the log file.
    pub log_bytes: AtomicUsize,
    /// Rows cannot be written at the moment.
    pub disk_trouble: AtomicBool,
    /// The server has refused the key, and has not accepted it since.
    pub key_refused: AtomicBool,
    /// The writer has ended: it was told to, or has panicked.
    pub writer_gone: AtomicBool,
    /// When the last text message arrived; 0 before the first.
    pub last_message_ms: AtomicI64,
    /// A stop was asked for: do not wait for a handshake or a slow reader any longer.
    pub stopping: Arc<AtomicBool>,
    /// The snapshot for the terminal and the page.
    pub slot: SnapshotSlot,
}

/// Opens the channel to the writer, with nothing in it yet.
pub fn open() -> (EntrySender, Receiver<Entry>) {
    let (sender, entries) = mpsc::channel();
    (EntrySender { sender, shared: Arc::default() }, entries)
}

/// The sending end of the channel to the writer.
#[derive(Debug, Clone)]
pub struct EntrySender {
    sender: Sender<Entry>,
    shared: Arc<SharedState>,
}

impl EntrySender {
    /// Sends an entry. Never waits; once the writer has ended, entries go nowhere and
    /// [`SharedState::writer_gone`] says so.
    pub fn send(&self, entry: Entry) {
        if let Entry::Trades(batch) = &entry {
            self.shared.waiting_bytes.fetch_add(batch.bytes(), Ordering::Relaxed);
        }
        if self.sender.send(entry).is_err() {
            self.shared.writer_gone.store(true, Ordering::Relaxed);
        }
    }

    /// What both sides share.
    pub fn shared(&self) -> &Arc<SharedState> {
        &self.shared
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, TradeBatch};

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
        assert!(batch.bytes() > held + size_of::<Entry>(), "{} for {held}", batch.bytes());
        batch.push(&"b".repeat(100_000));
        assert!(batch.bytes() > 100_000);
    }
}
