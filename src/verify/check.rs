//! What makes a row of a recording well-formed.
//!
//! Runs on the main thread, for `verify`. Pure rules; it must not read files or keep counts.

use std::borrow::Cow;

use memchr::memchr;

use crate::recorder::columns::Column;
use crate::rows::Row;
use crate::text::printable;

/// How much of a wrong value is shown, in characters: enough to recognise it in one line.
const SHOWN: usize = 60;

/// So many digits always fit an `i64`, also when every one of them counts 15: times need no look at
/// each step whether they still fit, and they are most of the digits of a recording.
const DIGITS_ALWAYS_IN_RANGE: usize = 18;

/// What a well-formed row says, of what `verify` counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Values<'a> {
    pub(super) ticker: Option<Cow<'a, [u8]>>,
    /// The exchange's clock, UNIX milliseconds.
    pub(super) timestamp_ms: Option<i64>,
    /// The recording machine's clock, UNIX milliseconds.
    pub(super) received_ms: Option<i64>,
}

/// Checks `row` against the columns of its file, whose header line was `header`.
///
/// # Errors
/// The first thing that is wrong with it, for a person.
pub(super) fn check_row<'a>(
    row: &Row<'a>,
    columns: &[Column],
    header: &[u8],
) -> Result<Values<'a>, String> {
    let fields = row.fields.map_err(|broken| broken.to_string())?;
    if row.text == header {
        return Err("the header again".to_owned());
    }
    if fields.count() != columns.len() {
        if row.text.is_empty() {
            return Err("an empty line".to_owned());
        }
        return Err(format!("{} fields instead of {}", fields.count(), columns.len()));
    }
    let mut values = Values::default();
    for (index, &column) in columns.iter().enumerate() {
        let value = fields.get(index);
        let fault = match column {
            Column::Ticker if value.is_empty() => return Err("no ticker".to_owned()),
            Column::Ticker | Column::Conditions => text_fault(&value, fields.is_quoted(index)),
            Column::Price | Column::Volume => {
                (!is_json_number(&value)).then_some("is not a number")
            }
            Column::TimestampMs => read_time(&value, &mut values.timestamp_ms),
            Column::ReceivedMs => read_time(&value, &mut values.received_ms),
        };
        if let Some(fault) = fault {
            return Err(format!("{column} {} {fault}", shown(&value)));
        }
        if column == Column::Ticker {
            values.ticker = Some(value);
        }
    }
    Ok(values)
}

/// What is wrong with free text. It may be any UTF-8 without NUL, which no program after us
/// expects. A carriage return is text inside quotes, and a line end to many readers outside them.
fn text_fault(value: &[u8], quoted: bool) -> Option<&'static str> {
    // Nearly every symbol and condition is plain ASCII, which needs one short look only.
    if value.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        None
    } else if std::str::from_utf8(value).is_err() {
        Some("is not UTF-8")
    } else if memchr(0, value).is_some() {
        Some("holds a NUL byte")
    } else if !quoted && memchr(b'\r', value).is_some() {
        Some("holds a carriage return without quotes")
    } else {
        None
    }
}

fn read_time(value: &[u8], time: &mut Option<i64>) -> Option<&'static str> {
    *time = parse_integer(value);
    time.is_none().then_some("is not a whole number of milliseconds")
}

/// `-?(0|[1-9]\d*)` within 64 bits.
pub(super) fn parse_integer(value: &[u8]) -> Option<i64> {
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    if digits.is_empty() || (digits[0] == b'0' && digits.len() > 1) {
        return None;
    }
    if digits.len() <= DIGITS_ALWAYS_IN_RANGE {
        let mut number: i64 = 0;
        let mut all_digits = true;
        for &digit in digits {
            all_digits &= digit.is_ascii_digit();
            number = number * 10 + i64::from(digit & 0x0f);
        }
        return all_digits.then_some(if negative { -number } else { number });
    }
    let mut number: i64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // Counting below zero reaches one further than above it.
        number = number.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))?;
    }
    if negative { Some(number) } else { number.checked_neg() }
}

/// `-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?`, the number of JSON.
pub(super) fn is_json_number(value: &[u8]) -> bool {
    let unsigned = value.strip_prefix(b"-").unwrap_or(value);
    let (whole, mut rest) = split_digits(unsigned);
    if whole.is_empty() || (whole[0] == b'0' && whole.len() > 1) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (digits, after) = split_digits(fraction);
        if digits.is_empty() {
            return false;
        }
        rest = after;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let unsigned = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-"));
        let (digits, after) = split_digits(unsigned.unwrap_or(exponent));
        return !digits.is_empty() && after.is_empty();
    }
    rest.is_empty()
}

/// The digits at the front, and what follows them.
fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// Bytes of a file shown on a terminal: in quotes, shortened, nothing in it that moves the cursor.
pub(super) fn shown(text: &[u8]) -> String {
    format!("\"{}\"", printable(&String::from_utf8_lossy(text), SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_json() {
        for good in [
            "0",
            "-0",
            "5",
            "164.0601",
            "0.000004",
            "1e-07",
            "1E+5",
            "2.50e10",
            "-3.1",
            "100.10",
            "123456789012345678901234567890",
        ] {
            assert!(is_json_number(good.as_bytes()), "{good}");
        }
        for bad in [
            "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "1.e5", " 1", "1 ", "NaN", "inf", "0x1",
            "1,5", "1_0", "1.5.2", "1e5.0", "--1", "\u{661}",
        ] {
            assert!(!is_json_number(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn integers_have_no_decoration_and_fit_64_bits() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1680286537580", Some(1_680_286_537_580)),
            ("-5", Some(-5)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("99999999999999999999", None),
            ("", None),
            ("-", None),
            ("007", None),
            ("+7", None),
            ("1.0", None),
            ("1e3", None),
            (" 1", None),
        ] {
            assert_eq!(parse_integer(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_is_short_and_harmless() {
        for (text, expected) in [
            ("abc", "\"abc\"".to_owned()),
            ("", "\"\"".to_owned()),
            ("\u{1b}[2J\n", "\"\\u{1b}[2J\\n\"".to_owned()),
            (&"é".repeat(60), format!("\"{}\"", "é".repeat(60))),
            (&"é".repeat(5000), format!("\"{}…\"", "é".repeat(60))),
        ] {
            assert_eq!(shown(text.as_bytes()), expected);
        }
    }
}
