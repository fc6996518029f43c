//! When US stocks can trade at all: outside these hours silence is no fault.
//!
//! By the clock of New York, on the exchanges' trading days:
//!
//! - open: 04:00–20:00, and until 13:00 when they close early. (Late trading goes on until 17:00 then,
//!   but thinly: silence is no fault any more, and trades are shown as on any day.) The regular session
//!   within is 09:30–16:00, or until 13:00.
//! - night: from 21:00 of the day before until 04:00. The exchanges plan to trade then from 6 December
//!   2026 on, and other venues do already; whether Finnhub delivers it is not known. So neither
//!   silence nor a trade means anything in it.
//! - closed: all other times. The evening before a holiday or a weekend has no night.
//!
//! Pure: the time comes in as an argument, the zone's rules are compiled in, so that the answer
//! does not depend on the machine. Any thread may use it; it must not read a clock or a file.

use std::ops::Range;
use std::sync::LazyLock;

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Time, time},
    tz::{TimeZone, TimeZoneDatabase},
};

use super::holidays::{closed_all_day, closes_early};

/// Pre-market trading starts at this hour in New York.
const OPENING: Time = time(4, 0, 0, 0);

/// After-hours trading ends at this hour in New York.
const CLOSING: Time = time(20, 0, 0, 0);

/// The night before a trading day starts at this hour in New York: the hour before it is for the
/// maintenance of the systems that collect the trades.
const NIGHT_BEGINS: Time = time(21, 0, 0, 0);

/// The regular session, in which liquid stocks trade every second.
const OPENING_BELL: Time = time(9, 30, 0, 0);
const CLOSING_BELL: Time = time(16, 0, 0, 0);

/// After-hours trading and the regular session end at this hour on a day with an early close.
const EARLY_CLOSE: Time = time(13, 0, 0, 0);

/// From the evening before a holiday that makes a weekend longer, the next opening is four days
/// ahead; the sixth day is there so that the search always finds a day.
const DAYS_TO_SEARCH: usize = 6;

/// The zone whose wall clock the US markets follow; `None` only if the bundle had lost it.
static NEW_YORK: LazyLock<Option<TimeZone>> =
    LazyLock::new(|| TimeZoneDatabase::bundled().get("America/New_York").ok());

/// The state of the US stock market by its hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketState {
    /// Trades are expected.
    Open {
        /// Since this time, UNIX milliseconds.
        opened_ms: i64,
        /// When the regular session began, UNIX milliseconds; `None` outside of it.
        session_began_ms: Option<i64>,
    },
    /// Trades and silence are both normal.
    Night {
        /// Since this time, UNIX milliseconds.
        began_ms: i64,
        /// Milliseconds until the next pre-market trading starts.
        opens_in_ms: i64,
    },
    /// No trade is expected.
    Closed {
        /// Milliseconds until the next pre-market trading starts.
        opens_in_ms: i64,
        /// `evening`, `weekend`, `early close at 13:00`, or the name of a holiday: the reason for now or,
        /// after the close of a day, for the days to come.
        why: &'static str,
    },
}

impl MarketState {
    /// `open`, `night` or `closed`, as the API says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Night { .. } => "night",
            Self::Closed { .. } => "closed",
        }
    }
}

/// The state of the US stock market at `now_ms`, UNIX milliseconds.
///
/// A time that no calendar holds (beyond the year 9999) counts as open: then silence is
/// never called normal.
pub fn us_market(now_ms: i64) -> MarketState {
    let unknown = MarketState::Open { opened_ms: i64::MIN, session_began_ms: None };
    state_by_calendar(now_ms).unwrap_or(unknown)
}

/// One day in New York, to classify many times that are close together.
#[derive(Debug, Default)]
pub(crate) struct NewYorkDay {
    /// From midnight to midnight, UNIX milliseconds.
    day: Range<i64>,
    /// From 09:30 to 16:00.
    session: Range<i64>,
    /// The same on a trading day, until 13:00 on an early close; empty on any other.
    regular: Range<i64>,
}

