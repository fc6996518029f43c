//! When US stocks can trade at all, so that silence can be told from a fault.
//!
//! Extended hours: 04:00–20:00 in New York, Monday to Friday. Exchange holidays and early closes
//! are not known here: on such a day the answer is `Open` and nothing trades.
//! Pure: the time comes in as an argument, the zone's rules are compiled in, so that the answer
//! does not depend on the machine. Any thread may use it; it must not read a clock or a file.

use std::sync::LazyLock;

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Weekday},
    tz::{TimeZone, TimeZoneDatabase},
};

/// Pre-market trading starts at this hour in New York.
const OPENING_HOUR: i8 = 4;

/// After-hours trading ends at this hour in New York.
const CLOSING_HOUR: i8 = 20;

/// A weekend has two closed days, so the next opening is at most three days ahead; the fourth is
/// there so that the search cannot come back empty-handed.
const DAYS_TO_SEARCH: usize = 4;

/// The zone whose wall clock the US markets follow; `None` only if the bundle had lost it.
static NEW_YORK: LazyLock<Option<TimeZone>> =
    LazyLock::new(|| TimeZoneDatabase::bundled().get("America/New_York").ok());

/// Whether the US stock market is in its extended hours. Both spans are milliseconds above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketState {
    /// Trading is possible.
    Open {
        /// Until the end of after-hours trading.
        closes_in_ms: i64,
    },
    /// Night or weekend.
    Closed {
        /// Until the next pre-market trading starts.
        opens_in_ms: i64,
    },
}

/// The state of the US stock market at `now_ms`, UNIX milliseconds.
///
/// A time that no calendar holds (beyond the year 9999) counts as open: then nobody is told that
/// silence is normal.
pub fn us_market(now_ms: i64) -> MarketState {
    state_by_calendar(now_ms).unwrap_or(MarketState::Open { closes_in_ms: i64::MAX })
}

/// Whether `symbol` looks like a US stock, whose silence the market's hours can explain.
///
/// Finnhub writes those bare (`AAPL`, `BRK.B`) and everything else as `EXCHANGE:SYMBOL`. So does
/// the simulated market (`DEMO:AAPL`), which trades always.
pub fn is_us_stock(symbol: &str) -> bool {
    !symbol.is_empty() && !symbol.contains(':')
}

