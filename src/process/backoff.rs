//! Exponential back-off: how long to wait before the next try after a failure.
//!
//! Any thread, each with its own; no clock, no random numbers: these come in as arguments.

use std::time::Duration;

/// The shortest wait: a program that restarts is often back within a second.
pub(crate) const SHORTEST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait: after a repair nobody should have to wait longer.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// 2^7 of the shortest waits are beyond the longest.
const MOST_DOUBLINGS: u32 = 7;

/// Exponential with full jitter: a random wait between the shortest one and a limit that doubles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExponentialBackoff {
    shortest: Duration,
    longest: Duration,
    failures: u32,
}

impl Default for ExponentialBackoff {
    fn default() -> Self {
        Self::new(SHORTEST_WAIT, LONGEST_WAIT)
    }
}

impl ExponentialBackoff {
    /// Nothing has failed yet.
    pub(crate) fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, failures: 0 }
    }

    /// How long to wait after one more failure. `random` is from 0 up to, not including, 1.
    pub(crate) fn next(&mut self, random: f64) -> Duration {
        let Self { shortest, longest, failures } = *self;
        let limit = (shortest * 2 * (1 << failures.min(MOST_DOUBLINGS))).min(longest);
        self.failures += 1;
        shortest + limit.saturating_sub(shortest).mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ExponentialBackoff;

    #[test]
    fn jitter_is_full_and_never_below_half_a_second() {
        let mut backoff = ExponentialBackoff::default();
        for limit in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            let mut shortest = backoff;
            assert_eq!(shortest.next(0.0), Duration::from_millis(500));
            let half = Duration::from_secs_f64(0.5 + (limit - 0.5) / 2.0);
            assert_eq!(backoff.next(0.5), half);
        }
    }
}
