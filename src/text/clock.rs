//! This machine's clocks: how they are read, and how a time is shown.
//!
//! Any thread. Code that only decides does not read a clock: it takes the time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::ClockId;

#[cfg(test)]
thread_local! {
    /// The time that this thread sees, in tests of hours.
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

/// Time since the machine was started, asleep or not. Nobody can set it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const BOOT_CLOCK: ClockId = ClockId::Boottime;
/// The same where the system has no such clock. Except on macOS it may stop in a suspend, which then looks
/// like a wall clock that was set forward; nothing is recorded in that time anyway.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const BOOT_CLOCK: ClockId = ClockId::Monotonic;

/// When the wall clock has gained this much on the boot clock, it was set: a clock that is corrected little
/// by little gains only milliseconds between two readings.
const SET_FORWARD_MS: i64 = 2_000;

/// Both clocks at one instant: the wall clock, which can be set, and the clock since the boot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    /// As [`now_ms`].
    pub(crate) wall_ms: i64,
    boot_ms: i64,
}

impl Clocks {
    /// Reads both clocks.
    pub(crate) fn now() -> Self {
        let boot = rustix::time::clock_gettime(BOOT_CLOCK);
        Self { wall_ms: now_ms(), boot_ms: boot.tv_sec * 1000 + boot.tv_nsec / 1_000_000 }
    }

    /// How much the wall clock is ahead of the boot clock, in milliseconds. Only setting it changes this.
    pub(crate) fn ahead_ms(self) -> i64 {
        self.wall_ms.saturating_sub(self.boot_ms)
    }

    /// Whether the wall clock was set forward since it was `ahead_ms` ahead.
    pub(crate) fn was_set_forward_since(self, ahead_ms: i64) -> bool {
        self.ahead_ms().saturating_sub(ahead_ms) > SET_FORWARD_MS
    }
}

/// A time for people: UTC, to the millisecond.
pub fn show_ms(time_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(time_ms)
        .map_or_else(|_| time_ms.to_string(), |time| format!("{time:.3}"))
}

/// A time for a person at this machine's terminal: the date and the time of day in the
/// machine's zone, as in `2026-11-23` and `22:02:02`.
pub fn local(time_ms: i64) -> (String, String) {
    let time = jiff::Timestamp::from_millisecond(time_ms).unwrap_or_default();
    let time = time.to_zoned(jiff::tz::TimeZone::system());
    (time.strftime("%Y-%m-%d").to_string(), time.strftime("%H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::{Clocks, show_ms};

    #[test]
    fn a_clock_that_shows_more_time_than_has_gone_by_was_set_forward() {
        let ahead_ms = Clocks { wall_ms: 1_000_000, boot_ms: 5_000 }.ahead_ms();
        for (wall_ms, boot_ms, was_set) in [
            (1_004_000, 9_000, false),
            (1_006_000, 9_000, false),
            (1_006_001, 9_000, true),
            (i64::MAX, 9_000, true),
            // A suspend of an hour, which both clocks count.
            (1_000_000 + 3_600_000, 5_000 + 3_600_000, false),
            // Set back.
            (0, 9_000, false),
        ] {
            let now = Clocks { wall_ms, boot_ms };
            assert_eq!(now.was_set_forward_since(ahead_ms), was_set, "{now:?}");
        }
        assert!(!Clocks::now().was_set_forward_since(Clocks::now().ahead_ms()));
    }

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(show_ms(1_680_286_537_580), "2023-03-31T18:15:37.580Z");
        assert_eq!(show_ms(i64::MAX), i64::MAX.to_string());
    }
}
