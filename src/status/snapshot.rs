//! The snapshot of everything that the terminal and the page read, and the place where they read it.
//!
//! The writer thread publishes it (`totals`), only when everything it counts has been written to the
//! file; the state of the feed comes from the session (`feed_status`). No I/O and no clock: times are
//! arguments. The fields have the names of `/api/status`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use serde::{Serialize, Serializer};

use super::candles::{RecentCandles, SymbolCandle};
pub use super::feed_status::{FeedState, FeedStatus, Gap};
use crate::text::counted;

/// A symbol without a trade for this long counts as silent. Liquid shares trade every second; five
/// minutes mean little for a thin one, so that the page says only "silent".
pub const SILENT_AFTER_MS: i64 = 5 * 60 * 1000;

/// Elements of trade messages. Always: `received = written + rejected + dropped`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Elements of the messages taken from the channel.
    pub received: u64,
    /// Rows written to the file.
    pub written: u64,
    /// Elements that were no trades.
    pub rejected: u64,
    /// Trades lost because the disk did not take them.
    pub dropped: u64,
    /// Messages that were no JSON; not part of the sum.
    pub unreadable: u64,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { received, written, rejected, dropped, unreadable } = self;
        write!(
            formatter,
            "received {received} = written {written} + rejected {rejected} + dropped {dropped}"
        )?;
        match unreadable {
            0 => Ok(()),
            _ => write!(formatter, "; {}", counted(*unreadable, "unreadable message")),
        }
    }
}

/// What is known of one symbol.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TickerSnapshot {
    /// The symbol.
    pub symbol: String,
    /// Whether the server refuses it on this connection.
    #[serde(skip)]
    pub refused: bool,
    /// The digits of the last price, in the quote currency; empty before the first trade.
    #[serde(serialize_with = "null_if_empty")]
    pub price: String,
    /// The digits of the first price since the start.
    #[serde(serialize_with = "null_if_empty")]
    pub first_price: String,
    /// Trades since the start.
    pub trades: u64,
    /// Shares or units since the start; a sum of floats, for showing only.
    pub volume: f64,
    /// The exchange's clock at the last trade, UNIX milliseconds; `None` before the first trade.
    pub last_trade_ms: Option<i64>,
    /// This machine's clock when the last trade was received, UNIX milliseconds.
    pub last_received_ms: Option<i64>,
    /// Since when it is on the watch list, this machine's clock, UNIX milliseconds; `None` for a symbol
    /// whose trades arrive although it is not on the list.
    pub wanted_since_ms: Option<i64>,
}

impl TickerSnapshot {
    /// `refused`, `silent` or `live`, at the machine's time `now_ms`.
    pub fn state(&self, now_ms: i64) -> &'static str {
        match self.last_received_ms {
            _ if self.refused => "refused",
            Some(received) if now_ms - received < SILENT_AFTER_MS => "live",
            _ => "silent",
        }
    }
}

/// A consistent view of everything, as of one instant.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Snapshot {
    /// When the program started, UNIX milliseconds of this machine.
    pub started_ms: i64,
    /// When this was put together, UNIX milliseconds of this machine.
    pub published_ms: i64,
    /// Whether trades are being recorded.
    pub state: FeedState,
    /// Since when the present connection is live, UNIX milliseconds of this machine; `None` before
    /// the first one.
    #[serde(skip)]
    pub live_since_ms: Option<i64>,
    /// Since when nothing is recorded, UNIX milliseconds of this machine; `None` while live, and
    /// before the first connection.
    #[serde(skip)]
    pub down_since_ms: Option<i64>,
    /// Why nothing is recorded; empty while live.
    pub reason: String,
    /// What is wrong with the disk, if anything.
    pub disk_trouble: Option<String>,
    /// The sums.
    #[serde(flatten)]
    pub counts: Counts,
    /// Rows written per second, over the last seconds.
    pub trades_per_second: f64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Milliseconds in which nothing was recorded, up to `published_ms`.
    pub missing_ms: i64,
    /// The spans in which nothing was recorded, in their order; an open one is not among them.
    #[serde(skip)]
    pub gaps: Arc<VecDeque<Gap>>,
    /// The file recorded to.
    pub out: String,
    /// Its size.
    pub out_bytes: u64,
    /// The wanted symbols in their order, and after them others that trades came for.
    #[serde(skip)]
    pub tickers: Vec<TickerSnapshot>,
}

