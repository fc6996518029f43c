//! `bars` beside another implementation of the same rules: slow, obvious, all trades in memory.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Command;

use bigdecimal::{BigDecimal, Zero as _};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// 2026-11-23T14:20:00Z: ten minutes before the opening bell.
const START: i64 = 1_795_443_600_000;
const TWO_HOURS: i64 = 7_200_000;

#[derive(Debug, Clone)]
pub(crate) struct Trade {
    ticker: &'static str,
    price: String,
    volume: String,
    pub(crate) time_ms: i64,
    pub(crate) received_ms: i64,
    conditions: Vec<u32>,
}

/// A trade whose `received_ms` is how much later than the one before it was received, and whose
/// `time_ms` how much earlier than that it happened.
pub(crate) fn trade() -> impl Strategy<Value = Trade> {
    let ticker = prop::sample::select(vec!["AAPL", "MSFT", "X:Y", "O,DD:1"]);
    let price = prop_oneof![
        4 => (1_u32..2_000).prop_map(|cents| format!("{}.{:02}", cents / 100, cents % 100)),
        2 => (1_u32..20).prop_map(|whole| whole.to_string()),
        1 => Just("1e-07".to_owned()),
        1 => "-?[1-9][0-9]{0,22}\\.[0-9]{1,3}",
    ];
    let volume = prop_oneof![
        4 => (0_u32..300).prop_map(|whole| whole.to_string()),
        2 => "0\\.[0-9]{1,9}",
        1 => prop::sample::select(vec!["0.000", "1E3", "2.5e-11", "0e5"]).prop_map(str::to_owned),
    ];
    let conditions = prop::collection::vec(prop_oneof![Just(1_u32), 1_u32..45], 0..3);
    // Most trades take a moment, some hours; now and then the clock is set back.
    let passed = prop_oneof![8 => 0_i64..20_000, 1 => -30_000_i64..0, 1 => 0_i64..4_000_000];
    let late = prop_oneof![8 => 0_i64..3_000, 1 => 0_i64..9_000_000, 1 => -500_i64..0];
    (ticker, price, volume, conditions, passed, late).prop_map(
        |(ticker, price, volume, conditions, passed, late)| Trade {
            ticker,
            price,
            volume,
            received_ms: passed,
            time_ms: late,
            conditions,
        },
    )
}

/// `op,high,low,close,volume,trades` of the trades of one bar, in their order of arrival.
fn slow_bar(trades: &[&Trade]) -> Option<String> {
    let value = |text: &str| text.parse::<BigDecimal>().expect("a number");
    let zone = TimeZone::get("America/New_York").expect("the zone");
    let (mut range, mut ends, mut late_ends) = (Vec::new(), Vec::new(), Vec::new());
    let (mut volume, mut decimals, mut count, mut any) = (BigDecimal::from(0), 0, 0, false);
    for trade in trades {
        let is_share = !trade.ticker.contains(':');
        let has_volume = !value(&trade.volume).is_zero();
        if is_share && !has_volume {
            continue;
        }
        let time = jiff::Timestamp::from_millisecond(trade.time_ms).expect("a time");
        let time = time.to_zoned(zone.clone());
        let minute = i32::from(time.hour()) * 60 + i32::from(time.minute());
        let in_session = (570..960).contains(&minute);
        let has = |codes: &[u32]| is_share && trade.conditions.iter().any(|it| codes.contains(it));
        let nothing = has(&[16, 20, 38, 39]);
        let no_price = nothing
            || has(&[3, 5, 10, 11, 12, 17, 22, 25, 26, 27, 37])
            || (in_session && has(&[24]));
        any |= !nothing;
        if !no_price {
            range.push(*trade);
            let ends = if has(&[9, 21, 30, 32]) { &mut late_ends } else { &mut ends };
            ends.push(*trade);
        }
        if !nothing && has_volume {
            let summand = value(&trade.volume);
            decimals = decimals.max(summand.fractional_digit_count());
            volume += summand;
            count += 1;
        }
    }
    if !any {
        return None;
    }
    let mut ends = if ends.is_empty() { late_ends } else { ends };
    ends.sort_by_key(|trade| trade.time_ms);
    let shown = |trade: Option<&&Trade>| trade.map_or("", |trade| &trade.price).to_owned();
    let first_of = |extreme: Option<BigDecimal>| {
        range.iter().find(|trade| Some(value(&trade.price)) == extreme)
    };
    let prices = || range.iter().map(|trade| value(&trade.price));
    let (open, close) = (shown(ends.first()), shown(ends.last()));
    let (high, low) = (shown(first_of(prices().max())), shown(first_of(prices().min())));
    let volume = volume.with_scale(decimals.max(0)).to_plain_string();
    Some(format!("{open},{high},{low},{close},{volume},{count}"))
}

