//! Part (a): messages in memory → rows in memory, no socket, no file, one thread.
//!
//! Every decoder gets the same messages and fills one buffer with a whole file's bytes, the header
//! first. Each buffer is checked row by row, outside the timed part.

use std::time::Instant;

use finnhub_stream::protocol::message::{Decoder, Element};
use finnhub_stream::recording::columns::Column;
use finnhub_stream::recording::header::header;
use finnhub_stream::recording::push_row;

use crate::Outcome;
use crate::load::Load;
use crate::plan::Plan;
use crate::rows::Format;
use crate::typical;

/// Decodes all messages and appends the header and all rows.
type Decode = fn(messages: &[&str], rows: Vec<u8>) -> Outcome<Vec<u8>>;

/// Who takes part: a name for the table, what its rows look like, and the function.
const DECODERS: &[(&str, Format, Decode)] =
    &[("finnhub-stream", Format::Digits, product_rows), ("typical", Format::Floats, typical_rows)];

/// What one decoder did in each round.
pub(crate) struct Decoding {
    pub(crate) name: &'static str,
    pub(crate) trades_per_second: Vec<f64>,
}

/// Lets all decoders take turns, round by round.
///
/// # Errors
/// A decoder that fails, or rows that are not those of the messages.
pub(crate) fn compare(plan: &Plan, load: &Load) -> Outcome<Vec<Decoding>> {
    let messages = (0..load.message_count())
        .map(|message| std::str::from_utf8(load.text(message)))
        .collect::<Result<Vec<&str>, _>>()?;
    let mut decodings: Vec<Decoding> = DECODERS
        .iter()
        .map(|(name, ..)| Decoding { name, trades_per_second: Vec::new() })
        .collect();
    for _ in 0..plan.rounds {
        for ((name, format, decode), decoding) in DECODERS.iter().zip(&mut decodings) {
            // Room for all rows, already touched: growing and page faults are not decoding.
            let mut room = vec![1; load.frames().len() + 1024];
            room.clear();
            let start = Instant::now();
            let rows = decode(&messages, room)?;
            let seconds = start.elapsed().as_secs_f64();
            format
                .check(&rows, load, load.message_count())
                .map_err(|error| format!("decoder {name}: {error}"))?;
            #[expect(clippy::cast_precision_loss, reason = "a count of trades is far below 2^52")]
            decoding.trades_per_second.push(load.trades().len() as f64 / seconds);
        }
    }
    Ok(decodings)
}

fn product_rows(messages: &[&str], mut rows: Vec<u8>) -> Outcome<Vec<u8>> {
    let mut decoder = Decoder::default();
    rows.extend_from_slice(header(&Column::ALL).as_bytes());
    for message in messages {
        decoder.decode(message, |element| {
            // The check afterwards finds what is missing.
            if let Element::Trade(trade) = element {
                push_row(&mut rows, &Column::ALL, &trade, "1680286537580");
            }
        })?;
    }
    Ok(rows)
}

fn typical_rows(messages: &[&str], rows: Vec<u8>) -> Outcome<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(rows);
    for message in messages {
        typical::write_rows(message, &mut writer)?;
    }
    writer.into_inner().map_err(|error| error.to_string().into())
}
