//! The numbers as JSON, for `/api/status` and for the events.
//!
//! The dashboard's thread; made from a snapshot, no clock of its own. Most fields are those of
//! [`Snapshot`] and [`TickerSnapshot`]. Times are UNIX milliseconds of this machine, unless said
//! otherwise.

use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::channel::SharedState;
use crate::market::hours::{MarketState, us_market};
use crate::market::symbol::is_us_stock;
use crate::status::snapshot::{Snapshot, TickerSnapshot};

/// Everything, or everything that has changed.
#[derive(Debug, Serialize)]
struct Status<'a> {
    /// `snapshot` when `tickers` is the whole list, `change` when it holds only what has changed
    /// since the event before.
    kind: &'static str,
    version: &'static str,
    now_ms: i64,
    /// When the last text message arrived; `None` before the first.
    last_message_ms: Option<i64>,
    /// Bytes of trade messages on their way to the file.
    waiting_bytes: usize,
    /// `open`, `night` or `closed`.
    us_market: &'static str,
    #[serde(flatten)]
    snapshot: &'a Snapshot,
    tickers: Vec<TickerStatus<'a>>,
}

#[derive(Debug, Serialize)]
struct TickerStatus<'a> {
    #[serde(flatten)]
    ticker: &'a TickerSnapshot,
    state: &'static str,
    /// A US stock, while the market is closed: no trade is expected.
    closed: bool,
    /// A US stock in the night: a trade is possible, and so is silence. Left out when it is not so: with
    /// 5,000 symbols every word counts in an answer that nobody takes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    night: bool,
}

/// The whole state as JSON.
pub(super) fn whole(snapshot: &Snapshot, recording: &SharedState, now_ms: i64) -> String {
    render("snapshot", snapshot, recording, now_ms, snapshot.tickers.iter())
}

/// What has changed since the snapshot `before`, which was sampled at `before_ms`, as JSON; `None` when
/// the list itself has, so that only the whole state will do.
pub(super) fn change(
    (before, before_ms): (&Snapshot, i64),
    snapshot: &Snapshot,
    recording: &SharedState,
    now_ms: i64,
) -> Option<String> {
    let same_list = before.started_ms == snapshot.started_ms
        && before.tickers.len() == snapshot.tickers.len()
        && before.tickers.iter().zip(&snapshot.tickers).all(|(old, new)| old.symbol == new.symbol);
    if !same_list {
        return None;
    }
    let same_hours = us_market(before_ms).name() == us_market(now_ms).name();
    let has_changed = |(old, new): &(&TickerSnapshot, &TickerSnapshot)| {
        old.trades != new.trades
            || old.state(before.published_ms) != new.state(snapshot.published_ms)
            || (!same_hours && is_us_stock(&new.symbol))
    };
    let pairs = before.tickers.iter().zip(&snapshot.tickers);
    let changed = pairs.filter(has_changed).map(|(_, new)| new);
    Some(render("change", snapshot, recording, now_ms, changed))
}

