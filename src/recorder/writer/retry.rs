//! The state of a failure to write: since when, why, and when writing is tried again.
//!
//! Writer thread. Logs when writing begins to fail, and when it works again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::{Level, log, warn};

use super::write_failure::WriteFailure;
use crate::channel::SharedState;
use crate::text::in_words;

/// How often writing is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// How often the log mentions a slow reader, which is slow again and again.
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Whether rows can be written, and if not, until when nothing is tried.
#[derive(Debug)]
pub(super) struct Retry {
    /// The recording's name, for the log.
    out: String,
    shared: Arc<SharedState>,
    pub(super) failing: Option<Failing>,
    /// Why writing failed last; the ledger names it as the reason for dropped trades.
    pub(super) last: Option<WriteFailure>,
    /// When the log last said that the reader of the pipe is slow.
    slowness_said: Option<Instant>,
}

/// Rows cannot be written.
#[derive(Debug)]
pub(super) struct Failing {
    /// Why it began.
    pub(super) failure: WriteFailure,
    since: Instant,
    retry_at: Instant,
    /// The level at which its beginning was logged, and at which its end will be.
    level: Level,
    /// Whether the last try has found a slow reader, which is no fault of the disk.
    is_slow: bool,
}

impl Retry {
    /// Nothing has failed yet.
    pub(super) fn new(out: String, shared: Arc<SharedState>) -> Self {
        Self { out, shared, failing: None, last: None, slowness_said: None }
    }

    /// Takes the result of a write. Gives the reason when writing has begun to fail, or fails for another
    /// reason that ends it. A failure after a stop is not logged: the end reports it.
    pub(super) fn note(&mut self, result: io::Result<()>) -> Option<WriteFailure> {
        let now = Instant::now();
        let Err(error) = result else {
            if let Some(Failing { since, level, .. }) = self.failing.take() {
                let seconds = now.duration_since(since).as_secs();
                log!(level.max(Level::Info), "{}: writing again after {seconds} s", self.out);
                self.shared.disk_trouble.store(false, Ordering::Relaxed);
            }
            return None;
        };
        let failure = WriteFailure::from(&error);
        let is_slow = failure == WriteFailure::ReaderSlow;
        self.shared.disk_trouble.store(!is_slow, Ordering::Relaxed);
        // The write has just waited for a slow reader.
        let retry_at = if is_slow { now } else { now + RETRY_EVERY };
        if let Some(failing) = &mut self.failing
            // A slow reader may go away.
            && (failure != WriteFailure::ReaderGone || failing.failure == failure)
        {
            (failing.retry_at, failing.is_slow) = (retry_at, is_slow);
            return None;
        }
        let level = self.log_failure(&failure, &error, now);
        self.last = Some(failure.clone());
        self.failing = Some(Failing { failure, since: now, retry_at, level, is_slow });
        self.last.clone()
    }

    /// Logs that writing has begun to fail; gives the level of that line.
    fn log_failure(&mut self, failure: &WriteFailure, error: &io::Error, now: Instant) -> Level {
        let is_slow = *failure == WriteFailure::ReaderSlow;
        let said = self.slowness_said.filter(|_| is_slow);
        let again = said.is_some_and(|said| now.duration_since(said) < SAY_AGAIN_AFTER);
        let level = if again { Level::Debug } else { Level::Error };
        let out = &self.out;
        if *failure == WriteFailure::ReaderGone {
            warn!("{out}: {failure}; stopping");
        } else if !self.shared.stopping.load(Ordering::Relaxed) {
            let error = in_words(error);
            log!(
                level,
                "{failure}: cannot write {out} ({error}); trades wait in memory, and writing goes on by itself"
            );
        }
        if is_slow && !again {
            self.slowness_said = Some(now);
        }
        level
    }

    /// Whether rows cannot be written at the moment.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// The failure to be shown to people. A reader that has gone away ends the recording, and a slow reader comes
    /// and goes: neither is shown.
    pub(super) fn shown(&self) -> Option<String> {
        let failing = self.failing.as_ref().filter(|failing| !failing.is_slow);
        let failure = failing.map(|failing| &failing.failure);
        failure.filter(|it| **it != WriteFailure::ReaderGone).map(ToString::to_string)
    }

    /// When writing is tried again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.failing.as_ref().map(|failing| failing.retry_at)
    }
}
