//! Texts that are numbers of JSON, and texts that are not.

use proptest::prelude::*;

use super::{NumberForm, SURELY_FIT, is_json_number, leading_integer, number_form, parse_integer};

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
        for (at, other) in (0..length).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
            let mut text = digits.to_vec();
            text[at] = other;
            let plain = !text.starts_with(b"0") || length == 1;
            let digits = text.strip_prefix(b"-").unwrap_or(&text);
            let is_number = plain && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            let expected =
                is_number.then(|| str::from_utf8(&text).ok()?.parse::<i64>().ok()).flatten();
            assert_eq!(parse_integer(&text), expected, "{text:?}");
        }
    }
}

proptest! {
    #[test]
    fn integers_are_read_as_the_standard_library_reads_them(
        digits in 1_u32..20, number in any::<i64>(), at in 0_usize..20, other in any::<u8>(),
    ) {
        let number = number % 10_i64.pow(digits.min(18));
        let mut text = number.to_string().into_bytes();
        prop_assert_eq!(parse_integer(&text), Some(number));
        let at = at % text.len();
        text[at] = other;
        let is_number = is_json_number(&text) && text.iter().all(|byte| b"-0123456789".contains(byte));
        let expected = str::from_utf8(&text).ok().filter(|_| is_number);
        prop_assert_eq!(parse_integer(&text), expected.and_then(|text| text.parse().ok()));
    }

    #[test]
    fn a_leading_integer_is_that_of_its_digits(
        digits in "[0-9]{0,20}|[0-9]{13}", behind in "[,\n:/a]?[,0-9]{0,9}",
    ) {
        let text = digits + &behind;
        let count = text.bytes().take_while(u8::is_ascii_digit).count();
        let number = parse_integer(&text.as_bytes()[..count]).filter(|_| count <= SURELY_FIT);
        let expected = number.map(|number| (number, count));
        prop_assert_eq!(leading_integer(text.as_bytes()), expected);
    }
}
