//! What the simulated market reads from a symbol's name: its kind, and where its price starts.
//!
//! A rule: no I/O, no clock, no chance.

use crate::trade::DEMO_PREFIX;

/// Known tickers and a price each that nobody finds strange.
const START_PRICES: &[(&str, f64)] = &[
    ("AAPL", 232.50),
    ("ADBE", 512.40),
    ("AMD", 141.80),
    ("AMZN", 202.10),
    ("AVGO", 171.30),
    ("BAC", 46.20),
    ("BRK.B", 471.60),
    ("COIN", 298.70),
    ("COST", 928.30),
    ("DIS", 112.40),
    ("F", 11.05),
    ("GOOG", 171.90),
    ("GOOGL", 170.20),
    ("INTC", 24.35),
    ("IWM", 231.10),
    ("JPM", 245.70),
    ("KO", 63.10),
    ("META", 566.20),
    ("MSFT", 417.80),
    ("NFLX", 872.60),
    ("NVDA", 141.90),
    ("ORCL", 189.50),
    ("PLTR", 64.30),
    ("QQQ", 505.80),
    ("SPY", 593.40),
    ("TSLA", 342.10),
    ("UBER", 71.20),
    ("V", 308.60),
    ("WMT", 88.40),
    ("XOM", 121.30),
    ("BTCUSDT", 67_250.0),
    ("BTCUSD", 67_240.0),
    ("ETHUSDT", 3_310.0),
    ("ETHBTC", 0.0492),
    ("BNBUSDT", 622.0),
    ("SOLUSDT", 238.0),
    ("XRPUSDT", 1.38),
    ("ADAUSDT", 0.87),
    ("DOGEUSDT", 0.3921),
    ("LTCUSDT", 94.2),
    ("SHIBUSDT", 0.000_024_51),
    ("EUR_USD", 1.0662),
    ("GBP_USD", 1.2618),
    ("USD_JPY", 154.32),
    ("USD_CHF", 0.8842),
    ("AUD_USD", 0.6507),
    ("USD_CAD", 1.3975),
    ("XAU_USD", 2_672.4),
];

const CRYPTO_EXCHANGES: &[&str] = &[
    "BINANCE",
    "BINANCEUS",
    "BITFINEX",
    "BITMEX",
    "BITSTAMP",
    "BITTREX",
    "BYBIT",
    "COINBASE",
    "GEMINI",
    "HITBTC",
    "HUOBI",
    "KRAKEN",
    "KUCOIN",
    "OKEX",
    "POLONIEX",
];

const FOREX_VENUES: &[&str] =
    &["FHFX", "FOREX", "FOREX.COM", "FXCM", "FXPIG", "FXPRO", "IC MARKETS", "ICM", "OANDA"];

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
        let symbol = without_demo(symbol);
        let (venue, name) = symbol.split_once(':').unwrap_or(("", symbol));
        if FOREX_VENUES.contains(&venue) {
            Self::Forex
        } else if CRYPTO_EXCHANGES.contains(&venue) || name.contains("USDT") || name.contains("BTC")
        {
            Self::Crypto
        } else {
            Self::Stock
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

fn without_demo(symbol: &str) -> &str {
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

/// FNV-1a, 64 bits, with a last mixing of the high bits: small, and the same on every machine and
/// in every version, which the standard library's hasher does not promise.
pub(super) fn hash(text: &str) -> u64 {
    let folded = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (folded ^ (folded >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symbol_has_the_kind_its_name_says() {
        fn check(symbol: &str, expected: Kind) {
            assert_eq!(Kind::of(symbol), expected, "{symbol}");
        }
        check("AAPL", Kind::Stock);
        check("DEMO:AAPL", Kind::Stock);
        check("DEMO:BINANCE:BTCUSDT", Kind::Crypto);
        check("BRK.B", Kind::Stock);
        check("BINANCE:BTCUSDT", Kind::Crypto);
        check("COINBASE:ETH-USD", Kind::Crypto);
        check("ETHBTC", Kind::Crypto);
        check("OANDA:EUR_USD", Kind::Forex);
        check("IC MARKETS:1", Kind::Forex);
    }

    #[test]
    fn prices_are_those_of_known_tickers_and_plausible_for_any_other() {
        fn check(symbol: &str, expected: std::ops::Range<f64>) {
            let price = start_price(symbol);
            assert!(expected.contains(&price), "{symbol}: {price}");
            assert!((price - start_price(symbol)).abs() < f64::EPSILON, "the same every time");
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
