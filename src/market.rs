//! What has been recorded so far, in numbers: counters, the last trade of each symbol, and the
//! snapshot of both that the terminal and the page read.
//!
//! Kept by the writer thread, which publishes a snapshot only when everything it counts has been
//! handed to the file. No I/O and no clock: times are arguments.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use crate::trade::Trade;

/// Symbols that are followed one by one. A server can send any number of others; those are
/// recorded and counted like the rest, but not remembered.
const FOLLOWED_SYMBOLS: usize = 10_000;

/// A symbol or price with more bytes is recorded and counted, but not remembered: it is nothing
/// that can be subscribed to, and the memory must have an end.
const LONGEST_TEXT: usize = 400;

/// A symbol without a trade for this long counts as silent. Liquid shares trade every second; for
/// a thin one five minutes are nothing, and the page says only "silent".
pub const SILENT_AFTER_MS: i64 = 5 * 60 * 1000;

/// The rate is taken over this span: long enough to be steady, short enough to follow a burst.
const RATE_SPAN_MS: i64 = 5_000;

/// Elements of trade messages. Always: `received = written + rejected + dropped`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Elements of the messages taken from the channel.
    pub received: u64,
    /// Rows handed to the file.
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
        let Counts { received, written, rejected, dropped, .. } = self;
        write!(
            formatter,
            "received {received} = written {written} + rejected {rejected} + dropped {dropped}"
        )
    }
}

/// Whether trades are being recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FeedState {
    /// No connection yet, or a new one is being tried.
    #[default]
    Connecting,
    /// Subscribed and recording.
    Live,
    /// Waiting before the next try, or ended.
    Down,
}

impl FeedState {
    /// The word for it on the page and in its JSON.
    pub fn name(self) -> &'static str {
        match self {
            FeedState::Connecting => "connecting",
            FeedState::Live => "live",
            FeedState::Down => "down",
        }
    }
}

/// What is known of one symbol.
#[derive(Debug, Clone, Default)]
pub struct TickerSnapshot {
    /// The symbol.
    pub symbol: String,
    /// Whether the server refuses it on this connection.
    pub refused: bool,
    /// The digits of the last price, in the quote currency; empty before the first trade.
    pub price: String,
    /// The digits of the first price since the start.
    pub first_price: String,
    /// Trades since the start.
    pub trades: u64,
    /// Shares or units since the start; a sum of floats, for showing only.
    pub volume: f64,
    /// The exchange's clock at the last trade, UNIX milliseconds.
    pub last_trade_ms: Option<i64>,
    /// This machine's clock when the last trade was received, UNIX milliseconds.
    pub last_received_ms: Option<i64>,
    /// Since when it is on the watch list, this machine's clock, UNIX milliseconds; `None` when it
    /// is not, and trades come all the same.
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
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// When the program started, UNIX milliseconds of this machine.
    pub started_ms: i64,
    /// When this was put together, UNIX milliseconds of this machine.
    pub published_ms: i64,
    /// Whether trades are being recorded.
    pub state: FeedState,
    /// Since when the present connection is live, UNIX milliseconds of this machine; `None` before
    /// the first one.
    pub live_since_ms: Option<i64>,
    /// Since when nothing is recorded, UNIX milliseconds of this machine; `None` while live, and
    /// before the first connection.
    pub down_since_ms: Option<i64>,
    /// Why not; empty while live.
    pub reason: String,
    /// What is wrong with the disk, if anything.
    pub disk_trouble: Option<String>,
    /// The sums.
    pub counts: Counts,
    /// Rows written per second, over the last seconds.
    pub trades_per_second: f64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Milliseconds since the first connection in which nothing was recorded, up to `published_ms`.
    pub missing_ms: i64,
    /// The file recorded to.
    pub out: String,
    /// Its size.
    pub out_bytes: u64,
    /// The wanted symbols in their order, and after them others that trades came for.
    pub tickers: Vec<TickerSnapshot>,
}

