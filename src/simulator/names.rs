//! What the simulated market reads from a symbol's name: its kind, and where its price starts.
//!
//! A rule: no I/O, no clock, no chance.

use crate::market::symbol::DEMO_PREFIX;
use crate::text::fnv1a;

/// The tickers that people try first, each with a plausible price.
const START_PRICES: [(&str, f64); 12] = [
    ("AAPL", 232.50),
    ("GOOGL", 170.20),
    ("MSFT", 417.80),
    ("NVDA", 141.90),
    ("SPY", 593.40),
    ("TSLA", 342.10),
    ("BTCUSDT", 67_250.0),
    ("ETHUSDT", 3_310.0),
    ("DOGEUSDT", 0.3921),
    ("SHIBUSDT", 0.000_024_51),
    ("EUR_USD", 1.0662),
    ("XAU_USD", 2_672.4),
];

/// What is traded under a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Stock,
    Crypto,
    Forex,
}

impl Kind {
    /// The kind that a symbol's name suggests, with or without `DEMO:` before it.
    pub(super) fn of(symbol: &str) -> Self {
        match without_demo(symbol).split_once(':') {
            None if symbol.contains("USDT") || symbol.contains("BTC") => Self::Crypto,
            None => Self::Stock,
            Some((
                "FHFX" | "FOREX" | "FOREX.COM" | "FXCM" | "FXPIG" | "FXPRO" | "IC MARKETS" | "ICM"
                | "OANDA",
                _,
            )) => Self::Forex,
            // All other places that Finnhub names before a colon are exchanges of crypto coins.
            Some(_) => Self::Crypto,
        }
    }
}

/// Where the price of a symbol starts: in quote currency, and the same every time.
pub(super) fn start_price(symbol: &str) -> f64 {
    let plain_symbol = without_demo(symbol);
    let name = plain_symbol.rsplit(':').next().unwrap_or(plain_symbol);
    if let Some((_, price)) = START_PRICES.iter().find(|(known, _)| *known == name) {
        return *price;
    }
    // An unknown symbol has a price of its own, always the same, spread over orders of magnitude.
    let share = f64::from(u16::try_from(hash(plain_symbol) >> 48).unwrap_or(0)) / 65_536.0;
    let (lowest, highest): (f64, f64) = match Kind::of(symbol) {
        Kind::Stock => (8.0, 400.0),
        Kind::Crypto => (0.05, 50.0),
        Kind::Forex => (0.5, 2.0),
    };
    lowest * (highest / lowest).powf(share)
}

/// A symbol without the demo's prefix.
pub(super) fn without_demo(symbol: &str) -> &str {
    symbol.strip_prefix(DEMO_PREFIX).unwrap_or(symbol)
}

/// How many decimals a price of this size has.
pub(super) fn price_decimals(kind: Kind, price: f64) -> u32 {
    match kind {
        Kind::Stock => 4,
        Kind::Forex if price >= 20.0 => 3,
        Kind::Forex => 5,
        Kind::Crypto if price >= 1000.0 => 2,
        Kind::Crypto if price >= 1.0 => 4,
        Kind::Crypto if price >= 0.01 => 6,
        Kind::Crypto => 8,
    }
}

/// A hash that is the same on every machine and in every version; its high bits are mixed in.
pub(super) fn hash(text: &str) -> u64 {
    let folded = fnv1a(text.as_bytes());
    (folded ^ (folded >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symbol_has_the_kind_its_name_says() {
        for (kind, symbols) in [
            (Kind::Stock, "AAPL,DEMO:AAPL,BRK.B"),
            (Kind::Crypto, "BINANCE:BTCUSDT,DEMO:BINANCE:BTCUSDT,COINBASE:ETH-USD,ETHBTC"),
            (Kind::Forex, "OANDA:EUR_USD,IC MARKETS:1"),
        ] {
            for symbol in symbols.split(',') {
                assert_eq!(Kind::of(symbol), kind, "{symbol}");
            }
        }
    }

    #[test]
    fn prices_are_those_of_known_tickers_and_plausible_for_any_other() {
        fn check(symbol: &str, expected: std::ops::Range<f64>) {
            assert!(expected.contains(&start_price(symbol)), "{symbol}: {}", start_price(symbol));
        }
        check("DEMO:AAPL", 200.0..260.0);
        check("BINANCE:BTCUSDT", 20_000.0..200_000.0);
        check("OANDA:EUR_USD", 0.9..1.3);
        for number in 0..1000 {
            check(&format!("SYM{number}"), 8.0..400.0);
            check(&format!("BINANCE:SYM{number}"), 0.05..50.0);
        }
    }
}
