//! Log lines as a person reads them: local time, the date once a day, and a repeated warning once, with a
//! count.
//!
//! Terminal thread. Formats only; times are arguments.

use std::fmt::Write;

use log::Level;

use super::{PLAIN, RED, YELLOW};
use crate::text::clock::local;

/// A warning that has not come for this long is shown again. Longer than the longest pause between two tries
/// to connect, which is 5 minutes.
const SAME_WITHIN_MS: i64 = 10 * 60_000;

/// A line to show.
#[derive(Debug, Clone)]
pub(super) struct LogLine {
    /// The local time; in the first line of a day with the date.
    pub(super) when: String,
    pub(super) level: Level,
    pub(super) text: String,
}

impl LogLine {
    /// Appends it to `out` as it stands on a terminal.
    pub(super) fn write(&self, out: &mut String, colours: bool) {
        let Self { when, level, text } = self;
        let (colour, plain) = match level {
            Level::Error if colours => (RED, PLAIN),
            Level::Warn if colours => (YELLOW, PLAIN),
            _ => ("", ""),
        };
        let _ = writeln!(out, "{when} {colour}{level:<5}{plain} {text}");
    }
}

/// What is remembered of the lines so far.
#[derive(Debug, Default)]
pub(super) struct LogLines {
    /// The date of the last line.
    date: String,
    last: Option<Warning>,
}

/// The last warning or error.
#[derive(Debug)]
struct Warning {
    level: Level,
    text: String,
    /// How often it came, and how often since the count was shown last.
    times: u64,
    unshown: u64,
    last_ms: i64,
}

impl LogLines {
    /// Appends the line to `out`, unless it is a repeated warning.
    pub(super) fn push(&mut self, out: &mut Vec<LogLine>, now_ms: i64, level: Level, text: &str) {
        if level > Level::Warn {
            // Information between two tries to connect does not end the repetition.
            if level == Level::Info {
                self.push_repeats(out, now_ms);
            }
            return self.push_line(out, now_ms, level, text);
        }
        if let Some(last) = &mut self.last
            && (last.level, &*last.text) == (level, text)
            && now_ms - last.last_ms < SAME_WITHIN_MS
        {
            last.times += 1;
            last.unshown += 1;
            last.last_ms = now_ms;
            // The tenth, the hundredth, …
            if last.times == 10_u64.pow(last.times.ilog10()) {
                last.unshown = 0;
                let text = format!("{text} ({} times)", last.times);
                self.push_line(out, now_ms, level, &text);
            }
            return;
        }
        self.push_repeats(out, now_ms);
        self.push_line(out, now_ms, level, text);
        self.last =
            Some(Warning { level, text: text.to_owned(), times: 1, unshown: 0, last_ms: now_ms });
    }

    /// Appends how often the last warning was repeated since its count was shown.
    pub(super) fn push_repeats(&mut self, out: &mut Vec<LogLine>, now_ms: i64) {
        let Some(last) = self.last.as_mut().filter(|last| last.unshown > 0) else { return };
        let unshown = std::mem::take(&mut last.unshown);
        let (level, at) = (last.level, local(last.last_ms).1);
        let text = format!("(the same {unshown} more times, last at {at})");
        self.push_line(out, now_ms, level, &text);
    }

    fn push_line(&mut self, out: &mut Vec<LogLine>, now_ms: i64, level: Level, text: &str) {
        let (date, clock) = local(now_ms);
        let when = if self.date == date { clock } else { format!("{date} {clock}") };
        self.date = date;
        out.push(LogLine { when, level, text: text.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::{LogLines, SAME_WITHIN_MS};

    const DAY_MS: i64 = 86_400_000;

    /// The lines without their times.
    fn shown(lines: &[(i64, Level, &str)]) -> Vec<String> {
        let (mut log, mut out) = (LogLines::default(), Vec::new());
        for (at_ms, level, text) in lines {
            log.push(&mut out, *at_ms, *level, text);
        }
        let end_ms = lines.last().map_or(0, |(at_ms, ..)| *at_ms);
        log.push_repeats(&mut out, end_ms);
        out.iter().map(|line| format!("{:<5} {}", line.level, line.text)).collect()
    }

    #[test]
    fn the_date_is_in_the_first_line_of_a_day() {
        let (mut log, mut out) = (LogLines::default(), Vec::new());
        for at_ms in [0, 1, 2 * DAY_MS, 2 * DAY_MS + 1] {
            log.push(&mut out, at_ms, Level::Info, "x");
        }
        let dated: Vec<bool> = out.iter().map(|line| line.when.as_bytes()[4] == b'-').collect();
        assert_eq!(dated, [true, false, true, false], "{out:?}");
    }

    #[test]
    fn ten_equal_warnings_are_one_and_their_count() {
        let mut lines = vec![(0, Level::Warn, "no network"); 10];
        assert_eq!(shown(&lines), ["WARN  no network", "WARN  no network (10 times)"]);
        lines.push((0, Level::Debug, "detail"));
        lines.push((0, Level::Warn, "no network"));
        lines.push((0, Level::Info, "connected"));
        lines.push((0, Level::Error, "other"));
        let seen = shown(&lines);
        assert_eq!(seen[2], "DEBUG detail");
        assert!(seen[3].starts_with("WARN  (the same 1 more times, last at "), "{seen:?}");
        assert_eq!(seen[4..], ["INFO  connected", "ERROR other"]);
    }

    #[test]
    fn a_warning_is_shown_again_after_another_one_and_after_a_while() {
        let lines = [(0, Level::Warn, "a"), (1, Level::Warn, "b"), (2, Level::Warn, "a")];
        assert_eq!(shown(&lines), ["WARN  a", "WARN  b", "WARN  a"]);
        let lines = [(0, Level::Warn, "a"), (SAME_WITHIN_MS, Level::Warn, "a")];
        assert_eq!(shown(&lines), ["WARN  a", "WARN  a"]);
    }
}
