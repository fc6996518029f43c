//! What travels on the channels to the writer thread and to the terminal, and what is known of the
//! first one.
//!
//! Made on any thread, read by the writer. No I/O, no clock: times are arguments, all of them this
//! machine's clock in UNIX milliseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use log::Level;

use crate::status::snapshot::SnapshotSlot;

/// What an entry takes beside its texts: its place in a queue, which may just have doubled, and
/// what the allocator keeps beside each of its two pieces of memory.
const ENTRY_BYTES: usize = 2 * size_of::<Entry>() + 2 * 16;

/// Trade messages that were read from the socket in one go.
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

    /// What the batch takes of the waiting room: the memory it holds, not only its text, which for
    /// messages of one trade is the smaller part.
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
    /// What is wanted while there is no connection; for the terminal and the page only.
    Wanted {
        /// Since when.
        at_ms: i64,
        /// The symbols.
        tickers: Vec<String>,
    },
    /// Trades that found no room to wait in after `after_ms`.
    Dropped {
        /// When the last trade that was kept had been received.
        after_ms: i64,
        /// Elements of trade messages that are lost.
        trades: u64,
    },
    /// The system has forced files to the disk, or could not.
    Synced(SyncOutcome),
    /// A finished line for the log file.
    Log(String),
    /// Nothing comes after this: write everything, force it to the disk, and end.
    Finish,
    /// The same, but the server has refused the start: leave no file behind that it has made.
    Refused,
}

/// One thing for the terminal to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A log line.
    Log(Level, String),
    /// The end has begun: no live line from here on, so that none is left behind when the program
    /// leaves at once.
    Stopping,
    /// A line as it is, at the end; the live line is gone before it.
    Plain(String),
    /// Nothing comes after this.
    End,
}

/// What became of forcing a recording to the disk in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncOutcome {
    /// Which of the recording's files it was about, counted through rotations.
    pub generation: u64,
    /// Bytes of the CSV that were there when it began.
    pub csv_length: u64,
    /// Bytes of the ledger that were there when it began.
    pub ledger_length: u64,
    /// Rows of the ledger, written or not, before which every trade was in those bytes.
    pub ledger_rows: u64,
    /// The system's error, if any.
    pub error: Option<String>,
}

/// What the session and the writer share without waiting for each other, and the others look at.
#[derive(Debug, Default)]
pub struct SharedState {
    /// Bytes of trade messages handed over and not yet in the file.
    pub waiting_bytes: AtomicUsize,
    /// Bytes of log lines handed over and not yet in the log file.
    pub log_bytes: AtomicUsize,
    /// The disk refuses to take rows at the moment.
    pub disk_trouble: AtomicBool,
    /// The server has refused the key, and has not accepted it since.
    pub key_refused: AtomicBool,
    /// The writer has ended, which it does only when told to, or by a fault of ours.
    pub writer_gone: AtomicBool,
    /// When the last text message arrived; 0 before the first.
    pub last_message_ms: AtomicI64,
    /// The end was asked for: no handshake and no slow reader is waited for any longer.
    pub stopping: Arc<AtomicBool>,
    /// What is shown of both.
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
