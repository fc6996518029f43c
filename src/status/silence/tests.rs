//! Tables: what is silent, and what the log says of it over hours.

use log::Level;

use super::reporter::{Notice, Notified};
use super::{Silence, UsStocks};
use crate::status::snapshot::{FeedState, Snapshot, TickerSnapshot};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Monday 23 November 2026, 04:00 in New York: the market opens.
const OPENING: i64 = 1_795_424_400_000;
/// The same day, 09:30: the regular session begins.
const BELL: i64 = OPENING + 5 * HOUR + 30 * MINUTE;
/// The same day, 20:00: the market closes.
const CLOSING: i64 = OPENING + 16 * HOUR;
/// And 21:00: the night before Tuesday begins.
const NIGHTFALL: i64 = CLOSING + HOUR;

/// A live connection since `live_since`, with symbols, each with the time of its last trade.
fn snapshot(now: i64, live_since: i64, symbols: &[(&str, Option<i64>)]) -> Snapshot {
    let tickers = symbols.iter().map(|(symbol, last)| TickerSnapshot {
        symbol: (*symbol).to_owned(),
        last_received_ms: *last,
        wanted_since_ms: Some(live_since),
        ..TickerSnapshot::default()
    });
    Snapshot {
        state: FeedState::Live,
        live_since_ms: Some(live_since),
        published_ms: now,
        tickers: tickers.collect(),
        ..Snapshot::default()
    }
}

/// What the live line says at `now`.
fn check(now: i64, live_since: i64, symbols: &[(&str, Option<i64>)], expected: Option<&str>) {
    let snapshot = snapshot(now, live_since, symbols);
    let silence = Silence::of(&snapshot, now).expect("it is live");
    assert_eq!(silence.notice().as_deref(), expected, "{symbols:?}");
}

#[test]
fn the_hours_of_the_tests_are_those_of_new_york() {
    let opening: jiff::Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
    assert_eq!(opening.as_millisecond(), OPENING);
}

#[test]
fn a_closed_market_explains_the_silence_of_stocks() {
    let now = CLOSING + 48 * MINUTE;
    let closed = Some("US market closed (evening), opens in 7 h 12 m");
    let late_start = now - 10 * SECOND;
    check(now, CLOSING - HOUR, &[("AAPL", Some(CLOSING)), ("MSFT", None)], closed);
    check(now, late_start, &[("AAPL", None)], closed);
    check(now, late_start + 1, &[("AAPL", None)], None);
    check(now, late_start, &[("AAPL", Some(now - 2 * MINUTE))], closed);
    check(now, late_start, &[("AAPL", Some(now - 2 * MINUTE + 1))], None);
    check(now, late_start, &[("BINANCE:BTCUSDT", None)], None);
    // One of them trades all the same: nothing is held against the other.
    check(now, CLOSING - HOUR, &[("AAPL", Some(now)), ("MSFT", None)], None);
}

#[test]
fn a_night_is_quiet_and_not_closed() {
    let day_before = OPENING - 12 * HOUR;
    for (now, expected) in [
        (NIGHTFALL - 1, "US market closed (evening), opens in 7 h"),
        (NIGHTFALL, "US shares quiet (night), pre-market in 7 h"),
        (NIGHTFALL + 91 * MINUTE, "US shares quiet (night), pre-market in 5 h 29 m"),
        (OPENING - 1, "US shares quiet (night), pre-market in 1 m"),
    ] {
        check(now, day_before, &[("AAPL", Some(day_before)), ("MSFT", None)], Some(expected));
        // A trade at night is no surprise, nor is the silence of the others.
        check(now, day_before, &[("AAPL", Some(now - MINUTE)), ("MSFT", None)], None);
    }
}

#[test]
fn silent_stocks_in_the_regular_session_are_reported_after_ten_minutes() {
    let now = BELL + 3 * HOUR;
    let quiet = |minutes: i64| {
        let last = Some(now - minutes * MINUTE);
        [("AAPL", last), ("MSFT", last)]
    };
    let expected = Some("no US trades for 10 m; a halt, a special closing, or a server fault");
    check(now, OPENING + HOUR, &quiet(9), None);
    check(now, OPENING + HOUR, &quiet(10), expected);
    // Nothing could come while the connection was down.
    check(now, now - 9 * MINUTE, &quiet(60), None);
    check(
        now,
        now - 10 * MINUTE,
        &[("AAPL", Some(now - HOUR)), ("MSFT", Some(now - 2 * HOUR))],
        Some("no US trades for 1 h; a halt, a special closing, or a server fault"),
    );
}

