//! Decimal numbers: their spelling, their order, and exact sums.

use std::cmp::Ordering;

use bigdecimal::BigDecimal;
use proptest::prelude::*;

use super::{Number, Sum, compare};

#[test]
fn a_number_keeps_its_spelling() {
    for text in [
        "0",
        "-1",
        "100.10",
        "0.000004",
        "1e-07",
        "-0",
        "-0.0",
        "0.0",
        "1E+5",
        "-37.63",
        "123456789012345678",
        "1234567890123456789",
        "0.1234567890123456789",
        "12345678.90",
    ] {
        assert_eq!(Number::parse(text).unwrap().to_string(), text);
    }
    for text in ["1e401", "1e-999999999", &"1".repeat(401)] {
        Number::parse(text).unwrap_err();
    }
}

#[test]
fn numbers_are_compared_by_value() {
    for (one, other, expected) in [
        ("9.5", "100.25", Ordering::Less),
        ("1.0", "1.00", Ordering::Equal),
        ("-2", "1e-07", Ordering::Less),
        ("1e2", "99.999", Ordering::Greater),
        ("999999999999999999", "0.000000000000000001", Ordering::Greater),
    ] {
        let [one, other] = [one, other].map(|text| Number::parse(text).unwrap());
        assert_eq!(compare(&one, &other), expected);
    }
}

fn sum(texts: &[&str]) -> String {
    let mut sum = Sum::default();
    for text in texts {
        sum.add(&Number::parse(text).unwrap());
    }
    sum.to_string()
}

#[test]
fn sums_are_exact_and_never_have_an_exponent() {
    assert_eq!(sum(&[]), "0");
    assert_eq!(sum(&["0.1", "0.2"]), "0.3");
    assert_eq!(sum(&["1.50", "1.5"]), "3.00");
    assert_eq!(sum(&["1e-07", "1"]), "1.0000001");
    assert_eq!(sum(&["1e5"]), "100000");
    assert_eq!(sum(&["1e5", "0.25"]), "100000.25");
    assert_eq!(sum(&["1e-40", "1e40"]).len(), 82);
}

proptest! {
    #[test]
    fn a_sum_is_that_of_a_slow_one(
        texts in prop::collection::vec("-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?(e-?[0-9])?", 0..20),
        split in 0_usize..20,
    ) {
        let value = |text: &String| text.parse::<BigDecimal>().unwrap();
        let expected: BigDecimal = texts.iter().map(value).sum();
        let (mut all, mut back) = (Sum::default(), Sum::default());
        for (at, text) in texts.iter().enumerate() {
            let number = Number::parse(text).unwrap();
            if at < split { all.add(&number) } else { back.add(&number) }
        }
        all.add_sum(&back);
        prop_assert_eq!(all.to_string().parse::<BigDecimal>().unwrap(), expected);
    }
}
