//! Numbers, spans of time and texts from outside, as people read them; and numbers as JSON spells
//! them.
//!
//! Any thread. No I/O, no clock.

use std::fmt::Display;

use memchr::memchr;

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest unit that leaves a whole number: `12.3 MB`. The units are thousands, as
/// `ls --si` and disk makers count.
pub(crate) fn file_size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    for (unit, size) in UNITS {
        if bytes >= size {
            let tenths = bytes % size / (size / 10);
            return format!("{}.{tenths} {unit}", bytes / size);
        }
    }
    format!("{bytes} B")
}

/// A rate per second: to a tenth while it is small, whole when it is not.
pub(crate) fn per_second(rate: f64) -> String {
    if rate < 9.95 { format!("{rate:.1}/s") } else { format!("{rate:.0}/s") }
}

/// `1 symbol`, `1,234 symbols`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// A span of milliseconds for people: its two largest units, rounded down, the second left out
/// when it is zero: `3 d 2 h`, `5 h 12 m`, `20 m`, `45 s`. Less than nothing is `0 s`.
pub(crate) fn human_duration(ms: i64) -> String {
    /// Each unit with its length in seconds, the largest first.
    const UNITS: [(&str, i64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let seconds = ms.max(0) / 1000;
    for (at, (unit, length)) in UNITS.into_iter().enumerate() {
        if seconds < length {
            continue;
        }
        let whole = format!("{} {unit}", seconds / length);
        let next = UNITS.get(at + 1).map(|(unit, next)| (unit, seconds % length / next));
        return match next {
            Some((unit, count)) if count > 0 => format!("{whole} {count} {unit}"),
            _ => whole,
        };
    }
    "0 s".to_owned()
}

/// Text from outside made fit for a log line or a terminal: control characters escaped, at most
/// `limit` characters kept.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == limit {
            shown.push('…');
            break;
        }
        if is_hidden(character) {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// An error of the system in words, without the ` (os error 2)` that `Display` puts behind them.
pub(crate) fn in_words(error: &(impl Display + ?Sized)) -> String {
    let mut text = error.to_string();
    if text.ends_with(')')
        && let Some(at) = text.rfind(" (os error ")
    {
        text.truncate(at);
    }
    text
}

/// Whether a character is not seen as such: control characters, and the invisible ones that reorder
/// or hide text on a terminal.
pub(crate) fn is_hidden(character: char) -> bool {
    let invisible = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character.is_control() || invisible
}

/// Whether `text` is one number as JSON spells it, and nothing else.
pub(crate) fn is_json_number(text: &[u8]) -> bool {
    number_form(text).is_some()
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberForm {
    /// Digits, so many of them behind the dot.
    Plain { decimals: usize },
    /// With an exponent.
    Exponent,
}

/// How `text` is written, if it is one number as JSON spells it, and nothing else.
pub(crate) fn number_form(text: &[u8]) -> Option<NumberForm> {
    // Nearly all are digits, perhaps with a dot between them.
    let (whole, fraction) = match memchr(b'.', text) {
        Some(dot) => (&text[..dot], Some(&text[dot + 1..])),
        None => (text, None),
    };
    let decimals = fraction.map_or(0, <[u8]>::len);
    let is_digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    if is_digits(whole) && fraction.is_none_or(is_digits) && (whole.len() == 1 || whole[0] != b'0')
    {
        return Some(NumberForm::Plain { decimals });
    }
    // No space before or behind it, which a reader of JSON would pass over.
    let is_number = matches!(text, [b'-' | b'0'..=b'9', ..])
        && text.last().is_some_and(u8::is_ascii_digit)
        && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    let has_exponent = text.iter().any(|byte| matches!(byte, b'e' | b'E'));
    let plain = NumberForm::Plain { decimals };
    is_number.then_some(if has_exponent { NumberForm::Exponent } else { plain })
}

/// `-?(0|[1-9]\d*)` within 64 bits. Times are most of the digits of a recording, and the parser of the
/// standard library looks for an overflow at each of them.
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    const SURELY_FIT: usize = 18;
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if matches!(digits, [] | [b'0', _, ..]) {
        return None;
    }
    if digits.len() > SURELY_FIT {
        let is_number = digits.iter().all(u8::is_ascii_digit);
        return is_number.then(|| str::from_utf8(text).ok()?.parse().ok())?;
    }
    let (mut number, mut rest) = (0, digits);
    while let Some((eight, behind)) = rest.split_first_chunk() {
        (number, rest) = (number * 100_000_000 + eight_digits(*eight)?, behind);
    }
    for digit in rest {
        number = digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))?;
    }
    Some(if digits.len() < text.len() { -number } else { number })
}

/// The whole number at the front of `text`, without a sign or leading zeros, and how many digits it has,
/// when it surely fits.
#[inline]
pub(crate) fn leading_integer(text: &[u8]) -> Option<(i64, usize)> {
    const SURELY_FIT: usize = 18;
    let (mut number, mut at) = (0, 0);
    if let Some((eight, _)) = text.split_first_chunk()
        && let Some(value) = eight_digits(*eight)
    {
        (number, at) = (value, 8);
    }
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0'))
        && digit < 10
    {
        number = number * 10 + i64::from(digit);
        at += 1;
        if at > SURELY_FIT {
            return None;
        }
    }
    let has_leading_zero = at > 1 && text[0] == b'0';
    (at > 0 && !has_leading_zero).then_some((number, at))
}

