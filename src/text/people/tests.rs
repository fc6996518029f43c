//! Numbers, spans and texts, and how they are shown.

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
