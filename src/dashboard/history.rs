//! What each symbol did: the last hour second by second, everything older thinned out. Bars are the
//! line of a chart, and every trade counts in the second in which it was received; candles are those of
//! `bars`.
//!
//! The dashboard's thread. No I/O and no clock. It forgets nothing but detail: when old bars need
//! room, neighbours are merged into longer ones.
//!
//! Memory: a bar takes 24 bytes and a symbol at most 6,144 of them, 144 KiB; a candle 80, and at most
//! 2,048 of them, 160 KiB. 50 symbols take 15 MB, however many weeks it runs. More symbols share less than
//! that, each with less detail: what is known of them takes room elsewhere, too. 5,000 take 7 MB.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::{Serialize, Serializer};

use super::candles::{Candles, MOST_CANDLES};
use crate::status::candles::{Candle, SymbolCandle};
use crate::status::snapshot::TickerSnapshot;

/// The newest bars of a symbol are never merged: 68 minutes of trades in every second.
const NEWEST_BARS: usize = 4096;

/// The others, which are older and longer: more than a chart has pixels.
const OLDER_BARS: usize = 2048;

/// Symbols that get all of this, as many as Finnhub's free plan has; more have to share.
const FULL_SYMBOLS: usize = 50;

/// What a symbol keeps at least, also among ten thousand.
const LEAST_BARS: usize = 8;
const LEAST_CANDLES: usize = 12;

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
    pub(super) fn remember(&mut self, tickers: &[TickerSnapshot], candles: Vec<SymbolCandle>) {
        let known = tickers.iter().filter(|ticker| self.0.contains_key(&ticker.symbol)).count();
        if known < self.0.len() {
            let kept: HashSet<&String> = tickers.iter().map(|ticker| &ticker.symbol).collect();
            self.0.retain(|symbol, _| kept.contains(symbol));
        }
        // Each beyond these takes the room of four.
        let sharing = FULL_SYMBOLS + 4 * tickers.len().saturating_sub(FULL_SYMBOLS);
        let newest = (NEWEST_BARS * FULL_SYMBOLS / sharing).max(LEAST_BARS);
        let older = (OLDER_BARS * FULL_SYMBOLS / sharing).max(LEAST_BARS);
        for ticker in tickers {
            if !self.0.contains_key(&ticker.symbol) {
                self.0.insert(ticker.symbol.clone(), Series::default());
            }
            if let Some(series) = self.0.get_mut(&ticker.symbol) {
                series.remember(ticker);
                series.merge_older(newest, older);
            }
        }
        let most = (MOST_CANDLES * FULL_SYMBOLS / sharing).max(LEAST_CANDLES);
        for (symbol, mut candle) in candles {
            let Some(series) = self.0.get_mut(&*symbol) else { continue };
            // The clock that `bars_after` goes by, also when the machine's is set back.
            let second = series.bars.back().map_or(0, |bar| bar.second);
            candle.received = candle.received.max(second);
            series.candles.add(candle, most);
        }
    }

    /// The bars of `symbol` later than the second `after`; `None` when the symbol is not known.
    pub(super) fn bars_after(&self, symbol: &str, after: u32) -> Option<Vec<Bar>> {
        let bars = &self.0.get(symbol)?.bars;
        let from = bars.partition_point(|bar| bar.second <= after);
        Some(bars.range(from..).copied().collect())
    }

    /// The candles of `symbol` in which a trade was received later than the second `after`.
    pub(super) fn candles_after(&self, symbol: &str, after: u32) -> Vec<Candle> {
        self.0.get(symbol).map_or_else(Vec::new, |series| series.candles.changed_after(after))
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
    bars: VecDeque<Bar>,
    candles: Candles,
    /// How often the length of the older bars has been doubled.
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
        let last = self.bars.back().map_or(0, |bar| bar.second);
        // Time never runs backwards in a chart, also when the machine's clock does.
        let second = u32::try_from(received).unwrap_or(0).max(last);
        #[allow(clippy::cast_possible_truncation)]
        let volume = if volume.is_finite() { volume as f32 } else { 0.0 };
        let trades = u32::try_from(trades).unwrap_or(u32::MAX);
        push_or_merge(&mut self.bars, Bar { second, trades, price, volume }, 1);
    }

    /// When there are as many bars as `newest` and `older` together, merges the older ones until a
    /// quarter of their room is free.
    fn merge_older(&mut self, newest: usize, older: usize) {
        let (most, enough) = (newest + older, older / 4 * 3);
        if self.bars.len() >= most {
            let kept = self.bars.split_off(self.bars.len() - newest);
            while self.bars.len() > enough && self.doublings < u32::BITS - 8 {
                for bar in std::mem::take(&mut self.bars) {
                    push_or_merge(&mut self.bars, bar, FIRST_STEP << self.doublings);
                }
                self.doublings += u32::from(self.bars.len() > enough);
            }
            self.bars.reserve_exact(most - self.bars.len());
            self.bars.extend(kept);
        } else if self.bars.capacity() < most && self.bars.len() > most / 2 {
            // By itself it would take room for twice as many.
            self.bars.reserve_exact(most - self.bars.len());
        } else if self.bars.capacity() > 2 * most {
            self.bars.shrink_to(most);
        }
    }

    fn price_at(&self, second: u32) -> Option<f64> {
        let later = self.bars.partition_point(|bar| bar.second <= second);
        self.bars.get(later.checked_sub(1)?).map(|bar| bar.price)
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
    use std::sync::Arc;

    use super::{Bar, History, LEAST_BARS, NEWEST_BARS, OLDER_BARS, Series};
    use crate::status::candles::Candle;
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
            history.remember(&[ticker("A", trades, second, price)], Vec::new());
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
            history.remember(&[ticker("A", second, at, "1")], Vec::new());
        }
        let capacity = history.0["A"].bars.capacity();
        assert!(capacity <= NEWEST_BARS + OLDER_BARS, "{capacity}");
        let last_hour = history.bars_after("A", 200_000 - 3_600).unwrap();
        assert_eq!(last_hour.len(), 3_600, "second by second");
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
            history.remember(&tickers.collect::<Vec<_>>(), Vec::new());
        }
        let bars: Vec<usize> = history.0.values().map(|series| series.bars.len()).collect();
        assert!(bars.iter().all(|bars| *bars <= 30 + LEAST_BARS), "{:?}", bars.iter().max());
        let room = history.0.values().map(|series| series.bars.capacity()).max();
        assert!(room <= Some(32), "{room:?}");
        assert!(bars.iter().all(|bars| *bars > 8));
    }

    #[test]
    fn the_longest_list_takes_little_room_with_its_candles() {
        const SYMBOLS: usize = 5_000;
        const MOST_BYTES: usize = 8 << 20;
        let mut history = History::default();
        let names: Vec<Arc<str>> = (0..SYMBOLS).map(|n| n.to_string().into()).collect();
        for second in 1..=60_u32 {
            let tickers = names.iter().map(|name| ticker(name, second.into(), second.into(), "1"));
            let candle = Candle {
                start: second,
                seconds: 1,
                received: second,
                trades: 1,
                volume: 1.0,
                prices: None,
            };
            let candles = names.iter().map(|name| (Arc::clone(name), candle)).collect();
            history.remember(&tickers.collect::<Vec<_>>(), candles);
        }
        let room = |series: &Series| {
            series.bars.capacity() * size_of::<Bar>() + series.candles.room() * size_of::<Candle>()
        };
        let bytes: usize = history.0.values().map(room).sum();
        assert!((SYMBOLS..MOST_BYTES).contains(&bytes), "{bytes} bytes");
    }

    #[test]
    fn what_left_the_list_is_forgotten() {
        let mut history = History::default();
        history.remember(&[ticker("A", 1, 1, "1"), ticker("B", 1, 1, "1")], Vec::new());
        history.remember(&[ticker("B", 1, 1, "1"), ticker("C", 1, 1, "1")], Vec::new());
        assert_eq!(history.bars_after("A", 0), None);
        assert!(history.bars_after("B", 0).is_some() && history.bars_after("C", 0).is_some());
        history.remember(&[], Vec::new());
        assert!(history.0.is_empty());
    }
}