impl NewYorkDay {
    /// Whether clocks show 09:30 to 16:00 at `time_ms`, on any day, a holiday too.
    pub(crate) fn is_in_session_hours(&mut self, time_ms: i64) -> bool {
        self.look_at(time_ms);
        self.session.contains(&time_ms)
    }

    /// Whether the regular session is on.
    pub(crate) fn is_in_regular_session(&mut self, time_ms: i64) -> bool {
        self.look_at(time_ms);
        self.regular.contains(&time_ms)
    }

    /// Whether the regular session is on at some time of this span, which is a day long at most.
    pub(crate) fn has_regular_session(&mut self, span: &Range<i64>) -> bool {
        [span.start, span.end - 1].into_iter().any(|time_ms| {
            self.look_at(time_ms);
            self.regular.start < span.end && span.start < self.regular.end
        })
    }

    fn look_at(&mut self, time_ms: i64) {
        if !self.day.contains(&time_ms) {
            *self = Self::of(time_ms).unwrap_or_default();
        }
    }

    /// `None` beyond the end of the calendar.
    fn of(time_ms: i64) -> Option<Self> {
        let date = Timestamp::from_millisecond(time_ms).ok()?.to_zoned(NEW_YORK.clone()?).date();
        let midnight = |date| unix_ms(date, Time::midnight());
        let is_trading_day = closed_all_day(date).is_none();
        Some(Self {
            day: midnight(date)?..midnight(date.tomorrow().ok()?)?,
            session: unix_ms(date, OPENING_BELL)?..unix_ms(date, CLOSING_BELL)?,
            regular: if is_trading_day { regular_session(date)? } else { Range::default() },
        })
    }
}

/// `None` beyond the end of the calendar.
fn state_by_calendar(now_ms: i64) -> Option<MarketState> {
    let today = Timestamp::from_millisecond(now_ms).ok()?.to_zoned(NEW_YORK.clone()?).date();
    let mut why = None;
    for day in today.series(1.day()).take(DAYS_TO_SEARCH) {
        if let Some(reason) = closed_all_day(day) {
            why = why.or(Some(reason));
            continue;
        }
        let opens_ms = unix_ms(day, OPENING)?;
        if now_ms < opens_ms {
            let opens_in_ms = opens_ms - now_ms;
            let began_ms = unix_ms(day.yesterday().ok()?, NIGHT_BEGINS)?;
            return Some(if began_ms <= now_ms {
                MarketState::Night { began_ms, opens_in_ms }
            } else {
                MarketState::Closed { opens_in_ms, why: why.unwrap_or("evening") }
            });
        }
        let early = closes_early(day);
        let closes_ms = unix_ms(day, if early { EARLY_CLOSE } else { CLOSING })?;
        if now_ms < closes_ms {
            let session = regular_session(day)?;
            let session_began_ms = session.contains(&now_ms).then_some(session.start);
            return Some(MarketState::Open { opened_ms: opens_ms, session_began_ms });
        }
        if early && now_ms < unix_ms(day, CLOSING)? {
            why = Some("early close at 13:00");
        }
    }
    None
}

/// The regular session of a trading day, UNIX milliseconds.
fn regular_session(day: Date) -> Option<Range<i64>> {
    let end = if closes_early(day) { EARLY_CLOSE } else { CLOSING_BELL };
    Some(unix_ms(day, OPENING_BELL)?..unix_ms(day, end)?)
}

/// The instant at which the clocks of New York show `time` on `day`. The changes to and from summer
/// time happen at two in the night of a Sunday, so no time used here is ever skipped or doubled.
fn unix_ms(day: Date, time: Time) -> Option<i64> {
    let instant = NEW_YORK.as_ref()?.to_timestamp(day.to_datetime(time)).ok()?;
    Some(instant.as_millisecond())
}

#[cfg(test)]
mod tests;
