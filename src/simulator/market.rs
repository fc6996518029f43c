//! The simulated market: when trades happen, for every symbol that somebody is subscribed to.
//!
//! A rule: no I/O and no clock. The server says what time it is and gets the trades since then.

use super::instrument::Instrument;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

/// How many symbols' prices are remembered after nobody wants them any more, so that a client
/// that reconnects sees no jump. Beyond it they are forgotten: clients can name any symbol.
const REMEMBERED_SYMBOLS: usize = 4096;

/// After a pause (a suspended machine) only this much of the missed time is made up for.
const LONGEST_CATCH_UP_SECONDS: f64 = 1.0;

/// No tick makes more trades than this for all symbols together. It bounds the memory of one tick
/// (some 8 MB) and lets a machine that cannot keep up make fewer trades instead of stopping.
const MOST_TRADES_PER_TICK: f64 = 100_000.0;

/// How far the exchange's time lies behind ours, in milliseconds: what a feed on the same coast
/// takes. It also keeps every time behind the receiver's clock.
const EXCHANGE_LAG_MS: i64 = 25;

/// In the captures about one trade in fifty repeats the one before it, legitimately.
const REPEATS_PER_CENT: u8 = 2;

/// In the captures about one trade in fifty is timed before the one before it.
const BACKWARD_TIMES_PER_CENT: u8 = 2;

/// How far such a time runs back, in milliseconds, at most.
const FURTHEST_BACK_MS: u8 = 9;

/// Identifies a symbol for as long as it is remembered.
pub(super) type SymbolId = u64;

/// The trades of one tick, in order of arrival, spelled once for all clients.
#[derive(Debug, Default)]
pub(super) struct TradeBatch {
    text: String,
    trades: Vec<(f64, SymbolId, Range<usize>)>,
}

impl TradeBatch {
    /// Each trade's symbol and JSON element, in order of arrival.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SymbolId, &str)> {
        self.trades.iter().map(|(_, id, range)| (*id, &self.text[range.clone()]))
    }

    fn clear(&mut self) {
        self.text.clear();
        self.trades.clear();
    }
}

#[derive(Debug)]
struct Listing {
    symbol: String,
    instrument: Instrument,
    subscribers: usize,
    /// Seconds since the market's start.
    next_arrival: f64,
    last_arrival: f64,
    /// Exchange time of the last trade, UNIX milliseconds.
    last_timestamp_ms: i64,
}

/// All symbols that are or were subscribed, and their prices.
#[derive(Debug)]
pub(super) struct Market {
    seed: u64,
    /// Trades a second for each symbol.
    rate: f64,
    next_id: SymbolId,
    ids: HashMap<String, SymbolId>,
    listings: HashMap<SymbolId, Listing>,
}

impl Market {
    /// A market where each symbol trades `rate` times a second.
    pub(super) fn new(seed: u64, rate: f64) -> Self {
        Self { seed, rate, next_id: 0, ids: HashMap::new(), listings: HashMap::new() }
    }

    /// One more client wants `symbol` from `now` (since the market's start) on.
    pub(super) fn subscribe(&mut self, symbol: &str, now: Duration) -> SymbolId {
        let now = now.as_secs_f64();
        let id = match self.ids.get(symbol) {
            Some(id) => *id,
            None => self.list(symbol, now),
        };
        let rate = self.rate;
        if let Some(listing) = self.listings.get_mut(&id) {
            listing.subscribers += 1;
            if listing.subscribers == 1 {
                listing.next_arrival = now + listing.instrument.gap_seconds(rate);
            }
        }
        id
    }

    /// One client less wants the symbol.
    pub(super) fn unsubscribe(&mut self, id: SymbolId) {
        if let Some(listing) = self.listings.get_mut(&id) {
            listing.subscribers = listing.subscribers.saturating_sub(1);
        }
    }

    fn list(&mut self, symbol: &str, now: f64) -> SymbolId {
        if self.listings.len() >= REMEMBERED_SYMBOLS {
            self.listings.retain(|_, listing| listing.subscribers > 0);
            self.ids.retain(|_, id| self.listings.contains_key(id));
        }
        let id = self.next_id;
        self.next_id += 1;
        let listing = Listing {
            symbol: symbol.to_owned(),
            instrument: Instrument::new(symbol, self.seed),
            subscribers: 0,
            next_arrival: now,
            last_arrival: now,
            last_timestamp_ms: 0,
        };
        self.ids.insert(listing.symbol.clone(), id);
        self.listings.insert(id, listing);
        id
    }