/// Where the writer leaves the latest snapshot. Neither side ever waits for the other: the lock is
/// held just long enough to move a pointer, and the writer skips a turn rather than wait for it.
#[derive(Debug, Clone, Default)]
pub struct SnapshotSlot(Arc<Mutex<Arc<Snapshot>>>);

impl SnapshotSlot {
    /// The latest snapshot.
    pub fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces it, or not when somebody is just reading; the next one comes soon.
    pub fn publish(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        match self.0.try_lock() {
            Ok(mut slot) => *slot = snapshot,
            Err(TryLockError::Poisoned(slot)) => *slot.into_inner() = snapshot,
            Err(TryLockError::WouldBlock) => {}
        }
    }
}

/// The running numbers.
#[derive(Debug, Default)]
pub struct Market {
    /// The sums.
    pub counts: Counts,
    started_ms: i64,
    state: FeedState,
    reason: String,
    connections: u64,
    live_since_ms: Option<i64>,
    down_since_ms: Option<i64>,
    missing_ms: i64,
    tickers: Vec<TickerSnapshot>,
    by_symbol: HashMap<String, usize>,
    latest: usize,
    /// Symbols that were taken off the list. Their last trades may still come and are recorded,
    /// but do not bring them back.
    gone: HashSet<String>,
    rate: VecDeque<(i64, u64)>,
}

impl Market {
    /// Nothing recorded yet, at the machine's time `now_ms`.
    pub fn new(now_ms: i64) -> Market {
        Market { started_ms: now_ms, ..Market::default() }
    }

    /// A trade was put into a row.
    pub fn trade(&mut self, trade: &Trade<'_>, received_ms: i64) {
        if trade.ticker.len() > LONGEST_TEXT || trade.price.len() > LONGEST_TEXT {
            return;
        }
        let Some(position) = self.position(&trade.ticker) else { return };
        let ticker = &mut self.tickers[position];
        ticker.trades += 1;
        ticker.price.clear();
        ticker.price.push_str(trade.price);
        if ticker.first_price.is_empty() {
            ticker.first_price.push_str(trade.price);
        }
        ticker.volume += trade.volume.parse::<f64>().unwrap_or(0.0);
        ticker.last_trade_ms = trade.timestamp_ms.parse().ok();
        ticker.last_received_ms = Some(received_ms);
    }

    fn position(&mut self, symbol: &str) -> Option<usize> {
        // Trades of a symbol come in runs.
        if self.tickers.get(self.latest).is_some_and(|ticker| ticker.symbol == symbol) {
            return Some(self.latest);
        }
        let known = self.by_symbol.get(symbol).copied();
        let position = known.or_else(|| {
            let is_new = self.tickers.len() < FOLLOWED_SYMBOLS && !self.gone.contains(symbol);
            is_new.then(|| self.add(symbol))
        })?;
        self.latest = position;
        Some(position)
    }

    fn add(&mut self, symbol: &str) -> usize {
        let position = self.tickers.len();
        self.tickers
            .push(TickerSnapshot { symbol: symbol.to_owned(), ..TickerSnapshot::default() });
        self.by_symbol.insert(symbol.to_owned(), position);
        position
    }

    /// A connection is being tried.
    pub fn connecting(&mut self) {
        self.state = FeedState::Connecting;
    }

    /// Recording from `at_ms` on, with this watch list: a new connection, or a changed list.
    pub fn live(&mut self, at_ms: i64, tickers: &[String], refused: &[String]) {
        if self.state != FeedState::Live {
            self.connections += 1;
            self.live_since_ms = Some(at_ms);
        }
        self.resume(at_ms);
        self.state = FeedState::Live;
        self.reason.clear();
        self.follow(tickers, refused, at_ms);
    }

    /// Nothing is recorded from `at_ms` on.
    pub fn down(&mut self, at_ms: i64, reason: &str) {
        if self.connections > 0 {
            self.down_since_ms.get_or_insert(at_ms);
        }
        self.state = FeedState::Down;
        reason.clone_into(&mut self.reason);
    }

