//! What each symbol did: the last hour second by second, everything older thinned out.
//!
//! The dashboard's thread. No I/O and no clock. It forgets nothing but detail: when old bars need
//! room, neighbours are merged into longer ones.
//!
//! Memory: a bar takes 24 bytes and a symbol at most 4096 + 2048 of them, 144 KiB; 50 symbols take
//! 7.2 MB, however many weeks it runs. More than 64 symbols share what 64 would have (9.4 MB), each
//! with less detail.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::{Serialize, Serializer};

use crate::status::snapshot::TickerSnapshot;

/// Bars of one second that a symbol keeps: 68 minutes of trades in every second.
const FINE_BARS: usize = 4096;

/// Longer bars for everything older: more than a chart has pixels.
const COARSE_BARS: usize = 2048;

/// Symbols that get all of this; more have to share.
const FULL_SYMBOLS: usize = 64;

/// What a symbol keeps at least, also among ten thousand.
const LEAST_BARS: usize = 16;

/// How many seconds the first of the longer bars have. Doubled whenever there are too many.
const FIRST_STEP: u32 = 8;

/// What happened to a symbol in one second, or in several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bar {
    /// The second of its last trade, this machine's UNIX time; 32 bits last until 2106.
    pub(super) second: u32,
    /// Trades in it.
    pub(super) trades: u32,
    /// The last price.
    pub(super) price: f64,
    /// Shares or units; a float of 32 bits is finer than a pixel.
    pub(super) volume: f32,
}

/// As `[second, price, volume, trades]`: short, for there are thousands.
impl Serialize for Bar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.second, self.price, self.volume, self.trades).serialize(serializer)
    }
}

/// The history of every symbol.
#[derive(Debug, Default)]
pub(super) struct History(HashMap<String, Series>);

impl History {
    /// Adds what has happened since it was called last.
    pub(super) fn remember(&mut self, tickers: &[TickerSnapshot]) {
        let known = tickers.iter().filter(|ticker| self.0.contains_key(&ticker.symbol)).count();
        if known < self.0.len() {
            let kept: HashSet<&String> = tickers.iter().map(|ticker| &ticker.symbol).collect();
            self.0.retain(|symbol, _| kept.contains(symbol));
        }
        let sharing = tickers.len().max(FULL_SYMBOLS);
        let fine = (FINE_BARS * FULL_SYMBOLS / sharing).max(LEAST_BARS);
        let coarse = (COARSE_BARS * FULL_SYMBOLS / sharing).max(LEAST_BARS);
        for ticker in tickers {
            if !self.0.contains_key(&ticker.symbol) {
                self.0.insert(ticker.symbol.clone(), Series::default());
            }
            if let Some(series) = self.0.get_mut(&ticker.symbol) {
                series.remember(ticker);
                series.thin_out(fine, coarse);
            }
        }
    }

    /// The bars of `symbol` later than the second `after`; `None` when the symbol is not known.
    pub(super) fn bars_after(&self, symbol: &str, after: u32) -> Option<Vec<Bar>> {
        let Series { coarse, fine, .. } = self.0.get(symbol)?;
        let from_coarse = coarse.partition_point(|bar| bar.second <= after);
        let from_fine = fine.partition_point(|bar| bar.second <= after);
        Some(coarse.range(from_coarse..).chain(fine.range(from_fine..)).copied().collect())
    }

    /// The price of `symbol` at `points` instants, `step` seconds apart, the last at `second`.
    /// `None` before its first trade.
    pub(super) fn spark(
        &self,
        symbol: &str,
        second: u32,
        step: u32,
        points: u32,
    ) -> Vec<Option<f64>> {
        let Some(series) = self.0.get(symbol) else { return Vec::new() };
        let instants = (0..points).rev().map(|back| second.saturating_sub(back * step));
        instants.map(|instant| series.price_at(instant)).collect()
    }
}

#[derive(Debug, Default)]
struct Series {
    trades: u64,
    volume: f64,
    fine: VecDeque<Bar>,
    coarse: VecDeque<Bar>,
    /// How often the length of the coarse bars has been doubled.
    doublings: u32,
}

impl Series {
    fn remember(&mut self, ticker: &TickerSnapshot) {
        if ticker.trades < self.trades {
            // The symbol was taken off the list and put back between two snapshots.
            (self.trades, self.volume) = (0, 0.0);
        }
        let trades = ticker.trades - self.trades;
        let volume = ticker.volume - self.volume;
        (self.trades, self.volume) = (ticker.trades, ticker.volume);
        let price = ticker.price.parse().ok().filter(|price: &f64| price.is_finite());
        let (Some(price), true) = (price, trades > 0) else { return };
        let received = ticker.last_received_ms.unwrap_or(0) / 1000;
        let last = self.fine.back().or(self.coarse.back()).map_or(0, |bar| bar.second);
        // Time never runs backwards in a chart, also when the machine's clock does.
        let second = u32::try_from(received).unwrap_or(0).max(last);
        #[allow(clippy::cast_possible_truncation)]
        let volume = if volume.is_finite() { volume as f32 } else { 0.0 };
        let trades = u32::try_from(trades).unwrap_or(u32::MAX);
        push_or_merge(&mut self.fine, Bar { second, trades, price, volume }, 1);
    }

