//! Trades and watch lists, and the snapshot after them.

use super::{OTHER_SYMBOLS, Totals};
use crate::protocol::trade::{Conditions, Trade};
use crate::status::snapshot::SILENT_AFTER_MS;

fn trade<'a>(ticker: &'a str, price: &'a str, volume: &'a str) -> Trade<'a> {
    let conditions = Conditions::Unescaped("");
    Trade { ticker: ticker.into(), price, volume, timestamp_ms: "1680286537580", conditions }
}

fn names(symbols: &[&str]) -> Vec<String> {
    symbols.iter().map(|symbol| (*symbol).to_owned()).collect()
}

#[test]
fn each_symbol_keeps_its_last_trade_and_sums() {
    let mut totals = Totals::new(0);
    totals.set_watch_list(&names(&["A", "B"]), &names(&["C"]), 10);
    totals.trade(&trade("A", "1.10", "2"), 20);
    totals.trade(&trade("B", "9", "1"), 21);
    totals.trade(&trade("A", "1.20", "0.5"), 22);
    let snapshot = totals.snapshot(30, "x.csv", 7, None);
    let a = &snapshot.tickers[0];
    assert_eq!(
        (a.symbol.as_str(), a.price.as_str(), a.first_price.as_str()),
        ("A", "1.20", "1.10")
    );
    assert_eq!((a.trades, a.volume), (2, 2.5));
    assert_eq!(a.last_trade_ms, Some(1_680_286_537_580));
    assert_eq!(a.last_received_ms, Some(22));
    let states: Vec<_> = snapshot.tickers.iter().map(|ticker| ticker.state(30)).collect();
    assert_eq!(states, ["live", "live", "refused"]);
    assert_eq!(a.state(22 + SILENT_AFTER_MS), "silent");
}

#[test]
fn a_late_trade_does_not_bring_a_symbol_back() {
    let mut totals = Totals::new(0);
    totals.set_watch_list(&names(&["A", "B"]), &[], 10);
    totals.set_watch_list(&names(&["B"]), &[], 20);
    for symbol in ["A", "OTHER", "A", "B"] {
        totals.trade(&trade(symbol, "9", "1"), 21);
    }
    let shown = |totals: &mut Totals| {
        let tickers = totals.snapshot(40, "", 0, None).tickers;
        tickers.into_iter().map(|t| (t.symbol, t.trades)).collect::<Vec<_>>()
    };
    assert_eq!(shown(&mut totals), [("B".to_owned(), 1), ("OTHER".to_owned(), 1)]);
    totals.set_watch_list(&names(&["B", "A"]), &[], 50);
    totals.trade(&trade("A", "9", "1"), 51);
    assert_eq!(shown(&mut totals), [("B".to_owned(), 1), ("A".to_owned(), 1)]);
}

#[test]
fn of_symbols_that_nobody_asked_for_so_many_are_followed_and_no_more() {
    let mut totals = Totals::new(0);
    totals.set_watch_list(&names(&["A", "B"]), &[], 10);
    for number in 0..2 * OTHER_SYMBOLS {
        totals.trade(&trade(&number.to_string(), "9", "1"), 21);
    }
    totals.trade(&trade("B", "9", "1"), 22);
    let tickers = totals.snapshot(40, "", 0, None).tickers;
    assert_eq!((tickers.len(), tickers[1].trades), (2 + OTHER_SYMBOLS, 1));
    // The list has its places, whatever else came.
    totals.set_watch_list(&names(&["A", "B", "1999"]), &[], 50);
    totals.trade(&trade("1999", "9", "1"), 51);
    assert_eq!(totals.snapshot(60, "", 0, None).tickers[2].trades, 1);
}

#[test]
fn a_changed_list_keeps_what_is_known_and_forgets_what_is_gone() {
    let mut totals = Totals::new(0);
    totals.set_watch_list(&names(&["A", "B"]), &[], 10);
    totals.trade(&trade("B", "9", "1"), 21);
    totals.set_watch_list(&names(&["B", "C"]), &[], 30);
    let snapshot = totals.snapshot(40, "", 0, None);
    let shown: Vec<_> = snapshot.tickers.iter().map(|t| (t.symbol.as_str(), t.trades)).collect();
    assert_eq!(shown, [("B", 1), ("C", 0)]);
    let since: Vec<_> = snapshot.tickers.iter().map(|t| t.wanted_since_ms).collect();
    assert_eq!(since, [Some(10), Some(30)]);
}

#[test]
fn the_rate_is_that_of_the_last_seconds() {
    let mut totals = Totals::new(0);
    for second in 0..20 {
        totals.counts.written = if second < 10 { second * 100 } else { 1000 };
        let rate =
            totals.snapshot(i64::try_from(second).unwrap() * 1000, "", 0, None).trades_per_second;
        match second {
            1..=9 => assert!((rate - 100.0).abs() < 1e-9, "{second}: {rate}"),
            16.. => assert!(rate.abs() < 1e-9, "{second}: {rate}"),
            _ => {}
        }
    }
}