    /// Another try has failed in an outage that is known already.
    pub fn not_connected(&mut self, reason: &str) {
        self.state = FeedState::Down;
        reason.clone_into(&mut self.reason);
    }

    /// A span in which trades were dropped although the connection was up.
    pub fn lost(&mut self, from_ms: i64, to_ms: i64) {
        self.missing_ms += (to_ms - from_ms).max(0);
    }

    fn resume(&mut self, at_ms: i64) {
        if let Some(since) = self.down_since_ms.take() {
            self.missing_ms += (at_ms - since).max(0);
        }
    }

    /// Puts the watch list first, in its order, and forgets symbols that are no longer on it.
    fn follow(&mut self, tickers: &[String], refused: &[String], at_ms: i64) {
        let mut old = std::mem::take(&mut self.tickers);
        self.by_symbol.clear();
        for symbol in tickers.iter().chain(refused) {
            let known = old.iter().position(|ticker| ticker.symbol == *symbol);
            let mut ticker = known.map(|position| old.swap_remove(position)).unwrap_or_default();
            symbol.clone_into(&mut ticker.symbol);
            ticker.refused = refused.contains(symbol);
            ticker.wanted_since_ms.get_or_insert(at_ms);
            self.by_symbol.insert(symbol.clone(), self.tickers.len());
            self.tickers.push(ticker);
            self.gone.remove(symbol);
        }
        if self.gone.len() + old.len() > FOLLOWED_SYMBOLS {
            self.gone.clear();
        }
        let gone = old.into_iter().filter(|ticker| ticker.wanted_since_ms.is_some());
        self.gone.extend(gone.map(|ticker| ticker.symbol));
        self.latest = 0;
    }

    /// Everything as of the machine's time `now_ms`. `out` and its size come from the file.
    pub fn snapshot(
        &mut self,
        now_ms: i64,
        out: &str,
        out_bytes: u64,
        disk_trouble: Option<String>,
    ) -> Snapshot {
        let running = self.down_since_ms.map_or(0, |since| (now_ms - since).max(0));
        Snapshot {
            started_ms: self.started_ms,
            published_ms: now_ms,
            state: self.state,
            live_since_ms: self.live_since_ms,
            down_since_ms: self.down_since_ms,
            reason: self.reason.clone(),
            disk_trouble,
            counts: self.counts,
            trades_per_second: self.trades_per_second(now_ms),
            reconnects: self.connections.saturating_sub(1),
            missing_ms: self.missing_ms + running,
            out: out.to_owned(),
            out_bytes,
            tickers: self.tickers.clone(),
        }
    }

    fn trades_per_second(&mut self, now_ms: i64) -> f64 {
        // A clock that was set back would keep old points for ever.
        if self.rate.back().is_some_and(|(at, _)| *at > now_ms) {
            self.rate.clear();
        }
        self.rate.push_back((now_ms, self.counts.written));
        while self.rate.len() > 2 && self.rate[1].0 <= now_ms - RATE_SPAN_MS {
            self.rate.pop_front();
        }
        let (from_ms, from) = self.rate[0];
        let span_ms = now_ms - from_ms;
        if span_ms <= 0 {
            return 0.0;
        }
        #[allow(clippy::cast_precision_loss)]
        let (trades, seconds) = ((self.counts.written - from) as f64, span_ms as f64 / 1000.0);
        trades / seconds
    }
}

#[cfg(test)]
mod tests {
    use super::{FeedState, Market, SILENT_AFTER_MS};
    use crate::trade::{Conditions, Trade};

