//! This machine's clock, the one way it is read and shown.
//!
//! Any thread. What only decides never calls it: time comes to it as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(test)]
thread_local! {
    /// What this thread takes for the time, in tests that need hours.
    pub(crate) static TEST_MS: std::cell::Cell<Option<i64>> = const { std::cell::Cell::new(None) };
}

/// The machine's wall clock in UNIX milliseconds. It may jump; time-outs use `Instant`.
pub fn now_ms() -> i64 {
    #[cfg(test)]
    if let Some(time_ms) = TEST_MS.get() {
        return time_ms;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time for people: UTC, to the millisecond.
pub fn show_ms(time_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(time_ms)
        .map_or_else(|_| time_ms.to_string(), |time| format!("{time:.3}"))
}

/// A time for somebody who looks at this machine's terminal: the date and the time of day in the
/// machine's zone, as in `2026-11-23` and `22:02:02`.
pub fn local(time_ms: i64) -> (String, String) {
    let time = jiff::Timestamp::from_millisecond(time_ms).unwrap_or_default();
    let time = time.to_zoned(jiff::tz::TimeZone::system());
    (time.strftime("%Y-%m-%d").to_string(), time.strftime("%H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::show_ms;

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(show_ms(1_680_286_537_580), "2023-03-31T18:15:37.580Z");
        assert_eq!(show_ms(i64::MAX), i64::MAX.to_string());
    }
}
