//! Tables of events by the second: when the watchdog pings, and when it gives up.

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
        check(&[(30, Check(PING)), (31, Pong), (60, Check(PING)), (65, event), (70, Check(FINE))]);
    }
}

#[test]
fn time_asleep_is_no_silence_and_no_want_of_an_answer() {
    // Of a silence of 149 seconds none is forgotten, and the sleep adds none.
    check(&[(149, Check(FINE)), (500, Asleep), (500, Check(FINE)), (501, Check(give_up(SILENT)))]);
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
