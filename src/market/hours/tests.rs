//! Instants in UTC, and what the market does then.

use super::*;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What `us_market` should say, with the milliseconds until the next opening.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    OpenFor(i64),
    Night(i64),
    Closed(&'static str, i64),
}
use Expected::{Closed, Night, OpenFor};

/// Times are in UTC, so that the expectation does not come from the code under test.
fn at(utc: &str) -> i64 {
    utc.parse::<Timestamp>().unwrap().as_millisecond()
}

fn check(utc: &str, expected: Expected) {
    let now = at(utc);
    let found = match us_market(now) {
        MarketState::Open { opened_ms, .. } => OpenFor(now - opened_ms),
        MarketState::Night { opens_in_ms, .. } => Night(opens_in_ms),
        MarketState::Closed { opens_in_ms, why } => Closed(why, opens_in_ms),
    };
    assert_eq!(found, expected, "at {utc}");
}

#[test]
fn the_market_follows_the_clock_of_new_york() {
    // A Monday in winter: New York is five hours behind.
    check("2026-11-23T08:59:59.999Z", Night(1));
    check("2026-11-23T09:00:00Z", OpenFor(0));
    check("2026-11-23T14:30:00Z", OpenFor(5 * HOUR + 30 * MINUTE));
    check("2026-11-24T00:59:59.999Z", OpenFor(16 * HOUR - 1));
    check("2026-11-24T01:00:00Z", Closed("evening", 8 * HOUR));
    check("2026-11-24T01:59:59.999Z", Closed("evening", 7 * HOUR + 1));
    check("2026-11-24T02:00:00Z", Night(7 * HOUR));
    check("2026-11-24T04:59:59Z", Night(4 * HOUR + SECOND));
    check("2026-11-24T05:00:00Z", Night(4 * HOUR));
    // A Wednesday in summer: four hours behind.
    check("2026-07-15T07:59:59.999Z", Night(1));
    check("2026-07-15T08:00:00Z", OpenFor(0));
    check("2026-07-16T00:00:00Z", Closed("evening", 8 * HOUR));
    check("2026-07-16T01:00:00Z", Night(7 * HOUR));
}

#[test]
fn the_weekend_is_closed_from_friday_evening_to_sunday_evening() {
    check("2026-11-21T00:59:59Z", OpenFor(16 * HOUR - SECOND));
    check("2026-11-21T01:00:00Z", Closed("weekend", 2 * DAY + 8 * HOUR));
    // There is no night to Saturday, nor to Sunday.
    check("2026-11-21T02:00:00Z", Closed("weekend", 2 * DAY + 7 * HOUR));
    check("2026-11-21T06:00:00Z", Closed("weekend", 2 * DAY + 3 * HOUR));
    check("2026-11-21T15:00:00Z", Closed("weekend", DAY + 18 * HOUR));
    check("2026-11-22T02:00:00Z", Closed("weekend", DAY + 7 * HOUR));
    check("2026-11-22T15:00:00Z", Closed("weekend", 18 * HOUR));
    check("2026-11-23T01:59:59.999Z", Closed("weekend", 7 * HOUR + 1));
    check("2026-11-23T02:00:00Z", Night(7 * HOUR));
    check("2026-11-23T05:00:00Z", Night(4 * HOUR));
    // The first night in which the exchanges plan to trade is like those before it.
    check("2026-12-07T01:59:59.999Z", Closed("weekend", 7 * HOUR + 1));
    check("2026-12-07T02:00:00Z", Night(7 * HOUR));
    check("2026-12-08T03:30:00Z", Night(5 * HOUR + 30 * MINUTE));
}

#[test]
fn the_weekend_of_a_clock_change_is_an_hour_shorter_or_longer() {
    // Summer time began on Sunday 8 March 2026: closing 01:00 UTC, opening 08:00 UTC.
    check("2026-03-07T01:00:00Z", Closed("weekend", 2 * DAY + 7 * HOUR));
    check("2026-03-08T06:59:59Z", Closed("weekend", DAY + HOUR + SECOND));
    check("2026-03-09T00:59:59.999Z", Closed("weekend", 7 * HOUR + 1));
    check("2026-03-09T01:00:00Z", Night(7 * HOUR));
    check("2026-03-09T08:00:00Z", OpenFor(0));
    // It ended on Sunday 1 November 2026: closing 00:00 UTC, opening 09:00 UTC.
    check("2026-10-31T00:00:00Z", Closed("weekend", 2 * DAY + 9 * HOUR));
    check("2026-11-01T06:00:00Z", Closed("weekend", DAY + 3 * HOUR));
    check("2026-11-02T01:59:59.999Z", Closed("weekend", 7 * HOUR + 1));
    check("2026-11-02T02:00:00Z", Night(7 * HOUR));
    check("2026-11-02T08:59:59Z", Night(SECOND));
    check("2026-11-02T09:00:00Z", OpenFor(0));
}

