//! Candles of the last moments, on their way from the writer to the page.
//!
//! Kept by the writer thread and handed over with a snapshot. No I/O and no clock. A candle here says
//! what some trades have added: the page's history puts them together in their order. Which trade moves
//! what is decided as in `bars`, by `market/conditions` and `market/prices`; prices and volumes are
//! floats here, for showing only.

use std::collections::HashMap;
use std::sync::Arc;

use crate::market::conditions::{Limits, limits};
use crate::market::hours::NewYorkDay;
use crate::market::prices::{LATE_MS, Prices};
use crate::market::symbol::is_us_stock;
use crate::protocol::trade::Trade;

/// Candles that may wait to be taken: a second of the longest list three times over, 1.6 MB. Beyond
/// that the page is held up, and longer candles take the place of short ones.
const MOST_WAITING: usize = 1 << 14;

/// How long a waiting candle is in seconds, and then how long instead when there are too many.
const LENGTHS: [u32; 4] = [1, 60, 3_600, 86_400];

/// What trades of one symbol in one span of time have moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candle {
    /// Where it begins, the exchange's clock, UNIX seconds, a multiple of `seconds`. 32 bits last until
    /// 2106.
    pub(crate) start: u32,
    /// How long it is.
    pub(crate) seconds: u32,
    /// When its last trade was received, this machine's clock, UNIX seconds.
    pub(crate) received: u32,
    /// Trades that count.
    pub(crate) trades: u32,
    /// Shares or units.
    pub(crate) volume: f64,
    /// `None` when no trade sets a price.
    pub(crate) prices: Option<Prices<f64>>,
}

impl Candle {
    /// Where it ends.
    #[cfg(feature = "dashboard")]
    pub(crate) fn end(&self) -> u32 {
        self.start.saturating_add(self.seconds)
    }

    /// Adds what came `later`.
    pub(crate) fn merge(&mut self, later: &Self) {
        Prices::merge(&mut self.prices, later.prices);
        self.received = self.received.max(later.received);
        self.trades = self.trades.saturating_add(later.trades);
        self.volume += later.volume;
    }

    /// The same in a candle of so many seconds, at least.
    pub(crate) fn within(self, seconds: u32) -> Self {
        let seconds = seconds.max(self.seconds);
        Self { start: self.start - self.start % seconds, seconds, ..self }
    }
}

/// A candle and its symbol.
pub type SymbolCandle = (Arc<str>, Candle);

/// What is known of a symbol.
#[derive(Debug)]
struct Symbol {
    name: Arc<str>,
    is_share: bool,
    /// The number of its latest candle, counted from the first one ever.
    latest: usize,
}

/// What has been added since the page took it last.
#[derive(Debug, Default)]
pub struct RecentCandles {
    /// The symbols, at the places that the totals give them.
    symbols: Vec<Symbol>,
    /// In the order of their first trades. A symbol may have several of one time.
    waiting: Vec<SymbolCandle>,
    /// How many came before those that wait.
    before: usize,
    /// Which of [`LENGTHS`] they have.
    length: usize,
    /// How many were left when they were last put together.
    left: usize,
    day: NewYorkDay,
    /// The conditions of a trade as text.
    conditions: Vec<u8>,
}

impl RecentCandles {
    /// Another symbol, at the next place.
    pub(super) fn push_symbol(&mut self, symbol: &str) {
        let (name, is_share) = (Arc::from(symbol), is_us_stock(symbol));
        self.symbols.push(Symbol { name, is_share, latest: usize::MAX });
    }

