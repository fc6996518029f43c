//! Numbers, spans of time and texts from outside, as people read them.
//!
//! Any thread. No I/O, no clock.

use std::fmt::Display;

use indicatif::HumanCount;

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    HumanCount(number).to_string()
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

#[cfg(test)]
mod tests {
    use super::{counted, file_size, grouped, human_duration, in_words, per_second, printable};

    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

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