#[test]
fn a_holiday_is_named_from_the_evening_before_it_and_has_no_night() {
    // Thanksgiving 2026 is Thursday 26 November; the Friday closes early.
    check("2026-11-26T00:59:59Z", OpenFor(16 * HOUR - SECOND));
    check("2026-11-26T01:00:00Z", Closed("Thanksgiving", DAY + 8 * HOUR));
    check("2026-11-26T02:00:00Z", Closed("Thanksgiving", DAY + 7 * HOUR));
    check("2026-11-26T17:00:00Z", Closed("Thanksgiving", 16 * HOUR));
    // The night after it is before a trading day.
    check("2026-11-27T01:59:59Z", Closed("Thanksgiving", 7 * HOUR + SECOND));
    check("2026-11-27T02:00:00Z", Night(7 * HOUR));
    check("2026-11-27T05:00:00Z", Night(4 * HOUR));
    check("2026-11-27T17:59:59Z", OpenFor(9 * HOUR - SECOND));
    check("2026-11-27T18:00:00Z", Closed("early close at 13:00", 2 * DAY + 15 * HOUR));
    check("2026-11-28T01:00:00Z", Closed("weekend", 2 * DAY + 8 * HOUR));
    check("2026-11-28T02:00:00Z", Closed("weekend", 2 * DAY + 7 * HOUR));
    // Christmas Eve, a Thursday, closes early, too.
    check("2026-12-24T02:00:00Z", Night(7 * HOUR));
    check("2026-12-24T18:00:00Z", Closed("early close at 13:00", 3 * DAY + 15 * HOUR));
    check("2026-12-25T02:00:00Z", Closed("Christmas", 3 * DAY + 7 * HOUR));
    // The longest closing there is: Good Friday, and a holiday on a Monday.
    check("2026-04-03T00:00:00Z", Closed("Good Friday", 3 * DAY + 8 * HOUR));
    check("2026-05-23T00:00:00Z", Closed("weekend", 3 * DAY + 8 * HOUR));
    check("2026-05-25T01:00:00Z", Closed("weekend", DAY + 7 * HOUR));
    check("2026-05-25T12:00:00Z", Closed("Memorial Day", 20 * HOUR));
    check("2026-05-26T00:59:59Z", Closed("Memorial Day", 7 * HOUR + SECOND));
    check("2026-05-26T01:00:00Z", Night(7 * HOUR));
}

#[test]
fn times_outside_the_calendar_count_as_open() {
    for now in [i64::MAX, i64::MIN] {
        let open = MarketState::Open { opened_ms: i64::MIN, session_began_ms: None };
        assert_eq!(us_market(now), open);
    }
    check("1970-01-01T12:00:00Z", Closed("New Year's Day", 21 * HOUR));
}

#[test]
fn the_regular_session_is_from_bell_to_bell() {
    let monday = Some("2026-11-23T14:30:00Z");
    let friday = Some("2026-11-27T14:30:00Z");
    for (utc, expected) in [
        ("2026-11-23T14:29:59.999Z", None),
        ("2026-11-23T14:30:00Z", monday),
        ("2026-11-23T20:59:59.999Z", monday),
        ("2026-11-23T21:00:00Z", None),
        ("2026-11-22T15:00:00Z", None),
        ("2026-11-26T15:00:00Z", None),
        ("2026-11-27T17:59:59Z", friday),
        ("2026-11-27T18:00:00Z", None),
    ] {
        let found = match us_market(at(utc)) {
            MarketState::Open { session_began_ms, .. } => session_began_ms,
            _ => None,
        };
        assert_eq!(found, expected.map(at), "{utc}");
    }
}
