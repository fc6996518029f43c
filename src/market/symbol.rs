//! What a symbol is: which texts can be one, which are US shares, and which are simulated.
//!
//! Any thread. No I/O, no clock.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::text::{grouped, is_hidden, printable};

/// The prefix of simulated symbols, so that their rows can never be taken for real ones.
pub(crate) const DEMO_PREFIX: &str = "DEMO:";

/// Whether a symbol is one of the simulated market.
pub(crate) fn is_simulated(symbol: &str) -> bool {
    symbol.starts_with(DEMO_PREFIX)
}

/// The name of a symbol in the simulated market: with the prefix, which is never added twice.
pub(crate) fn simulated_name(symbol: &str) -> Cow<'_, str> {
    if is_simulated(symbol) { symbol.into() } else { format!("{DEMO_PREFIX}{symbol}").into() }
}

/// Whether `symbol` looks like a US share, whose silence the market's hours can explain.
///
/// In Finnhub's names only US shares have no exchange in front: `AAPL`, `BRK.B`, but `BINANCE:BTCUSDT`. The
/// simulated market, `DEMO:AAPL`, trades always.
pub(crate) fn is_us_stock(symbol: &str) -> bool {
    !symbol.is_empty() && !symbol.contains(':')
}

/// Symbols that can be recorded at once, wherever the list comes from: twenty times as many as the largest
/// plan has taken. A wrong file or a fault of the page must not fill the memory.
pub(crate) const MOST_SYMBOLS: usize = 5_000;

/// Bytes of a symbol. Real ones are shorter; a longer text comes from a wrong file. In bytes, because all
/// symbols together are one row of the ledger, which must be read back.
const LONGEST_SYMBOL: usize = 100;

/// Bytes of all symbols together in a row of the ledger: each character may be a quote, which is written
/// twice, and a `;` follows each symbol.
pub(crate) const LONGEST_LIST: usize = MOST_SYMBOLS * (DEMO_PREFIX.len() + 2 * LONGEST_SYMBOL + 1);

/// Characters that no symbol has, and that mean something else where lists of symbols are written:
/// the command line, the ledger, the tickers file, and an address of the page.
const RESERVED: [char; 4] = [',', ';', '#', '%'];

/// Whether a symbol can be asked for at all; the server decides whether it exists.
///
/// # Errors
/// When it is empty or too long, or has a character that no symbol has.
pub(crate) fn check_symbol(symbol: &str) -> Result<(), String> {
    if symbol.is_empty() {
        return Err(
            "a symbol is empty; give names like AAPL or BINANCE:BTCUSDT, separated by commas"
                .to_owned(),
        );
    }
    if let Some(wrong) = symbol.chars().find(|c| is_hidden(*c) || RESERVED.contains(c)) {
        let what =
            if is_hidden(wrong) { "a control character".to_owned() } else { format!("{wrong:?}") };
        return Err(format!("the symbol \"{}\" contains {what}", printable(symbol, 200)));
    }
    if symbol.len() > LONGEST_SYMBOL {
        return Err(format!(
            "a symbol has more than {LONGEST_SYMBOL} bytes: {}",
            printable(symbol, 20)
        ));
    }
    Ok(())
}

/// Whether `count` symbols can be recorded at once.
///
/// # Errors
/// When `count` is more than [`MOST_SYMBOLS`].
pub(crate) fn check_count(count: usize) -> Result<(), String> {
    if count > MOST_SYMBOLS {
        let most = grouped(MOST_SYMBOLS as u64);
        return Err(format!(
            "more than {most} symbols, which is the most that can be recorded at once; take some out"
        ));
    }
    Ok(())
}

/// Keeps the first of equal symbols.
pub(crate) fn without_repeats(symbols: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    symbols.into_iter().filter(|symbol| seen.insert(symbol.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::{check_symbol, is_hidden, is_us_stock};

    #[test]
    fn what_cannot_be_a_symbol_is_refused_and_shown_safely() {
        for symbol in
            ["AAPL", "IC MARKETS:1", "Q\"uote", "BRK.B", "^GSPC", "A/B", "\u{c6}:\u{20ac}"]
        {
            assert_eq!(check_symbol(symbol), Ok(()), "{symbol}");
        }
        let (longest, long, wide) = ("A".repeat(100), "A".repeat(101), "\u{20ac}".repeat(34));
        assert_eq!(check_symbol(&longest), Ok(()));
        for symbol in
            ["", "A;B", "A,B", "#A", "%zz", "A%20B", "A\nB", "A\u{1b}", "A\u{200b}", &long, &wide]
        {
            let fault = check_symbol(symbol).expect_err(symbol);
            assert!(!fault.contains(is_hidden), "{fault:?}");
        }
    }

    #[test]
    fn a_us_stock_has_no_exchange_before_it() {
        for (symbol, expected) in [
            ("AAPL", true),
            ("BRK.B", true),
            ("BINANCE:BTCUSDT", false),
            ("IC MARKETS:1", false),
            ("DEMO:AAPL", false),
            ("DEMO:", false),
            ("", false),
        ] {
            assert_eq!(is_us_stock(symbol), expected, "{symbol}");
        }
    }
}
