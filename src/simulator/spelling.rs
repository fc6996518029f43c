//! How the simulator spells what it sends: JSON by hand, and decimal digits without a float.
//!
//! Deliberately independent of the program's own reader, so that a mistake in the one cannot
//! hide behind the same mistake in the other. Pure text, any thread, no clock and no I/O.

use std::fmt::Write as _;

/// Finnhub's own keep-alive, a text message and not a WebSocket ping.
pub(super) const PING: &str = r#"{"type":"ping"}"#;

/// What the server says to one subscription more than the plan allows.
pub(super) const TOO_MANY_SYMBOLS: &str =
    r#"{"msg":"Subscribing to too many symbols","type":"error"}"#;

/// The refusal of one symbol, which names it.
pub(super) fn invalid_symbol(symbol: &str) -> String {
    let mut text = String::from(r#"{"msg":"#);
    push_string(&mut text, &format!("Invalid symbol {symbol}"));
    text.push_str(r#","type":"error"}"#);
    text
}

/// A trade message of elements that are already spelled.
pub(super) fn trade_message<'a>(elements: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::with_capacity(1024);
    text.push_str(r#"{"data":["#);
    for (place, element) in elements.enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(element);
    }
    text.push_str(r#"],"type":"trade"}"#);
    text
}

/// What one trade says, every part already in its JSON spelling.
pub(super) struct TradeText<'a> {
    /// `["1","12"]` or `null`.
    pub(super) conditions: &'a str,
    /// The digits of the price.
    pub(super) price: &'a str,
    /// The symbol in quotes, escaped.
    pub(super) symbol: &'a str,
    /// UNIX milliseconds, the exchange's clock.
    pub(super) timestamp_ms: i64,
    /// The digits of the volume.
    pub(super) volume: &'a str,
}

impl TradeText<'_> {
    /// Appends the element as Finnhub orders it: keys alphabetical.
    pub(super) fn push_to(&self, out: &mut String) {
        let Self { conditions, price, symbol, timestamp_ms, volume } = self;
        // A plain push for the long parts: this line runs for every trade of a fast feed.
        out.push_str(r#"{"c":"#);
        out.push_str(conditions);
        out.push_str(r#","p":"#);
        out.push_str(price);
        out.push_str(r#","s":"#);
        out.push_str(symbol);
        let _ = write!(out, r#","t":{timestamp_ms},"v":"#); // a String cannot fail
        out.push_str(volume);
        out.push('}');
    }
}

/// Appends `text` as a JSON string, escaped as Go's encoder does it (the real server looks like
/// Go): control characters, quotes, and also `<`, `>`, `&` and the two Unicode line separators;
/// other non-ASCII text stays as it is.
pub(super) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0}'..='\u{1f}' | '\u{7f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character)); // a String cannot fail
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Appends `units` × 10^-`decimals` in plain digits: no exponent, no trailing zeros.
pub(super) fn push_decimal(out: &mut String, units: u64, decimals: u32) {
    let (mut units, mut decimals) = (units, decimals);
    while decimals > 0 && units.is_multiple_of(10) {
        units /= 10;
        decimals -= 1;
    }
    let scale = 10_u64.pow(decimals);
    let _ = write!(out, "{}", units / scale); // a String cannot fail
    if decimals > 0 {
        let _ = write!(out, ".{:0width$}", units % scale, width = decimals as usize);
    }
}

/// Whether `text` is one number as RFC 8259 spells it, so that it may stand in a message as it is.
pub(super) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    are_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(are_digits)
        && exponent.is_none_or(|text| are_digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_no_exponent_and_no_trailing_zeros() {
        fn check(units: u64, decimals: u32, expected: &str) {
            let mut text = String::new();
            push_decimal(&mut text, units, decimals);
            assert_eq!(text, expected, "{units} x 10^-{decimals}");
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
            let mut spelled = String::new();
            push_string(&mut spelled, text);
            assert_eq!(serde_json::from_str::<String>(&spelled).unwrap(), text);
            assert!(spelled.chars().all(|character| !character.is_control()), "{spelled}");
        }
        assert_eq!(
            invalid_symbol("A\"B"),
            r#"{"msg":"Invalid symbol A\"B","type":"error"}"#,
            "the refusal names the symbol, escaped"
        );
    }

    #[test]
    fn a_message_is_spelled_as_the_real_server_spells_it() {
        let mut element = String::new();
        TradeText {
            conditions: r#"["1","12"]"#,
            price: "164.0601",
            symbol: r#""AAPL""#,
            timestamp_ms: 1_680_286_537_580,
            volume: "5",
        }
        .push_to(&mut element);
        assert_eq!(
            trade_message([element.as_str(), element.as_str()].into_iter()),
            concat!(
                r#"{"data":[{"c":["1","12"],"p":164.0601,"s":"AAPL","t":1680286537580,"v":5},"#,
                r#"{"c":["1","12"],"p":164.0601,"s":"AAPL","t":1680286537580,"v":5}],"type":"trade"}"#
            )
        );
    }

    #[test]
    fn numbers_are_told_from_what_json_does_not_allow() {
        fn check(text: &str, expected: bool) {
            assert_eq!(is_number(text), expected, "{text:?}");
            assert_eq!(serde_json::from_str::<serde_json::Number>(text).is_ok(), expected);
        }
        for text in ["0", "-0", "100.10", "0.000004", "1e-07", "1E+5", "-2.50e3", "26626"] {
            check(text, true);
        }
        for text in ["", "-", "+1", "01", ".5", "5.", "1e", "1e+", "NaN", "1,5", "1.2.3", "0x1"] {
            check(text, false);
        }
    }
}