#[test]
fn only_the_regular_session_counts_as_silence_of_all_stocks() {
    let live_since = OPENING - 24 * HOUR;
    let no_us_trades = "no US trades for 10 m; a halt, a special closing, or a server fault";
    for (now, ago, expected) in [
        (OPENING + 19 * MINUTE, 8 * HOUR, None),
        // Thin stocks are silent for so long on every morning and evening.
        (OPENING + 20 * MINUTE, 8 * HOUR, Some("no trades for AAPL for 20 m")),
        (BELL, 15 * MINUTE, None),
        (BELL + 10 * MINUTE - 1, 15 * MINUTE, None),
        (BELL + 10 * MINUTE, 15 * MINUTE, Some(no_us_trades)),
        (CLOSING - 4 * HOUR - 1, 10 * MINUTE, Some(no_us_trades)),
        (CLOSING - 4 * HOUR, 10 * MINUTE, None),
    ] {
        let quiet = [("AAPL", Some(now - ago)), ("BINANCE:BTCUSDT", Some(now))];
        check(now, live_since, &quiet, expected);
    }
    // The Friday after Thanksgiving, until 13:00.
    let early_close = OPENING + 4 * 24 * HOUR + 9 * HOUR;
    for (now, expected) in [
        (early_close - 1, no_us_trades),
        (early_close, "US market closed (early close at 13:00), opens in 2 d 15 h"),
    ] {
        check(now, live_since, &[("AAPL", Some(now - 10 * MINUTE))], Some(expected));
    }
}

#[test]
fn a_symbol_that_is_silent_while_others_trade_is_named() {
    let now = OPENING + 6 * HOUR;
    let ago = |minutes: i64| Some(now - minutes * MINUTE);
    let live_since = OPENING;
    check(now, live_since, &[("AAPL", ago(19)), ("MSFT", ago(0))], None);
    let expected = Some("no trades for AAPL for 20 m");
    check(now, live_since, &[("AAPL", ago(20)), ("MSFT", ago(0))], expected);
    check(now, now - 19 * MINUTE, &[("AAPL", ago(50)), ("MSFT", ago(0))], None);
    let expected = Some("no trades for OANDA:EUR_USD for 2 h 5 m");
    check(CLOSING + HOUR, live_since, &[("OANDA:EUR_USD", Some(CLOSING - 65 * MINUTE))], expected);
    let several = [("A", ago(0)), ("B", ago(25)), ("C", ago(20)), ("D", ago(90))];
    check(now, live_since, &several[..3], Some("no trades for B and C for 20 m"));
    check(now, live_since, &several, Some("no trades for B, C and 1 other for 20 m"));
}

#[test]
fn a_symbol_that_never_traded_is_not_the_same_as_one_that_fell_silent() {
    let now = OPENING + 6 * HOUR;
    let (live, fell_silent) = (("A", Some(now)), ("B", Some(now - HOUR)));
    check(now, now - 19 * MINUTE, &[live, ("C", None)], None);
    check(now, now - 20 * MINUTE, &[live, ("C", None)], Some("C never traded since 14:40 UTC"));
    check(now, OPENING, &[live, ("C", None), fell_silent], Some("no trades for B for 1 h"));
    // It is the time of the subscription that counts, not that of the market's opening.
    let yesterday = OPENING - 20 * HOUR;
    let expected = Some("C, D and 1 other never traded since 2026-11-22 13:00 UTC");
    check(now, yesterday, &[live, ("C", None), ("D", None), ("E", None)], expected);
    check(now, OPENING, &[("OANDA:X", None)], Some("OANDA:X never traded since 09:00 UTC"));
}

#[test]
fn a_holiday_and_an_early_close_are_named() {
    let thanksgiving = OPENING + 3 * 24 * HOUR;
    let quiet = |now: i64| [("AAPL", Some(now - 10 * HOUR))];
    let (noon, expected) =
        (thanksgiving + 8 * HOUR, "US market closed (Thanksgiving), opens in 16 h");
    check(noon, thanksgiving, &quiet(noon), Some(expected));
    // Trades outside of the hours are trades: nothing is closed then.
    check(noon, thanksgiving, &[("AAPL", Some(noon)), ("MSFT", None)], None);
    let friday = thanksgiving + 34 * HOUR;
    let expected = "US market closed (early close at 13:00), opens in 2 d 14 h";
    check(friday, thanksgiving, &quiet(friday), Some(expected));
}

