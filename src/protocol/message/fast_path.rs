//! A fast parser for trade messages that are spelled as Finnhub spells them.
//!
//! All captures have the same spelling: no blanks, keys in alphabetical order, no escapes. A parser for just
//! this costs a quarter of a general one, in which the recorder would spend most of its time. Any other
//! spelling is left to serde: this file never decides that a message is bad, only that it cannot read it.

use std::borrow::Cow;
use std::ops::Range;

use crate::protocol::trade::{Conditions, Trade};
use crate::text::digit_values;

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
            conditions: Conditions::Unescaped(part(&self.conditions)),
        }
    }
}

/// Fills `spans` with the trades of `text`; `false` when the whole text is not spelled this way.
pub(super) fn scan(text: &str, spans: &mut Vec<Spans>) -> bool {
    spans.clear();
    if u32::try_from(text.len()).is_err() {
        return false;
    }
    let mut cursor = Cursor { rest: text.as_bytes(), length: text.len() };
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
    cursor.rest == CLOSING
}

struct Cursor<'a> {
    rest: &'a [u8],
    /// Length of the whole message.
    length: usize,
}

impl Cursor<'_> {
    /// How many bytes of the message were read; `scan` has checked that the number fits.
    #[allow(clippy::cast_possible_truncation)]
    fn at(&self) -> u32 {
        (self.length - self.rest.len()) as u32
    }

    /// The length is known to the compiler, so that the comparison is a few instructions and no call.
    #[inline]
    fn skip<const LENGTH: usize>(&mut self, expected: &[u8; LENGTH]) -> bool {
        match self.rest.split_first_chunk() {
            Some((found, rest)) if found == expected => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Skips digits, eight bytes at a time, and gives their number: the processor could not predict the end of
    /// a loop over single bytes, several times a trade.
    #[inline]
    fn skip_digits(&mut self) -> usize {
        let mut count = 0;
        // A message that ends within its last eight bytes is not for this parser anyway.
        while let Some((eight, rest)) = self.rest.split_first_chunk() {
            let (_, others) = digit_values(*eight);
            if others != 0 {
                let digits = others.trailing_zeros() as usize / 8;
                self.rest = &self.rest[digits..];
                return count + digits;
            }
            self.rest = rest;
            count += 8;
        }
        count
    }

    #[inline]
    fn skip_plain(&mut self, kind: u8) {
        while let [byte, rest @ ..] = self.rest
            && PLAIN[usize::from(*byte)] & kind != 0
        {
            self.rest = rest;
        }
    }

    #[inline]
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
    #[inline]
    fn conditions(&mut self) -> Option<Range<u32>> {
        if !self.skip(b"[") {
            return self.skip(b"null").then_some(0..0);
        }
        let start = self.at();
        if self.skip(b"]") {
            return Some(0..0);
        }
        loop {
            self.skip(b"\"").then_some(())?;
            self.skip_plain(CODE);
            if self.skip(b"\"]") {
                return Some(start..self.at() - 1);
            }
            self.skip(b"\",").then_some(())?;
        }
    }

    /// Characters that need neither unescaping nor, later, quoting.
    #[inline]
    fn ticker(&mut self) -> Option<Range<u32>> {
        let start = self.at();
        self.skip_plain(TICKER);
        (self.at() > start).then(|| start..self.at())
    }

    /// A positive integer with too few digits to overflow 64 bits.
    #[inline]
    fn timestamp(&mut self) -> Option<Range<u32>> {
        let start = self.at();
        let leading_zero = self.rest.first() == Some(&b'0');
        let length = self.skip_digits();
        ((1..=18).contains(&length) && !leading_zero).then(|| start..self.at())
    }

    /// A number by JSON's grammar, with no exponent.
    #[inline]
    fn number(&mut self) -> Option<Range<u32>> {
        let start = self.at();
        self.skip(b"-");
        let leading_zero = self.rest.first() == Some(&b'0');
        let whole = self.skip_digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return None;
        }
        if self.skip(b".") && self.skip_digits() == 0 {
            return None;
        }
        Some(start..self.at())
    }
}

/// A byte of a ticker that needs neither unescaping nor, later, quoting.
const TICKER: u8 = 1;
/// A byte of a plain condition code.
const CODE: u8 = 2;

/// The kinds of text that each byte may be part of.
const PLAIN: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            kinds[byte as usize] = TICKER | CODE;
        } else if matches!(byte, b':' | b'.' | b'_' | b'-' | b' ' | b'/' | b'^') {
            kinds[byte as usize] = TICKER;
        }
        byte += 1;
    }
    kinds
};
