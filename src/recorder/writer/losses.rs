//! Trades that the session has dropped: in the sums at once, in the ledger when everything before them is
//! in the file.
//!
//! Writer thread.

use std::sync::atomic::Ordering;

use log::error;

use super::Writer;
use super::disk_retry::READER_SLOW;
use crate::recorder::output::Output;
use crate::text::clock::show_ms;

impl Writer {
    /// Takes over into the sums what the session has dropped by now.
    pub(super) fn count_dropped(&mut self) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        let new = dropped.saturating_sub(self.counted_dropped);
        self.counted_dropped = dropped;
        self.totals.counts.received += new;
        self.totals.counts.dropped += new;
    }

    /// Tells the ledger of trades that were dropped after `after_ms`.
    pub(super) fn record_loss(&mut self, after_ms: i64, trades: u64, disk_failed: bool) {
        self.ledger_dropped += trades;
        let cause = if disk_failed { &self.last_cause } else { self.slow("disk too slow") };
        let reason = format!("{cause}: {trades} trades dropped");
        error!("{reason} after {}", show_ms(after_ms));
        self.ledger_down(after_ms, &reason);
    }

    /// The cause of a loss without an error: the reader of the pipe, or with files `otherwise`.
    pub(super) fn slow(&self, otherwise: &'static str) -> &'static str {
        if matches!(self.output, Output::Pipe(..)) { READER_SLOW } else { otherwise }
    }
}
