//! Whether a connection still works.
//!
//! Main thread; no I/O and no clock: instants come in as arguments. No trades is never a fault:
//! Finnhub's own `{"type":"ping"}` comes about once a minute in closed markets too, and a client
//! with a time-out below that reconnects all night.

use std::time::{Duration, Instant};

/// Time limits of the watchdog. The defaults are the promised ones; tests have no time for them.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// So long without a text message means a stalled server.
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

/// A turn of the loop that calls [`Watchdog::check`] takes a fraction of a second. What takes longer
/// than this was a sleep, in which nobody looked at the socket.
const LONGEST_TURN: Duration = Duration::from_secs(5);

/// Why a connection must be given up.
const SILENT: &str = "silent";
const UNANSWERED: &str = "silent: a ping was not answered";

/// What is known of one connection.
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
mod tests {
    use std::time::{Duration, Instant};

    use super::{SILENT, Timeouts, UNANSWERED, Watchdog};

    const FINE: Result<bool, String> = Ok(false);
    const PING: Result<bool, String> = Ok(true);

    enum Event {
        Text,
        Pong,
        OtherFrame,
        /// No check until then.
        Asleep,
        /// Checked as ever until then, but nothing was read.
        NotReading,
        Check(Result<bool, String>),
    }
    use Event::{Asleep, Check, NotReading, OtherFrame, Pong, Text};

    fn give_up(reason: &str) -> Result<bool, String> {
        Err(reason.to_owned())
    }

    /// Events at seconds after the opening, with a check in each second between them.
    fn check(events: &[(u64, Event)]) {
        let opened = Instant::now();
        let mut watchdog = Watchdog::new(Timeouts::default(), opened);
        let mut checked = 0;
        for (second, event) in events {
            let at = |second| opened + Duration::from_secs(second);
            if !matches!(event, Asleep) {
                for between in checked + 1..*second {
                    if matches!(event, NotReading) {
                        watchdog.not_reading(at(between));
                    }
                    let verdict = watchdog.check(at(between), None);
                    assert!(verdict.is_ok(), "{verdict:?} at {between} s");
                }
            }
            checked = *second;
            match event {
                Text => watchdog.text(at(*second)),
                Pong => watchdog.frame(true),
                OtherFrame => watchdog.frame(false),
                Asleep => checked = second - 1,
                NotReading => watchdog.not_reading(at(*second)),
                Check(expected) => {
                    assert_eq!(watchdog.check(at(*second), None), *expected, "at {second} s");
                }
            }
        }
    }

    #[test]
    fn silence_is_noticed_after_150_seconds_without_text() {
        check(&[(149, Check(FINE)), (150, Check(give_up(SILENT)))]);
        check(&[(100, Text), (249, Check(FINE)), (250, Check(give_up(SILENT)))]);
    }

    #[test]
    fn frames_that_are_no_text_do_not_count_against_silence() {
        check(&[(100, Pong), (121, OtherFrame), (140, OtherFrame), (150, Check(give_up(SILENT)))]);
    }

    #[test]
    fn a_ping_goes_out_every_30_seconds() {
        check(&[
            (29, Check(FINE)),
            (30, Check(PING)),
            (31, Check(FINE)),
            (59, Check(FINE)),
            (60, Check(PING)),
        ]);
    }

    #[test]
    fn an_unanswered_ping_counts_only_where_one_was_answered_before() {
        check(&[(30, Check(PING)), (41, Check(FINE)), (60, Check(PING)), (71, Check(FINE))]);
        check(&[
            (30, Check(PING)),
            (31, Pong),
            (60, Check(PING)),
            (69, Check(FINE)),
            (70, Check(give_up(UNANSWERED))),
        ]);
    }

    #[test]
    fn any_frame_answers_a_ping() {
        for event in [Text, OtherFrame, Pong] {
            check(&[
                (30, Check(PING)),
                (31, Pong),
                (60, Check(PING)),
                (65, event),
                (70, Check(FINE)),
            ]);
        }
    }

    #[test]
    fn time_asleep_is_no_silence_and_no_want_of_an_answer() {
        // Of a silence of 149 seconds none is forgotten, and the sleep adds none.
        check(&[
            (149, Check(FINE)),
            (500, Asleep),
            (500, Check(FINE)),
            (501, Check(give_up(SILENT))),
        ]);
        // What waited in the socket is heard at waking up, before the check.
        check(&[
            (149, Check(FINE)),
            (500, Asleep),
            (500, Text),
            (500, Check(FINE)),
            (649, Check(FINE)),
            (650, Check(give_up(SILENT))),
        ]);
        check(&[
            (30, Check(PING)),
            (31, Pong),
            (60, Check(PING)),
            (61, Check(FINE)),
            (300, Asleep),
            (300, Check(FINE)),
            (308, Check(FINE)),
            (309, Check(give_up(UNANSWERED))),
        ]);
    }

    #[test]
    fn time_in_which_nothing_is_read_is_no_silence_and_pings_go_out_all_the_same() {
        check(&[
            (100, Check(FINE)),
            (140, NotReading),
            (140, Check(FINE)),
            (149, Check(FINE)),
            (150, Check(PING)),
            (189, Check(FINE)),
            (190, Check(give_up(SILENT))),
        ]);
        check(&[
            (29, Pong),
            (30, Check(PING)),
            (35, Check(FINE)),
            (55, NotReading),
            (55, Check(FINE)),
            (59, Check(FINE)),
            // Five seconds of its ten were left when nothing was read any more.
            (60, Check(give_up(UNANSWERED))),
        ]);
    }

    #[test]
    fn a_server_that_reads_nothing_is_left_however_much_it_says() {
        let opened = Instant::now();
        let mut watchdog = Watchdog::new(Timeouts::default(), opened);
        for second in 1..=170 {
            let now = opened + Duration::from_secs(second);
            watchdog.text(now);
            let verdict = watchdog.check(now, Some(opened + Duration::from_secs(20)));
            let given_up = verdict.as_ref().is_err_and(|why| why.contains("read nothing"));
            assert_eq!(given_up, second == 170, "{verdict:?} at {second} s");
        }
    }
}
