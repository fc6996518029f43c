//! One trade, as Finnhub sent it: borrowed text, never a float.
//!
//! Any thread. Holds no clock and does no I/O.

use std::borrow::Cow;

/// One trade. Every number is the very text that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade<'a> {
    /// Finnhub's symbol, such as `AAPL` or `BINANCE:BTCUSDT` (field `s`).
    pub ticker: Cow<'a, str>,
    /// Price in the quote currency, a JSON number's digits (field `p`).
    pub price: &'a str,
    /// Shares or units, a JSON number's digits (field `v`). `0` is a price update without a trade.
    pub volume: &'a str,
    /// The exchange's clock, UNIX milliseconds, an integer's digits (field `t`).
    pub timestamp_ms: &'a str,
    /// Trade conditions (field `c`), see <https://docs.google.com/spreadsheets/d/1PUxiSWPHSODbaTaoL2Vef6DgU-yFtlRGZf19oBb9Hp0>.
    pub conditions: Conditions<'a>,
}

/// The condition codes of a trade, in the order received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conditions<'a> {
    /// The inside of a JSON array whose codes are plain (letters and digits only): `"1","12"`,
    /// or nothing at all. Kept as it came because taking it apart costs more than writing it.
    Unescaped(&'a str),
    /// Codes that had to be unescaped one by one.
    Escaped(Vec<Cow<'a, str>>),
}

impl Conditions<'_> {
    /// Appends the codes joined with `;` to `out`.
    pub fn join_into(&self, out: &mut Vec<u8>) {
        match self {
            Conditions::Unescaped(inside) => {
                let start = out.len();
                out.extend_from_slice(inside.as_bytes());
                // In place: to ask for room at each byte would take longer than all the rest.
                let codes = &mut out[start..];
                let mut length = 0;
                for at in 0..codes.len() {
                    let byte = codes[at];
                    codes[length] = joined_as(byte);
                    length += usize::from(byte != b'"');
                }
                out.truncate(start + length);
            }
            Conditions::Escaped(codes) => {
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
        check(&Conditions::Unescaped(""), "");
        check(&Conditions::Unescaped(r#""1""#), "1");
        check(&Conditions::Unescaped(r#""1","8","12""#), "1;8;12");
        check(&Conditions::Escaped(vec![]), "");
        check(&Conditions::Escaped(vec!["a,b".into(), "\"".into()]), "a,b;\"");
    }
}
