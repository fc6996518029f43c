//! Numbers of a recording: compared and added exactly, shown with their own digits.
//!
//! Any thread. No I/O. Nearly every number has few digits and no exponent: such a one is a mantissa
//! and a count of decimals, from which its spelling follows. Any other keeps its text, and is
//! computed with by `bigdecimal`.

use std::cmp::Ordering;
use std::fmt;

use bigdecimal::{BigDecimal, Zero};

use crate::text::{SURELY_FIT, leading_digits};

/// Those of ten that a mantissa holds.
const POWERS: [i64; SURELY_FIT + 1] = {
    let mut powers = [1; SURELY_FIT + 1];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = 10 * powers[at - 1];
        at += 1;
    }
    powers
};

/// The longest text and the largest exponent that are computed with. No price comes near them, and
/// `1e-999999999` would fill the memory with zeros.
const LONGEST_TEXT: usize = 400;
const LARGEST_EXPONENT: i64 = 400;

/// A price or a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Number {
    /// `mantissa` / 10^`decimals`.
    Small { mantissa: i64, decimals: u8 },
    /// With an exponent, more digits, or a negative zero.
    Large(Box<Large>),
}

/// A number that does not fit, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Large {
    text: Box<str>,
    value: BigDecimal,
}

impl Number {
    /// Reads the number at the front of `text`, if it is a small one; gives how many bytes it has.
    #[inline]
    pub(super) fn small_prefix(text: &[u8]) -> Option<(Self, usize)> {
        let negative = text.first() == Some(&b'-');
        let start = usize::from(negative);
        let (mut mantissa, whole) = leading_digits(&text[start..]);
        if whole == 0 || whole > SURELY_FIT || (whole > 1 && text[start] == b'0') {
            return None;
        }
        let (mut at, mut decimals) = (start + whole, 0);
        if text.get(at) == Some(&b'.') {
            let (fraction, count) = leading_digits(&text[at + 1..]);
            if count == 0 || whole + count > SURELY_FIT {
                return None;
            }
            mantissa = mantissa * POWERS[count] + fraction;
            (at, decimals) = (at + 1 + count, count);
        }
        if negative && mantissa == 0 {
            return None;
        }
        let mantissa = if negative { -mantissa } else { mantissa };
        // At most 18.
        let decimals = u8::try_from(decimals).ok()?;
        Some((Self::Small { mantissa, decimals }, at))
    }

    /// Reads a number as JSON spells it, which `text` must be.
    ///
    /// # Errors
    /// When it is too long, or its exponent too large, to be computed with.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some((number, length)) = Self::small_prefix(text.as_bytes())
            && length == text.len()
        {
            return Ok(number);
        }
        let exponent = text.split_once(['e', 'E']).map_or(Ok(0), |(_, exponent)| exponent.parse());
        let fits = exponent.is_ok_and(|exponent: i64| exponent.abs() <= LARGEST_EXPONENT);
        match text.parse() {
            Ok(value) if fits && text.len() <= LONGEST_TEXT => {
                Ok(Self::Large(Box::new(Large { text: text.into(), value })))
            }
            _ => Err("has more digits than can be computed with"),
        }
    }

    /// Whether it is 0, however it is spelled.
    #[inline]
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Self::Small { mantissa, .. } => *mantissa == 0,
            Self::Large(large) => large.value.is_zero(),
        }
    }

    fn value(&self) -> BigDecimal {
        match self {
            Self::Small { mantissa, decimals } => {
                BigDecimal::new((*mantissa).into(), i64::from(*decimals))
            }
            Self::Large(large) => large.value.clone(),
        }
    }
}

/// By value: `1.0` and `1.00` are equal here, and not the same text.
pub(super) fn compare(one: &Number, other: &Number) -> Ordering {
    let (
        Number::Small { mantissa: a, decimals: a_decimals },
        Number::Small { mantissa: b, decimals: b_decimals },
    ) = (one, other)
    else {
        return one.value().cmp(&other.value());
    };
    if a_decimals == b_decimals {
        return a.cmp(b);
    }
    // 18 digits and 18 zeros are within 128 bits.
    let scaled = |mantissa: i64, less: u8, more: u8| {
        i128::from(mantissa) * 10_i128.pow(u32::from(more.saturating_sub(less)))
    };
    scaled(*a, *a_decimals, *b_decimals).cmp(&scaled(*b, *b_decimals, *a_decimals))
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small { mantissa, decimals } => {
                show(formatter, i128::from(*mantissa), usize::from(*decimals))
            }
            Self::Large(large) => formatter.write_str(&large.text),
        }
    }
}

fn show(formatter: &mut fmt::Formatter<'_>, mantissa: i128, decimals: usize) -> fmt::Result {
    let sign = if mantissa < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", mantissa.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let point = if decimals > 0 { "." } else { "" };
    write!(formatter, "{sign}{whole}{point}{fraction}")
}

/// An exact sum, with as many decimals as its most precise summand.
#[derive(Debug, Clone, Default)]
pub(super) struct Sum {
    mantissa: i128,
    decimals: u8,
    /// What does not fit beside these.
    rest: Option<Box<BigDecimal>>,
}

impl Sum {
    /// Adds a number.
    #[inline]
    pub(super) fn add(&mut self, number: &Number) {
        match number {
            Number::Small { mantissa, decimals } => {
                self.add_small(i128::from(*mantissa), *decimals);
            }
            Number::Large(large) => self.add_large(&large.value),
        }
    }

    /// Adds another sum.
    pub(super) fn add_sum(&mut self, other: &Self) {
        self.add_small(other.mantissa, other.decimals);
        if let Some(rest) = &other.rest {
            self.add_large(rest);
        }
    }

    #[inline]
    fn add_small(&mut self, mantissa: i128, decimals: u8) {
        let scale = |mantissa: i128, by: u8| {
            if by == 0 { Some(mantissa) } else { mantissa.checked_mul(10_i128.pow(by.into())) }
        };
        let most = self.decimals.max(decimals);
        let sum = scale(self.mantissa, most - self.decimals)
            .zip(scale(mantissa, most - decimals))
            .and_then(|(own, other)| own.checked_add(other));
        match sum {
            Some(sum) => (self.mantissa, self.decimals) = (sum, most),
            None => self.add_large(&BigDecimal::new(mantissa.into(), i64::from(decimals))),
        }
    }

    fn add_large(&mut self, value: &BigDecimal) {
        **self.rest.get_or_insert_default() += value;
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(rest) = &self.rest else {
            return show(formatter, self.mantissa, usize::from(self.decimals));
        };
        let small = BigDecimal::new(self.mantissa.into(), i64::from(self.decimals));
        formatter.write_str(&(small + &**rest).to_plain_string())
    }
}

#[cfg(test)]
mod tests;
