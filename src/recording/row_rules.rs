//! What makes a row of a recording well-formed.
//!
//! Any thread. Pure rules; they must not read files or keep counts.

use std::borrow::Cow;

use memchr::memchr;

use crate::recording::columns::Column;
use crate::recording::rows::Row;
use crate::text::{NumberForm, number_form, parse_integer, printable};

/// Decimals that a number may have: ClickHouse's and Spark's `Decimal(38, 12)` holds no more.
pub(crate) const MOST_DECIMALS: usize = 12;

/// How much of a wrong value is shown, in characters: enough to recognise it in one line.
const SHOWN: usize = 60;

/// The values of a well-formed row; `None` for columns that its file does not have.
#[derive(Debug, Default)]
pub(crate) struct Values<'a> {
    pub(crate) ticker: Option<Cow<'a, [u8]>>,
    /// A number's digits, in the quote currency.
    pub(crate) price: Option<Cow<'a, [u8]>>,
    /// A number's digits, in shares or units.
    pub(crate) volume: Option<Cow<'a, [u8]>>,
    /// The codes, joined.
    pub(crate) conditions: Option<Cow<'a, [u8]>>,
    /// The exchange's clock, UNIX milliseconds.
    pub(crate) timestamp_ms: Option<i64>,
    /// The recording machine's clock, UNIX milliseconds.
    pub(crate) received_ms: Option<i64>,
    /// Numbers written with an exponent, and with more decimals than some programs keep.
    pub(crate) with_exponent: u64,
    pub(crate) with_many_decimals: u64,
}

/// Checks `row` against the columns of its file, whose header line was `header`.
///
/// # Errors
/// The first thing that is wrong with it: a quote, the header again, the number of fields, an empty
/// ticker, or a field that is not what its column asks for.
pub(crate) fn check_row<'a>(
    row: &Row<'a>,
    columns: &[Column],
    header: &[u8],
) -> Result<Values<'a>, String> {
    let fields = row.fields.as_ref().map_err(ToString::to_string)?;
    if row.text == header {
        return Err("the header again".to_owned());
    }
    if fields.count() != columns.len() {
        return Err(format!("{} fields instead of {}", fields.count(), columns.len()));
    }
    let mut values = Values::default();
    for (index, &column) in columns.iter().enumerate() {
        let value = fields.get(index);
        let fault = match column {
            Column::Ticker if value.is_empty() => return Err("no ticker".to_owned()),
            Column::Ticker | Column::Conditions => text_fault(&value, fields.is_quoted(index)),
            Column::Price | Column::Volume => values.note_number(number_form(&value)),
            Column::TimestampMs => read_time(&value, &mut values.timestamp_ms),
            Column::ReceivedMs => read_time(&value, &mut values.received_ms),
        };
        if let Some(fault) = fault {
            return Err(format!("{column} {} {fault}", shown(&value)));
        }
        match column {
            Column::Ticker => values.ticker = Some(value),
            Column::Price => values.price = Some(value),
            Column::Volume => values.volume = Some(value),
            Column::Conditions => values.conditions = Some(value),
            Column::TimestampMs | Column::ReceivedMs => {}
        }
    }
    Ok(values)
}

impl Values<'_> {
    /// The fault of a number of this form, if it is one.
    fn note_number(&mut self, form: Option<NumberForm>) -> Option<&'static str> {
        match form {
            None => return Some("is not a number"),
            Some(NumberForm::Exponent) => self.with_exponent += 1,
            Some(NumberForm::Plain { decimals }) => {
                self.with_many_decimals += u64::from(decimals > MOST_DECIMALS);
            }
        }
        None
    }
}

/// The fault of a text, if it has one. It may be any UTF-8 without NUL, which no reader expects. A carriage
/// return is allowed inside quotes only: outside it is a line end to many readers.
fn text_fault(value: &[u8], quoted: bool) -> Option<&'static str> {
    // Nearly all symbols and conditions are plain ASCII, which is checked quickly.
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

/// Bytes of a file for a terminal: in quotes, shortened, control characters escaped.
pub(crate) fn shown(text: &[u8]) -> String {
    format!("\"{}\"", printable(&String::from_utf8_lossy(text), SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

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
