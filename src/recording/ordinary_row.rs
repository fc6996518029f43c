//! A row of a recording about which all is ordinary, read several bytes at a time: a look at each of them,
//! and a wrong guess of the processor's where a field ends, is what reading costs.
//!
//! Any thread. No I/O, no clock. Nearly all rows are ordinary. For any other one use
//! [`front_row`](super::rows::front_row) and [`check_row`](super::row_rules::check_row), which say the
//! same of an ordinary row.

use super::columns::Column;
use crate::text::{SURELY_FIT, leading_digits, leading_integer};

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHEST_BITS: u64 = ONES * 0x80;

/// The bytes of a short text as a number. No text has [`NO_KEY`].
pub(crate) type Key = u128;
pub(crate) const NO_KEY: Key = 0;

/// The values of the row. Those without a column in its file are empty or `None`.
#[derive(Debug)]
pub(crate) struct OrdinaryRow<'a, N> {
    /// The whole row without its line end.
    pub(crate) text: &'a [u8],
    pub(crate) ticker: &'a [u8],
    /// The bytes of the ticker, if they are few.
    pub(crate) ticker_key: Key,
    pub(crate) price: Option<N>,
    pub(crate) volume: Option<N>,
    /// The exchange's clock, UNIX milliseconds.
    pub(crate) timestamp_ms: Option<i64>,
    /// The recording machine's clock, UNIX milliseconds.
    pub(crate) received_ms: Option<i64>,
    /// The codes, joined.
    pub(crate) conditions: &'a [u8],
    /// The bytes of the codes, if they are few.
    pub(crate) conditions_key: Key,
}

impl<'a, N> OrdinaryRow<'a, N> {
    /// The row at the front of `rows`, none of which has a quote, if it is ordinary. `number` reads a price or
    /// a volume at the front of a text, and gives its length.
    #[inline]
    pub(crate) fn read(
        columns: &[Column],
        rows: &'a [u8],
        number: impl Fn(&'a [u8]) -> Option<(N, usize)>,
    ) -> Option<Self> {
        let mut row = Self {
            text: &[],
            ticker: &[],
            ticker_key: NO_KEY,
            price: None,
            volume: None,
            timestamp_ms: None,
            received_ms: None,
            conditions: &[],
            conditions_key: NO_KEY,
        };
        let mut at = 0;
        for (index, column) in columns.iter().enumerate() {
            let rest = &rows[at..];
            at += match column {
                Column::Ticker => {
                    let length = plain_length(rest).filter(|length| *length > 0)?;
                    (row.ticker, row.ticker_key) = (&rest[..length], key_of(rest, length));
                    length
                }
                Column::Conditions => {
                    let length = plain_length(rest)?;
                    (row.conditions, row.conditions_key) = (&rest[..length], key_of(rest, length));
                    length
                }
                Column::Price => set(&mut row.price, number(rest)?),
                Column::Volume => set(&mut row.volume, number(rest)?),
                Column::TimestampMs => set(&mut row.timestamp_ms, leading_integer(rest)?),
                Column::ReceivedMs => set(&mut row.received_ms, leading_integer(rest)?),
            };
            let is_last = index + 1 == columns.len();
            let end = if is_last { b'\n' } else { b',' };
            if rows.get(at) != Some(&end) {
                return None;
            }
            at += 1;
        }
        row.text = &rows[..at.checked_sub(1)?];
        Some(row)
    }
}

/// Gives the length.
#[inline]
fn set<T>(place: &mut Option<T>, (value, length): (T, usize)) -> usize {
    *place = Some(value);
    length
}

/// How many decimals the number at the front of `text` has, and its length, if it is only digits, perhaps with
/// a dot between them.
#[inline]
pub(crate) fn leading_decimals(text: &[u8]) -> Option<(usize, usize)> {
    let (_, whole) = leading_digits(text);
    if whole == 0 || whole > SURELY_FIT || (whole > 1 && text[0] == b'0') {
        return None;
    }
    if text.get(whole) != Some(&b'.') {
        return Some((0, whole));
    }
    let (_, decimals) = leading_digits(&text[whole + 1..]);
    (1..=SURELY_FIT).contains(&decimals).then_some((decimals, whole + 1 + decimals))
}

/// What was found lately for short texts. Now and then one of them takes the place of another.
pub(crate) struct Recent<T> {
    found: Box<[(Key, T); 256]>,
}

impl<T: Copy + Default> Default for Recent<T> {
    fn default() -> Self {
        Self { found: Box::new([(NO_KEY, T::default()); 256]) }
    }
}

impl<T: Copy> Recent<T> {
    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<T> {
        let (known, found) = self.found[place(key)];
        (known == key && key != NO_KEY).then_some(found)
    }

