//! The candles of the history beside those that `bars` makes of the same file.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::feed::{Feed, Line};
use crate::http::get_json;
use crate::program::Program;
use crate::waiting::wait_until;

const SYMBOLS: [&str; 4] = ["AAPL", "MSFT", "OANDA:EUR_USD", "BINANCE:BTCUSDT"];

/// Seconds of the market: more than a symbol has room for one by one.
const SECONDS: i64 = 2_400;

/// A trade as the feed tells it.
fn trade(symbol: &str, price: &str, volume: &str, time_ms: i64, conditions: &[u8]) -> String {
    let codes: Vec<String> = conditions.iter().map(ToString::to_string).collect();
    let symbol = json!(symbol);
    format!(r#"{{"c":{},"p":{price},"s":{symbol},"t":{time_ms},"v":{volume}}}"#, json!(codes))
}

fn send(line: &mut Line, trades: &[String]) {
    line.send(format!(r#"{{"data":[{}],"type":"trade"}}"#, trades.join(",")));
}

/// Every kind of trade: late ones, conditions of each kind alone and together, prices without volume.
fn any_trade(random: &mut fastrand::Rng, symbol: &str, time_ms: i64) -> String {
    let price = match symbol {
        "OANDA:EUR_USD" => format!("1.{:05}", random.u32(10_000..12_000)),
        _ => format!("{}.{:02}", random.u32(95..105), random.u32(0..100)),
    };
    let volume = match symbol {
        "OANDA:EUR_USD" => "0".to_owned(),
        "BINANCE:BTCUSDT" => format!("0.{:06}", random.u32(1..1_000_000)),
        _ => random.u32(0..300).to_string(),
    };
    let count = random.usize(0..3);
    let conditions: Vec<u8> =
        (0..count).map(|_| if random.bool() { 1 } else { random.u8(1..42) }).collect();
    let late_ms = if random.u8(0..10) == 0 { random.i64(0..600_000) } else { random.i64(0..2_000) };
    trade(symbol, &price, &volume, time_ms - late_ms, &conditions)
}

/// What `bars` makes of the recording: by symbol and second, open, high, low, close, volume and trades.
fn bars(program: &Program, every: &str) -> BTreeMap<(String, i64), [Option<f64>; 6]> {
    let output = Command::new(env!("CARGO_BIN_EXE_finnhub-stream"))
        .args(["bars", "op1.csv", "--every", every])
        .current_dir(program.path("op1.csv").parent().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().skip(1).map(|row| {
        let fields: Vec<&str> = row.split(',').collect();
        let numbers = [2, 3, 4, 5, 6, 7].map(|place| fields[place].parse().ok());
        ((fields[0].to_owned(), fields[1].parse::<i64>().unwrap() / 1000), numbers)
    });
    rows.collect()
}

/// A candle of the history, in the shape of [`bars`].
fn numbers(candle: &Value) -> [Option<f64>; 6] {
    [2, 3, 4, 5, 6, 7].map(|place| candle[place].as_f64())
}

fn are_equal(one: &[Option<f64>; 6], other: &[Option<f64>; 6]) -> bool {
    // The volume of the page is a sum of floats.
    let volumes = [one, other].map(|numbers| numbers[4].unwrap());
    let is_near = (volumes[0] - volumes[1]).abs() <= volumes[1].abs() * 1e-9;
    is_near && one[..4] == other[..4] && one[5] == other[5]
}

fn candles(program: &Program, symbol: &str, after: &str) -> Vec<Value> {
    let history = get_json(program.address(), &format!("/api/history/{symbol}{after}"));
    history["candles"].as_array().unwrap().clone()
}

#[test]
fn they_are_those_that_bars_makes_of_the_same_file() {
    let feed = Feed::start();
    let program = Program::recording(&feed.url(), &SYMBOLS.join(","));
    let mut line = feed.accept(SYMBOLS.len());
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let now = finnhub_stream::text::clock::now_ms();
    let mut sent: usize = 0;
    for second in 0..SECONDS {
        let time_ms = now - (SECONDS - second) * 1000;
        let trades: Vec<String> = SYMBOLS
            .iter()
            .flat_map(|symbol| [symbol; 2])
            .map(|symbol| any_trade(&mut random, symbol, time_ms))
            .collect();
        sent += trades.len();
        send(&mut line, &trades);
    }
    program.wait_for_status("all rows", |status| status["written"] == sent);
    let (seconds, minutes) = (bars(&program, "1s"), bars(&program, "1m"));
    for symbol in SYMBOLS {
        let wrong = |found: &Vec<Value>| {
            let is_wrong = |candle: &&Value| {
                let expected = if candle[1] == 1 { &seconds } else { &minutes };
                let key = (symbol.to_owned(), candle[0].as_i64().unwrap());
                !expected.get(&key).is_some_and(|bar| are_equal(&numbers(candle), bar))
            };
            found.iter().find(is_wrong).cloned()
        };
        let all = seconds.iter().filter(|((of, _), _)| of == symbol);
        let trades: f64 = all.clone().map(|(_, bar)| bar[5].unwrap()).sum();
        let found = wait_until(
            &format!("the candles of {symbol}, seed {seed}"),
            || candles(&program, symbol, ""),
            |found| {
                let counted: f64 = found.iter().map(|candle| candle[7].as_f64().unwrap()).sum();
                (counted - trades).abs() < 0.5 && wrong(found).is_none()
            },
        );
        for ((_, second), _) in all {
            let holds = |candle: &Value| {
                let [start, length] = [0, 1].map(|place| candle[place].as_i64().unwrap());
                (start..start + length).contains(second)
            };
            assert!(found.iter().any(holds), "{symbol} {second} is in no candle, seed {seed}");
        }
        let lengths: Vec<&Value> = found.iter().map(|candle| &candle[1]).collect();
        assert_eq!(lengths.last(), Some(&&json!(1)), "{symbol}");
        assert_eq!(lengths.first(), Some(&&json!(60)), "{symbol}: old ones are longer");
    }
}

#[test]
fn a_late_trade_changes_its_candle_and_only_that_is_told() {
    let feed = Feed::start();
    let program = Program::recording(&feed.url(), "AAPL");
    let mut line = feed.accept(1);
    let now = finnhub_stream::text::clock::now_ms();
    let old = (now - 100_000) / 1000;
    let at = |second: i64, price: &str, codes: &[u8]| {
        trade("AAPL", price, "5", second * 1000 + 500, codes)
    };
    send(&mut line, &[at(old, "10", &[]), at(old + 1, "11", &[32]), at(old + 2, "12", &[12])]);
    let first = [
        json!([old, 1, 10.0, 10.0, 10.0, 10.0, 5.0, 1]),
        json!([old + 1, 1, 11.0, 11.0, 11.0, 11.0, 5.0, 1, true]),
        json!([old + 2, 1, null, null, null, null, 5.0, 1]),
    ];
    program.wait_for_status("the rows", |status| status["written"] == 3);
    wait_until("candles", || candles(&program, "AAPL", ""), |found| *found == first);
    let history = get_json(program.address(), "/api/history/AAPL");
    let after = history["bars"][0][0].as_i64().unwrap();
    // A second that is later by the clock of the recorder.
    let later_on = || finnhub_stream::text::clock::now_ms() / 1000 > after;
    wait_until("the next second", later_on, |is_later| *is_later);
    send(&mut line, &[at(old, "9", &[]), at(old + 50, "13", &[])]);
    let changed = [
        json!([old, 1, 10.0, 10.0, 9.0, 9.0, 10.0, 2]),
        json!([old + 50, 1, 13.0, 13.0, 13.0, 13.0, 5.0, 1]),
    ];
    let asked = format!("?after={after}");
    wait_until("the change", || candles(&program, "AAPL", &asked), |found| *found == changed);
    let all = candles(&program, "AAPL", "");
    assert_eq!(all, [&changed[..1], &first[1..], &changed[1..]].concat());
}
