//! Numbers as JSON spells them.
//!
//! Any thread. No I/O, no clock.

use memchr::memchr;

/// Whether `text` is one number as JSON spells it, and nothing else.
pub(crate) fn is_json_number(text: &[u8]) -> bool {
    number_form(text).is_some()
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberForm {
    /// Digits, `decimals` of them behind the dot.
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
    // Checked first, because the JSON reader would accept spaces around the number.
    let is_number = matches!(text, [b'-' | b'0'..=b'9', ..])
        && text.last().is_some_and(u8::is_ascii_digit)
        && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    let has_exponent = text.iter().any(|byte| matches!(byte, b'e' | b'E'));
    let plain = NumberForm::Plain { decimals };
    is_number.then_some(if has_exponent { NumberForm::Exponent } else { plain })
}

/// `-?(0|[1-9]\d*)` within 64 bits. Most digits of a recording are in times; the parser of the standard
/// library is slower because it checks for an overflow at each digit.
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if matches!(digits, [] | [b'0', _, ..]) {
        return None;
    }
    let number = match (digits.first_chunk(), digits.last_chunk()) {
        // A time: the last eight digits, and those before them, which the first eight begin with.
        (Some(first), Some(last)) if digits.len() <= 16 => {
            let ((first, others), (last, other_last)) = (digit_values(*first), digit_values(*last));
            let is_number = (others | other_last) == 0;
            let first = if digits.len() > 8 { first << (8 * (16 - digits.len())) } else { 0 };
            is_number.then(|| value_of_eight(first) * 100_000_000 + value_of_eight(last))?
        }
        (None, _) => digits.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
        })?,
        _ => {
            let is_number = digits.iter().all(u8::is_ascii_digit);
            return is_number.then(|| str::from_utf8(text).ok()?.parse().ok())?;
        }
    };
    Some(if digits.len() < text.len() { -number } else { number })
}

/// So many digits fit into 64 bits.
pub(crate) const SURELY_FIT: usize = 18;

/// The integer at the front of `text`, without a sign or leading zeros, and its number of digits; `None` when
/// it might not fit.
#[inline]
pub(crate) fn leading_integer(text: &[u8]) -> Option<(i64, usize)> {
    if let Some(time_ms) = leading_time_ms(text) {
        return Some((time_ms, 13));
    }
    let (number, count) = leading_digits(text);
    let has_leading_zero = count > 1 && text[0] == b'0';
    (count > 0 && count <= SURELY_FIT && !has_leading_zero).then_some((number, count))
}

/// UNIX milliseconds have 13 digits from 2001 to 2286: five, and eight.
#[inline]
fn leading_time_ms(text: &[u8]) -> Option<i64> {
    let (digits, [behind, ..]) = text.split_first_chunk::<13>()? else { return None };
    let (first, last) = (digits.first_chunk()?, digits.last_chunk()?);
    let ((first, others), (last, other_last)) = (digit_values(*first), digit_values(*last));
    let is_time = (others | other_last) == 0 && digits[0] != b'0' && !behind.is_ascii_digit();
    is_time.then(|| value_of_eight(first << 24) * 100_000_000 + value_of_eight(last))
}

/// The value of the digits at the front of `text`, and their number. Of more than [`SURELY_FIT`] it is
/// wrong, and not all are counted.
#[inline]
pub(crate) fn leading_digits(text: &[u8]) -> (i64, usize) {
    const POWERS: [i64; 9] =
        [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
    let (mut number, mut at) = (0_i64, 0);
    // Eight at a time, without a look at each.
    while let Some((eight, _)) = text[at..].split_first_chunk() {
        let (values, others) = digit_values(*eight);
        let count = others.trailing_zeros() as usize / 8;
        if count > 0 {
            let part = value_of_eight(values << (64 - 8 * count));
            number = number.wrapping_mul(POWERS[count]).wrapping_add(part);
            at += count;
        }
        if count < 8 || at > SURELY_FIT {
            return (number, at);
        }
    }
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0'))
        && digit < 10
        && at <= SURELY_FIT
    {
        number = number.wrapping_mul(10).wrapping_add(i64::from(digit));
        at += 1;
    }
    (number, at)
}

/// The values of eight digits, the first in the lowest byte; and a mask with the highest bit of each byte
/// that is no digit.
#[inline]
pub(crate) fn digit_values(digits: [u8; 8]) -> (u64, u64) {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let values = u64::from_le_bytes(digits) ^ (ONES * u64::from(b'0'));
    // 0x76 added to anything above 9 sets the highest bit of its byte.
    let others = (values | ((values & (ONES * 0x7f)) + ONES * 0x76)) & (ONES * 0x80);
    (values, others)
}

/// The number that eight values of digits make, all at once: twos, then fours, then the whole.
#[inline]
fn value_of_eight(values: u64) -> i64 {
    let twos = (values * 10 + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_ffff_0000_ffff;
    let whole = (fours * 10_000 + (fours >> 32)) & 0xffff_ffff;
    whole.cast_signed()
}

#[cfg(test)]
mod tests;