/// All bars, and how many trades came too late.
fn slow_bars(trades: &[Trade], every_ms: i64) -> (Vec<String>, usize) {
    let mut bars: BTreeMap<(i64, &str), Vec<&Trade>> = BTreeMap::new();
    let (mut clock_ms, mut late) = (i64::MIN, Vec::new());
    for trade in trades {
        clock_ms = clock_ms.max(trade.received_ms);
        let bar_ms = trade.time_ms.div_euclid(every_ms) * every_ms;
        if bar_ms + every_ms + TWO_HOURS <= clock_ms {
            late.push(trade);
        } else {
            bars.entry((bar_ms, trade.ticker)).or_default().push(trade);
        }
    }
    let late = late.iter().filter(|trade| slow_bar(&[trade]).is_some()).count();
    let rows = bars.iter().filter_map(|((bar_ms, ticker), trades)| {
        let quote = if ticker.contains(',') { "\"" } else { "" };
        Some(format!("{quote}{ticker}{quote},{bar_ms},{},", slow_bar(trades)?))
    });
    (rows.collect(), late)
}

pub(crate) fn row_of(trade: &Trade) -> String {
    let Trade { ticker, price, volume, time_ms, received_ms, conditions } = trade;
    let quote = if ticker.contains(',') { "\"" } else { "" };
    let codes: Vec<String> = conditions.iter().map(u32::to_string).collect();
    let codes = codes.join(";");
    format!("{quote}{ticker}{quote},{price},{volume},{time_ms},{received_ms},{codes}\n")
}

fn text_of(trades: &[Trade]) -> String {
    let header = "ticker,price,volume,timestamp_ms,received_ms,conditions\n".to_owned();
    std::iter::once(header).chain(trades.iter().map(row_of)).collect()
}

#[test]
fn bars_are_those_of_a_slow_and_obvious_implementation() {
    let cases =
        std::env::var("FINNHUB_TEST_BARS").map_or(60, |cases| cases.parse().expect("a number"));
    let every = prop::sample::select(vec![("1s", 1_000), ("1m", 60_000), ("1h", 3_600_000)]);
    let input = (prop::collection::vec(trade(), 0..200), every, 0_usize..200);
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&input, |(mut trades, (every, every_ms), split)| {
        let mut received_ms = START;
        for trade in &mut trades {
            received_ms += trade.received_ms;
            trade.received_ms = received_ms;
            trade.time_ms = received_ms - trade.time_ms;
        }
        let split = split.min(trades.len());
        let folder = tempfile::tempdir()?;
        let archive = std::fs::File::create(folder.path().join("op1-2026-11-23.csv.gz"))?;
        let mut archive = GzEncoder::new(archive, Compression::fast());
        archive.write_all(text_of(&trades[..split]).as_bytes())?;
        archive.finish()?;
        std::fs::write(folder.path().join("op1.csv"), text_of(&trades[split..]))?;
        let output = Command::new(env!("CARGO_BIN_EXE_finnhub-stream"))
            .args(["bars", "op1-2026-11-23.csv.gz", "op1.csv", "--every", every])
            .current_dir(folder.path())
            .output()?;
        let found = String::from_utf8_lossy(&output.stdout);
        let found: Vec<&str> = found.lines().skip(1).collect();
        let (expected, late) = slow_bars(&trades, every_ms);
        prop_assert_eq!(found, expected);
        let said = String::from_utf8_lossy(&output.stderr);
        let told = said.lines().find(|line| line.contains("late"));
        let told = told.and_then(|line| line.split(' ').next());
        prop_assert_eq!(told.unwrap_or("0"), late.to_string());
        prop_assert!(output.status.success(), "{}", said);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
