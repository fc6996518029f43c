//! One symbol of the simulated market: how its price walks and how its trades look.
//!
//! A rule: no I/O and no clock, the time is an argument, and everything random comes from the
//! seed. The same seed and symbol give the same trades, whatever else is subscribed.

use super::encode::{Trade, decimal, json_string, trade_element};
use super::names::{Kind, hash, price_decimals, start_price};
use std::sync::Arc;

/// How fast the price forgets a deviation from its start: half of it is gone in about 83 minutes,
/// so it wanders visibly within an hour and is still near its start after weeks.
const REVERSION_PER_SECOND: f64 = 1.0 / 7200.0;

/// The relative size of one second's step, 5 basis points: with the reversion above the price
/// stays within about ±9 % (three deviations) of its start.
const STEP_PER_ROOT_SECOND: f64 = 0.0005;

/// No deviation goes beyond this (natural logarithm), whatever the random numbers say.
const WIDEST_DEVIATION: f64 = 0.25;

/// How far the exchange's time is behind ours, in milliseconds: the delay of a feed on the same coast. So no
/// time is ever ahead of the receiver's clock.
pub(super) const EXCHANGE_LAG_MS: i64 = 25;

/// In the captures about one trade in fifty repeats the one before it, legitimately.
const REPEATS_PER_CENT: u8 = 2;

/// In the captures about one trade in fifty is timed before the one before it.
const BACKWARD_TIMES_PER_CENT: u8 = 2;

/// How far such a time runs back at most, in milliseconds.
const FURTHEST_BACK_MS: i64 = 9;

/// One symbol's walk, its arrivals and its way of spelling trades.
pub(super) struct Instrument {
    kind: Kind,
    symbol_json: String,
    start_price: f64,
    price_decimals: u32,
    /// Natural logarithm of price over start price.
    deviation: f64,
    rng: fastrand::Rng,
    /// How many clients are subscribed to it.
    pub(super) subscribers: usize,
    /// Seconds since the market's start.
    pub(super) next_arrival: f64,
    last_arrival: f64,
    /// Exchange time of the last trade, UNIX milliseconds.
    last_timestamp_ms: i64,
}

impl Instrument {
    /// The instrument that `symbol` names; any text names one. Its price starts at `now`, in
    /// seconds since the market's start.
    pub(super) fn new(symbol: &str, seed: u64, now: f64) -> Self {
        let kind = Kind::of(symbol);
        let start_price = start_price(symbol);
        Self {
            kind,
            symbol_json: json_string(symbol),
            start_price,
            price_decimals: price_decimals(kind, start_price),
            deviation: 0.0,
            rng: fastrand::Rng::with_seed(seed ^ hash(symbol)),
            subscribers: 0,
            next_arrival: now,
            last_arrival: now,
            last_timestamp_ms: 0,
        }
    }

    /// The seconds until this symbol's next trade, when `rate` of them come a second: exponential
    /// gaps, so that arrivals bunch and pause as real ones do.
    pub(super) fn gap_seconds(&mut self, rate: f64) -> f64 {
        -(1.0 - self.rng.f64()).ln() / rate
    }

    /// True `per_cent` times in a hundred.
    fn chance(&mut self, per_cent: u8) -> bool {
        self.rng.u8(0..100) < per_cent
    }

    /// Appends the trades up to `now` (in seconds since the market's start, `wall_ms` in UNIX
    /// milliseconds), `rate` of them a second, each with its arrival.
    pub(super) fn trade_until(
        &mut self,
        now: f64,
        wall_ms: i64,
        rate: f64,
        symbol: &Arc<str>,
        trades: &mut Vec<(f64, Trade)>,
    ) {
        while self.next_arrival <= now {
            let arrival = self.next_arrival;
            let timestamp_ms = self.timestamp_ms(now - arrival, wall_ms);
            let element = self.trade(arrival - self.last_arrival, timestamp_ms);
            let trade = Trade { symbol: Arc::clone(symbol), element, instant_ms: wall_ms };
            if self.chance(REPEATS_PER_CENT) {
                trades.push((arrival, trade.clone()));
            }
            trades.push((arrival, trade));
            self.last_arrival = arrival;
            self.next_arrival += self.gap_seconds(rate);
        }
    }