/// A span of milliseconds for people: its two largest units, rounded down, the second left out
/// when it is zero: `3 d 2 h`, `5 h 12 m`, `20 m`, `45 s`. Less than nothing is `0 s`.
pub fn human_duration(ms: i64) -> String {
    /// Each unit with its length in seconds, the largest first.
    const UNITS: [(&str, i64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let seconds = ms.max(0) / 1000;
    for (at, (unit, length)) in UNITS.into_iter().enumerate() {
        if seconds < length {
            continue;
        }
        let whole = format!("{} {unit}", seconds / length);
        let next = UNITS.get(at + 1).map(|(unit, next)| (unit, seconds % length / next));
        return match next {
            Some((unit, count)) if count > 0 => format!("{whole} {count} {unit}"),
            _ => whole,
        };
    }
    "0 s".to_owned()
}

/// `None` where the calendar ends.
fn state_by_calendar(now_ms: i64) -> Option<MarketState> {
    let zone = NEW_YORK.as_ref()?;
    let today = Timestamp::from_millisecond(now_ms).ok()?.to_zoned(zone.clone()).date();
    for day in today.series(1.day()).take(DAYS_TO_SEARCH).filter(|&day| is_trading_day(day)) {
        let opens_ms = unix_ms(zone, day, OPENING_HOUR)?;
        let closes_ms = unix_ms(zone, day, CLOSING_HOUR)?;
        if now_ms < opens_ms {
            return Some(MarketState::Closed { opens_in_ms: opens_ms - now_ms });
        }
        if now_ms < closes_ms {
            return Some(MarketState::Open { closes_in_ms: closes_ms - now_ms });
        }
    }
    None
}

fn is_trading_day(day: Date) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// The instant at which the clocks of `zone` show `hour` o'clock on `day`. The changes to and from
/// summer time happen at two in the night of a Sunday, so neither hour is ever skipped or doubled.
fn unix_ms(zone: &TimeZone, day: Date, hour: i8) -> Option<i64> {
    let instant = zone.to_timestamp(day.at(hour, 0, 0, 0)).ok()?;
    Some(instant.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    fn open(closes_in_ms: i64) -> MarketState {
        MarketState::Open { closes_in_ms }
    }

    fn closed(opens_in_ms: i64) -> MarketState {
        MarketState::Closed { opens_in_ms }
    }

    /// Times are in UTC, so that the expectation does not come from the code under test.
    fn check(utc: &str, expected: MarketState) {
        let now: Timestamp = utc.parse().unwrap();
        assert_eq!(us_market(now.as_millisecond()), expected, "at {utc}");
    }

    #[test]
    fn the_market_follows_the_clock_of_new_york() {
        // A Monday in winter: New York is five hours behind.
        check("2026-11-23T08:59:59.999Z", closed(1));
        check("2026-11-23T09:00:00Z", open(16 * HOUR));
        check("2026-11-23T14:30:00Z", open(10 * HOUR + 30 * MINUTE));
        check("2026-11-24T00:59:59.999Z", open(1));
        check("2026-11-24T01:00:00Z", closed(8 * HOUR));
        check("2026-11-24T04:59:59Z", closed(4 * HOUR + SECOND));
        // A Wednesday in summer: four hours behind.
        check("2026-07-15T07:59:59.999Z", closed(1));
        check("2026-07-15T08:00:00Z", open(16 * HOUR));
        check("2026-07-16T00:00:00Z", closed(8 * HOUR));
    }

    #[test]
    fn the_weekend_is_closed_from_friday_evening_to_monday_morning() {
        check("2026-11-21T00:59:59Z", open(SECOND));
        check("2026-11-21T01:00:00Z", closed(2 * DAY + 8 * HOUR));
        check("2026-11-21T15:00:00Z", closed(DAY + 18 * HOUR));
        check("2026-11-22T15:00:00Z", closed(18 * HOUR));
        check("2026-11-23T05:00:00Z", closed(4 * HOUR));
    }

    #[test]
    fn the_weekend_of_a_clock_change_is_an_hour_shorter_or_longer() {
        // Summer time began on Sunday 8 March 2026: closing 01:00 UTC, opening 08:00 UTC.
        check("2026-03-07T01:00:00Z", closed(2 * DAY + 7 * HOUR));
        check("2026-03-08T06:59:59Z", closed(DAY + HOUR + SECOND));
        check("2026-03-09T08:00:00Z", open(16 * HOUR));
        // It ended on Sunday 1 November 2026: closing 00:00 UTC, opening 09:00 UTC.
        check("2026-10-31T00:00:00Z", closed(2 * DAY + 9 * HOUR));
        check("2026-11-01T06:00:00Z", closed(DAY + 3 * HOUR));
        check("2026-11-02T08:59:59Z", closed(SECOND));
        check("2026-11-02T09:00:00Z", open(16 * HOUR));
    }

    #[test]
    fn times_outside_the_calendar_count_as_open() {
        assert_eq!(us_market(i64::MAX), open(i64::MAX));
        assert_eq!(us_market(i64::MIN), open(i64::MAX));
        check("1970-01-01T12:00:00Z", open(13 * HOUR));
    }

    #[test]
    fn a_us_stock_has_no_exchange_before_it() {
        for (symbol, expected) in [
            ("AAPL", true),
            ("BRK.B", true),
            ("BINANCE:BTCUSDT", false),
            ("IC MARKETS:1", false),
            ("DEMO:AAPL", false),
            ("DEMO:", false),
            ("", false),
        ] {
            assert_eq!(is_us_stock(symbol), expected, "{symbol}");
        }
    }

    #[test]
    fn durations_show_their_two_largest_units() {
        for (ms, expected) in [
            (i64::MIN, "0 s"),
            (-1, "0 s"),
            (0, "0 s"),
            (999, "0 s"),
            (45 * SECOND, "45 s"),
            (MINUTE - 1, "59 s"),
            (MINUTE, "1 m"),
            (90 * SECOND, "1 m 30 s"),
            (20 * MINUTE, "20 m"),
            (HOUR, "1 h"),
            (HOUR + 59 * SECOND, "1 h"),
            (5 * HOUR + 12 * MINUTE + 40 * SECOND, "5 h 12 m"),
            (DAY - 1, "23 h 59 m"),
            (DAY + 59 * MINUTE, "1 d"),
            (3 * DAY + 2 * HOUR + 59 * MINUTE, "3 d 2 h"),
            (400 * DAY, "400 d"),
        ] {
            assert_eq!(human_duration(ms), expected, "{ms} ms");
        }
    }
}
