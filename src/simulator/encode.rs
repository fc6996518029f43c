//! How the simulator spells what it sends: JSON by hand, and decimal digits without a float.
//!
//! Deliberately independent of the program's own reader: a mistake in one of them cannot hide behind the
//! same mistake in the other. Pure text, any thread, no clock and no I/O.

use std::fmt::Write as _;
use std::sync::Arc;

/// Finnhub's own keep-alive, a text message and not a WebSocket ping.
pub(super) const PING: &str = r#"{"type":"ping"}"#;

/// What the server says to one subscription more than the plan allows.
pub(super) const TOO_MANY_SYMBOLS: &str =
    r#"{"msg":"Subscribing to too many symbols","type":"error"}"#;

/// The refusal of one symbol, which names it.
pub(super) fn invalid_symbol(symbol: &str) -> String {
    let message = json_string(&format!("Invalid symbol {symbol}"));
    format!(r#"{{"msg":{message},"type":"error"}}"#)
}

/// A trade message of elements that are already spelled.
pub(super) fn trade_message(elements: &[&str]) -> String {
    format!(r#"{{"data":[{}],"type":"trade"}}"#, elements.join(","))
}

/// One trade on its way to the clients, simulated or replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trade {
    pub(super) symbol: Arc<str>,
    /// The trade as it is in a message.
    pub(super) element: String,
    /// When it arrived, UNIX milliseconds: trades with the same time may go out in one message.
    pub(super) instant_ms: i64,
}

/// A trade's element as Finnhub orders it, keys alphabetical, of parts that are JSON already:
/// `["1","12"]` or `null`, the digits of the price, the symbol in quotes, UNIX milliseconds by the
/// exchange's clock, the digits of the volume.
pub(super) fn trade_element(
    conditions: &str,
    price: &str,
    symbol: &str,
    timestamp_ms: i64,
    volume: &str,
) -> String {
    format!(r#"{{"c":{conditions},"p":{price},"s":{symbol},"t":{timestamp_ms},"v":{volume}}}"#)
}

/// `text` as a JSON string, escaped as Go's encoder does it (the real server looks like Go): control
/// characters, quotes, and also `<`, `>`, `&` and the two Unicode line separators; other non-ASCII
/// text stays as it is.
pub(super) fn json_string(text: &str) -> String {
    let mut json = String::from('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{0}'..='\u{1f}' | '\u{7f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(character)); // a String cannot fail
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

/// `units` × 10^-`decimals` in plain digits: no exponent, no trailing zeros.
pub(super) fn decimal(mut units: u64, mut decimals: u32) -> String {
    while decimals > 0 && units.is_multiple_of(10) {
        units /= 10;
        decimals -= 1;
    }
    let scale = 10_u64.pow(decimals);
    if decimals == 0 {
        return units.to_string();
    }
    format!("{}.{:0width$}", units / scale, units % scale, width = decimals as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_no_exponent_and_no_trailing_zeros() {
        fn check(units: u64, decimals: u32, expected: &str) {
            assert_eq!(decimal(units, decimals), expected, "{units} x 10^-{decimals}");
        }
        check(1_640_601, 4, "164.0601");
        check(1_640_600, 4, "164.06");
        check(1_640_000, 4, "164");
        check(2_662_600, 2, "26626");
        check(8, 5, "0.00008");
        check(4, 8, "0.00000004");
        check(0, 5, "0");
        check(100, 0, "100");
    }

    #[test]
    fn strings_are_escaped_so_that_any_reader_gets_the_same_text_back() {
        for text in
            ["AAPL", "a\"b\\c", "\u{0}\n\r\t\u{1f}\u{7f}", "Ünï 株 🦀", "</script>&\u{2028}"]
        {
            let spelled = json_string(text);
            assert_eq!(serde_json::from_str::<String>(&spelled).unwrap(), text);
            assert!(spelled.chars().all(|character| !character.is_control()), "{spelled}");
        }
        assert_eq!(
            invalid_symbol("A\"B"),
            r#"{"msg":"Invalid symbol A\"B","type":"error"}"#,
            "the refusal names the symbol, escaped"
        );
    }
}
