//! The trades that every recorder gets: the same ones in every run, as WebSocket frames made
//! beforehand. Runs on the main thread of the bench, before anything is timed.
//!
//! It spells Finnhub's JSON by hand, as the real captures do, so that a mistake in the decoder
//! cannot hide behind the same mistake here. It must not use any of the program's own code.

use std::fmt::Write;
use std::ops::Range;

/// The first symbols of the feed: liquid stocks, as a real watch list holds them, with a start price
/// in ten-thousandths of a dollar.
const MARKET: [(&str, i64); 12] = [
    ("AAPL", 1_640_600),
    ("MSFT", 2_882_000),
    ("AMZN", 1_033_900),
    ("NVDA", 2_777_700),
    ("GOOGL", 1_037_300),
    ("META", 2_119_400),
    ("TSLA", 2_074_600),
    ("AMD", 980_100),
    ("INTC", 326_700),
    ("F", 126_000),
    ("BAC", 286_000),
    ("JPM", 1_303_100),
];

/// So many symbols have all parts of the benchmark but the one about their number.
pub(crate) const USUAL_SYMBOLS: usize = MARKET.len();

/// Conditions as in the captures, the common ones repeated: odd lots are most of the tape.
const CONDITIONS: [&[&str]; 8] = [
    &["1", "12"],
    &["1", "12"],
    &["1", "12"],
    &["1"],
    &["1"],
    &["1", "8"],
    &["1", "8", "12"],
    &["1", "24", "12"],
];

/// Round and odd lots, as in the captures.
const VOLUMES: [u32; 12] = [1, 1, 2, 4, 5, 10, 15, 26, 100, 100, 142, 1700];

/// The longest batch that the contract's load has.
const LONGEST_BATCH: usize = 20;

/// How likely one more trade follows in a batch. Cut off at [`LONGEST_BATCH`], a geometric
/// distribution with this parameter has a mean of 4.0.
const ONE_MORE: f64 = 0.7544;

/// Any fixed number: it makes every run send the same bytes.
const SEED: u64 = 0x0F1A_4B5B;

/// The first trade's time, UNIX milliseconds: that of the captures.
const FIRST_TIME_MS: i64 = 1_680_286_537_580;

/// One trade as it was sent, with the digits of its numbers.
pub(crate) struct Trade {
    pub(crate) symbol: &'static str,
    /// Dollars, the digits as sent.
    pub(crate) price: Box<str>,
    /// Shares.
    pub(crate) volume: u32,
    /// The exchange's clock, UNIX milliseconds.
    pub(crate) time_ms: i64,
    pub(crate) conditions: &'static [&'static str],
}

/// One message: where its parts are in the [`Load`].
struct Message {
    frame: Range<usize>,
    text: Range<usize>,
    trades: Range<usize>,
}

/// All messages, their frames one behind the other.
pub(crate) struct Load {
    symbols: Vec<&'static str>,
    bytes: Vec<u8>,
    messages: Vec<Message>,
    trades: Vec<Trade>,
}

impl Load {
    /// Makes messages until they hold `trades` trades, of so many symbols.
    pub(crate) fn generate(trades: usize, symbols: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut prices: Vec<i64> =
            MARKET.iter().cycle().map(|(_, start)| *start).take(symbols).collect();
        let mut time_ms = FIRST_TIME_MS;
        let mut load = Self {
            symbols: Self::names(symbols),
            bytes: Vec::new(),
            messages: Vec::new(),
            trades: Vec::with_capacity(trades),
        };
        let mut text = String::new();
        while load.trades.len() < trades {
            let first = load.trades.len();
            let main_symbol = random.usize(..symbols);
            for _ in 0..batch_size(&mut random).min(trades - first) {
                // Most messages carry one symbol, some carry several.
                let other = random.u8(..8) == 0;
                let symbol = if other { random.usize(..symbols) } else { main_symbol };
                time_ms += random.i64(0..4);
                prices[symbol] = (prices[symbol] + random.i64(-150..=150)).max(10_000);
                let name = load.symbols[symbol];
                load.trades.push(trade(&mut random, name, prices[symbol], time_ms));
            }
            message_text(&load.trades[first..], &mut text);
            load.push_message(&text, first);
        }
        load
    }

