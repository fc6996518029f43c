//! The rows of the table: their order, and what their cells say.

use std::cmp::Ordering;

use super::{Column, Sort, change, direction, short, small_line, state};
use crate::market::hours::{MarketState, us_market};
use crate::status::snapshot::{SILENT_AFTER_MS, TickerSnapshot};

/// A Monday noon in New York.
const NOON: i64 = 1_795_453_200_000;
const OPEN: MarketState = MarketState::Open { opened_ms: 0, session_began_ms: None };

fn ticker(symbol: &str, first: &str, last: &str, trades: u64) -> TickerSnapshot {
    TickerSnapshot {
        symbol: symbol.to_owned(),
        first_price: first.to_owned(),
        price: last.to_owned(),
        trades,
        last_received_ms: (trades > 0).then_some(NOON),
        wanted_since_ms: Some(NOON),
        ..TickerSnapshot::default()
    }
}

#[test]
fn the_price_has_its_digits_and_the_change_is_since_the_start() {
    let one = ticker("A", "100", "101.50", 3);
    let texts = [Column::Symbol, Column::Last, Column::Change, Column::Trades, Column::Age]
        .map(|column| column.text(&one, OPEN, NOON + 65_000));
    assert_eq!(texts, ["A", "101.50", "+1.50 %", "3", "1 m 5 s"]);
    // Two decimals do not show it, so that it has no sign and, in `draw`, no colour.
    for last in ["100", "100.004", "99.996"] {
        let one = ticker("A", "100", last, 1);
        assert_eq!(Column::Change.text(&one, OPEN, NOON), "0.00 %");
        assert_eq!(change(&one).map(direction), Some(Ordering::Equal));
    }
    let one = ticker("A", "100", "99.99", 1);
    assert_eq!(Column::Change.text(&one, OPEN, NOON), "-0.01 %");
    assert_eq!(change(&one).map(direction), Some(Ordering::Less));
    let unknown = ticker("A", "", "", 0);
    assert_eq!((change(&unknown), change(&ticker("A", "0", "1", 1))), (None, None));
    assert_eq!(Column::Change.text(&unknown, OPEN, NOON), "");
    assert_eq!(Column::Symbol.text(&ticker("\u{1b}[2J", "", "", 0), OPEN, 0), "\\u{1b}[2J");
}

#[test]
fn the_hours_explain_the_silence_of_us_shares_only() {
    let late = NOON + SILENT_AFTER_MS;
    let weekend = us_market(NOON - 2 * 86_400_000);
    let night = MarketState::Night { began_ms: 0, opens_in_ms: 1 };
    let us = ticker("A", "1", "1", 1);
    let other = ticker("OANDA:A", "1", "1", 1);
    for (ticker, market, now_ms, expected) in [
        (&us, OPEN, NOON, "live"),
        (&us, weekend, NOON, "live"),
        (&us, OPEN, late, "silent"),
        (&us, weekend, late, "closed"),
        (&us, night, late, "night"),
        (&other, weekend, late, "silent"),
        (&TickerSnapshot { refused: true, ..us.clone() }, weekend, late, "refused"),
        (&TickerSnapshot { wanted_since_ms: None, ..us.clone() }, OPEN, NOON, "extra"),
    ] {
        assert_eq!(state(ticker, market, now_ms), expected);
    }
}

#[test]
fn rows_are_sorted_by_each_column_and_found_by_a_part_of_their_symbol() {
    let mut tickers =
        [ticker("MSFT", "100", "90", 7), ticker("AAPL", "1", "1.1", 9), ticker("NEW", "", "", 0)];
    tickers[0].refused = true;
    let order = |sort: Sort, find| sort.order(&tickers, find, OPEN, NOON);
    let mut sort = Sort::default();
    let mut orders = Vec::new();
    loop {
        orders.push(order(sort, ""));
        sort = sort.next();
        if sort == Sort::List {
            break;
        }
    }
    let expected: [[usize; 3]; 8] = [
        [0, 1, 2], // as listed
        [1, 0, 2], // symbol
        [0, 1, 2], // last
        [1, 0, 2], // change
        [1, 0, 2], // trades
        [0, 1, 2], // volume, all alike
        [0, 1, 2], // age
        [0, 2, 1], // state
    ];
    assert_eq!(orders, expected);
    assert_eq!(order(Sort::List, "s"), [0]);
    assert_eq!(order(Sort::List, "P"), [1]);
    assert!(order(Sort::List, "x").is_empty());
}

#[test]
fn volumes_are_short() {
    for (volume, expected) in [
        (0.0, "0"),
        (0.02134, "0.0213"),
        (12.5, "12.5"),
        (12_345.6, "12,345"),
        (1_234_567.0, "1.23 M"),
        (5e12, "5.00 T"),
    ] {
        assert_eq!(short(volume), expected);
    }
}

#[test]
fn a_small_line_has_gaps_where_something_is_missing() {
    let prices = [f32::NAN, f32::NAN, 1.0, 2.0, 3.0, 3.0, 2.0, 1.0];
    let mut missing = [false; 8];
    assert_eq!(small_line(&prices, &missing, 8), "  ▁▅██▅▁");
    assert_eq!(small_line(&prices, &missing, 4), " ▅█▁");
    missing[4] = true;
    assert_eq!(small_line(&prices, &missing, 4), " ▅·▁");
    assert_eq!(small_line(&[5.0; 4], &[false; 4], 2), "▄▄");
}
