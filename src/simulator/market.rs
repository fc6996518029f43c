//! The simulated market: when trades happen, for every symbol that somebody is subscribed to.
//!
//! A rule: no I/O and no clock. The server says what time it is and gets the trades since then.

use super::encode::Trade;
use super::instrument::Instrument;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How many symbols' prices are remembered after nobody wants them any more, so that a client
/// that reconnects sees no jump. Beyond it they are forgotten: clients can name any symbol.
const REMEMBERED_SYMBOLS: usize = 4096;

/// After a pause (a suspended machine) only this much of the missed time is made up for.
const LONGEST_CATCH_UP_SECONDS: f64 = 1.0;

/// No tick makes more trades than this for all symbols together. It bounds the memory of one tick
/// (some 15 MB) and lets a machine that cannot keep up make fewer trades instead of stopping.
const MOST_TRADES_PER_TICK: f64 = 100_000.0;

/// All symbols that are or were subscribed, and their prices.
pub(super) struct Market {
    seed: u64,
    /// Trades a second for each symbol.
    rate: f64,
    instruments: HashMap<Arc<str>, Instrument>,
}

impl Market {
    /// A market where each symbol trades `rate` times a second.
    pub(super) fn new(seed: u64, rate: f64) -> Self {
        Self { seed, rate, instruments: HashMap::new() }
    }

    /// One more client wants `symbol` from `now` (since the market's start) on.
    pub(super) fn subscribe(&mut self, symbol: &str, now: Duration) {
        let now = now.as_secs_f64();
        if self.instruments.len() >= REMEMBERED_SYMBOLS && !self.instruments.contains_key(symbol) {
            self.instruments.retain(|_, instrument| instrument.subscribers > 0);
        }
        let instrument = self
            .instruments
            .entry(symbol.into())
            .or_insert_with(|| Instrument::new(symbol, self.seed, now));
        instrument.subscribers += 1;
        if instrument.subscribers == 1 {
            instrument.next_arrival = now + instrument.gap_seconds(self.rate);
        }
    }

    /// One client less wants the symbol.
    pub(super) fn unsubscribe(&mut self, symbol: &str) {
        if let Some(instrument) = self.instruments.get_mut(symbol) {
            instrument.subscribers = instrument.subscribers.saturating_sub(1);
        }
    }

