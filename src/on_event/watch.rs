//! Finds the events in the snapshots, each once.
//!
//! A pure rule: no I/O and no clock. `now_ms` is this machine's clock; spans are measured with `now`, which does
//! not change when the clock is set or the machine sleeps.

use std::time::{Duration, Instant};

use crate::status::silence::{Silence, UsStocks};
use crate::status::snapshot::{FeedState, Snapshot};
use crate::text::human_duration;

/// A shorter outage is routine: the server closes connections every day.
const OUTAGE: Duration = Duration::from_secs(60);

/// A connection that ends within this time does not end the outage: with a key that is used twice, connections
/// end like that (see `backoff`).
const SETTLED: Duration = Duration::from_secs(5);

/// After this many looks at the same snapshot, one a second, the writer is waiting for the disk. Looks are
/// counted, and no time, because a stopped process does not look.
const STUCK_LOOKS: u32 = 60;

/// Silence is reported at most this often: thin shares fall silent again and again.
const SILENT_AGAIN: Duration = Duration::from_secs(60 * 60);

/// Something that happened, for the command's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// The event in one word; the README lists them.
    pub(super) kind: &'static str,
    /// When, this machine's clock, UNIX milliseconds.
    pub(super) at_ms: i64,
    /// The reason as one line.
    pub(super) reason: String,
}

impl Event {
    pub(super) fn new(kind: &'static str, at_ms: i64, reason: impl Into<String>) -> Self {
        Self { kind, at_ms, reason: reason.into() }
    }
}

/// What has been reported so far.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is about an event of its own")]
pub(super) struct EventWatch {
    live_since: Option<Instant>,
    not_live_since: Option<Instant>,
    down_reported: bool,
    disk_reported: bool,
    key_reported: bool,
    silence_reported: bool,
    silence_reported_at: Option<Instant>,
    last_published_ms: i64,
    same_snapshot: u32,
}

impl EventWatch {
    /// The new events. To be called once a second.
    pub(super) fn poll(
        &mut self,
        snapshot: &Snapshot,
        key_refused: bool,
        now: Instant,
        now_ms: i64,
    ) -> Vec<Event> {
        if snapshot.started_ms == 0 {
            // The writer has not begun.
            return Vec::new();
        }
        let mut events = Vec::from_iter(self.outage(snapshot, now, now_ms));
        events.extend(self.disk(snapshot, now_ms));
        if key_refused && !self.key_reported {
            events.push(Event::new("key-refused", now_ms, "the server refuses the API key"));
        }
        self.key_reported = key_refused;
        events.extend(self.silence(snapshot, now, now_ms));
        events
    }

    fn outage(&mut self, snapshot: &Snapshot, now: Instant, now_ms: i64) -> Option<Event> {
        if snapshot.state == FeedState::Live {
            let since = *self.live_since.get_or_insert(now);
            if now - since < SETTLED {
                return None;
            }
            let began = self.not_live_since.take()?;
            let at_ms = snapshot.live_since_ms.unwrap_or(now_ms);
            let lasted = i64::try_from((since - began).as_millis()).unwrap_or(i64::MAX);
            let reason = format!("after {}", human_duration(lasted));
            return std::mem::take(&mut self.down_reported)
                .then(|| Event::new("live", at_ms, reason));
        }
        self.live_since = None;
        let since = *self.not_live_since.get_or_insert(now);
        if self.down_reported || now - since < OUTAGE {
            return None;
        }
        self.down_reported = true;
        let at_ms = snapshot.down_since_ms.unwrap_or(snapshot.started_ms);
        let reason = match snapshot.reason.as_str() {
            "" => "no connection yet",
            reason => reason,
        };
        Some(Event::new("down", at_ms, reason))
    }

    fn disk(&mut self, snapshot: &Snapshot, now_ms: i64) -> Option<Event> {
        let same = self.last_published_ms == snapshot.published_ms;
        self.same_snapshot = if same { self.same_snapshot.saturating_add(1) } else { 0 };
        self.last_published_ms = snapshot.published_ms;
        let stuck = || (self.same_snapshot >= STUCK_LOOKS).then_some("the disk does not answer");
        let cause = snapshot.disk_trouble.as_deref().or_else(stuck);
        let (kind, reason) = match (cause, self.disk_reported) {
            (Some(cause), false) => ("disk-full", cause),
            (None, true) => ("disk-ok", "writing again"),
            _ => return None,
        };
        self.disk_reported = cause.is_some();
        Some(Event::new(kind, now_ms, reason))
    }