fn render<'a>(
    kind: &'static str,
    snapshot: &'a Snapshot,
    recording: &SharedState,
    now_ms: i64,
    tickers: impl Iterator<Item = &'a TickerSnapshot>,
) -> String {
    let market = us_market(now_ms);
    let (closed, night) =
        (matches!(market, MarketState::Closed { .. }), matches!(market, MarketState::Night { .. }));
    let last_message_ms = recording.last_message_ms.load(Ordering::Relaxed);
    let tickers = tickers.map(|ticker| TickerStatus {
        ticker,
        // By the snapshot's clock, like the comparison that decides what has changed.
        state: ticker.state(snapshot.published_ms),
        closed: closed && is_us_stock(&ticker.symbol),
        night: night && is_us_stock(&ticker.symbol),
    });
    let status = Status {
        kind,
        version: env!("CARGO_PKG_VERSION"),
        now_ms,
        last_message_ms: Some(last_message_ms).filter(|at_ms| *at_ms > 0),
        waiting_bytes: recording.waiting_bytes.load(Ordering::Relaxed),
        us_market: market.name(),
        snapshot,
        tickers: tickers.collect(),
    };
    // Numbers and text always become JSON.
    serde_json::to_string(&status).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::channel::SharedState;
    use crate::protocol::trade::{Conditions, Trade};
    use crate::status::snapshot::{FeedState, SILENT_AFTER_MS, Snapshot};
    use crate::status::totals::Totals;

    fn change(before: &Snapshot, snapshot: &Snapshot) -> Option<Value> {
        let json = super::change((before, 40), snapshot, &SharedState::default(), 50)?;
        Some(serde_json::from_str(&json).unwrap())
    }

    fn totals(symbols: &[&str]) -> Totals {
        let mut totals = Totals::new(0);
        let symbols: Vec<_> = symbols.iter().map(|symbol| (*symbol).to_owned()).collect();
        totals.set_watch_list(&symbols, &[], 10);
        totals
    }

    fn trade(totals: &mut Totals, ticker: &str, price: &str) {
        let conditions = Conditions::Unescaped("");
        let trade =
            Trade { ticker: ticker.into(), price, volume: "2", timestamp_ms: "9", conditions };
        totals.trade(&trade, 20);
    }

    fn snapshot(totals: &mut Totals, now_ms: i64) -> Snapshot {
        Snapshot { state: FeedState::Live, ..totals.snapshot(now_ms, "x.csv", 7, None) }
    }

    #[test]
    fn the_digits_stay_and_what_is_unknown_is_null() {
        let mut totals = totals(&["A", "B"]);
        trade(&mut totals, "A", "100.10");
        let snapshot = snapshot(&mut totals, 40);
        let status = super::whole(&snapshot, &SharedState::default(), 50);
        let status: Value = serde_json::from_str(&status).unwrap();
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
        let mut totals = totals(&["A", "B"]);
        trade(&mut totals, "A", "1");
        let before = snapshot(&mut totals, 30);
        trade(&mut totals, "B", "2");
        let after = snapshot(&mut totals, 40);
        let status = change(&before, &after).unwrap();
        assert_eq!(status["kind"], "change");
        assert_eq!(status["tickers"].as_array().unwrap().len(), 1);
        assert_eq!(status["tickers"][0]["symbol"], "B");

        let later = snapshot(&mut totals, 40 + SILENT_AFTER_MS);
        let status = change(&after, &later).unwrap();
        assert_eq!(status["tickers"].as_array().unwrap().len(), 2, "both fell silent: {status}");
    }

    #[test]
    fn other_hours_are_a_change_of_every_us_stock() {
        let mut totals = totals(&["AAPL", "OANDA:X"]);
        let snapshot = snapshot(&mut totals, 40);
        let at = |utc: &str| utc.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        // Monday 23 November 2026 in New York: 04:00, 20:00 and 21:00.
        for (utc, us_market, closed, night) in [
            ("2026-11-23T09:00:00Z", "open", false, false),
            ("2026-11-24T01:00:00Z", "closed", true, false),
            ("2026-11-24T02:00:00Z", "night", false, true),
        ] {
            let recording = SharedState::default();
            let change = |before_ms, now_ms| {
                let change = super::change((&snapshot, before_ms), &snapshot, &recording, now_ms);
                serde_json::from_str::<Value>(&change.unwrap()).unwrap()
            };
            let change_then = change(at(utc) - 1, at(utc));
            assert_eq!(change_then["us_market"], us_market);
            let [ticker] = change_then["tickers"].as_array().unwrap().as_slice() else {
                panic!("{change_then}")
            };
            assert_eq!(ticker["symbol"], "AAPL");
            assert_eq!(ticker["closed"], closed);
            assert_eq!(ticker.get("night").is_some(), night);
            let later = change(at(utc), at(utc) + 250);
            assert_eq!(later["tickers"], Value::Array(Vec::new()), "{later}");
            let whole = super::whole(&snapshot, &recording, at(utc));
            let whole: Value = serde_json::from_str(&whole).unwrap();
            assert_eq!(whole["tickers"][0], *ticker);
            assert_eq!(whole["tickers"][1]["closed"], false);
            assert_eq!(whole["tickers"][1].get("night"), None);
        }
    }

    #[test]
    fn another_list_needs_the_whole_state() {
        let mut first = totals(&["A", "B"]);
        let before = snapshot(&mut first, 30);
        first.set_watch_list(&["B".to_owned()], &[], 31);
        assert_eq!(change(&before, &snapshot(&mut first, 40)), None);
    }
}
