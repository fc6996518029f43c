//! From the session to the writer: at the writer's pace, into a room that has an end.
//!
//! Main thread.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::channel::{Entry, Outbox, TradeBatch};
use crate::feed::backpressure::{Admission, PACE_BYTES, WaitingRoom};
use crate::protocol::message::Decoder;

/// The first pause for a busy disk; a fast one writes a fifth of [`PACE_BYTES`] in it. Each
/// further one is twice as long …
const PACE_STEP: Duration = Duration::from_micros(200);
/// … and together they end here: the server, a stop and a changed watch list come first.
const PACE_PATIENCE: Duration = Duration::from_millis(50);

/// The way for trades.
pub(super) struct Handover {
    outbox: Outbox,
    room: WaitingRoom,
    decoder: Decoder,
    /// Whether the disk takes nothing although it reports no error, so that pacing is of no use.
    stalled: bool,
}

impl Handover {
    pub(super) fn new(outbox: Outbox) -> Handover {
        let (room, decoder) = (WaitingRoom::default(), Decoder::default());
        Handover { outbox, room, decoder, stalled: false }
    }

    /// Hands trades to the writer, unless there is no room for them to wait in. After a loss,
    /// `live_from` gives the ledger's word that they are recorded again.
    pub(super) fn trades(&mut self, batch: TradeBatch, live_from: impl FnOnce(i64) -> Entry) {
        self.pace();
        let waiting = self.outbox.gauges().waiting_bytes.load(Ordering::Relaxed);
        match self.room.admit(waiting, batch.bytes(), batch.received_ms) {
            Admission::Keep => self.outbox.send(Entry::Trades(batch)),
            Admission::KeepAfterLoss { after_ms, trades } => {
                self.lost(after_ms, batch.received_ms, trades);
                self.outbox.send(live_from(batch.received_ms));
                self.outbox.send(Entry::Trades(batch));
            }
            Admission::Drop => {
                let mut trades = 0;
                for message in batch.messages() {
                    // What is unreadable holds no trades.
                    let _ = self.decoder.decode(message, |_| trades += 1);
                }
                self.room.dropped(trades);
            }
        }
    }

    /// Whether trades are being kept.
    pub(super) fn is_open(&self) -> bool {
        self.room.is_open()
    }

    /// Tells of a loss that no trade has followed, at the end of a connection at `at_ms`.
    pub(super) fn tell_loss(&mut self, at_ms: i64) {
        if let Some((after_ms, trades)) = self.room.close() {
            self.lost(after_ms, at_ms, trades);
        }
    }

    fn lost(&self, after_ms: i64, until_ms: i64, trades: u64) {
        self.outbox.gauges().slot.feed().lost(after_ms, until_ms);
        self.outbox.send(Entry::Dropped { after_ms, trades });
    }

    /// Reads no faster than a healthy disk writes, so that a burst waits with the server rather
    /// than in our memory. A disk that takes nothing is not waited for.
    fn pace(&mut self) {
        let gauges = self.outbox.gauges();
        let waiting = || gauges.waiting_bytes.load(Ordering::Relaxed);
        let before = waiting();
        if before <= PACE_BYTES {
            self.stalled = false;
            return;
        }
        let (mut pause, mut paused) = (PACE_STEP, Duration::ZERO);
        while !self.stalled
            && waiting() > PACE_BYTES
            && paused < PACE_PATIENCE
            && !gauges.disk_trouble.load(Ordering::Relaxed)
        {
            thread::sleep(pause);
            paused += pause;
            pause *= 2;
        }
        self.stalled |= paused >= PACE_PATIENCE && waiting() >= before;
    }
}