    /// The trades up to `now` (since the market's start), which is `wall_ms` in UNIX milliseconds,
    /// in order of arrival.
    pub(super) fn trades_until(&mut self, now: Duration, wall_ms: i64) -> Vec<Trade> {
        if self.rate <= 0.0 {
            return Vec::new();
        }
        let now = now.as_secs_f64();
        let wanted =
            self.instruments.values().filter(|instrument| instrument.subscribers > 0).count();
        #[expect(clippy::cast_precision_loss, reason = "a count of a few thousand")]
        let catch_up = MOST_TRADES_PER_TICK / (self.rate * wanted as f64);
        let earliest = now - catch_up.min(LONGEST_CATCH_UP_SECONDS);
        let mut trades = Vec::new();
        for (symbol, instrument) in &mut self.instruments {
            if instrument.subscribers > 0 {
                instrument.next_arrival = instrument.next_arrival.max(earliest);
                instrument.trade_until(now, wall_ms, self.rate, symbol, &mut trades);
            }
        }
        // Ties are broken by symbol, so that equal seeds give equal feeds.
        trades.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.symbol.cmp(&b.1.symbol)));
        trades.into_iter().map(|(_, trade)| trade).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{hub::MOST_TRADES_PER_SECOND, instrument::EXCHANGE_LAG_MS};
    use super::*;
    use serde_json::Value;

    const WALL_MS: i64 = 1_700_000_000_000;

    /// The trades of `seconds` seconds in ticks of 100 ms.
    fn run(market: &mut Market, seconds: u32) -> Vec<(Arc<str>, Value)> {
        let mut trades = Vec::new();
        for tick in 1..=seconds * 10 {
            let wall_ms = WALL_MS + i64::from(tick) * 100;
            for trade in market.trades_until(Duration::from_millis(100) * tick, wall_ms) {
                let element: Value = serde_json::from_str(&trade.element).unwrap();
                let age = wall_ms - element["t"].as_i64().unwrap();
                assert!(age >= EXCHANGE_LAG_MS, "never ahead of the clock: {element}");
                trades.push((trade.symbol, element));
            }
        }
        trades
    }

    #[test]
    fn each_symbol_trades_about_as_often_as_asked_and_symbols_are_mixed() {
        let mut market = Market::new(1, 10.0);
        market.subscribe("AAPL", Duration::ZERO);
        market.subscribe("MSFT", Duration::ZERO);
        let trades = run(&mut market, 100);
        let of_apple = trades.iter().filter(|(symbol, _)| **symbol == *"AAPL").count();
        assert!((850..1200).contains(&of_apple), "{of_apple} in 100 s");
        let changes = trades.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
        assert!(changes > 500, "{changes} changes between the two");
    }

    #[test]
    fn times_sometimes_run_back_and_trades_sometimes_repeat() {
        let mut market = Market::new(2, 20.0);
        market.subscribe("AAPL", Duration::ZERO);
        let trades = run(&mut market, 60);
        let time = |trade: &Value| trade["t"].as_i64().unwrap();
        let back = trades.windows(2).filter(|pair| time(&pair[1].1) < time(&pair[0].1)).count();
        let repeats = trades.windows(2).filter(|pair| pair[1] == pair[0]).count();
        assert!(back > 3 && repeats > 3, "{back} run back, {repeats} repeat");
        assert!(back < trades.len() / 10 && repeats < trades.len() / 10);
    }

    #[test]
    fn equal_seeds_give_equal_feeds_and_gaps_are_irregular() {
        let feed = |seed| {
            let mut market = Market::new(seed, 50.0);
            market.subscribe("AAPL", Duration::ZERO);
            market.subscribe("BINANCE:BTCUSDT", Duration::ZERO);
            run(&mut market, 3)
        };
        assert_eq!(feed(3), feed(3));
        assert_ne!(feed(3), feed(4));
    }

    #[test]
    fn nobody_subscribed_means_no_trades_and_a_return_continues_the_price() {
        let mut market = Market::new(5, 100.0);
        market.subscribe("TSLA", Duration::ZERO);
        let before = run(&mut market, 60);
        market.unsubscribe("TSLA");
        assert!(market.trades_until(Duration::from_secs(70), WALL_MS).is_empty());
        market.subscribe("TSLA", Duration::from_secs(70));
        let after = market.trades_until(Duration::from_secs(71), WALL_MS);
        let price = |trade: &Value| trade["p"].as_f64().unwrap();
        let (last, next) = (price(&before.last().unwrap().1), &after[0].element);
        let next = price(&serde_json::from_str(next).unwrap());
        assert!((next / last - 1.0).abs() < 0.008, "from {last} to {next} in ten seconds");
    }

    #[test]
    fn the_highest_rate_comes_out_whole_and_a_long_pause_is_not_made_up_for() {
        fn check(rate: f64, until: Duration, expected: std::ops::Range<usize>) {
            let mut market = Market::new(6, rate);
            market.subscribe("TSLA", Duration::ZERO);
            let count = market.trades_until(until, WALL_MS).len();
            assert!(expected.contains(&count), "{count} at {rate} after {until:?}");
        }
        check(MOST_TRADES_PER_SECOND, Duration::from_millis(100), 9_500..11_000);
        check(100.0, Duration::from_secs(3600), 50..200);
    }

    #[test]
    fn symbols_nobody_wants_do_not_pile_up() {
        let mut market = Market::new(8, 1.0);
        for number in 0..3 * REMEMBERED_SYMBOLS {
            let symbol = format!("SYM{number}");
            market.subscribe(&symbol, Duration::ZERO);
            market.unsubscribe(&symbol);
        }
        assert!(market.instruments.len() <= REMEMBERED_SYMBOLS);
    }
}
