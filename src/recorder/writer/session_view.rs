//! The session as the writer sees it: its times, waiting and dropped trades, and the request to stop it.
//!
//! Writer thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::channel::SharedState;
use crate::text::clock::Clocks;

/// The session as the writer sees it. Ends the session when it is dropped, also by a panic:
/// without a writer nothing may be read.
pub(super) struct SessionView {
    pub(super) shared: Arc<SharedState>,
    /// Asks the session to end.
    pub(super) stop: Box<dyn Fn() + Send>,
    /// How far the wall clock was ahead when the session read it last before the entries at hand were sent.
    clock_ahead_ms: i64,
    /// When the last message came, as of the entries at hand: UNIX milliseconds of this machine.
    pub(super) last_message_ms: i64,
    /// Dropped trades of the session that the sums count.
    counted_dropped: u64,
    /// Dropped trades of the session that the ledger has.
    pub(super) ledger_dropped: u64,
}

impl Drop for SessionView {
    fn drop(&mut self) {
        (self.stop)();
    }
}

impl SessionView {
    /// A session that `stop` asks to end.
    pub(super) fn new(shared: Arc<SharedState>, stop: impl Fn() + Send + 'static) -> Self {
        let (stop, clock_ahead_ms, last_message_ms) = (Box::new(stop), 0, 0);
        let (counted_dropped, ledger_dropped) = (0, 0);
        Self { shared, stop, clock_ahead_ms, last_message_ms, counted_dropped, ledger_dropped }
    }

    /// Takes over the times that the session has noted. To be called before entries are taken.
    pub(super) fn refresh(&mut self) {
        self.clock_ahead_ms = self.shared.clock_ahead_ms.load(Ordering::Relaxed);
        self.last_message_ms = self.shared.last_message_ms.load(Ordering::Relaxed);
    }

    /// The present time; `None` when the clock was set forward and the session has not noticed, so that the
    /// ledger does not have it yet.
    pub(super) fn known_now_ms(&self) -> Option<i64> {
        let (now, ahead_ms) = (Clocks::now(), self.clock_ahead_ms);
        (ahead_ms == 0 || !now.was_set_forward_since(ahead_ms)).then_some(now.wall_ms)
    }

    /// Whether trades wait: on the channel, or taken from it and not yet in the file.
    pub(super) fn has_waiting_trades(&self) -> bool {
        self.shared.waiting_bytes.load(Ordering::Relaxed) > 0
    }

    /// The number of trades that the session has dropped since the last call.
    pub(super) fn newly_dropped(&mut self) -> u64 {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        dropped.saturating_sub(std::mem::replace(&mut self.counted_dropped, dropped))
    }

    /// Whether trades were dropped of which the ledger does not know yet.
    pub(super) fn has_unknown_losses(&self) -> bool {
        self.shared.dropped.load(Ordering::Relaxed) > self.ledger_dropped
    }
}
