//! One trade, as Finnhub sent it: borrowed text, never a float.
//!
//! Any thread. Holds no clock and does no I/O.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

/// A part of a message, with what follows it there. To copy sixteen bytes and forget
/// the last of them is cheaper than to copy an exact number, and most parts are shorter.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// From the part's first byte to the end of the message.
    rest: &'a str,
    length: usize,
}

impl<'a> Part<'a> {
    /// The first `length` bytes of `rest`, which must end at a character's end.
    pub(crate) fn new(rest: &'a str, length: usize) -> Self {
        Part { rest, length }
    }

    /// The text.
    pub fn text(&self) -> &'a str {
        &self.rest[..self.length]
    }

    /// The part in a block of fixed size, when it fits and the message is long enough.
    #[inline]
    fn block(&self) -> Option<&'a [u8; BLOCK_BYTES]> {
        self.rest.as_bytes().first_chunk().filter(|_| self.length <= BLOCK_BYTES)
    }

    /// Appends the text to `out`.
    #[inline]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        if let Some(block) = self.block() {
            let end = out.len() + self.length;
            out.extend_from_slice(block);
            out.truncate(end);
        } else {
            out.extend_from_slice(self.text().as_bytes());
        }
    }
}

/// Prices, volumes and times have fewer digits, nearly all conditions fewer characters.
const BLOCK_BYTES: usize = 16;

impl<'a> From<&'a str> for Part<'a> {
    fn from(text: &'a str) -> Self {
        Part { rest: text, length: text.len() }
    }
}

impl Deref for Part<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.text()
    }
}

impl PartialEq for Part<'_> {
    fn eq(&self, other: &Part<'_>) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Part<'_> {}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(formatter)
    }
}

/// What simulated symbols begin with, so that their rows can never be taken for real ones.
pub const DEMO_PREFIX: &str = "DEMO:";

/// Whether a symbol is one of the simulated market.
pub fn is_simulated(symbol: &str) -> bool {
    symbol.starts_with(DEMO_PREFIX)
}

/// What the simulated market calls a symbol: its own name with the prefix, once.
pub fn simulated_name(symbol: &str) -> Cow<'_, str> {
    if is_simulated(symbol) { symbol.into() } else { format!("{DEMO_PREFIX}{symbol}").into() }
}

/// One trade. Every number is the very text that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade<'a> {
    /// Finnhub's symbol, such as `AAPL` or `BINANCE:BTCUSDT` (field `s`).
    pub ticker: Cow<'a, str>,
    /// Price in the quote currency, a JSON number's digits (field `p`).
    pub price: Part<'a>,
    /// Shares or units, a JSON number's digits (field `v`). `0` is a price update without a trade.
    pub volume: Part<'a>,
    /// The exchange's clock, UNIX milliseconds, an integer's digits (field `t`).
    pub timestamp_ms: Part<'a>,
    /// Trade conditions (field `c`), see <https://docs.google.com/spreadsheets/d/1PUxiSWPHSODbaTaoL2Vef6DgU-yFtlRGZf19oBb9Hp0>.
    pub conditions: Conditions<'a>,
}

/// The condition codes of a trade, in the order received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conditions<'a> {
    /// The inside of a JSON array whose codes are plain (letters and digits only): `"1","12"`,
    /// or nothing at all. Kept as it came because taking it apart costs more than writing it.
    Plain(Part<'a>),
    /// Codes that had to be unescaped one by one.
    Listed(Vec<Cow<'a, str>>),
}

impl Conditions<'_> {
    /// Appends the codes joined with `;` to `out`.
    pub fn join_into(&self, out: &mut Vec<u8>) {
        match self {
            Conditions::Plain(inside) => match inside.block() {
                Some(block) => {
                    let (mut joined, mut length) = ([0; BLOCK_BYTES], 0);
                    for byte in &block[..inside.length] {
                        joined[length] = joined_as(*byte);
                        length += usize::from(*byte != b'"');
                    }
                    let end = out.len() + length;
                    out.extend_from_slice(&joined);
                    out.truncate(end);
                }
                None => out.extend(inside.bytes().filter(|byte| *byte != b'"').map(joined_as)),
            },
            Conditions::Listed(codes) => {
                for (position, code) in codes.iter().enumerate() {
                    if position > 0 {
                        out.push(b';');
                    }
                    out.extend_from_slice(code.as_bytes());
                }
            }
        }
    }
}

/// The codes hold neither quotes nor commas, so each comma is between two.
fn joined_as(byte: u8) -> u8 {
    if byte == b',' { b';' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::Conditions;

    fn check(conditions: &Conditions<'_>, expected: &str) {
        let mut joined = Vec::new();
        conditions.join_into(&mut joined);
        assert_eq!(String::from_utf8(joined).unwrap(), expected);
    }

    #[test]
    fn codes_are_joined_with_semicolons() {
        check(&Conditions::Plain("".into()), "");
        check(&Conditions::Plain(r#""1""#.into()), "1");
        check(&Conditions::Plain(r#""1","8","12""#.into()), "1;8;12");
        check(&Conditions::Listed(vec![]), "");
        check(&Conditions::Listed(vec!["a,b".into(), "\"".into()]), "a,b;\"");
    }
}
