//! A row about which all is ordinary, read several bytes at a time: a look at each of them, and a wrong
//! guess of the processor's where a field ends, is what reading costs.
//!
//! Any thread. No I/O, no clock.

use super::layout::Layout;
use super::number::Number;
use crate::market::conditions::{Limits, limits};
use crate::recording::columns::Column;
use crate::text::{digit_values, leading_integer};

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHEST_BITS: u64 = ONES * 0x80;

/// The bytes of a short text as a number. No text has [`NO_KEY`].
pub(super) type Key = u128;
pub(super) const NO_KEY: Key = 0;

/// The values of a row that bars need.
pub(super) struct Traded<'a> {
    pub(super) ticker: &'a [u8],
    /// Its bytes, if they are few.
    pub(super) key: Key,
    pub(super) price: Number,
    pub(super) volume: Number,
    pub(super) time_ms: i64,
    /// `None` when the file has no such column.
    pub(super) received_ms: Option<i64>,
    pub(super) limits: Limits,
}

/// What was found lately for short texts. Now and then one of them takes the place of another.
pub(super) struct Recent<T> {
    found: Box<[(Key, T); 256]>,
}

impl<T: Copy + Default> Default for Recent<T> {
    fn default() -> Self {
        Self { found: Box::new([(NO_KEY, T::default()); 256]) }
    }
}

impl<T: Copy> Recent<T> {
    #[inline]
    pub(super) fn get(&self, key: Key) -> Option<T> {
        let (known, found) = self.found[place(key)];
        (known == key && key != NO_KEY).then_some(found)
    }

    pub(super) fn set(&mut self, key: Key, found: T) {
        self.found[place(key)] = (key, found);
    }
}

/// One of 256 places: the highest bits of a product depend on all bytes.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are taken, and then eight bits")]
fn place(key: Key) -> usize {
    let both = (key as u64) ^ ((key >> 64) as u64).rotate_left(32);
    (both.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

/// Reads the row at the front of `rows` if all about it is ordinary; gives its length with the line end.
#[inline]
pub(super) fn ordinary_row<'a>(
    layout: &Layout,
    rows: &'a [u8],
    known_limits: &mut Recent<Limits>,
) -> Option<(Traded<'a>, usize)> {
    let zero = || Number::Small { mantissa: 0, decimals: 0 };
    let mut traded = Traded {
        ticker: &[],
        key: NO_KEY,
        price: zero(),
        volume: zero(),
        time_ms: 0,
        received_ms: None,
        limits: Limits::NONE,
    };
    let mut at = 0;
    for (number, column) in layout.columns.iter().enumerate() {
        let rest = &rows[at..];
        at += match column {
            Column::Ticker => {
                let length = plain_length(rest)?;
                (traded.ticker, traded.key) = (&rest[..length], key_of(rest, length));
                length
            }
            Column::Price => {
                let (price, length) = Number::small_prefix(rest)?;
                traded.price = price;
                length
            }
            Column::Volume => {
                let (volume, length) = Number::small_prefix(rest)?;
                traded.volume = volume;
                length
            }
            Column::TimestampMs => {
                let (time_ms, length) = leading_integer(rest)?;
                traded.time_ms = time_ms;
                length
            }
            Column::ReceivedMs => {
                let (time_ms, length) = leading_integer(rest)?;
                traded.received_ms = Some(time_ms);
                length
            }
            Column::Conditions => {
                let length = codes_length(rest)?;
                let key = key_of(rest, length);
                traded.limits = known_limits.get(key).unwrap_or_else(|| {
                    let limits = limits(&rest[..length]);
                    known_limits.set(key, limits);
                    limits
                });
                length
            }
        };
        let is_last = number + 1 == layout.columns.len();
        let end = if is_last { b'\n' } else { b',' };
        if rows.get(at) != Some(&end) {
            return None;
        }
        at += 1;
    }
    (!traded.ticker.is_empty()).then_some((traded, at))
}

/// The first `length` bytes, if they are up to sixteen, and so many are there.
#[inline]
fn key_of(text: &[u8], length: usize) -> Key {
    match text.first_chunk() {
        Some(sixteen) if (1..=16).contains(&length) => {
            Key::from_le_bytes(*sixteen) & (Key::MAX >> (128 - 8 * length))
        }
        _ => NO_KEY,
    }
}

/// How long the text is up to a comma, or to what is no plain ASCII.
#[inline]
fn plain_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some((eight, _)) = text[at..].split_first_chunk() {
        let bytes = u64::from_le_bytes(*eight);
        // What a carry or a borrow makes wrong is above a byte that ends the text.
        let below_space = bytes.wrapping_sub(ONES * u64::from(b' ')) & !bytes;
        let commas = zeros(bytes ^ (ONES * u64::from(b',')));
        let ends = (commas | below_space | bytes | bytes.wrapping_add(ONES)) & HIGHEST_BITS;
        if ends != 0 {
            return Some(at + ends.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b',';
    text[at..].iter().position(|byte| !is_plain(byte)).map(|length| at + length)
}

/// How many digits and semicolons there are at the front.
#[inline]
fn codes_length(text: &[u8]) -> Option<usize> {
    if let Some((eight, _)) = text.split_first_chunk() {
        let (_, others) = digit_values(*eight);
        let semicolons = zeros(u64::from_le_bytes(*eight) ^ (ONES * u64::from(b';')));
        let ends = others & !semicolons;
        if ends != 0 {
            return Some(ends.trailing_zeros() as usize / 8);
        }
    }
    text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b';')
}

/// The highest bit of each byte that is zero, and no other bit.
#[inline]
fn zeros(bytes: u64) -> u64 {
    const OTHERS: u64 = !HIGHEST_BITS;
    !(((bytes & OTHERS) + OTHERS) | bytes | OTHERS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{codes_length, plain_length};

    proptest! {
        #[test]
        fn fields_end_where_a_look_at_each_byte_finds_their_ends(
            text in prop::collection::vec(prop_oneof![
                8 => b' '..=b'~',
                1 => any::<u8>(),
                2 => prop::sample::select(b"0123456789;,\n\x7f\xff\x1f".to_vec()),
            ], 0..40),
            codes in "[0-9;]{0,20}",
        ) {
            let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b',';
            prop_assert_eq!(plain_length(&text), text.iter().position(|byte| !is_plain(byte)));
            let text = [codes.as_bytes(), &text].concat();
            let is_code = |byte: &u8| byte.is_ascii_digit() || *byte == b';';
            prop_assert_eq!(codes_length(&text), text.iter().position(|byte| !is_code(byte)));
        }
    }
}