    pub(crate) fn set(&mut self, key: Key, found: T) {
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

/// The highest bit of each byte that is zero, and no other bit.
#[inline]
fn zeros(bytes: u64) -> u64 {
    const OTHERS: u64 = !HIGHEST_BITS;
    !(((bytes & OTHERS) + OTHERS) | bytes | OTHERS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{OrdinaryRow, leading_decimals, plain_length};
    use crate::recording::columns::Column;
    use crate::recording::row_rules::{MOST_DECIMALS, check_row};
    use crate::recording::rows::{FieldSpans, front_row};

    proptest! {
        #[test]
        fn what_is_ordinary_is_well_formed_and_says_the_same(
            columns in Just(Column::ALL.to_vec()).prop_shuffle(),
            many in 1_usize..=6,
            fields in proptest::collection::vec("[0-9]{0,20}|-?[0-9]{1,3}(\\.[0-9]{0,14})?|[A-Z:;1é\r]{0,4}", 5..8),
            end in "\n|\r\n|",
        ) {
            let columns = &columns[..many];
            let text = fields[..many.min(fields.len())].join(",") + &end + "A,1\n";
            let row = OrdinaryRow::read(columns, text.as_bytes(), leading_decimals);
            if let Some(row) = row {
                let mut spans = FieldSpans::default();
                let (other, length) = front_row(text.as_bytes(), 1, &mut spans).unwrap();
                prop_assert_eq!((row.text, row.text.len() + 1), (other.text, length));
                let values = check_row(&other, columns, b"header").unwrap();
                prop_assert_eq!(row.ticker, values.ticker.as_deref().unwrap_or_default());
                prop_assert_eq!(row.conditions, values.conditions.as_deref().unwrap_or_default());
                prop_assert_eq!(row.timestamp_ms, values.timestamp_ms);
                prop_assert_eq!(row.received_ms, values.received_ms);
                let numbers = [(row.price, values.price), (row.volume, values.volume)];
                let mut with_many_decimals = 0;
                for (decimals, digits) in numbers {
                    prop_assert_eq!(decimals.is_some(), digits.is_some());
                    with_many_decimals += u64::from(decimals > Some(MOST_DECIMALS));
                }
                prop_assert_eq!(with_many_decimals, values.with_many_decimals);
                prop_assert_eq!(values.with_exponent, 0);
            }
        }
    }

    #[test]
    fn rows_as_they_are_recorded_are_ordinary() {
        let read =
            |row: &'static str| OrdinaryRow::read(&Column::ALL, row.as_bytes(), leading_decimals);
        let row =
            read("BINANCE:BTCUSDT,26626,0.000004,1680286537580,1680286537631,1;12\nrest").unwrap();
        assert_eq!(
            (row.price, row.volume, row.received_ms),
            (Some(0), Some(6), Some(1_680_286_537_631))
        );
        assert!(read("A,1.50,1,1,1,\n").is_some());
        for other in
            ["A,1,1,1,1,", "A,1,1,1,1\n", ",1,1,1,1,\n", "A,01,1,1,1,\n", "A,1.,1,1,1,\n", "\n", ""]
        {
            assert!(read(other).is_none(), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn fields_end_where_a_look_at_each_byte_finds_their_ends(
            text in prop::collection::vec(prop_oneof![
                8 => b' '..=b'~',
                1 => any::<u8>(),
                2 => prop::sample::select(b"0123456789;,\n\x7f\xff\x1f".to_vec()),
            ], 0..40),
        ) {
            let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b',';
            prop_assert_eq!(plain_length(&text), text.iter().position(|byte| !is_plain(byte)));
        }
    }
}