#[test]
fn nothing_is_said_of_what_is_refused_or_was_taken_off_the_list() {
    let now = OPENING + 6 * HOUR;
    let mut snapshot = snapshot(now, OPENING, &[("A", Some(now)), ("B", None), ("C", None)]);
    snapshot.tickers[1].refused = true;
    snapshot.tickers[2].wanted_since_ms = None;
    let silence = Silence::of(&snapshot, now);
    let nothing = Silence { us_stocks: UsStocks::NothingToSay, symbols: Vec::new(), at_ms: now };
    assert_eq!(silence, Some(nothing));
}

#[test]
fn silence_means_nothing_while_nothing_can_be_recorded() {
    let now = OPENING + 6 * HOUR;
    let live = snapshot(now, OPENING, &[("A", None)]);
    assert!(Silence::of(&live, now).is_some());
    assert_eq!(Silence::of(&live, now + 11 * SECOND), None, "the writer is stuck");
    for state in [FeedState::Connecting, FeedState::Down] {
        assert_eq!(Silence::of(&Snapshot { state, ..live.clone() }, now), None);
    }
    let full = Snapshot { disk_trouble: Some("disk full".into()), ..live };
    assert_eq!(Silence::of(&full, now), None);
}

/// What the log says of a day, minute by minute.
struct Day {
    reported: Notified,
    symbols: Vec<(&'static str, Option<i64>)>,
    live_since: i64,
    log: Vec<(i64, Notice)>,
}

impl Day {
    fn new(symbols: &[&'static str], live_since: i64) -> Self {
        let symbols = symbols.iter().map(|symbol| (*symbol, None)).collect();
        Self { reported: Notified::default(), symbols, live_since, log: Vec::new() }
    }

    /// Lets the time run; the symbols chosen by `trades` trade in that minute.
    fn run(&mut self, from: i64, until: i64, trades: impl Fn(&str, i64) -> bool) {
        for now in (from..until).step_by(60_000) {
            for (symbol, last) in &mut self.symbols {
                if trades(symbol, now) {
                    *last = Some(now);
                }
            }
            let snapshot = snapshot(now, self.live_since, &self.symbols);
            let news = self.reported.notices(&snapshot, now);
            self.log.extend(news.into_iter().map(|line| (now, line)));
        }
    }

    fn check(&self, expected: &[(i64, Notice)]) {
        assert_eq!(self.log, expected);
    }
}

fn note(text: &str) -> Notice {
    (Level::Info, text.to_owned())
}

#[test]
fn a_night_is_reported_once_and_so_is_the_morning() {
    let mut day = Day::new(&["AAPL", "BINANCE:BTCUSDT"], CLOSING - HOUR);
    day.run(CLOSING - HOUR, CLOSING, |_, _| true);
    // A late print shortly before the night.
    let late = NIGHTFALL - MINUTE;
    day.run(CLOSING, CLOSING + 4 * HOUR, |symbol, now| symbol != "AAPL" || now == late);
    // A new connection in the night.
    day.live_since = CLOSING + 4 * HOUR;
    day.run(CLOSING + 4 * HOUR, CLOSING + 8 * HOUR, |symbol, _| symbol != "AAPL");
    day.run(CLOSING + 8 * HOUR + 3 * MINUTE, CLOSING + 9 * HOUR, |_, _| true);
    day.check(&[
        (CLOSING + MINUTE, note("US market closed (evening), opens in 7 h 59 m")),
        (NIGHTFALL + MINUTE, note("US shares quiet (night), pre-market in 6 h 59 m")),
        (CLOSING + 8 * HOUR + 3 * MINUTE, note("US stocks trade again")),
    ]);
}

#[test]
fn the_trades_of_a_thin_night_are_no_news() {
    let mut day = Day::new(&["AAPL"], CLOSING - HOUR);
    // Every seven minutes, and so it goes on in the morning.
    let trades = |_: &str, now: i64| (now - NIGHTFALL) % (7 * MINUTE) == 3 * MINUTE;
    day.run(CLOSING + 10 * MINUTE, NIGHTFALL, |_, _| false);
    day.run(NIGHTFALL + MINUTE, OPENING + 25 * HOUR, trades);
    day.check(&[
        (CLOSING + 10 * MINUTE, note("US market closed (evening), opens in 7 h 50 m")),
        (NIGHTFALL + MINUTE, note("US shares quiet (night), pre-market in 6 h 59 m")),
        // The first trade of the day.
        (OPENING + 24 * HOUR + 3 * MINUTE, note("US stocks trade again")),
    ]);
}

#[test]
fn a_night_in_which_stocks_trade_is_not_called_quiet() {
    let mut day = Day::new(&["AAPL"], CLOSING - HOUR);
    day.run(CLOSING - HOUR, CLOSING, |_, _| true);
    day.run(CLOSING, NIGHTFALL, |_, _| false);
    day.run(NIGHTFALL, OPENING + 25 * HOUR, |_, _| true);
    // The reports are a minute apart here; a trade comes with the first.
    day.check(&[
        (CLOSING + MINUTE, note("US market closed (evening), opens in 7 h 59 m")),
        (NIGHTFALL + MINUTE, note("US stocks trade again")),
    ]);
}

#[test]
fn a_day_without_trades_gets_a_warning_once() {
    let mut day = Day::new(&["AAPL", "MSFT"], OPENING - HOUR);
    day.run(OPENING - HOUR, NIGHTFALL + HOUR, |_, _| false);
    let warning = "no US trades for 10 m; a halt, a special closing, or a server fault";
    day.check(&[
        (OPENING - 59 * MINUTE, note("US shares quiet (night), pre-market in 59 m")),
        (OPENING + 20 * MINUTE, note("AAPL and MSFT never traded since 08:00 UTC")),
        (BELL + 10 * MINUTE, (Level::Warn, warning.into())),
        (CLOSING, note("US market closed (evening), opens in 8 h")),
        (NIGHTFALL, note("US shares quiet (night), pre-market in 7 h")),
    ]);
}

#[test]
fn fifty_thin_symbols_make_one_line() {
    let names: Vec<&'static str> =
        (0..51).map(|number| -> &'static str { format!("S{number}").leak() }).collect();
    let mut day = Day::new(&names, OPENING);
    day.run(OPENING, OPENING + 3 * HOUR, |symbol, _| symbol == "S50");
    day.check(&[(
        OPENING + 20 * MINUTE,
        note("S0, S1 and 48 others never traded since 09:00 UTC"),
    )]);
}

#[test]
fn the_first_trade_of_a_symbol_ends_its_line() {
    let mut day = Day::new(&["AAPL", "NEW"], OPENING);
    let trades = |symbol: &str, now: i64| symbol == "AAPL" || now >= OPENING + HOUR;
    day.run(OPENING, OPENING + 2 * HOUR, trades);
    day.check(&[
        (OPENING + 20 * MINUTE, note("NEW never traded since 09:00 UTC")),
        (OPENING + HOUR, note("trades now: NEW")),
    ]);
}

#[test]
fn symbols_that_fall_silent_one_by_one_are_gathered() {
    let names: Vec<&'static str> =
        (0..50).map(|number| -> &'static str { format!("S{number:02}").leak() }).collect();
    let mut day = Day::new(&names, OPENING);
    // The one after the other stops, a minute apart; the last one goes on.
    let until = |symbol: &str| OPENING + symbol[1..].parse::<i64>().unwrap() * MINUTE;
    day.run(OPENING, OPENING + 90 * MINUTE, |symbol, now| symbol == "S49" || now < until(symbol));
    assert!((2..=7).contains(&day.log.len()), "{:?}", day.log);
}

#[test]
fn a_symbol_that_falls_silent_often_is_reported_once_in_two_hours() {
    let mut day = Day::new(&["AAPL", "THIN"], OPENING);
    // THIN trades every 25 minutes, so it is silent for five of them.
    let trades = |symbol: &str, now: i64| symbol == "AAPL" || (now - OPENING) % (25 * MINUTE) == 0;
    day.run(OPENING, OPENING + 4 * HOUR, trades);
    day.check(&[
        (OPENING + 20 * MINUTE, note("no trades for THIN for 20 m")),
        (OPENING + 30 * MINUTE, note("trades now: THIN")),
        (OPENING + 145 * MINUTE, note("no trades for THIN for 20 m")),
        (OPENING + 155 * MINUTE, note("trades now: THIN")),
    ]);
}

#[test]
fn a_clock_that_is_set_back_does_not_end_the_reports() {
    let mut reported = Notified::default();
    let at =
        |now: i64, last: i64| snapshot(now, now - 2 * HOUR, &[("A", Some(now)), ("B", Some(last))]);
    let first = OPENING + 6 * HOUR;
    assert_eq!(
        reported.notices(&at(first, first - HOUR), first),
        [note("no trades for B for 1 h")]
    );
    let back = first - 3 * HOUR;
    let mut both = at(back, back - HOUR);
    both.tickers[0].last_received_ms = Some(back - 30 * MINUTE);
    both.tickers.push(TickerSnapshot {
        symbol: "C".into(),
        last_received_ms: Some(back),
        wanted_since_ms: Some(0),
        ..TickerSnapshot::default()
    });
    assert_eq!(reported.notices(&both, back), [note("no trades for A for 30 m")]);
}
