//! The simulated market: how often symbols trade, at which times, and the same seed twice.

use super::super::{hub::MOST_TRADES_PER_SECOND, instrument::EXCHANGE_LAG_MS};
use super::*;
use serde_json::Value;

const WALL_MS: i64 = 1_700_000_000_000;

/// The trades of `seconds` seconds in ticks of 100 ms.
fn run(market: &mut Market, seconds: u32) -> Vec<(Arc<str>, Value)> {
    let mut trades = Vec::new();
    for tick in 1..=seconds * 10 {
        let wall_ms = WALL_MS + i64::from(tick) * 100;
        for trade in market.trades_until(Duration::from_millis(100) * tick, wall_ms) {
            let element: Value = serde_json::from_str(&trade.element).unwrap();
            let age = wall_ms - element["t"].as_i64().unwrap();
            assert!(age >= EXCHANGE_LAG_MS, "never ahead of the clock: {element}");
            trades.push((trade.symbol, element));
        }
    }
    trades
}

#[test]
fn each_symbol_trades_about_as_often_as_asked_and_symbols_are_mixed() {
    let mut market = Market::new(1, 10.0);
    market.subscribe("AAPL", Duration::ZERO);
    market.subscribe("MSFT", Duration::ZERO);
    let trades = run(&mut market, 100);
    let of_apple = trades.iter().filter(|(symbol, _)| **symbol == *"AAPL").count();
    assert!((850..1200).contains(&of_apple), "{of_apple} in 100 s");
    let changes = trades.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
    assert!(changes > 500, "{changes} changes between the two");
}

#[test]
fn times_sometimes_run_back_and_trades_sometimes_repeat() {
    let mut market = Market::new(2, 20.0);
    market.subscribe("AAPL", Duration::ZERO);
    let trades = run(&mut market, 60);
    let time = |trade: &Value| trade["t"].as_i64().unwrap();
    let back = trades.windows(2).filter(|pair| time(&pair[1].1) < time(&pair[0].1)).count();
    let repeats = trades.windows(2).filter(|pair| pair[1] == pair[0]).count();
    assert!(back > 3 && repeats > 3, "{back} run back, {repeats} repeat");
    assert!(back < trades.len() / 10 && repeats < trades.len() / 10);
}

#[test]
fn equal_seeds_give_equal_feeds_and_gaps_are_irregular() {
    let feed = |seed| {
        let mut market = Market::new(seed, 50.0);
        market.subscribe("AAPL", Duration::ZERO);
        market.subscribe("BINANCE:BTCUSDT", Duration::ZERO);
        run(&mut market, 3)
    };
    assert_eq!(feed(3), feed(3));
    assert_ne!(feed(3), feed(4));
}

#[test]
fn nobody_subscribed_means_no_trades_and_a_return_continues_the_price() {
    let mut market = Market::new(5, 100.0);
    market.subscribe("TSLA", Duration::ZERO);
    let before = run(&mut market, 60);
    market.unsubscribe("TSLA");
    assert!(market.trades_until(Duration::from_secs(70), WALL_MS).is_empty());
    market.subscribe("TSLA", Duration::from_secs(70));
    let after = market.trades_until(Duration::from_secs(71), WALL_MS);
    let price = |trade: &Value| trade["p"].as_f64().unwrap();
    let (last, next) = (price(&before.last().unwrap().1), &after[0].element);
    let next = price(&serde_json::from_str(next).unwrap());
    assert!((next / last - 1.0).abs() < 0.008, "from {last} to {next} in ten seconds");
}

#[test]
fn the_highest_rate_comes_out_whole_and_a_long_pause_is_not_made_up_for() {
    fn check(rate: f64, until: Duration, expected: std::ops::Range<usize>) {
        let mut market = Market::new(6, rate);
        market.subscribe("TSLA", Duration::ZERO);
        let count = market.trades_until(until, WALL_MS).len();
        assert!(expected.contains(&count), "{count} at {rate} after {until:?}");
    }
    check(MOST_TRADES_PER_SECOND, Duration::from_millis(100), 9_500..11_000);
    check(100.0, Duration::from_secs(3600), 50..200);
}

#[test]
fn symbols_nobody_wants_do_not_pile_up() {
    let mut market = Market::new(8, 1.0);
    for number in 0..3 * REMEMBERED_SYMBOLS {
        let symbol = format!("SYM{number}");
        market.subscribe(&symbol, Duration::ZERO);
        market.unsubscribe(&symbol);
    }
    assert!(market.instruments.len() <= REMEMBERED_SYMBOLS);
}
