//! Whether a connection still works.
//!
//! Main thread; no I/O and no clock: instants come in as arguments. No trades is never a fault:
//! Finnhub's own `{"type":"ping"}` comes about once a minute in closed markets too, and a client
//! with a time-out below that reconnects all night.

use std::time::{Duration, Instant};

/// Time limits of the watchdog. The defaults are the promised values; tests use shorter ones.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// After this time without a text message the server counts as stalled.
    pub silence: Duration,
    /// Our own WebSocket ping goes out this often.
    pub ping_every: Duration,
    /// On a connection that has answered a ping before, any frame must come this soon after one.
    pub answer_within: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // Two of Finnhub's pings and a half: others found 120 to 150 s to work.
            silence: Duration::from_secs(150),
            // Keeps routers on the way from forgetting the connection.
            ping_every: Duration::from_secs(30),
            answer_within: Duration::from_secs(10),
        }
    }
}

/// A turn of the loop that calls [`Watchdog::check`] takes a fraction of a second. A longer one was a sleep, in which
/// the socket was not read.
const LONGEST_TURN: Duration = Duration::from_secs(5);

/// Why a connection must be given up.
const SILENT: &str = "silent";
const UNANSWERED: &str = "silent: a ping was not answered";

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Watchdog {
    timeouts: Timeouts,
    last_text: Instant,
    last_ping: Instant,
    last_check: Instant,
    /// Since when a ping waits for an answer.
    unanswered_since: Option<Instant>,
    answers_pings: bool,
}

impl Watchdog {
    /// A connection that was opened at `now`.
    pub(super) fn new(timeouts: Timeouts, now: Instant) -> Self {
        Self {
            timeouts,
            last_text: now,
            last_ping: now,
            last_check: now,
            unanswered_since: None,
            answers_pings: false,
        }
    }

    /// A text message arrived.
    pub(super) fn text(&mut self, now: Instant) {
        self.last_text = now;
        self.unanswered_since = None;
    }

    /// A frame that is no text arrived; `pong` when it answers a ping of ours.
    pub(super) fn frame(&mut self, pong: bool) {
        self.answers_pings |= pong;
        self.unanswered_since = None;
    }

    /// Nothing was read since the last check, because there is no room for it. That is no silence of the
    /// server, nor is an answer late for it.
    pub(super) fn not_reading(&mut self, now: Instant) {
        let turn = now.duration_since(self.last_check);
        self.last_text = (self.last_text + turn).min(now);
        self.unanswered_since = self.unanswered_since.map(|since| (since + turn).min(now));
    }

    /// When [`Self::check`] has something to do at the latest, if nothing arrives before.
    pub(super) fn due(&self) -> Instant {
        let Timeouts { silence, ping_every, answer_within } = self.timeouts;
        let due = (self.last_text + silence).min(self.last_ping + ping_every);
        self.unanswered().map_or(due, |since| due.min(since + answer_within))
    }

    /// Looks at the clock, after each look at the socket. `unsent_since` is when the server began to
    /// take nothing of what waits for it, if it does. Gives whether a WebSocket ping is to be sent
    /// now; it counts as sent.
    ///
    /// # Errors
    /// When the connection must be given up: why.
    pub(super) fn check(
        &mut self,
        now: Instant,
        unsent_since: Option<Instant>,
    ) -> Result<bool, String> {
        let turn = now.duration_since(self.last_check);
        if turn > LONGEST_TURN {
            // Time asleep is no silence. What was heard since waking up was heard later.
            self.not_reading(now);
            self.last_ping = (self.last_ping + turn).min(now);
            self.last_check = now;
            return Ok(false);
        }
        self.last_check = now;
        if now.duration_since(self.last_text) >= self.timeouts.silence {
            return Err(SILENT.to_owned());
        }
        if unsent_since.is_some_and(|since| now.duration_since(since) >= self.timeouts.silence) {
            let seconds = self.timeouts.silence.as_secs();
            return Err(format!("connection lost: the server has read nothing for {seconds} s"));
        }
        let answer_within = self.timeouts.answer_within;
        if self.unanswered().is_some_and(|since| now.duration_since(since) >= answer_within) {
            return Err(UNANSWERED.to_owned());
        }
        if now.duration_since(self.last_ping) >= self.timeouts.ping_every {
            self.last_ping = now;
            self.unanswered_since = Some(now);
            return Ok(true);
        }
        Ok(false)
    }

    /// Since when a server that answers pings owes an answer.
    fn unanswered(&self) -> Option<Instant> {
        self.unanswered_since.filter(|_| self.answers_pings)
    }
}

#[cfg(test)]
mod tests;
