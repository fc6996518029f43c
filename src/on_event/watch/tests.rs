//! A program at work second by second, and the events that are found.

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
                self.snapshot.live_since_ms = live.then_some(now).or(self.snapshot.live_since_ms);
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
