//! Decodes Finnhub's JSON.
//!
//! Any thread; no I/O, no clock. Messages as in <https://finnhub.io/docs/api/websocket-trades>.
//! A trade message is decoded by `fast_path` when it is spelled the way Finnhub spells it, and
//! by serde when it is not; both give the same trades.

mod fast_path;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::trade::{Conditions, Trade};

/// The kind of a text message, as far as the session needs to know it.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Trades; [`Decoder::decode`] takes them out.
    Trades,
    /// Finnhub's own ping, about one a minute.
    Ping,
    /// The server refuses something; the text says what.
    Error(Cow<'a, str>),
    /// Another type of message, such as `news`; the text is its type.
    Other(Cow<'a, str>),
    /// No JSON, or JSON without a type.
    Unreadable,
}

/// Finds out the kind of `text` without decoding its trades.
pub fn classify(text: &str) -> Message<'_> {
    // All but a few messages a minute begin and end like this; the decoder checks the rest of them.
    let bytes = text.as_bytes();
    if bytes.starts_with(fast_path::OPENING) && bytes.ends_with(fast_path::CLOSING) {
        return Message::Trades;
    }
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(text) else {
        return Message::Unreadable;
    };
    match envelope.kind.as_deref() {
        Some("trade") => Message::Trades,
        Some("ping") => Message::Ping,
        Some("error") => {
            Message::Error(envelope.msg.map_or(Cow::Borrowed("no reason given"), text_of))
        }
        Some(_) => Message::Other(envelope.kind.unwrap_or_default()),
        None => Message::Unreadable,
    }
}

/// The text of a JSON string; the JSON itself if it is no string.
fn text_of(value: &RawValue) -> Cow<'_, str> {
    serde_json::from_str(value.get()).map_or(Cow::Borrowed(value.get()), Cow::Owned)
}

/// The symbol that an error message refuses, if it names one: `Invalid symbol X`.
pub fn refused_symbol(error: &str) -> Option<&str> {
    let symbol = error.strip_prefix("Invalid symbol")?.trim_start_matches(':').trim();
    (!symbol.is_empty()).then_some(symbol)
}

/// Whether an error message says that the plan allows no more symbols. Such a message names no symbol.
pub fn is_too_many_symbols(error: &str) -> bool {
    error.to_ascii_lowercase().contains("too many symbols")
}

/// The message that asks for a symbol's trades.
pub fn subscribe(symbol: &str) -> String {
    request("subscribe", symbol)
}

/// The message that ends a symbol's trades.
pub fn unsubscribe(symbol: &str) -> String {
    request("unsubscribe", symbol)
}

fn request(kind: &str, symbol: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"symbol\":{}}}", serde_json::Value::from(symbol))
}

/// One element of a trade message's `data`.
#[derive(Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// A trade.
    Trade(Trade<'a>),
    /// An element that is no trade. The others of its message are not affected.
    Malformed {
        /// Its text as received: escape it before showing it.
        text: &'a str,
        /// What is wrong with it. May quote the text: escape it too.
        fault: String,
    },
}

/// After a message with more trades than this, their memory is given back at once.
const ORDINARY_TRADES: usize = 10_000;

/// Takes trades out of messages, reusing its memory from one to the next.
#[derive(Debug, Default)]
pub struct Decoder {
    spans: Vec<fast_path::Spans>,
}

impl Decoder {
    /// Gives every element of the trade message `text` to `each`, in order.
    ///
    /// # Errors
    /// When the text is not JSON or not a trade message: why, which may quote the text, so escape it. Then
    /// `each` was never called.
    pub fn decode<'a>(
        &mut self,
        text: &'a str,
        mut each: impl FnMut(Element<'a>),
    ) -> Result<(), String> {
        if fast_path::scan(text, &mut self.spans) {
            for spans in &self.spans {
                each(Element::Trade(spans.trade(text)));
            }
            if self.spans.len() > ORDINARY_TRADES {
                self.spans = Vec::new();
            }
            return Ok(());
        }
        let envelope: Envelope<'a> =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        if envelope.kind.as_deref() != Some("trade") {
            return Err("it is not a trade message".to_owned());
        }
        let Some(data) = envelope.data else {
            return Err("a trade message without data".to_owned());
        };
        let elements: Vec<&'a RawValue> =
            serde_json::from_str(data.get()).map_err(|_| "its data is no list".to_owned())?;
        for element in elements {
            each(match decode_element(element.get()) {
                Ok(trade) => Element::Trade(trade),
                Err(fault) => Element::Malformed { text: element.get(), fault },
            });
        }
        Ok(())
    }
}

/// The number of elements in a trade message, ten times as fast as decoding it: counts its objects. An element
/// that is no object is not counted, and a brace inside an object counts as one more.
pub(crate) fn count_objects(text: &str) -> u64 {
    let braces = memchr::memchr_iter(b'{', text.as_bytes()).count();
    braces.saturating_sub(1) as u64
}

/// The outer object of every message. Fields that are not ours are skipped.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    msg: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// A trade as an object, its numbers left as text.
#[derive(Deserialize)]
struct RawTrade<'a> {
    #[serde(borrow)]
    s: JsonText<'a>,
    #[serde(borrow)]
    p: &'a RawValue,
    #[serde(borrow)]
    t: &'a RawValue,
    #[serde(borrow)]
    v: &'a RawValue,
    #[serde(borrow, default)]
    c: Option<Vec<JsonText<'a>>>,
}

/// A string that borrows when nothing in it is escaped. (`Cow` alone would copy inside a `Vec`.)
#[derive(Deserialize)]
#[serde(transparent)]
struct JsonText<'a>(#[serde(borrow)] Cow<'a, str>);

fn decode_element(text: &str) -> Result<Trade<'_>, String> {
    // A list of the right length would also deserialise into a struct.
    if !text.starts_with('{') {
        return Err("it is no object".to_owned());
    }
    let raw: RawTrade<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if raw.s.0.is_empty() {
        return Err("s is empty".to_owned());
    }
    if raw.s.0.contains('\0') {
        // A NUL in the file is what a power cut leaves; no symbol has one.
        return Err("s contains a NUL character".to_owned());
    }
    let timestamp_ms = raw.t.get();
    if timestamp_ms.parse::<i64>().is_err() {
        return Err(format!("t is no integer: {timestamp_ms}"));
    }
    let codes = raw.c.unwrap_or_default();
    if codes.iter().any(|code| code.0.contains('\0')) {
        return Err("c contains a NUL character".to_owned());
    }
    Ok(Trade {
        ticker: raw.s.0,
        price: number("p", raw.p)?,
        volume: number("v", raw.v)?,
        timestamp_ms,
        conditions: Conditions::Escaped(codes.into_iter().map(|code| code.0).collect()),
    })
}

fn number<'a>(field: &str, value: &'a RawValue) -> Result<&'a str, String> {
    let digits = value.get();
    // The JSON is valid, so its first character shows whether it is a number.
    if digits.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        Ok(digits)
    } else {
        Err(format!("{field} is no number: {digits}"))
    }
}

#[cfg(test)]
mod tests;