    fn silence(&mut self, snapshot: &Snapshot, now: Instant, now_ms: i64) -> Option<Event> {
        // While nothing is recorded, silence means nothing; nor does it outside the regular session.
        let silence = Silence::of(snapshot, now_ms)?;
        let UsStocks::NoTrades { .. } = silence.us_stocks else {
            self.silence_reported = false;
            return None;
        };
        let too_soon = self.silence_reported_at.is_some_and(|at| now - at < SILENT_AGAIN);
        if self.silence_reported || too_soon {
            return None;
        }
        self.silence_reported = true;
        self.silence_reported_at = Some(now);
        Some(Event::new("silent", now_ms, silence.notice()?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{EventWatch, STUCK_LOOKS};
    use crate::status::snapshot::{FeedState, Snapshot, TickerSnapshot};

    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;

    /// Monday 23 November 2026, 09:30 in New York: the opening bell.
    const BELL: i64 = 1_795_444_200_000;

    /// A program, looked at once a second, and what was reported of it: `second: kind at: reason`.
    struct Program {
        watch: EventWatch,
        began: Instant,
        snapshot: Snapshot,
        second: u64,
        key_refused: bool,
        lines: Vec<String>,
    }

    impl Program {
        fn new() -> Self {
            let snapshot = Snapshot { started_ms: BELL, ..Snapshot::default() };
            let (watch, began) = (EventWatch::default(), Instant::now());
            Self { watch, began, snapshot, second: 0, key_refused: false, lines: Vec::new() }
        }

        fn now_ms(&self) -> i64 {
            BELL + i64::try_from(self.second).unwrap() * SECOND
        }

        fn run(&mut self, seconds: u64, state: FeedState) {
            for _ in 0..seconds {
                if self.snapshot.state != state {
                    let now = self.now_ms();
                    let live = state == FeedState::Live;
                    self.snapshot.state = state;
                    self.snapshot.live_since_ms =
                        live.then_some(now).or(self.snapshot.live_since_ms);
                    let since = self.snapshot.down_since_ms.unwrap_or(now);
                    self.snapshot.down_since_ms = (!live).then_some(since);
                    self.snapshot.reason = if live { "" } else { "lost" }.to_owned();
                }
                self.snapshot.published_ms = self.now_ms();
                self.poll();
                self.second += 1;
            }
        }

        fn poll(&mut self) {
            let now = self.began + Duration::from_secs(self.second);
            let events = self.watch.poll(&self.snapshot, self.key_refused, now, self.now_ms());
            let (second, now_ms) = (self.second, self.now_ms());
            self.lines.extend(events.into_iter().map(|event| {
                let at = (event.at_ms - now_ms) / SECOND;
                format!("{second}: {} {at}: {}", event.kind, event.reason)
            }));
        }
    }

    #[test]
    fn an_outage_is_reported_after_a_minute_and_so_is_its_end() {
        let mut program = Program::new();
        program.run(100, FeedState::Live);
        program.run(60, FeedState::Down);
        program.run(20, FeedState::Live);
        assert_eq!(program.lines, [""; 0], "a shorter one is routine");
        program.run(30, FeedState::Down);
        program.run(100, FeedState::Connecting);
        program.run(50, FeedState::Live);
        assert_eq!(program.lines, ["240: down -60: lost", "315: live -5: after 2 m 10 s"]);
    }

    #[test]
    fn a_server_that_is_never_reached_is_an_outage_from_the_start() {
        let mut program = Program::new();
        program.run(200, FeedState::Connecting);
        assert_eq!(program.lines, ["60: down -60: no connection yet"]);
    }

    #[test]
    fn connections_that_last_for_seconds_do_not_end_an_outage() {
        let mut program = Program::new();
        for _ in 0..5 {
            program.run(20, FeedState::Down);
            program.run(4, FeedState::Live);
        }
        program.run(1, FeedState::Down);
        assert_eq!(program.lines, ["60: down -12: lost"]);
    }

    #[test]
    fn trouble_with_the_disk_is_reported_at_once_and_once() {
        let mut program = Program::new();
        program.run(10, FeedState::Live);
        program.snapshot.disk_trouble = Some("disk full".to_owned());
        program.run(10, FeedState::Live);
        program.snapshot.disk_trouble = None;
        program.run(10, FeedState::Live);
        assert_eq!(program.lines, ["10: disk-full 0: disk full", "20: disk-ok 0: writing again"]);
    }

    #[test]
    fn a_disk_that_does_not_answer_is_reported_as_full() {
        let mut program = Program::new();
        program.run(10, FeedState::Live);
        (1..STUCK_LOOKS).for_each(|_| program.poll());
        assert_eq!(program.lines, [""; 0]);
        program.poll();
        program.poll();
        program.run(2, FeedState::Live);
        assert_eq!(
            program.lines,
            ["10: disk-full 0: the disk does not answer", "10: disk-ok 0: writing again"]
        );
    }

    #[test]
    fn a_refused_key_is_reported_once_until_it_is_accepted() {
        let mut program = Program::new();
        for refused in [false, true, true, false, true] {
            program.key_refused = refused;
            program.run(1, FeedState::Down);
        }
        let line = "key-refused 0: the server refuses the API key";
        assert_eq!(program.lines, [format!("1: {line}"), format!("4: {line}")]);
    }

    #[test]
    fn silence_is_reported_in_the_regular_session_once_an_hour() {
        let reported_at = |bell_after: i64, last_trades_ago: &[i64]| {
            let mut program = Program::new();
            program.snapshot.state = FeedState::Live;
            for ago in last_trades_ago {
                let now = BELL + bell_after;
                program.second = u64::try_from(bell_after / SECOND).unwrap();
                program.snapshot.tickers = vec![TickerSnapshot {
                    symbol: "AAPL".to_owned(),
                    last_received_ms: Some(now - ago),
                    wanted_since_ms: Some(BELL - HOUR),
                    ..TickerSnapshot::default()
                }];
                program.snapshot.live_since_ms = Some(BELL - HOUR);
                program.snapshot.published_ms = now;
                program.poll();
            }
            program.lines.len()
        };
        // Before the bell nothing trades for minutes; the first ten minutes after it prove nothing.
        assert_eq!(reported_at(9 * MINUTE, &[HOUR]), 0);
        assert_eq!(reported_at(10 * MINUTE, &[HOUR]), 1);
        assert_eq!(reported_at(HOUR, &[9 * MINUTE]), 0);
        assert_eq!(reported_at(HOUR, &[10 * MINUTE, 11 * MINUTE]), 1);
        assert_eq!(reported_at(HOUR, &[10 * MINUTE, 0, 10 * MINUTE]), 1, "once an hour");
        assert_eq!(reported_at(7 * HOUR, &[HOUR]), 0, "after the closing bell");
    }
}
