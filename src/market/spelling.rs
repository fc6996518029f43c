//! How Finnhub spells its symbols, and what is odd about one that is spelled in another way.
//!
//! Any thread. No I/O, no clock. Finnhub accepts every text and sends no trade for most of them, so
//! that a wrong spelling is a warning wherever a list comes from, and never an error.

use super::symbol::{DEMO_PREFIX, is_us_stock};

/// Symbols that are named in a warning.
const NAMED: usize = 5;

/// One line for each kind of odd spelling among `symbols`.
pub(crate) fn spelling_warnings<'s>(symbols: impl IntoIterator<Item = &'s str>) -> Vec<String> {
    let plain = |symbol: &'s str| symbol.strip_prefix(DEMO_PREFIX).unwrap_or(symbol);
    let symbols: Vec<&str> = symbols.into_iter().map(plain).collect();
    [small_letters(&symbols), share_classes(&symbols), with_space(&symbols)]
        .into_iter()
        .flatten()
        .collect()
}

/// All of Finnhub's symbols have capital letters. Those of some crypto exchanges have small ones behind
/// the colon: `HUOBI:btcusdt`.
fn small_letters(symbols: &[&str]) -> Option<String> {
    let is_small =
        |symbol: &&str| symbol.contains(char::is_lowercase) && !symbol.contains(char::is_uppercase);
    let found = listed(symbols, is_small)?;
    let meant = found.to_uppercase();
    Some(format!("{found}: Finnhub's symbols are in capital letters; did you mean {meant}?"))
}

/// A class of a share follows a point: `BRK.B`. Others write `BRK-B`, `BRK/B` or `BRK B`.
fn share_classes(symbols: &[&str]) -> Option<String> {
    let found = listed(symbols, |symbol| is_share_class(symbol))?;
    let meant = found.replace(['-', '/', ' '], ".");
    Some(format!(
        "{found}: Finnhub writes the class of a share behind a point; did you mean {meant}?"
    ))
}

fn is_share_class(symbol: &str) -> bool {
    let is_name =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase());
    symbol
        .rsplit_once(['-', '/', ' '])
        .is_some_and(|(share, class)| is_name(share) && is_name(class) && class.len() == 1)
}

/// A space where a comma or a new line was probably meant. Those of Finnhub that have one have an
/// exchange in front, too: `IC MARKETS:1`.
fn with_space(symbols: &[&str]) -> Option<String> {
    let is_odd =
        |symbol: &&&str| symbol.contains(' ') && is_us_stock(symbol) && !is_share_class(symbol);
    let found = symbols.iter().find(is_odd)?;
    Some(format!(
        "\"{found}\" is read as one symbol; separate several by commas, in a file by lines"
    ))
}

fn listed(symbols: &[&str], is_odd: impl Fn(&&str) -> bool) -> Option<String> {
    let found: Vec<&str> = symbols.iter().copied().filter(is_odd).take(NAMED).collect();
    (!found.is_empty()).then(|| found.join(","))
}

#[cfg(test)]
mod tests {
    use super::spelling_warnings;

    #[test]
    fn odd_spellings_are_named_with_the_right_one() {
        for (symbol, expected) in [
            ("aapl", "did you mean AAPL?"),
            ("binance:btcusdt", "did you mean BINANCE:BTCUSDT?"),
            ("DEMO:aapl", "aapl: Finnhub's symbols are in capital letters"),
            ("BRK-B", "did you mean BRK.B?"),
            ("BF/B", "did you mean BF.B?"),
            ("BRK B", "did you mean BRK.B?"),
            ("AAPL MSFT", "\"AAPL MSFT\" is read as one symbol"),
        ] {
            let warnings = spelling_warnings([symbol]);
            assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
        }
    }

    #[test]
    fn finnhubs_own_spellings_are_fine() {
        let fine = [
            "AAPL",
            "BRK.B",
            "BINANCE:BTCUSDT",
            "IC MARKETS:1",
            "COINBASE:BTC-USD",
            "HUOBI:btcusdt",
            "OANDA:EUR_USD",
            "DEMO:AAPL",
            "7203.T",
        ];
        assert_eq!(spelling_warnings(fine), Vec::<String>::new());
    }
}
