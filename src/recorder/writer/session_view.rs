//! What the writer knows of the session, and shares with it: what waits, what was dropped, the stop.
//!
//! Writer thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::channel::SharedState;
use crate::text::clock::Clocks;

/// The session as the writer sees it. Ends the session when it is dropped: nothing may be read when
/// nobody writes it, after a panic neither.
pub(super) struct SessionView {
    pub(super) shared: Arc<SharedState>,
    /// Asks the session to end.
    pub(super) stop: Box<dyn Fn() + Send>,
    /// How much the wall clock was ahead when the session looked last, as of the entries at hand: nothing is
    /// concluded from what comes later.
    clock_ahead_ms: i64,
    /// When the last message came, as of the entries at hand: UNIX milliseconds of this machine.
    pub(super) last_message_ms: i64,
    /// How many of the trades that the session has dropped are in the sums …
    counted_dropped: u64,
    /// … and how many in the ledger.
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
    pub(super) fn look(&mut self) {
        self.clock_ahead_ms = self.shared.clock_ahead_ms.load(Ordering::Relaxed);
        self.last_message_ms = self.shared.last_message_ms.load(Ordering::Relaxed);
    }

    /// What the clock shows; `None` when it was set forward and the session has not noticed yet, so that the
    /// ledger knows nothing of it.
    pub(super) fn known_now_ms(&self) -> Option<i64> {
        let (now, ahead_ms) = (Clocks::now(), self.clock_ahead_ms);
        (ahead_ms == 0 || !now.was_set_forward_since(ahead_ms)).then_some(now.wall_ms)
    }

    /// Whether trades wait: on the channel, or taken from it and not yet in the file.
    pub(super) fn has_waiting_trades(&self) -> bool {
        self.shared.waiting_bytes.load(Ordering::Relaxed) > 0
    }

    /// How many trades the session has dropped since this was asked last.
    pub(super) fn newly_dropped(&mut self) -> u64 {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        dropped.saturating_sub(std::mem::replace(&mut self.counted_dropped, dropped))
    }

    /// Whether trades were dropped of which the ledger does not know yet.
    pub(super) fn has_unknown_losses(&self) -> bool {
        self.shared.dropped.load(Ordering::Relaxed) > self.ledger_dropped
    }
}
