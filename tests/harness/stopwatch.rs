//! Time as a program sees it that has a processor whenever it wants one: the machine that tests may be
//! slow and busy with other things, and a promise in seconds is not about that.
//!
//! Linux tells for how long each thread has waited for a processor; elsewhere all time counts.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

/// How often the threads are looked at while something is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// For how long the threads of a process have waited for a processor, as long as it could be asked.
#[derive(Debug)]
pub(crate) struct Waits {
    process: u32,
    by_thread: HashMap<String, u64>,
    looked: Option<Instant>,
}

/// A measurement that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    began: Instant,
    waited: Duration,
}

impl Waits {
    pub(crate) fn of(process: u32) -> Self {
        Self { process, by_thread: HashMap::new(), looked: None }
    }

    /// Begins to measure.
    pub(crate) fn start(&mut self) -> Stopwatch {
        self.look_now_and_then();
        Stopwatch { began: Instant::now(), waited: self.total() }
    }

    /// The time since then, but for that in which the process or this thread waited for a processor.
    pub(crate) fn since(&mut self, start: &Stopwatch) -> Duration {
        start.began.elapsed().saturating_sub(self.waited_since(start))
    }

    /// For how long they have waited for one since then. A program that has had none for a second need
    /// not do in time what it has seconds for.
    pub(crate) fn waited_since(&mut self, start: &Stopwatch) -> Duration {
        self.look();
        self.total().saturating_sub(start.waited)
    }

    /// Whether that is longer than `limit`; costs little while it cannot be.
    pub(crate) fn exceeds(&mut self, start: &Stopwatch, limit: Duration) -> bool {
        start.began.elapsed() > limit && self.since(start) > limit
    }

    /// To be called now and then: nothing can be asked of a process that has ended.
    pub(crate) fn look_now_and_then(&mut self) {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            self.look();
        }
    }

    fn look(&mut self) {
        self.looked = Some(Instant::now());
        let threads = fs::read_dir(format!("/proc/{}/task", self.process));
        for thread in threads.into_iter().flatten().flatten() {
            if let Some(waited) = waited(&format!("{}/schedstat", thread.path().display())) {
                self.by_thread.insert(thread.file_name().to_string_lossy().into_owned(), waited);
            }
        }
    }

    fn total(&self) -> Duration {
        let own = waited("/proc/thread-self/schedstat").unwrap_or(0);
        Duration::from_nanos(own + self.by_thread.values().sum::<u64>())
    }
}

/// The second number of the file: nanoseconds for which a thread has waited.
fn waited(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_whitespace().nth(1)?.parse().ok()
}
