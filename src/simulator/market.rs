//! The simulated market: when trades happen, for every symbol with a subscription.
//!
//! A rule: no I/O and no clock. The server passes the time and gets the trades up to then.

use super::encode::Trade;
use super::instrument::Instrument;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How many prices are remembered of symbols without a subscription, so that a client that reconnects sees
/// no jump. Bounded, because clients can name any symbol.
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
mod tests;
