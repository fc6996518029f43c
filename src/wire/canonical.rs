//! The short way through a trade message that is spelled as Finnhub spells it.
//!
//! Every capture has the same spelling: no blanks, keys in alphabetical order, no escapes. Reading
//! just that costs a quarter of what a general parser costs, and most of the recorder's time would
//! go there. Whatever looks different in any way is left to serde: this file never decides that a
//! message is bad, only that it is not for it.

use std::borrow::Cow;
use std::ops::Range;

use crate::trade::{Conditions, Trade};

/// How a trade message begins.
pub(super) const OPENING: &[u8; 9] = br#"{"data":["#;
/// How a trade message ends.
pub(super) const CLOSING: &[u8; 17] = br#"],"type":"trade"}"#;

/// Where the parts of one trade lie in the message's text.
#[derive(Debug, Clone)]
pub(super) struct Spans {
    conditions: Range<u32>,
    price: Range<u32>,
    ticker: Range<u32>,
    timestamp_ms: Range<u32>,
    volume: Range<u32>,
}

impl Spans {
    pub(super) fn trade<'a>(&self, text: &'a str) -> Trade<'a> {
        let part = |span: &Range<u32>| &text[span.start as usize..span.end as usize];
        Trade {
            ticker: Cow::Borrowed(part(&self.ticker)),
            price: part(&self.price),
            volume: part(&self.volume),
            timestamp_ms: part(&self.timestamp_ms),
            conditions: Conditions::Plain(part(&self.conditions)),
        }
    }
}

/// Fills `spans` with the trades of `text`; `false` when the whole text is not spelled this way.
pub(super) fn scan(text: &str, spans: &mut Vec<Spans>) -> bool {
    spans.clear();
    if u32::try_from(text.len()).is_err() {
        return false;
    }
    let mut cursor = Cursor { bytes: text.as_bytes(), at: 0 };
    if !cursor.skip(OPENING) {
        return false;
    }
    loop {
        let Some(trade) = cursor.trade() else { return false };
        spans.push(trade);
        if !cursor.skip(b",") {
            break;
        }
    }
    cursor.skip(CLOSING) && cursor.at == text.len()
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    /// Of a known length, so that the comparison is a few instructions and no call.
    #[inline]
    fn skip<const LENGTH: usize>(&mut self, expected: &[u8; LENGTH]) -> bool {
        let found = self.bytes.get(self.at..self.at + LENGTH).is_some_and(|next| next == expected);
        if found {
            self.at += LENGTH;
        }
        found
    }

    fn skip_while(&mut self, belongs: impl Fn(u8) -> bool) -> usize {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|byte| belongs(*byte)) {
            self.at += 1;
        }
        self.at - start
    }

    fn span_from(&self, start: usize) -> Range<u32> {
        // `scan` has checked that the whole length fits.
        #[allow(clippy::cast_possible_truncation)]
        let (start, end) = (start as u32, self.at as u32);
        start..end
    }

    fn trade(&mut self) -> Option<Spans> {
        let conditions = if self.skip(b"{\"c\":") {
            let inside = self.conditions()?;
            self.skip(b",\"p\":").then_some(inside)?
        } else {
            self.skip(b"{\"p\":").then_some(0..0)?
        };
        let price = self.number()?;
        let ticker = self.skip(b",\"s\":\"").then(|| self.ticker())??;
        let timestamp_ms = self.skip(b"\",\"t\":").then(|| self.timestamp())??;
        let volume = self.skip(b",\"v\":").then(|| self.number())??;
        self.skip(b"}").then_some(Spans { conditions, price, ticker, timestamp_ms, volume })
    }

    /// `null`, or a list of plain codes; gives the inside of the list.
    fn conditions(&mut self) -> Option<Range<u32>> {
        if self.skip(b"null") {
            return Some(0..0);
        }
        if !self.skip(b"[") {
            return None;
        }
        let start = self.at;
        if !self.skip(b"]") {
            loop {
                if !self.skip(b"\"") {
                    return None;
                }
                self.skip_while(|byte| byte.is_ascii_alphanumeric());
                if !self.skip(b"\"") {
                    return None;
                }
                if !self.skip(b",") {
                    break;
                }
            }
            if !self.skip(b"]") {
                return None;
            }
        }
        #[allow(clippy::cast_possible_truncation)]
        Some(start as u32..self.at as u32 - 1)
    }

    /// Characters that need neither unescaping nor, later, quoting.
    fn ticker(&mut self) -> Option<Range<u32>> {
        let start = self.at;
        let length = self.skip_while(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b':' | b'.' | b'_' | b'-' | b' ' | b'/' | b'^')
        });
        (length > 0).then(|| self.span_from(start))
    }

    /// A positive integer that surely fits 64 bits.
    fn timestamp(&mut self) -> Option<Range<u32>> {
        let start = self.at;
        let leading_zero = self.bytes.get(start) == Some(&b'0');
        let length = self.skip_while(|byte| byte.is_ascii_digit());
        ((1..=18).contains(&length) && !leading_zero).then(|| self.span_from(start))
    }

    /// A number by JSON's grammar, with no exponent.
    fn number(&mut self) -> Option<Range<u32>> {
        let start = self.at;
        self.skip(b"-");
        let leading_zero = self.bytes.get(self.at) == Some(&b'0');
        let whole = self.skip_while(|byte| byte.is_ascii_digit());
        if whole == 0 || (leading_zero && whole > 1) {
            return None;
        }
        if self.skip(b".") && self.skip_while(|byte| byte.is_ascii_digit()) == 0 {
            return None;
        }
        Some(self.span_from(start))
    }
}