    /// Replaces what is in `batch` by the trades up to `now` (since the market's start), which is
    /// `wall_ms` in UNIX milliseconds.
    pub(super) fn trades_until(&mut self, now: Duration, wall_ms: i64, batch: &mut TradeBatch) {
        batch.clear();
        if self.rate <= 0.0 {
            return;
        }
        let now = now.as_secs_f64();
        let wanted = self.listings.values().filter(|listing| listing.subscribers > 0).count();
        #[expect(clippy::cast_precision_loss, reason = "a count of a few thousand")]
        let catch_up = MOST_TRADES_PER_TICK / (self.rate * wanted as f64);
        let earliest = now - catch_up.min(LONGEST_CATCH_UP_SECONDS);
        for (id, listing) in &mut self.listings {
            if listing.subscribers > 0 {
                listing.next_arrival = listing.next_arrival.max(earliest);
                listing.trade_until(now, wall_ms, self.rate, *id, batch);
            }
        }
        // Ties are broken by symbol, so that equal seeds give equal feeds.
        batch.trades.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
}

impl Listing {
    fn trade_until(
        &mut self,
        now: f64,
        wall_ms: i64,
        rate: f64,
        id: SymbolId,
        batch: &mut TradeBatch,
    ) {
        while self.next_arrival <= now {
            let arrival = self.next_arrival;
            let timestamp_ms = self.timestamp_ms(now - arrival, wall_ms);
            let start = batch.text.len();
            self.instrument.push_trade(&mut batch.text, arrival - self.last_arrival, timestamp_ms);
            let range = start..batch.text.len();
            if self.instrument.chance(REPEATS_PER_CENT) {
                batch.trades.push((arrival, id, range.clone()));
            }
            batch.trades.push((arrival, id, range));
            self.last_arrival = arrival;
            self.next_arrival += self.instrument.gap_seconds(rate);
        }
    }

    /// The exchange's time of a trade that was `age` seconds ago when our clock shows `wall_ms`.
    fn timestamp_ms(&mut self, age: f64, wall_ms: i64) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "at most the longest catch-up")]
        let straight = wall_ms - EXCHANGE_LAG_MS - (age * 1000.0) as i64;
        let back = 1 + i64::from(self.instrument.up_to(FURTHEST_BACK_MS - 1));
        let runs_back = self.instrument.chance(BACKWARD_TIMES_PER_CENT);
        let timestamp_ms = if runs_back && self.last_timestamp_ms > 0 {
            (self.last_timestamp_ms - back).min(straight)
        } else {
            straight
        };
        self.last_timestamp_ms = timestamp_ms;
        timestamp_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const WALL_MS: i64 = 1_700_000_000_000;

    /// The trades of `seconds` seconds in ticks of 100 ms.
    fn run(market: &mut Market, seconds: u32) -> Vec<(SymbolId, Value)> {
        let mut batch = TradeBatch::default();
        let mut trades = Vec::new();
        for tick in 1..=seconds * 10 {
            let wall_ms = WALL_MS + i64::from(tick) * 100;
            market.trades_until(Duration::from_millis(100) * tick, wall_ms, &mut batch);
            for (id, element) in batch.iter() {
                let trade: Value = serde_json::from_str(element).unwrap();
                let age = wall_ms - trade["t"].as_i64().unwrap();
                assert!(age >= EXCHANGE_LAG_MS, "never ahead of the clock: {element}");
                trades.push((id, trade));
            }
        }
        trades
    }

    #[test]
    fn each_symbol_trades_about_as_often_as_asked_and_symbols_are_mixed() {
        let mut market = Market::new(1, 10.0);
        let apple = market.subscribe("AAPL", Duration::ZERO);
        let microsoft = market.subscribe("MSFT", Duration::ZERO);
        let trades = run(&mut market, 100);
        let of_apple = trades.iter().filter(|(id, _)| *id == apple).count();
        assert!((850..1200).contains(&of_apple), "{of_apple} in 100 s");
        let changes = trades.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
        assert!(changes > 500, "{changes} changes between {apple} and {microsoft}");
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
        let first = market.subscribe("TSLA", Duration::ZERO);
        market.unsubscribe(first);
        assert!(run(&mut market, 5).is_empty());
        assert_eq!(market.subscribe("TSLA", Duration::from_secs(5)), first);
    }

    #[test]
    fn a_long_pause_is_not_made_up_for() {
        let mut market = Market::new(6, 100.0);
        market.subscribe("TSLA", Duration::ZERO);
        let mut batch = TradeBatch::default();
        market.trades_until(Duration::from_secs(3600), WALL_MS, &mut batch);
        assert!((50..200).contains(&batch.iter().count()), "about one second's worth");
    }

    #[test]
    fn a_hundred_thousand_trades_a_second_come_out_whole() {
        let mut market = Market::new(7, 100_000.0);
        market.subscribe("NVDA", Duration::ZERO);
        let mut batch = TradeBatch::default();
        market.trades_until(Duration::from_millis(100), WALL_MS, &mut batch);
        assert!((9_500..11_000).contains(&batch.iter().count()));
    }

    #[test]
    fn symbols_nobody_wants_do_not_pile_up() {
        let mut market = Market::new(8, 1.0);
        for number in 0..3 * REMEMBERED_SYMBOLS {
            let id = market.subscribe(&format!("SYM{number}"), Duration::ZERO);
            market.unsubscribe(id);
        }
        assert!(market.listings.len() <= REMEMBERED_SYMBOLS);
        assert_eq!(market.listings.len(), market.ids.len());
    }
}
