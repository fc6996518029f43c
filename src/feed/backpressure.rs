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
mod tests;
