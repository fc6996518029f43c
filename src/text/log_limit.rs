//! How many lines about bad input go to the log: enough to see what comes, not enough to fill it.
//!
//! Any thread, each with its own limit; no clock: the time is an argument.

use log::warn;

/// Lines a minute. A server that sends nothing but garbage writes a megabyte an hour at most.
const LINES_A_MINUTE: u32 = 60;
const MINUTE_MS: i64 = 60_000;

/// Counts the lines of the present minute.
#[derive(Debug)]
pub(crate) struct LogLimit {
    lines_a_minute: u32,
    minute: i64,
    lines: u32,
    hidden: u64,
}

impl Default for LogLimit {
    fn default() -> Self {
        Self::of(LINES_A_MINUTE)
    }
}

impl LogLimit {
    /// Another number of lines a minute.
    pub(crate) fn of(lines_a_minute: u32) -> Self {
        Self { lines_a_minute, minute: 0, lines: 0, hidden: 0 }
    }

    /// Whether a line about `what` may be logged at the machine's time `now_ms`, UNIX milliseconds.
    /// Logs how many were left out before it.
    pub(crate) fn allows(&mut self, now_ms: i64, what: &str) -> bool {
        let hidden = self.ask(now_ms);
        if let Some(hidden @ 1..) = hidden {
            warn!("({hidden} more lines about {what} were left out)");
        }
        hidden.is_some()
    }

    /// Asks for a line at the time `now_ms`. `None` when it must be left out; else how many were left out before.
    fn ask(&mut self, now_ms: i64) -> Option<u64> {
        let minute = now_ms.div_euclid(MINUTE_MS);
        if minute != self.minute {
            self.minute = minute;
            self.lines = 0;
        }
        if self.lines == self.lines_a_minute {
            self.hidden += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.hidden))
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES_A_MINUTE, LogLimit};

    #[test]
    fn each_minute_has_so_many_lines_and_the_rest_is_counted() {
        let mut limit = LogLimit::default();
        for _ in 0..LINES_A_MINUTE {
            assert_eq!(limit.ask(1_000), Some(0));
        }
        assert_eq!(limit.ask(59_999), None);
        assert_eq!(limit.ask(59_999), None);
        assert_eq!(limit.ask(60_000), Some(2));
        assert_eq!(limit.ask(60_001), Some(0));
    }
}