    /// The exchange's time of a trade that was `age` seconds ago when our clock shows `wall_ms`.
    fn timestamp_ms(&mut self, age: f64, wall_ms: i64) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "at most the longest catch-up")]
        let mut timestamp_ms = wall_ms - EXCHANGE_LAG_MS - (age * 1000.0) as i64;
        if self.last_timestamp_ms > 0 && self.chance(BACKWARD_TIMES_PER_CENT) {
            let back = self.rng.i64(1..=FURTHEST_BACK_MS);
            timestamp_ms = timestamp_ms.min(self.last_timestamp_ms - back);
        }
        self.last_timestamp_ms = timestamp_ms;
        timestamp_ms
    }

    /// Walks `elapsed_seconds` on and spells one trade at `timestamp_ms` (UNIX, milliseconds).
    fn trade(&mut self, elapsed_seconds: f64, timestamp_ms: i64) -> String {
        self.walk(elapsed_seconds);
        let price = self.price();
        let (units, decimals) = self.volume();
        let (conditions, volume) = (self.conditions(units), decimal(units, decimals));
        trade_element(conditions, &price, &self.symbol_json, timestamp_ms, &volume)
    }

    /// An Ornstein-Uhlenbeck step: a random walk that is pulled back to its start.
    fn walk(&mut self, elapsed_seconds: f64) {
        let elapsed = elapsed_seconds.max(0.0);
        // The sum of four uniform numbers, scaled to variance 1, is close enough to a normal one.
        let sum: f64 = (0..4).map(|_| self.rng.f64()).sum();
        let normal = (sum - 2.0) * 3.0_f64.sqrt();
        let kept = (-REVERSION_PER_SECOND * elapsed).exp();
        // After a long pause the step is that of the stationary spread, not of the whole pause.
        let spread = ((1.0 - kept * kept) / (2.0 * REVERSION_PER_SECOND)).sqrt();
        self.deviation = (self.deviation * kept + STEP_PER_ROOT_SECOND * spread * normal)
            .clamp(-WIDEST_DEVIATION, WIDEST_DEVIATION);
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive price of known size, rounded to its smallest unit"
    )]
    fn price(&mut self) -> String {
        let price = self.start_price * self.deviation.exp();
        let scale = 10_f64.powi(self.price_decimals.cast_signed());
        let mut units = (price * scale).round() as u64;
        if self.kind == Kind::Stock && price >= 1.0 {
            // Most trades are on the cent, some at the middle of the spread, some below it.
            units -= units % 100;
            units += match self.rng.u8(0..10) {
                0 => 50,
                1 => self.rng.u64(1..100),
                _ => 0,
            };
        }
        decimal(units.max(1), self.price_decimals)
    }

    /// The volume as units and decimals; a stock's units are shares.
    fn volume(&mut self) -> (u64, u32) {
        match self.kind {
            Kind::Forex => (0, 0),
            Kind::Stock => (self.stock_volume(), 0),
            Kind::Crypto if self.start_price >= 1000.0 => (self.log_uniform(6), 6),
            Kind::Crypto if self.start_price >= 1.0 => (self.log_uniform(6), 4),
            Kind::Crypto => (self.log_uniform(5), 1),
        }
    }

    /// Shares: odd and round lots about equally often, and now and then a price update without a trade.
    fn stock_volume(&mut self) -> u64 {
        match self.rng.u8(0..100) {
            0 => 0,
            1..55 => self.rng.u64(1..100),
            55..90 => 100 * self.rng.u64(1..=5),
            _ => self.rng.u64(100..3000),
        }
    }

    /// A number from 1 to 10^`digits`, every order of magnitude equally likely.
    fn log_uniform(&mut self, digits: u32) -> u64 {
        let top = 10_u64.pow(self.rng.u32(1..=digits));
        self.rng.u64((top / 10)..top)
    }

    /// Condition codes in combinations (and in the order) that captures of real trades show.
    fn conditions(&mut self, shares: u64) -> &'static str {
        if self.kind != Kind::Stock {
            return "null";
        }
        let odd_lot = (1..100).contains(&shares);
        match (self.rng.u8(0..100), odd_lot) {
            (0..2, _) => "[]",
            (2..32, true) => r#"["1","8","12"]"#,
            (2..32, false) => r#"["1","8"]"#,
            (32..42, true) => r#"["1","24","12"]"#,
            (32..42, false) => r#"["1","24"]"#,
            (42..44, true) => r#"["8","12","41"]"#,
            (42..44, false) => r#"["1","8","41"]"#,
            (_, true) => r#"["1","12"]"#,
            (_, false) => r#"["1"]"#,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn trades(symbol: &str, count: usize, gap_seconds: f64) -> Vec<(String, Value)> {
        let mut instrument = Instrument::new(symbol, 7, 0.0);
        let spell = |_| {
            let text = instrument.trade(gap_seconds, 1_680_286_537_580);
            let value = serde_json::from_str(&text).expect("valid JSON");
            (text, value)
        };
        (0..count).map(spell).collect()
    }

    #[test]
    fn stock_trades_look_like_captured_ones() {
        let trades = trades("DEMO:AAPL", 5000, 0.1);
        let mut codes = std::collections::BTreeSet::new();
        let (mut odd_lots, mut zeros) = (0, 0);
        for (text, trade) in &trades {
            let price = trade["p"].as_f64().unwrap();
            assert!((170.0..310.0).contains(&price), "{text}");
            let digits = text.split(r#""p":"#).nth(1).unwrap().split(',').next().unwrap();
            let (_, decimals) = digits.split_once('.').unwrap_or((digits, "x"));
            assert!(decimals.len() <= 4 && !decimals.ends_with('0'), "{text}");
            let volume = trade["v"].as_u64().expect("an integer");
            odd_lots += usize::from((1..100).contains(&volume));
            zeros += usize::from(volume == 0);
            codes.extend(trade["c"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()));
            assert_eq!(trade["s"], "DEMO:AAPL");
        }
        assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["1", "12", "24", "41", "8"]);
        assert!(odd_lots > 1000 && zeros > 0, "{odd_lots} odd lots, {zeros} price updates");
    }

    #[test]
    fn crypto_volumes_are_fractions_without_exponent_and_forex_has_none() {
        let bitcoin = trades("DEMO:BINANCE:BTCUSDT", 2000, 0.1);
        assert!(bitcoin.iter().all(|(_, trade)| trade["c"].is_null()));
        assert!(bitcoin.iter().all(|(text, _)| !text.to_lowercase().contains(r"e-")));
        assert!(bitcoin.iter().any(|(text, _)| text.contains(r#""v":0.0000"#)), "tiny volumes");
        for (text, trade) in trades("OANDA:EUR_USD", 200, 0.1) {
            assert!(trade["c"].is_null() && text.ends_with(r#""v":0}"#), "{text}");
        }
        for (text, _) in trades("BINANCE:SHIBUSDT", 200, 0.1) {
            assert!(text.contains(r#""p":0.0000"#), "{text}");
        }
    }

    #[test]
    fn prices_stay_plausible_for_weeks_and_still_move() {
        // Four weeks, a trade a minute.
        let prices: Vec<f64> = trades("MSFT", 4 * 7 * 24 * 60, 60.0)
            .iter()
            .map(|(_, trade)| trade["p"].as_f64().unwrap())
            .collect();
        let lowest = prices.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = prices.iter().copied().fold(0.0, f64::max);
        assert!(lowest > 417.8 * 0.77 && highest < 417.8 * 1.29, "{lowest}..{highest}");
        assert!(highest / lowest > 1.03, "{lowest}..{highest}");
    }

    #[test]
    fn the_seed_alone_decides_and_symbols_differ() {
        assert_eq!(trades("XYZ", 50, 0.2), trades("XYZ", 50, 0.2));
        assert_ne!(trades("XYZ", 50, 0.2)[0].1["p"], trades("ZYX", 50, 0.2)[0].1["p"]);
    }
}