    /// These are all symbols.
    pub(super) fn follow<'a>(&mut self, symbols: impl Iterator<Item = &'a str>) {
        self.symbols.clear();
        symbols.for_each(|symbol| self.push_symbol(symbol));
    }

    /// Adds a trade of the symbol at this place, with its volume and the exchange's time.
    pub(super) fn trade(
        &mut self,
        place: usize,
        trade: &Trade<'_>,
        volume: f64,
        time_ms: i64,
        received_ms: i64,
    ) {
        let Some(symbol) = self.symbols.get_mut(place) else { return };
        let Some(start) = second_of(time_ms, received_ms) else { return };
        let mut moves = Limits::NONE;
        if symbol.is_share {
            self.conditions.clear();
            trade.conditions.join_into(&mut self.conditions);
            let in_session = || self.day.is_in_session_hours(time_ms);
            moves = limits(&self.conditions).of_share(volume != 0.0, in_session);
        }
        if !moves.moves_something() || !volume.is_finite() {
            return;
        }
        let Some(price) = price_of(trade) else { return };
        let seconds = LENGTHS[self.length];
        let start = start - start % seconds;
        let number = symbol.latest.wrapping_sub(self.before);
        let at = match self.waiting.get(number) {
            Some((_, latest)) if latest.start == start => number,
            _ => {
                symbol.latest = self.before + self.waiting.len();
                let candle =
                    Candle { start, seconds, received: 0, trades: 0, volume: 0.0, prices: None };
                self.waiting.push((Arc::clone(&symbol.name), candle));
                self.waiting.len() - 1
            }
        };
        let candle = &mut self.waiting[at].1;
        Prices::add(&mut candle.prices, time_ms, &price, moves);
        candle.received = u32::try_from(received_ms / 1000).unwrap_or(0);
        if moves.moves_volume() && volume != 0.0 {
            candle.volume += volume;
            candle.trades = candle.trades.saturating_add(1);
        }
        if self.waiting.len() >= MOST_WAITING + self.left {
            self.put_together();
        }
    }

    /// Puts candles of one symbol and one time together, and makes longer ones until there are half as
    /// many as may wait.
    fn put_together(&mut self) {
        // No symbol knows its latest candle any more.
        self.before += self.waiting.len();
        loop {
            let mut places = HashMap::new();
            let mut kept: Vec<SymbolCandle> = Vec::new();
            for (symbol, candle) in self.waiting.drain(..) {
                let candle = candle.within(LENGTHS[self.length]);
                let place =
                    *places.entry((Arc::clone(&symbol), candle.start)).or_insert(kept.len());
                match kept.get_mut(place) {
                    Some((_, earlier)) => earlier.merge(&candle),
                    None => kept.push((symbol, candle)),
                }
            }
            self.left = kept.len();
            self.waiting = kept;
            if self.left <= MOST_WAITING / 2 || self.length + 1 == LENGTHS.len() {
                return;
            }
            self.length += 1;
        }
    }

    /// Hands everything over, unless too much waits there to be taken.
    pub(super) fn hand_over(&mut self, taken: &mut Vec<SymbolCandle>) {
        if taken.is_empty() || taken.len() + self.waiting.len() <= MOST_WAITING {
            self.before += self.waiting.len();
            (self.length, self.left) = (0, 0);
            taken.append(&mut self.waiting);
        }
    }
}

/// The second of a trade, unless it came later than a bar waits for it, or is as far ahead of this
/// machine's clock: one wrong time would stretch a chart over decades.
fn second_of(time_ms: i64, received_ms: i64) -> Option<u32> {
    let second = time_ms.div_euclid(1000);
    let is_late = (second + 1).saturating_mul(1000).saturating_add(LATE_MS) <= received_ms;
    let is_ahead = received_ms.saturating_add(LATE_MS) < time_ms;
    if is_late || is_ahead { None } else { u32::try_from(second).ok() }
}

fn price_of(trade: &Trade<'_>) -> Option<f64> {
    trade.price.parse().ok().filter(|price: &f64| price.is_finite())
}

#[cfg(test)]
mod tests {
    use super::{Candle, LENGTHS, MOST_WAITING, RecentCandles, SymbolCandle};
    use crate::protocol::trade::{Conditions, Trade};

    const NOW: i64 = 1_795_443_600_000;

    fn add(recent: &mut RecentCandles, place: usize, price: &str, conditions: &str, ago_ms: i64) {
        let volume = if price == "7" { "0" } else { "2" };
        let conditions = Conditions::Unescaped(conditions);
        let timestamp_ms = "not looked at";
        let trade = Trade { ticker: "".into(), price, volume, timestamp_ms, conditions };
        recent.trade(place, &trade, volume.parse().unwrap(), NOW - ago_ms, NOW);
    }