    /// Makes the oldest bars longer until there are no more than allowed.
    fn thin_out(&mut self, fine: usize, coarse: usize) {
        // One place is left free, so that the next bar does not double the memory.
        while self.fine.len() >= fine {
            let Some(bar) = self.fine.pop_front() else { break };
            push_or_merge(&mut self.coarse, bar, FIRST_STEP << self.doublings);
            while self.coarse.len() >= coarse && self.doublings < u32::BITS - 8 {
                self.doublings += 1;
                let bars = std::mem::take(&mut self.coarse);
                self.coarse.reserve_exact(coarse);
                for bar in bars {
                    push_or_merge(&mut self.coarse, bar, FIRST_STEP << self.doublings);
                }
            }
        }
        if self.fine.capacity() > 2 * fine {
            self.fine.shrink_to(fine);
            self.coarse.shrink_to(coarse);
        }
    }

    fn price_at(&self, second: u32) -> Option<f64> {
        let bars = if self.fine.front()?.second <= second { &self.fine } else { &self.coarse };
        let later = bars.partition_point(|bar| bar.second <= second);
        bars.get(later.checked_sub(1)?).map(|bar| bar.price)
    }
}

/// Adds a bar, to the last one if both belong to the same `step` seconds.
fn push_or_merge(bars: &mut VecDeque<Bar>, bar: Bar, step: u32) {
    match bars.back_mut() {
        Some(last) if last.second / step == bar.second / step => {
            last.second = bar.second;
            last.price = bar.price;
            last.volume += bar.volume;
            last.trades = last.trades.saturating_add(bar.trades);
        }
        _ => bars.push_back(bar),
    }
}

#[cfg(test)]
mod tests {
    use super::{COARSE_BARS, FINE_BARS, History, LEAST_BARS};
    use crate::status::snapshot::TickerSnapshot;

    fn ticker(symbol: &str, trades: u64, second: i64, price: &str) -> TickerSnapshot {
        TickerSnapshot {
            symbol: symbol.to_owned(),
            price: price.to_owned(),
            trades,
            #[allow(clippy::cast_precision_loss)]
            volume: trades as f64 * 2.0,
            last_received_ms: Some(second * 1000),
            ..TickerSnapshot::default()
        }
    }

    fn all(history: &History, symbol: &str) -> Vec<(u32, u32, f64, f32)> {
        let bars = history.bars_after(symbol, 0).unwrap();
        bars.iter().map(|bar| (bar.second, bar.trades, bar.price, bar.volume)).collect()
    }

    #[test]
    fn each_second_with_trades_is_a_bar() {
        let mut history = History::default();
        for (trades, second, price) in
            [(2, 10, "1.5"), (2, 10, "1.5"), (3, 10, "1.6"), (4, 12, "1.7"), (6, 11, "1.8")]
        {
            history.remember(&[ticker("A", trades, second, price)]);
        }
        assert_eq!(all(&history, "A"), [(10, 3, 1.6, 6.0), (12, 3, 1.8, 6.0)]);
        assert_eq!(history.bars_after("A", 10).unwrap().len(), 1);
        assert_eq!(history.bars_after("B", 0), None);
        assert_eq!(
            history.spark("A", 13, 1, 5),
            [None, Some(1.6), Some(1.6), Some(1.8), Some(1.8)]
        );
    }

    #[test]
    fn weeks_stay_within_their_bars_and_lose_no_trade() {
        let mut history = History::default();
        let seconds: u64 = 200_000;
        for second in 1..=seconds {
            let at = i64::try_from(second).unwrap();
            history.remember(&[ticker("A", second, at, "1")]);
        }
        let series = &history.0["A"];
        assert!(series.fine.len() >= 3600, "the last hour second by second");
        assert!(series.fine.capacity() <= FINE_BARS, "{}", series.fine.capacity());
        assert!(series.coarse.capacity() <= COARSE_BARS, "{}", series.coarse.capacity());
        let bars = all(&history, "A");
        assert!(bars.is_sorted_by(|one, next| one.0 < next.0));
        assert!(bars[0].0 < 300, "the beginning is still there: {:?}", bars[0]);
        assert_eq!(bars.iter().map(|bar| u64::from(bar.1)).sum::<u64>(), seconds);
    }

    #[test]
    fn many_symbols_share_the_room() {
        let mut history = History::default();
        for second in 1..=60_u64 {
            let at = i64::try_from(second).unwrap();
            let tickers = (0..9000).map(|n| ticker(&n.to_string(), second, at, "1"));
            history.remember(&tickers.collect::<Vec<_>>());
        }
        let bars: Vec<usize> =
            history.0.values().map(|series| series.fine.len() + series.coarse.len()).collect();
        assert!(bars.iter().all(|bars| *bars <= 30 + LEAST_BARS), "{:?}", bars.iter().max());
        assert!(bars.iter().all(|bars| *bars > 8));
    }

    #[test]
    fn what_left_the_list_is_forgotten() {
        let mut history = History::default();
        history.remember(&[ticker("A", 1, 1, "1"), ticker("B", 1, 1, "1")]);
        history.remember(&[ticker("B", 1, 1, "1"), ticker("C", 1, 1, "1")]);
        assert_eq!(history.bars_after("A", 0), None);
        assert!(history.bars_after("B", 0).is_some() && history.bars_after("C", 0).is_some());
        history.remember(&[]);
        assert!(history.0.is_empty());
    }
}
