//! How many lines about bad input go to the log: enough to see what comes, not enough to fill it.
//!
//! Any thread, each with its own; no clock: the time is an argument.

/// Lines a minute. A server that sends nothing but garbage writes a megabyte an hour at most.
const LINES_A_MINUTE: u32 = 60;
const MINUTE_MS: i64 = 60_000;

/// Counts the lines of the present minute.
#[derive(Debug, Default)]
pub struct LogLimit {
    minute: i64,
    lines: u32,
    hidden: u64,
}

/// Whether to log a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Permission {
    /// Yes.
    Yes,
    /// Yes, and first say how many were left out before.
    YesAfterHidden(u64),
    /// No; it is counted.
    No,
}

impl LogLimit {
    /// Asks for a line at the machine's time `now_ms`, UNIX milliseconds.
    pub fn ask(&mut self, now_ms: i64) -> Permission {
        let minute = now_ms.div_euclid(MINUTE_MS);
        if minute != self.minute {
            self.minute = minute;
            self.lines = 0;
        }
        if self.lines == LINES_A_MINUTE {
            self.hidden += 1;
            return Permission::No;
        }
        self.lines += 1;
        match std::mem::take(&mut self.hidden) {
            0 => Permission::Yes,
            hidden => Permission::YesAfterHidden(hidden),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES_A_MINUTE, LogLimit, Permission};

    #[test]
    fn each_minute_has_so_many_lines_and_the_rest_is_counted() {
        let mut limit = LogLimit::default();
        for _ in 0..LINES_A_MINUTE {
            assert_eq!(limit.ask(1_000), Permission::Yes);
        }
        assert_eq!(limit.ask(59_999), Permission::No);
        assert_eq!(limit.ask(59_999), Permission::No);
        assert_eq!(limit.ask(60_000), Permission::YesAfterHidden(2));
        assert_eq!(limit.ask(60_001), Permission::Yes);
    }
}
