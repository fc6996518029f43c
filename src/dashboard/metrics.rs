//! The numbers as Prometheus text, version 0.0.4.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>
//!
//! The dashboard's thread; made from a snapshot, no clock of its own. A few lines of text need no
//! library with a registry and counters of its own.

use std::fmt::{Display, Write};

use std::sync::atomic::Ordering;

use crate::channel::SharedState;
use crate::status::snapshot::{FeedState, Snapshot, TickerSnapshot};

/// What is followed at most: one line of each kind a symbol, and a monitoring server keeps each.
const MOST_SYMBOLS: usize = 500;

/// All metrics.
pub(super) fn render(
    snapshot: &Snapshot,
    recording: &SharedState,
    now_ms: i64,
    followers: usize,
) -> String {
    let mut text = Text(String::new());
    let counts = &snapshot.counts;
    let last_message_ms = recording.last_message_ms.load(Ordering::Relaxed);
    let waiting_bytes = recording.waiting_bytes.load(Ordering::Relaxed);
    text.one("up", "gauge", "1 while trades are being recorded", {
        u8::from(snapshot.state == FeedState::Live)
    });
    text.one("start_time_seconds", "gauge", "When the program started, UNIX time", {
        seconds(snapshot.started_ms)
    });
    if last_message_ms > 0 {
        let age = seconds((now_ms - last_message_ms).max(0));
        text.one("last_message_age_seconds", "gauge", "Since the last message of the server", age);
    }
    text.one("trades_received_total", "counter", "Elements of trade messages", counts.received);
    text.one("trades_written_total", "counter", "Rows handed to the file", counts.written);
    text.head("trades_lost_total", "counter", "Elements that did not become rows, by reason");
    text.sample("trades_lost_total", Some(("reason", "rejected")), counts.rejected);
    text.sample("trades_lost_total", Some(("reason", "dropped")), counts.dropped);
    text.one("unreadable_messages_total", "counter", "Messages that were no JSON", {
        counts.unreadable
    });
    text.one("reconnects_total", "counter", "Connections after the first", snapshot.reconnects);
    text.one("missing_seconds_total", "counter", "Time in which nothing was recorded", {
        seconds(snapshot.missing_ms)
    });
    text.one("trades_per_second", "gauge", "Rows written, over the last seconds", {
        snapshot.trades_per_second
    });
    text.one("out_bytes", "gauge", "Size of the file recorded to", snapshot.out_bytes);
    text.one("waiting_bytes", "gauge", "Messages on their way to the file", waiting_bytes);
    text.one("dashboard_followers", "gauge", "Connections to /api/events", followers);
    text.one("disk_trouble", "gauge", "1 while the disk refuses rows", {
        u8::from(snapshot.disk_trouble.is_some())
    });
    text.tickers(&snapshot.tickers[..snapshot.tickers.len().min(MOST_SYMBOLS)]);
    text.0
}

#[allow(clippy::cast_precision_loss)] // exact for 285,000 years
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP finnhub_stream_{name} {help}.");
        let _ = writeln!(self.0, "# TYPE finnhub_stream_{name} {kind}");
    }

    fn sample(&mut self, name: &str, label: Option<(&str, &str)>, value: impl Display) {
        let label = label.map(|(label, text)| format!("{{{label}=\"{}\"}}", escaped(text)));
        let label = label.unwrap_or_default();
        let _ = writeln!(self.0, "finnhub_stream_{name}{label} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.sample(name, None, value);
    }

    fn tickers(&mut self, tickers: &[TickerSnapshot]) {
        self.head("ticker_trades_total", "counter", "Trades of a symbol");
        for ticker in tickers {
            self.sample("ticker_trades_total", Some(("symbol", &ticker.symbol)), ticker.trades);
        }
        self.head("ticker_refused", "gauge", "1 while the server refuses a symbol");
        for ticker in tickers {
            let refused = u8::from(ticker.refused);
            self.sample("ticker_refused", Some(("symbol", &ticker.symbol)), refused);
        }
        self.head("ticker_last_price", "gauge", "Price of a symbol's last trade");
        for ticker in tickers {
            if let Some(price) = ticker.price.parse().ok().filter(|price: &f64| price.is_finite()) {
                self.sample("ticker_last_price", Some(("symbol", &ticker.symbol)), price);
            }
        }
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::{SharedState, render};
    use crate::status::snapshot::{Counts, FeedState, Snapshot, TickerSnapshot};

    #[test]
    fn every_line_is_a_comment_or_a_sample() {
        let ticker = |symbol: &str, price: &str| TickerSnapshot {
            symbol: symbol.to_owned(),
            price: price.to_owned(),
            trades: 3,
            ..TickerSnapshot::default()
        };
        let snapshot = Snapshot {
            state: FeedState::Live,
            missing_ms: 1500,
            counts: Counts { received: 9, written: 7, rejected: 2, ..Counts::default() },
            tickers: vec![ticker("A\"\\\nB", "1e-07"), ticker("C", ""), ticker("D", "1e999")],
            ..Snapshot::default()
        };
        let recording = SharedState::default();
        recording.last_message_ms.store(2500, std::sync::atomic::Ordering::Relaxed);
        let text = render(&snapshot, &recording, 5000, 0);
        for expected in [
            "finnhub_stream_up 1",
            "finnhub_stream_last_message_age_seconds 2.5",
            "finnhub_stream_trades_received_total 9",
            "finnhub_stream_trades_lost_total{reason=\"rejected\"} 2",
            "finnhub_stream_missing_seconds_total 1.5",
            "finnhub_stream_ticker_trades_total{symbol=\"A\\\"\\\\\\nB\"} 3",
            "finnhub_stream_ticker_last_price{symbol=\"A\\\"\\\\\\nB\"} 0.0000001",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} in\n{text}");
        }
        assert_eq!(text.matches("ticker_last_price{").count(), 1, "{text}");
        assert!(text.lines().all(|line| line.starts_with("# ") || line.starts_with("finnhub_")));
    }
}
