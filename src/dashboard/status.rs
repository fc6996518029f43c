//! The numbers as JSON, for `/api/status` and for the events.
//!
//! The dashboard's thread; made from a snapshot, no clock of its own. All times are UNIX
//! milliseconds of this machine, unless said otherwise.

use serde::Serialize;

use crate::status::market_hours::{MarketState, is_us_stock, us_market};
use crate::status::snapshot::{Snapshot, TickerSnapshot};

/// What is known of the channel to the writer, and what time it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Now, UNIX milliseconds of this machine.
    pub(super) now_ms: i64,
    /// When the last text message arrived; `None` before the first.
    pub(super) last_message_ms: Option<i64>,
    /// Bytes of trade messages on their way to the file.
    pub(super) waiting_bytes: usize,
}

/// Everything, or everything that has changed.
#[derive(Debug, Serialize)]
pub(super) struct Status<'a> {
    /// `snapshot` when `tickers` is the whole list, `change` when it holds only what has changed
    /// since the event before.
    kind: &'static str,
    version: &'static str,
    now_ms: i64,
    started_ms: i64,
    published_ms: i64,
    state: &'static str,
    reason: &'a str,
    disk_trouble: Option<&'a str>,
    last_message_ms: Option<i64>,
    received: u64,
    written: u64,
    rejected: u64,
    dropped: u64,
    unreadable: u64,
    trades_per_second: f64,
    reconnects: u64,
    missing_ms: i64,
    waiting_bytes: usize,
    out: &'a str,
    out_bytes: u64,
    us_market_open: bool,
    tickers: Vec<TickerStatus<'a>>,
}

#[derive(Debug, Serialize)]
struct TickerStatus<'a> {
    symbol: &'a str,
    state: &'static str,
    /// Whether the clock alone explains silence: a US stock outside of trading hours.
    closed: bool,
    price: Option<&'a str>,
    first_price: Option<&'a str>,
    trades: u64,
    volume: f64,
    /// The exchange's clock.
    last_trade_ms: Option<i64>,
    last_received_ms: Option<i64>,
    /// Since when it is subscribed; `None` when it is not.
    wanted_since_ms: Option<i64>,
}

/// The whole state as JSON.
pub(super) fn whole(snapshot: &Snapshot, moment: Moment) -> String {
    render("snapshot", snapshot, moment, snapshot.tickers.iter())
}

/// What has changed since `before` as JSON; `None` when the list itself has, so that only the
/// whole state will do.
pub(super) fn change(before: &Snapshot, snapshot: &Snapshot, moment: Moment) -> Option<String> {
    let same_list = before.started_ms == snapshot.started_ms
        && before.tickers.len() == snapshot.tickers.len()
        && before.tickers.iter().zip(&snapshot.tickers).all(|(old, new)| old.symbol == new.symbol);
    if !same_list {
        return None;
    }
    let has_changed = |(old, new): &(&TickerSnapshot, &TickerSnapshot)| {
        old.trades != new.trades
            || old.state(before.published_ms) != new.state(snapshot.published_ms)
    };
    let pairs = before.tickers.iter().zip(&snapshot.tickers);
    Some(render("change", snapshot, moment, pairs.filter(has_changed).map(|(_, new)| new)))
}