    fn push_message(&mut self, text: &str, first_trade: usize) {
        let start = self.bytes.len();
        push_frame_header(text.len(), &mut self.bytes);
        let text_start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        let end = self.bytes.len();
        self.messages.push(Message {
            frame: start..end,
            text: text_start..end,
            trades: first_trade..self.trades.len(),
        });
    }

    /// The usual watch list: the only one that the reference recorders have.
    pub(crate) fn usual_symbols() -> Vec<&'static str> {
        Self::names(USUAL_SYMBOLS)
    }

    /// The stocks of [`MARKET`], and made-up names after them.
    fn names(count: usize) -> Vec<&'static str> {
        let made_up = (MARKET.len()..).map(|number| &*format!("S{number:05}").leak());
        MARKET.iter().map(|(symbol, _)| *symbol).chain(made_up).take(count).collect()
    }

    /// Every symbol that occurs.
    pub(crate) fn symbols(&self) -> &[&'static str] {
        &self.symbols
    }

    /// All frames, in order, as they go over the socket.
    pub(crate) fn frames(&self) -> &[u8] {
        &self.bytes
    }

    /// How many messages there are.
    pub(crate) fn message_count(&self) -> usize {
        self.messages.len()
    }

    /// The frame of one message.
    pub(crate) fn frame(&self, message: usize) -> &[u8] {
        &self.bytes[self.messages[message].frame.clone()]
    }

    /// The JSON of one message.
    pub(crate) fn text(&self, message: usize) -> &[u8] {
        &self.bytes[self.messages[message].text.clone()]
    }

    /// The trades of one message.
    pub(crate) fn trades_of(&self, message: usize) -> &[Trade] {
        &self.trades[self.messages[message].trades.clone()]
    }

    /// All trades, in the order sent.
    pub(crate) fn trades(&self) -> &[Trade] {
        &self.trades
    }
}

/// 1 to [`LONGEST_BATCH`], mean 4.
fn batch_size(random: &mut fastrand::Rng) -> usize {
    loop {
        let mut size = 1;
        while random.f64() < ONE_MORE {
            size += 1;
        }
        if size <= LONGEST_BATCH {
            return size;
        }
    }
}

fn trade(
    random: &mut fastrand::Rng,
    symbol: &'static str,
    ten_thousandths: i64,
    time_ms: i64,
) -> Trade {
    // Most prices are whole cents; the others use all four places.
    let whole_cents = random.u8(..10) < 6;
    let price = if whole_cents { ten_thousandths / 100 * 100 } else { ten_thousandths };
    let digits = format!("{}.{:04}", price / 10_000, price % 10_000);
    // Like Go's JSON encoder, the feed sends no zeros at the end, and no point before nothing.
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    Trade {
        symbol,
        price: digits.into(),
        volume: VOLUMES[random.usize(..VOLUMES.len())],
        time_ms,
        conditions: CONDITIONS[random.usize(..CONDITIONS.len())],
    }
}

fn message_text(trades: &[Trade], text: &mut String) {
    text.clear();
    text.push_str(r#"{"data":["#);
    for (index, trade) in trades.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let conditions = trade.conditions.join(r#"",""#);
        let Trade { symbol, price, volume, time_ms, .. } = trade;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            r#"{comma}{{"c":["{conditions}"],"p":{price},"s":"{symbol}","t":{time_ms},"v":{volume}}}"#
        );
    }
    text.push_str(r#"],"type":"trade"}"#);
}

/// The header of one whole, unmasked text frame ([RFC 6455, section 5.2]).
///
/// [RFC 6455, section 5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
fn push_frame_header(payload: usize, bytes: &mut Vec<u8>) {
    const FINAL_TEXT: u8 = 0x81;
    bytes.push(FINAL_TEXT);
    if let Ok(short) = u8::try_from(payload)
        && short <= 125
    {
        bytes.push(short);
    } else if let Ok(medium) = u16::try_from(payload) {
        bytes.push(126);
        bytes.extend_from_slice(&medium.to_be_bytes());
    } else {
        bytes.push(127);
        bytes.extend_from_slice(&(payload as u64).to_be_bytes());
    }
}