    fn handed_over(recent: &mut RecentCandles) -> Vec<SymbolCandle> {
        let mut taken = Vec::new();
        recent.hand_over(&mut taken);
        taken
    }

    fn shown((symbol, candle): &SymbolCandle) -> String {
        let Candle { start, trades, volume, prices, .. } = candle;
        let prices = prices.map(|it| format!("{} {} {} {}", it.open, it.high, it.low, it.close));
        let ago = NOW / 1000 - i64::from(*start);
        format!("{symbol} {ago}: {} {volume} {trades}", prices.unwrap_or_default())
    }

    fn all(recent: &mut RecentCandles) -> Vec<String> {
        handed_over(recent).iter().map(shown).collect()
    }

    #[test]
    fn trades_of_a_symbol_and_a_second_are_one_candle() {
        let mut recent = RecentCandles::default();
        recent.follow(["AAPL", "X:Y"].into_iter());
        for (place, price, conditions, ago_ms) in [
            (0, "2.5", "", 9_999),
            (1, "7", "", 9_000),
            (0, "3", "\"12\"", 9_500),
            (0, "1e999", "", 9_000),
            (0, "9", "\"1\",\"16\"", 9_000),
            (0, "7", "", 9_000),
            (0, "1.5", "", 5_000),
            (2, "1", "", 5_000),
            // Too late for any bar, and from a clock that is far ahead.
            (0, "1", "", 7_300_000),
            (1, "1", "", -7_300_000),
        ] {
            add(&mut recent, place, price, conditions, ago_ms);
        }
        let expected =
            ["AAPL 10: 2.5 2.5 2.5 2.5 4 2", "X:Y 9: 7 7 7 7 0 0", "AAPL 5: 1.5 1.5 1.5 1.5 2 1"];
        assert_eq!(all(&mut recent), expected);
        // What was handed over is not added to.
        add(&mut recent, 0, "3", "", 5_000);
        recent.follow(["X:Y", "AAPL"].into_iter());
        add(&mut recent, 0, "4", "", 5_000);
        assert_eq!(all(&mut recent), ["AAPL 5: 3 3 3 3 2 1", "X:Y 5: 4 4 4 4 2 1"]);
    }

    #[test]
    fn while_nobody_takes_them_candles_become_longer_and_lose_no_trade() {
        let mut recent = RecentCandles::default();
        let symbols: Vec<String> = (0..4_000).map(|number| format!("S:{number}")).collect();
        recent.follow(symbols.iter().map(String::as_str));
        let mut trades: u32 = 0;
        for minute in (0..12).rev() {
            for place in 0..symbols.len() {
                add(&mut recent, place, "2", "", minute * 60_000);
                trades += 1;
                assert!(recent.waiting.len() <= MOST_WAITING);
            }
        }
        let taken = handed_over(&mut recent);
        assert_eq!(taken.iter().map(|(_, candle)| candle.trades).sum::<u32>(), trades);
        assert!(taken.iter().all(|(_, candle)| candle.seconds > 60), "{:?}", taken[0]);
        // What is not taken is not added to; it waits here.
        let mut full = taken.clone();
        full.resize(MOST_WAITING, taken[0].clone());
        add(&mut recent, 0, "2", "", 0);
        recent.hand_over(&mut full);
        assert_eq!((full.len(), recent.waiting.len()), (MOST_WAITING, 1));
        assert_eq!(handed_over(&mut recent)[0].1.seconds, 1);
    }

    #[test]
    fn symbols_without_end_cost_no_time_without_end() {
        let mut recent = RecentCandles::default();
        for place in 0..2 * MOST_WAITING {
            recent.push_symbol(&format!("S:{place}"));
            add(&mut recent, place, "2", "", 0);
        }
        assert_eq!(recent.length, LENGTHS.len() - 1);
        assert!(recent.left >= MOST_WAITING, "not put together at each trade");
        assert_eq!(handed_over(&mut recent).len(), 2 * MOST_WAITING);
    }
}
