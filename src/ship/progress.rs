//! Output for people: a log line at each change of state, the live line, the sums.
//!
//! Main thread. Counts only what was accepted.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use log::{info, warn};

use crate::terminal::{ERASE, fit, one_line};
use crate::text::clock::now_ms;
use crate::text::{counted, human_duration, printable};

/// How often the live line is renewed.
const DRAW_EVERY: Duration = Duration::from_millis(500);

/// How often a failure that lasts is told.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Without a terminal nothing is drawn, and only other events end a wait.
const NEVER: Duration = Duration::from_secs(3600);

/// Characters of a reason in the live line.
const REASON_CHARACTERS: usize = 60;

/// How much is still to be shipped.
#[derive(Debug, Default)]
pub(super) struct Lag {
    pub(super) rows: u64,
    /// Closed files behind the current one.
    pub(super) files: usize,
    /// When the oldest row that is not accepted was received, UNIX milliseconds.
    pub(super) since_ms: Option<i64>,
}

/// A lasting failure: why batches are not accepted, or the position is not written.
#[derive(Debug)]
struct Failure {
    what: &'static str,
    why: String,
    since: Instant,
    tries: u32,
    /// When it is to be told again.
    next_tell: Instant,
}

impl Lag {
    /// The waiting rows and files as text.
    fn waiting(&self) -> String {
        let rows = counted(self.rows, "row");
        match self.files {
            0 => rows,
            files => format!("{rows} and {}", counted(files as u64, "file")),
        }
    }
}

impl Failure {
    fn how_long(&self) -> String {
        let lasts = human_duration(milliseconds(self.since.elapsed()));
        format!("{lasts}, {}", counted(self.tries.into(), "attempt"))
    }

    /// The line for a lasting failure; `waiting` says how much waits.
    fn lasts(&self, waiting: &str) -> String {
        format!("{} for {}: {}; waiting: {waiting}", self.what, self.how_long(), self.why)
    }
}

/// The counters and the line.
#[derive(Debug)]
pub(super) struct Progress {
    name: String,
    /// Rows accepted in earlier runs, and in this one.
    before: u64,
    accepted: u64,
    pub(super) lag: Lag,
    failure: Option<Failure>,
    /// Whether there is a terminal for the live line.
    pub(super) draws: bool,
    next_draw: Instant,
}

impl Progress {
    pub(super) fn new(name: &str, before: u64) -> Self {
        Self {
            name: name.to_owned(),
            before,
            accepted: 0,
            lag: Lag::default(),
            failure: None,
            draws: io::stderr().is_terminal(),
            next_draw: Instant::now(),
        }
    }

    /// Notes a batch that was accepted.
    pub(super) fn accepted(&mut self, rows: u64) {
        self.accepted += rows;
        self.works_again();
    }

    /// A failure is over.
    pub(super) fn works_again(&mut self) {
        if let Some(Failure { since, tries, .. }) = self.failure.take() {
            let lasted = human_duration(milliseconds(since.elapsed()));
            info!("it works again after {} and {lasted}", counted(tries.into(), "failed attempt"));
        }
    }

    /// Whether the rest that is to be shipped will be shown.
    pub(super) fn needs_lag(&self) -> bool {
        self.draws || self.failure.is_some()
    }

    /// Notes a failure after which the same is tried again. The first one is told at once, then it is
    /// told once a minute.
    pub(super) fn failed(&mut self, what: &'static str, why: &str) {
        let now = Instant::now();
        self.next_draw = now;
        if let Some(failure) = &mut self.failure {
            failure.tries += 1;
            why.clone_into(&mut failure.why);
            return;
        }
        warn!("{what}: {why}; it is tried again until it works");
        let (why, next_tell) = (why.to_owned(), now + TELL_EVERY);
        self.failure = Some(Failure { what, why, since: now, tries: 1, next_tell });
    }

    /// Draws the live line and tells of a failure that lasts, if it is time; gives when it is time
    /// again.
    pub(super) fn show(&mut self) -> Instant {
        let now = Instant::now();
        let mut next = now + NEVER;
        let waiting = self.lag.waiting();
        if let Some(failure) = &mut self.failure {
            if now >= failure.next_tell {
                failure.next_tell = now + TELL_EVERY;
                warn!("{}", failure.lasts(&waiting));
            }
            next = next.min(failure.next_tell);
        }
        if self.draws {
            if now >= self.next_draw {
                self.next_draw = now + DRAW_EVERY;
                // `ship` goes on without a terminal.
                let _ = io::stderr().write_all(one_line(&fit(&self.line(now_ms()))).as_bytes());
            }
            next = next.min(self.next_draw);
        }
        next
    }

    fn line(&self, now_ms: i64) -> String {
        let Lag { rows, since_ms, .. } = self.lag;
        let shipped = counted(self.before + self.accepted, "row");
        let mut line = format!("{} · {shipped} shipped · lag {}", self.name, self.lag.waiting());
        let lag_ms = since_ms.filter(|_| rows > 0).map_or(0, |since_ms| now_ms - since_ms);
        let _ = write!(line, ", {}", human_duration(lag_ms));
        if let Some(failure) = &self.failure {
            let why = printable(&failure.why, REASON_CHARACTERS);
            let _ = write!(line, " · failing for {}: {why}", failure.how_long());
        }
        line
    }

    /// The sums of this run; `waiting` rows were read and not accepted.
    fn sums(&self, waiting: u64) -> String {
        format!("read {} = accepted {} + waiting {waiting}", self.accepted + waiting, self.accepted)
    }

    /// Takes the live line away and writes the sums.
    pub(super) fn end(&mut self, waiting: u64) {
        let erase = if std::mem::take(&mut self.draws) { ERASE } else { "" };
        let _ = writeln!(io::stderr(), "{erase}{}", self.sums(waiting));
    }
}

pub(super) fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Lag, Progress};

    #[test]
    fn the_line_shows_what_is_shipped_what_is_not_and_why() {
        let mut progress = Progress::new("warehouse", 1_000);
        progress.accepted(234);
        assert_eq!(progress.line(5_000), "warehouse · 1,234 rows shipped · lag 0 rows, 0 s");
        progress.lag = Lag { rows: 12_345, files: 2, since_ms: Some(1_000) };
        progress.failed("batch", "exit code 3");
        let failure = progress.failure.as_ref().expect("a failure");
        assert_eq!(
            failure.lasts(&progress.lag.waiting()),
            "batch for 0 s, 1 attempt: exit code 3; waiting: 12,345 rows and 2 files"
        );
        assert_eq!(
            progress.line(66_000),
            "warehouse · 1,234 rows shipped · lag 12,345 rows and 2 files, 1 m 5 s · failing for 0 s, 1 attempt: exit code 3"
        );
        progress.accepted(1);
        assert!(!progress.line(66_000).contains("failing"));
        assert_eq!(progress.sums(7), "read 242 = accepted 235 + waiting 7");
    }
}
