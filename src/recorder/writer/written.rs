//! How many trades are in the files, and when the last of them was received.
//!
//! Writer thread. Rows of a file that somebody has removed do not count, until they are written again.

/// The trades that were written, as of now and as of the last check of the files.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) trades: u64,
    /// When the last of them was received, UNIX milliseconds of this machine.
    pub(super) last_ms: i64,
    /// Trades and time at the last check of the files.
    checked: (u64, i64),
    /// Trades written since then to a file that was removed; they are written again when possible.
    pub(super) lost: u64,
}

impl Written {
    /// Nothing yet, at this machine's time `now_ms`.
    pub(super) fn new(now_ms: i64) -> Self {
        Self { trades: 0, last_ms: now_ms, checked: (0, now_ms), lost: 0 }
    }

    /// The files are whole, with every row in them.
    pub(super) fn confirm(&mut self) {
        self.trades += std::mem::take(&mut self.lost);
        self.checked = (self.trades, self.last_ms);
    }

    /// Rows since the last check are in a file without a name.
    pub(super) fn take_back(&mut self) {
        self.lost += self.trades.saturating_sub(self.checked.0);
        (self.trades, self.last_ms) = self.checked;
    }
}