impl Snapshot {
    /// Takes the state of the feed over.
    pub(super) fn show(&mut self, feed: &FeedStatus) {
        self.state = feed.state;
        self.reason.clone_from(&feed.reason);
        self.live_since_ms = feed.live_since_ms;
        self.down_since_ms = feed.down_since_ms;
        self.reconnects = feed.connections.saturating_sub(1);
        self.gaps = Arc::clone(&feed.gaps);
        self.missing_ms = feed.missing_ms;
        self.missing_ms += self.gap_now().map_or(0, |gap| gap.to_ms - gap.from_ms);
    }

    /// The open gap, if nothing is recorded now.
    pub fn gap_now(&self) -> Option<Gap> {
        let from_ms = self.down_since_ms?;
        let to_ms = self.published_ms.max(from_ms);
        Some(Gap { from_ms, to_ms, reason: self.reason.clone() })
    }
}

/// The program was paused when there was no new snapshot for this long: there is one every two seconds
/// at least.
const PAUSED_MS: i64 = 5_000;

/// Where the writer puts the latest snapshot, and the session the state of the feed. No thread
/// waits long: the lock is held only to move a pointer or to put a few numbers in, and the writer skips a
/// turn when it is taken.
#[derive(Debug, Default)]
pub struct SnapshotSlot(Mutex<Slot>);

#[derive(Debug, Default)]
struct Slot {
    latest: Arc<Snapshot>,
    feed: FeedStatus,
    /// What the page has not taken yet.
    candles: Vec<SymbolCandle>,
}

impl SnapshotSlot {
    /// The latest snapshot, with the state of the feed as it is now.
    pub fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.lock().latest)
    }

    /// The latest snapshot, and what its trades have added to candles since the last call.
    #[cfg(feature = "dashboard")]
    pub(crate) fn latest_and_candles(&self) -> (Arc<Snapshot>, Vec<SymbolCandle>) {
        let Slot { latest, candles, .. } = &mut *self.lock();
        (Arc::clone(latest), std::mem::take(candles))
    }

    /// Changes the state of the feed; it is shown at once.
    pub fn change_feed(&self, change: impl FnOnce(&mut FeedStatus)) {
        let Slot { latest, feed, .. } = &mut *self.lock();
        change(feed);
        Arc::make_mut(latest).show(feed);
    }

    /// Replaces the snapshot and hands candles over, or not when somebody is just reading; the next one
    /// comes soon.
    pub fn publish(&self, mut snapshot: Snapshot, candles: Option<&mut RecentCandles>) {
        let mut slot = match self.0.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(slot)) => slot.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let (before_ms, now_ms) = (slot.latest.published_ms, snapshot.published_ms);
        if before_ms > 0 && now_ms - before_ms > PAUSED_MS {
            slot.feed.paused(before_ms, now_ms);
        }
        snapshot.show(&slot.feed);
        slot.latest = Arc::new(snapshot);
        if let Some(candles) = candles {
            candles.hand_over(&mut slot.candles);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An empty text is one that is not known yet: `null` in JSON.
fn null_if_empty<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Some(text).filter(|text| !text.is_empty()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::{FeedState, Snapshot, SnapshotSlot};

    #[test]
    fn the_feed_is_shown_as_it_is_also_when_the_writer_is_late() {
        let slot = SnapshotSlot::default();
        slot.change_feed(|feed| feed.live(10));
        let snapshot = Snapshot { published_ms: 20, out_bytes: 7, ..Snapshot::default() };
        slot.publish(snapshot, None);
        assert_eq!(slot.latest().state, FeedState::Live);
        slot.change_feed(|feed| feed.down(15, "lost"));
        let latest = slot.latest();
        assert_eq!((latest.state, latest.reason.as_str()), (FeedState::Down, "lost"));
        assert_eq!((latest.published_ms, latest.out_bytes, latest.missing_ms), (20, 7, 5));
    }

    #[test]
    fn a_program_that_stood_still_shows_where_unless_that_is_known() {
        let slot = SnapshotSlot::default();
        let publish = |published_ms| {
            slot.publish(Snapshot { published_ms, ..Snapshot::default() }, None);
        };
        slot.change_feed(|feed| feed.live(10));
        publish(1_000);
        publish(6_000);
        assert!(slot.latest().gaps.is_empty());
        publish(12_000);
        slot.change_feed(|feed| feed.lost(12_000, 20_000, "lost"));
        publish(21_000);
        let gaps =
            slot.latest().gaps.iter().map(|gap| (gap.from_ms, gap.to_ms)).collect::<Vec<_>>();
        assert_eq!(gaps, [(6_000, 12_000), (12_000, 20_000)]);
        assert_eq!(slot.latest().missing_ms, 8_000);
    }
}
