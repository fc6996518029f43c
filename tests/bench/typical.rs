//! The typical recorder: what a good engineer writes in an hour. tokio-tungstenite on tokio's
//! default runtime, `serde_json` into structs of `f64`, `csv::Writer` over a buffered file. Runs as
//! a process of its own. It is meant to be usual, not bad: nothing in it is slow on purpose.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::Outcome;
use crate::load::Load;

/// A message of the feed, by Finnhub's own names.
#[derive(Deserialize)]
struct Feed {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Vec<FeedTrade>,
}

#[derive(Deserialize)]
struct FeedTrade {
    s: String,
    p: f64,
    v: f64,
    t: i64,
    c: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Row<'a> {
    ticker: &'a str,
    price: f64,
    volume: f64,
    timestamp_ms: i64,
    received_ms: i64,
    conditions: String,
}

/// Records from `url` into `out` until the server closes.
///
/// # Errors
/// Whatever the socket, the decoder or the file reports.
pub(crate) fn record(url: &str, out: &str, flush_each_message: bool) -> Outcome<()> {
    // What `#[tokio::main]` makes.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(record_async(url, out, flush_each_message))
}

async fn record_async(url: &str, out: &str, flush_each_message: bool) -> Outcome<()> {
    let mut writer = csv::Writer::from_writer(BufWriter::new(File::create(out)?));
    let (mut socket, _) = connect_async(url).await?;
    for symbol in Load::usual_symbols() {
        let subscribe = format!(r#"{{"type":"subscribe","symbol":"{symbol}"}}"#);
        socket.send(Message::text(subscribe)).await?;
    }
    while let Some(message) = socket.next().await {
        match message? {
            Message::Text(text) => {
                write_rows(&text, &mut writer)?;
                if flush_each_message {
                    writer.flush()?;
                }
            }
            Message::Close(_) => break,
            _ => {}
        }
    }
    writer.flush()?;
    socket.flush().await?; // the answer to the server's Close
    Ok(())
}

/// Decodes one message and writes its trades as rows.
///
/// # Errors
/// A message that is not of the feed's shape, or a failed write.
pub(crate) fn write_rows(text: &str, writer: &mut csv::Writer<impl Write>) -> Outcome<()> {
    let received_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let message: Feed = serde_json::from_str(text)?;
    if message.kind != "trade" {
        return Ok(());
    }
    for trade in &message.data {
        writer.serialize(Row {
            ticker: &trade.s,
            price: trade.p,
            volume: trade.v,
            timestamp_ms: trade.t,
            received_ms,
            conditions: trade.c.as_deref().unwrap_or_default().join(";"),
        })?;
    }
    Ok(())
}
