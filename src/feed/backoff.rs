//! How long to wait before the next connection.
//!
//! Main thread; no I/O, no clock, no random numbers: all of these come in as arguments. A second user
//! of a key sees nothing but closed connections, and Finnhub counts handshakes: a client that resets
//! its back-off at each accepted handshake would connect all the time.

use std::time::Duration;

use crate::process::backoff::{ExponentialBackoff, LONGEST_WAIT, SHORTEST_WAIT};

/// After this many connections in a row that end at once, another process is probably using the key.
const SHORT_CONNECTIONS: u32 = 3;

/// The lengths of the waits, and what the length of a connection means. The defaults are the promised values;
/// tests use shorter ones.
#[derive(Debug, Clone, Copy)]
pub struct BackoffConfig {
    /// The shortest wait.
    pub shortest: Duration,
    /// The longest ordinary wait.
    pub longest: Duration,
    /// A connection that has lasted this long was a good one; the back-off starts anew.
    pub good_connection: Duration,
    /// A connection that ended within this was closed on purpose rather than lost.
    pub kicked_within: Duration,
    /// The wait after HTTP 429, at first.
    pub throttled_first: Duration,
    /// The longest wait after HTTP 429.
    pub throttled_longest: Duration,
    /// The wait after a refusal of a key that worked before.
    pub unauthorized_again: Duration,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self {
            shortest: SHORTEST_WAIT,
            longest: LONGEST_WAIT,
            good_connection: Duration::from_secs(30),
            kicked_within: Duration::from_secs(5),
            // Projects that use Finnhub found that a minute is enough at first.
            throttled_first: Duration::from_secs(60),
            throttled_longest: Duration::from_secs(300),
            // The key may work again.
            unauthorized_again: Duration::from_secs(300),
        }
    }
}

/// How an attempt or a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No connection: name resolution, TCP, TLS, time-outs, any other HTTP answer.
    Unreachable,
    /// HTTP 401 or 403.
    Unauthorized,
    /// HTTP 429.
    TooManyRequests,
    /// Accepted, and ended later.
    Ended {
        /// How long it lasted.
        lasted: Duration,
    },
}

/// The state between two attempts.
#[derive(Debug)]
pub struct Backoff {
    config: BackoffConfig,
    was_accepted: bool,
    ordinary: ExponentialBackoff,
    throttled: u32,
    short_connections: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(BackoffConfig::default())
    }
}

impl Backoff {
    /// Nothing has been tried yet.
    pub fn new(config: BackoffConfig) -> Self {
        let ordinary = ExponentialBackoff::new(config.shortest, config.longest);
        Self { config, was_accepted: false, ordinary, throttled: 0, short_connections: 0 }
    }

    /// Whether the server has ever accepted the key. If not, a refused key is simply a wrong one.
    pub fn was_accepted(&self) -> bool {
        self.was_accepted
    }

    /// How long to wait after an attempt, and whether another process is probably using the key.
    /// `random` is from 0 up to, not including, 1.
    pub fn next(&mut self, outcome: Outcome, random: f64) -> (Duration, bool) {
        match outcome {
            Outcome::Unreachable => {
                self.short_connections = 0;
                (self.ordinary.next(random), false)
            }
            Outcome::Unauthorized => (self.config.unauthorized_again, false),
            Outcome::TooManyRequests => (self.throttle(), false),
            Outcome::Ended { lasted } => self.after_connection(lasted, random),
        }
    }

    fn after_connection(&mut self, lasted: Duration, random: f64) -> (Duration, bool) {
        self.was_accepted = true;
        if lasted >= self.config.good_connection {
            *self = Self { was_accepted: true, ..Self::new(self.config) };
        }
        self.short_connections =
            if lasted < self.config.kicked_within { self.short_connections + 1 } else { 0 };
        let key_is_shared = self.short_connections >= SHORT_CONNECTIONS;
        (if key_is_shared { self.throttle() } else { self.ordinary.next(random) }, key_is_shared)
    }

    fn throttle(&mut self) -> Duration {
        let BackoffConfig { throttled_first, throttled_longest, .. } = self.config;
        let wait = (throttled_first * (1 << self.throttled.min(3))).min(throttled_longest);
        self.throttled += 1;
        wait
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, Outcome};

    const AT_ONCE: Outcome = Outcome::Ended { lasted: Duration::from_secs(1) };
    const SHORT: Outcome = Outcome::Ended { lasted: Duration::from_secs(29) };
    const GOOD: Outcome = Outcome::Ended { lasted: Duration::from_secs(30) };

    /// Outcomes one after the other, with the highest random number, and the seconds waited.
    fn check(outcomes: &[Outcome], expected: &[f64]) {
        let mut backoff = Backoff::default();
        for (outcome, expected) in outcomes.iter().zip(expected) {
            let (wait, key_is_shared) = backoff.next(*outcome, 1.0);
            // A shared key has a minus in the table.
            let seconds = if key_is_shared { -wait.as_secs_f64() } else { wait.as_secs_f64() };
            let near = (seconds - expected).abs() < 1e-9;
            assert!(near, "{outcomes:?}: {seconds} instead of {expected}");
        }
    }

    #[test]
    fn waits_double_up_to_a_minute() {
        check(&[Outcome::Unreachable; 9], &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
    }

    #[test]
    fn only_half_a_minute_of_connection_resets_the_back_off() {
        check(
            &[Outcome::Unreachable, SHORT, SHORT, SHORT, GOOD, SHORT],
            &[1.0, 2.0, 4.0, 8.0, 1.0, 2.0],
        );
    }

    #[test]
    fn a_key_that_worked_before_is_tried_again_every_five_minutes() {
        let mut backoff = Backoff::default();
        backoff.next(Outcome::Unreachable, 0.0);
        assert!(!backoff.was_accepted());
        backoff.next(AT_ONCE, 0.0);
        assert!(backoff.was_accepted());
        check(&[GOOD, Outcome::Unauthorized, Outcome::Unauthorized], &[1.0, 300.0, 300.0]);
    }

    #[test]
    fn too_many_requests_wait_a_minute_growing_to_five() {
        check(&[Outcome::TooManyRequests; 4], &[60.0, 120.0, 240.0, 300.0]);
        check(&[Outcome::TooManyRequests, GOOD, Outcome::TooManyRequests], &[60.0, 1.0, 60.0]);
    }

    #[test]
    fn three_short_connections_in_a_row_mean_a_shared_key() {
        check(&[AT_ONCE; 5], &[1.0, 2.0, -60.0, -120.0, -240.0]);
        check(
            &[AT_ONCE, AT_ONCE, SHORT, AT_ONCE, AT_ONCE, AT_ONCE],
            &[1.0, 2.0, 4.0, 8.0, 16.0, -60.0],
        );
        check(&[AT_ONCE, AT_ONCE, Outcome::Unreachable, AT_ONCE], &[1.0, 2.0, 4.0, 8.0]);
    }
}