/// The values of eight digits, the first in the lowest byte, and where there is no digit: the highest
/// bit of such a byte.
#[inline]
pub(crate) fn digit_values(digits: [u8; 8]) -> (u64, u64) {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let values = u64::from_le_bytes(digits) ^ (ONES * u64::from(b'0'));
    // 0x76 added to anything above 9 sets the highest bit of its byte.
    let others = (values | ((values & (ONES * 0x7f)) + ONES * 0x76)) & (ONES * 0x80);
    (values, others)
}

/// The value of eight digits, all at once: twos, then fours, then the whole.
fn eight_digits(digits: [u8; 8]) -> Option<i64> {
    let (values, others) = digit_values(digits);
    if others != 0 {
        return None;
    }
    let twos = (values * 10 + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_ffff_0000_ffff;
    let whole = (fours * 10_000 + (fours >> 32)) & 0xffff_ffff;
    Some(whole.cast_signed())
}

/// FNV-1a, 64 bits: small, and the same on every machine and in every version, which the standard
/// library's hasher does not promise.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{
        NumberForm, counted, file_size, grouped, human_duration, in_words, is_json_number,
        number_form, parse_integer, per_second, printable,
    };

    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

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
            "-2.50e3",
            "26626",
            "1e999",
            "123456789012345678901234567890",
        ] {
            assert!(is_json_number(good.as_bytes()), "{good}");
        }
        for bad in [
            "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "1.e5", " 1", "1 ", "\n1", "NaN", "inf",
            "0x1", "1,5", "1_0", "1.5.2", "1e5.0", "--1", "\u{661}", "1 2", "[1]", "\"1\"",
        ] {
            assert!(!is_json_number(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn the_form_of_a_number_is_its_decimals_or_an_exponent() {
        for (text, expected) in [
            ("5", Some(NumberForm::Plain { decimals: 0 })),
            ("100.10", Some(NumberForm::Plain { decimals: 2 })),
            ("-0.1234567890123", Some(NumberForm::Plain { decimals: 13 })),
            ("1e-07", Some(NumberForm::Exponent)),
            ("-2.50E3", Some(NumberForm::Exponent)),
            ("1.", None),
        ] {
            assert_eq!(number_form(text.as_bytes()), expected, "{text}");
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
        for length in 1..=18 {
            let digits = &b"123456789012345678"[..length];
            assert_eq!(parse_integer(digits), str::from_utf8(digits).unwrap().parse().ok());
            for (at, other) in (0..length).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte)))
            {
                let mut text = digits.to_vec();
                text[at] = other;
                let plain = !text.starts_with(b"0") || length == 1;
                let digits = text.strip_prefix(b"-").unwrap_or(&text);
                let is_number =
                    plain && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
                let expected =
                    is_number.then(|| str::from_utf8(&text).ok()?.parse::<i64>().ok()).flatten();
                assert_eq!(parse_integer(&text), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (123_456, "123,456"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn one_of_a_thing_is_no_plural() {
        assert_eq!(
            [0, 1, 1234].map(|n| counted(n, "symbol")),
            ["0 symbols", "1 symbol", "1,234 symbols"]
        );
    }

    #[test]
    fn sizes_have_one_decimal_and_are_rounded_down() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (12_345_678, "12.3 MB"),
            (10_000_000_000, "10.0 GB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(file_size(bytes), expected);
        }
    }

    #[test]
    fn rates_are_whole_when_they_are_large() {
        for (rate, expected) in
            [(0.0, "0.0/s"), (0.25, "0.2/s"), (9.94, "9.9/s"), (9.96, "10/s"), (8123.7, "8124/s")]
        {
            assert_eq!(per_second(rate), expected);
        }
    }

    #[test]
    fn durations_show_their_two_largest_units() {
        for (ms, expected) in [
            (i64::MIN, "0 s"),
            (-1, "0 s"),
            (0, "0 s"),
            (999, "0 s"),
            (45 * SECOND, "45 s"),
            (MINUTE - 1, "59 s"),
            (MINUTE, "1 m"),
            (90 * SECOND, "1 m 30 s"),
            (20 * MINUTE, "20 m"),
            (HOUR, "1 h"),
            (HOUR + 59 * SECOND, "1 h"),
            (5 * HOUR + 12 * MINUTE + 40 * SECOND, "5 h 12 m"),
            (DAY - 1, "23 h 59 m"),
            (DAY + 59 * MINUTE, "1 d"),
            (3 * DAY + 2 * HOUR + 59 * MINUTE, "3 d 2 h"),
            (400 * DAY, "400 d"),
        ] {
            assert_eq!(human_duration(ms), expected, "{ms} ms");
        }
    }

    #[test]
    fn text_from_outside_cannot_steer_a_terminal() {
        assert_eq!(
            printable("a\u{1b}[2Jb\r\n\u{9b}\u{202e}é", 100),
            "a\\u{1b}[2Jb\\r\\n\\u{9b}\\u{202e}é"
        );
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("abc", 3), "abc");
    }

    #[test]
    fn an_error_of_the_system_is_told_without_its_number() {
        let missing = std::io::Error::from_raw_os_error(2);
        assert_eq!(in_words(&missing), "No such file or directory");
        let wrapped = std::io::Error::new(missing.kind(), format!("x: {missing}"));
        assert_eq!(in_words(&wrapped), "x: No such file or directory");
        assert_eq!(in_words("a (os error 2) b)c"), "a (os error 2) b)c");
        assert_eq!(in_words(""), "");
    }
}
