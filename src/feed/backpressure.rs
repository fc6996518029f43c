//! Sends trades to the writer, no faster than it writes and no more than a bounded queue takes.
//!
//! Main thread. Trades that stay in the socket are not lost: while the queue is full, nothing is read.
//! A trade is dropped only when the disk reports an error, or takes nothing for half a minute: the newest
//! first, and then everything until there is room again, so that a loss is one span of time.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use log::{error, warn};

use crate::channel::{TradeBatch, WriterMessage, WriterSender};
use crate::protocol::message::Decoder;

/// Bytes of trade messages that may wait: hours of a busy free plan, minutes of the worst burst. One
/// read of the socket may come on top.
const QUEUE_BYTES: usize = 64 << 20;

/// After dropping, trades are taken again only below this: so a loss is one gap and not hundreds.
const RESUME_BYTES: usize = QUEUE_BYTES / 4 * 3;

/// How long a full queue is waited for while the disk reports no error and takes nothing. No longer, because a
/// server that cannot send closes the connection.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// After this time it is logged why nothing is read.
const SAID_AFTER: Duration = Duration::from_secs(1);

/// Above this the socket is read no faster than the disk takes rows: the server's own buffers are the
/// better place for a burst than ours.
const PACE_BYTES: usize = 512 << 10;

/// The first pause for a busy disk; a fast disk writes a fifth of [`PACE_BYTES`] in it. Each further pause is
/// twice as long.
const PACE_STEP: Duration = Duration::from_micros(200);
/// All pauses together are no longer than this: the server, a stop and a changed watch list come first.
const LONGEST_PACE: Duration = Duration::from_millis(50);

/// While trades are dropped, their number is logged after this time, and then after pauses that are each twice
/// as long as the one before.
const FIRST_REPORT: Duration = Duration::from_millis(500);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Sends trades to the writer.
pub(super) struct TradeSender {
    entries: WriterSender,
    /// Counts the trades that are dropped.
    decoder: Decoder,
    /// When the last trades that were sent had been received, UNIX milliseconds of this machine.
    last_sent_ms: i64,
    /// How long nothing was read because the queue was full.
    waited: Duration,
    /// Whether the wait was logged.
    said_waiting: bool,
    /// How many bytes waited at the last check.
    last_waiting: usize,
    /// The loss since the last trades were sent, while trades are dropped.
    loss: Option<Loss>,
}

/// Trades that were dropped.
struct Loss {
    trades: u64,
    /// Whether the disk had reported an error.
    disk_failed: bool,
    /// How many of these have been logged.
    said: u64,
    say_again: Instant,
    pause: Duration,
}

impl TradeSender {
    pub(super) fn new(entries: WriterSender) -> Self {
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

    /// Whether the socket may be read now: there is room, or the longest wait is over, or waiting does not
    /// help.
    pub(super) fn may_read(&mut self) -> bool {
        let waiting = self.waiting_bytes();
        if waiting < self.limit() || waiting < self.last_waiting {
            self.waited = Duration::ZERO;
        }
        self.last_waiting = waiting;
        self.said_waiting &= waiting >= RESUME_BYTES;
        waiting < self.limit() || self.has_no_patience()
    }

    /// Adds `time` in which nothing was read because [`Self::may_read`] gave `false`.
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
    pub(super) fn send(&mut self, batch: TradeBatch, live_from: impl FnOnce(i64) -> WriterMessage) {
        self.pace();
        let waiting = self.waiting_bytes();
        let is_full = waiting > 0 && waiting + batch.bytes() > self.limit();
        if is_full && (self.is_dropping() || self.has_no_patience()) {
            self.drop_trades(&batch);
            return;
        }
        self.end_loss(batch.received_ms, live_from);
        self.last_sent_ms = batch.received_ms;
        self.entries.send(WriterMessage::Trades(batch));
    }

    /// Whether trades have been dropped, and the loss is not over.
    pub(super) fn is_dropping(&self) -> bool {
        self.loss.is_some()
    }

    /// While trades are dropped, to be called twice a second at least: says how many, and ends the loss
    /// when there is room, whether or not a trade follows. `now_ms` and `live_from` as in [`Self::send`].
    pub(super) fn follow_loss(
        &mut self,
        now_ms: i64,
        live_from: impl FnOnce(i64) -> WriterMessage,
    ) {
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
        self.entries.send(WriterMessage::Dropped { after_ms, trades, disk_failed });
        true
    }

    fn end_loss(&mut self, at_ms: i64, live_from: impl FnOnce(i64) -> WriterMessage) {
        if self.report_loss(at_ms) {
            self.entries.send(live_from(at_ms));
        }
    }

    fn drop_trades(&mut self, batch: &TradeBatch) {
        let mut trades = 0;
        for message in batch.messages() {
            // An unreadable message has no trades.
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

    /// Bytes that may wait.
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

    /// Logs the number of dropped trades, if it is new and the last line is long enough ago.
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
mod tests;