fn render<'a>(
    kind: &'static str,
    snapshot: &'a Snapshot,
    moment: Moment,
    tickers: impl Iterator<Item = &'a TickerSnapshot>,
) -> String {
    let us_market_open = matches!(us_market(moment.now_ms), MarketState::Open { .. });
    let counts = snapshot.counts;
    let status = Status {
        kind,
        version: env!("CARGO_PKG_VERSION"),
        now_ms: moment.now_ms,
        started_ms: snapshot.started_ms,
        published_ms: snapshot.published_ms,
        state: snapshot.state.name(),
        reason: &snapshot.reason,
        disk_trouble: snapshot.disk_trouble.as_deref(),
        last_message_ms: moment.last_message_ms,
        received: counts.received,
        written: counts.written,
        rejected: counts.rejected,
        dropped: counts.dropped,
        unreadable: counts.unreadable,
        // More decimals say nothing and double the message.
        trades_per_second: (snapshot.trades_per_second * 10.0).round() / 10.0,
        reconnects: snapshot.reconnects,
        missing_ms: snapshot.missing_ms,
        waiting_bytes: moment.waiting_bytes,
        out: &snapshot.out,
        out_bytes: snapshot.out_bytes,
        us_market_open,
        tickers: tickers
            .map(|ticker| TickerStatus {
                symbol: &ticker.symbol,
                // By the snapshot's clock, like the comparison that decides what has changed.
                state: ticker.state(snapshot.published_ms),
                closed: !us_market_open && is_us_stock(&ticker.symbol),
                price: Some(ticker.price.as_str()).filter(|price| !price.is_empty()),
                first_price: Some(ticker.first_price.as_str()).filter(|price| !price.is_empty()),
                trades: ticker.trades,
                volume: ticker.volume,
                last_trade_ms: ticker.last_trade_ms,
                last_received_ms: ticker.last_received_ms,
                wanted_since_ms: ticker.wanted_since_ms,
            })
            .collect(),
    };
    // Numbers and text always become JSON.
    serde_json::to_string(&status).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Moment, change, whole};
    use crate::protocol::trade::{Conditions, Trade};
    use crate::status::snapshot::{FeedState, Market, SILENT_AFTER_MS, Snapshot};

    const MOMENT: Moment = Moment { now_ms: 50, last_message_ms: None, waiting_bytes: 3 };

    fn market(symbols: &[&str]) -> Market {
        let mut market = Market::new(0);
        let symbols: Vec<_> = symbols.iter().map(|symbol| (*symbol).to_owned()).collect();
        market.follow(&symbols, &[], 10);
        market
    }

    fn trade(market: &mut Market, ticker: &str, price: &str) {
        let conditions = Conditions::Plain("".into());
        let trade = Trade {
            ticker: ticker.into(),
            price: price.into(),
            volume: "2".into(),
            timestamp_ms: "9".into(),
            conditions,
        };
        market.trade(&trade, 20);
    }

    fn read(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    fn snapshot(market: &mut Market, now_ms: i64) -> Snapshot {
        Snapshot { state: FeedState::Live, ..market.snapshot(now_ms, "x.csv", 7, None) }
    }

    #[test]
    fn the_digits_stay_and_what_is_unknown_is_null() {
        let mut market = market(&["A", "B"]);
        trade(&mut market, "A", "100.10");
        let status = read(&whole(&snapshot(&mut market, 40), MOMENT));
        assert_eq!(status["kind"], "snapshot");
        assert_eq!(status["state"], "live");
        assert_eq!(status["last_message_ms"], Value::Null);
        assert_eq!(status["out_bytes"], 7);
        assert_eq!(status["tickers"][0]["price"], "100.10");
        assert_eq!(status["tickers"][0]["last_trade_ms"], 9);
        assert_eq!(status["tickers"][1]["price"], Value::Null);
        assert_eq!(status["tickers"][1]["state"], "silent");
        assert_eq!(status["tickers"][1]["wanted_since_ms"], 10);
    }

    #[test]
    fn a_change_names_only_what_has_changed() {
        let mut market = market(&["A", "B"]);
        trade(&mut market, "A", "1");
        let before = snapshot(&mut market, 30);
        trade(&mut market, "B", "2");
        let after = snapshot(&mut market, 40);
        let status = read(&change(&before, &after, MOMENT).unwrap());
        assert_eq!(status["kind"], "change");
        assert_eq!(status["tickers"].as_array().unwrap().len(), 1);
        assert_eq!(status["tickers"][0]["symbol"], "B");

        let later = snapshot(&mut market, 40 + SILENT_AFTER_MS);
        let status = read(&change(&after, &later, MOMENT).unwrap());
        assert_eq!(status["tickers"].as_array().unwrap().len(), 2, "both fell silent: {status}");
    }

    #[test]
    fn another_list_needs_the_whole_state() {
        let mut first = market(&["A", "B"]);
        let before = snapshot(&mut first, 30);
        first.follow(&["B".to_owned()], &[], 31);
        assert_eq!(change(&before, &snapshot(&mut first, 40), MOMENT), None);
    }
}