    fn trade<'a>(ticker: &'a str, price: &'a str, volume: &'a str) -> Trade<'a> {
        let conditions = Conditions::Plain("");
        Trade { ticker: ticker.into(), price, volume, timestamp_ms: "1680286537580", conditions }
    }

    fn names(symbols: &[&str]) -> Vec<String> {
        symbols.iter().map(|symbol| (*symbol).to_owned()).collect()
    }

    #[test]
    fn each_symbol_keeps_its_last_trade_and_sums() {
        let mut market = Market::new(0);
        market.live(10, &names(&["A", "B"]), &names(&["C"]));
        market.trade(&trade("A", "1.10", "2"), 20);
        market.trade(&trade("B", "9", "1"), 21);
        market.trade(&trade("A", "1.20", "0.5"), 22);
        let snapshot = market.snapshot(30, "x.csv", 7, None);
        let a = &snapshot.tickers[0];
        assert_eq!(
            (a.symbol.as_str(), a.price.as_str(), a.first_price.as_str()),
            ("A", "1.20", "1.10")
        );
        assert_eq!((a.trades, a.volume, a.last_trade_ms), (2, 2.5, Some(1_680_286_537_580)));
        assert_eq!(a.last_received_ms, Some(22));
        let states: Vec<_> = snapshot.tickers.iter().map(|ticker| ticker.state(30)).collect();
        assert_eq!(states, ["live", "live", "refused"]);
        assert_eq!(a.state(22 + SILENT_AFTER_MS), "silent");
    }

    #[test]
    fn a_late_trade_does_not_bring_a_symbol_back() {
        let mut market = Market::new(0);
        market.live(10, &names(&["A", "B"]), &[]);
        market.live(20, &names(&["B"]), &[]);
        for symbol in ["A", "OTHER", "A", "B"] {
            market.trade(&trade(symbol, "9", "1"), 21);
        }
        let shown = |market: &mut Market| {
            let tickers = market.snapshot(40, "", 0, None).tickers;
            tickers.into_iter().map(|t| (t.symbol, t.trades)).collect::<Vec<_>>()
        };
        assert_eq!(shown(&mut market), [("B".to_owned(), 1), ("OTHER".to_owned(), 1)]);
        market.live(50, &names(&["B", "A"]), &[]);
        market.trade(&trade("A", "9", "1"), 51);
        assert_eq!(shown(&mut market), [("B".to_owned(), 1), ("A".to_owned(), 1)]);
    }

    #[test]
    fn a_changed_list_keeps_what_is_known_and_forgets_what_is_gone() {
        let mut market = Market::new(0);
        market.live(10, &names(&["A", "B"]), &[]);
        market.trade(&trade("B", "9", "1"), 21);
        market.live(30, &names(&["B", "C"]), &[]);
        let snapshot = market.snapshot(40, "", 0, None);
        let shown: Vec<_> =
            snapshot.tickers.iter().map(|t| (t.symbol.as_str(), t.trades)).collect();
        assert_eq!(shown, [("B", 1), ("C", 0)]);
        let since: Vec<_> = snapshot.tickers.iter().map(|t| t.wanted_since_ms).collect();
        assert_eq!((since, snapshot.live_since_ms), (vec![Some(10), Some(30)], Some(10)));
        assert_eq!(snapshot.reconnects, 0, "a changed list is no new connection");
    }

    #[test]
    fn missing_time_runs_from_down_to_live() {
        let mut market = Market::new(0);
        market.down(5, "refused");
        market.live(10, &names(&["A"]), &[]);
        market.down(100, "lost");
        market.down(150, "refused");
        assert_eq!(market.snapshot(200, "", 0, None).missing_ms, 100);
        market.connecting();
        market.not_connected("refused again");
        assert_eq!(market.snapshot(200, "", 0, None).reason, "refused again");
        market.live(300, &names(&["A"]), &[]);
        let snapshot = market.snapshot(400, "", 0, None);
        assert_eq!((snapshot.missing_ms, snapshot.reconnects), (200, 1));
        assert_eq!(snapshot.state, FeedState::Live);
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut market = Market::new(0);
        for second in 0..20 {
            market.counts.written = if second < 10 { second * 100 } else { 1000 };
            let rate = market
                .snapshot(i64::try_from(second).unwrap() * 1000, "", 0, None)
                .trades_per_second;
            match second {
                1..=9 => assert!((rate - 100.0).abs() < 1e-9, "{second}: {rate}"),
                16.. => assert!(rate.abs() < 1e-9, "{second}: {rate}"),
                _ => {}
            }
        }
    }
}
