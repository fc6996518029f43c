//! What the writer does while the disk cannot be written: it says so, and tries again.
//!
//! Writer thread.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::{Level, error, log, warn};

use super::{DiskRetry, Writer};
use crate::recorder::output::Output;
use crate::text::in_words;

/// How often writing is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// That the reader is slow comes and goes, and is said this often.
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The cause when nobody reads the pipe any more.
pub(super) const READER_GONE: &str = "the reader has gone away";

/// How a cause begins when more room on the disk would help.
const FULL: &str = "disk full";
/// The cause when the reader of the pipe takes nothing, or too little.
pub(super) const READER_SLOW: &str = "the reader is too slow";

impl Writer {
    /// Takes the result of a write. Logs it when writing has begun to fail, or works again.
    pub(super) fn on_write_result(&mut self, result: io::Result<()>) {
        let now = Instant::now();
        let Err(error) = result else {
            if let Some(DiskRetry { since, level, .. }) = self.disk_retry.take() {
                let seconds = now.duration_since(since).as_secs();
                let level = level.max(Level::Info);
                log!(level, "{}: writing again after {seconds} s", self.options.out);
                self.shared.disk_trouble.store(false, Ordering::Relaxed);
            }
            return;
        };
        // A reader that takes a little is waited for as a slow disk is; and it has just been waited for.
        let is_slow = is_slow(&error);
        self.shared.disk_trouble.store(!is_slow, Ordering::Relaxed);
        let retry_at = if is_slow { now } else { now + RETRY_EVERY };
        let cause = cause_of(&error);
        if let Some(disk_retry) = &mut self.disk_retry
            // One that was slow may go away.
            && (cause != READER_GONE || disk_retry.cause == READER_GONE)
        {
            disk_retry.retry_at = retry_at;
            return;
        }
        let said = self.slowness_said.filter(|_| is_slow);
        let again = said.is_some_and(|said| now.duration_since(said) < SAY_AGAIN_AFTER);
        let level = if again { Level::Debug } else { Level::Error };
        if cause == READER_GONE {
            warn!("{}: {cause}; stopping", self.options.out);
            self.ledger_down(self.last_written_ms, &cause);
            (self.stop_session)();
        } else if !self.shared.stopping.load(Ordering::Relaxed) {
            log!(
                level,
                "{cause}: cannot write {} ({}); trades wait in memory, and writing goes on by itself",
                self.options.out,
                in_words(&error)
            );
        }
        if is_slow && !again {
            self.slowness_said = Some(now);
        }
        self.last_cause.clone_from(&cause);
        self.disk_retry = Some(DiskRetry { cause, since: now, retry_at, level });
    }

    /// Takes the result of writing the ledger; logs the first failure. A full disk is returned as an
    /// error, for it concerns the recording as well, unless rows go to standard output. For any other
    /// reason no trade waits for the ledger, and a later check tries again.
    pub(super) fn on_ledger_result(&mut self, result: io::Result<()>) -> io::Result<()> {
        let Err(error) = result else { return Ok(()) };
        let (cause, ledger) = (cause_of(&error), self.options.out.ledger());
        if cause.starts_with(FULL) && matches!(self.output, Output::Files(_)) {
            return Err(io::Error::new(error.kind(), format!("{ledger}: {}", in_words(&error))));
        }
        if let Some(recording) = self.output.recording() {
            recording.ledger.is_unavailable = true;
        }
        if self.ledger_failure.is_none() {
            error!(
                "{cause}: cannot write {ledger} ({}); its rows wait in memory, and writing goes on by itself",
                in_words(&error)
            );
            let failure = "could not be written before the end";
            self.ledger_failure = Some(format!("{cause}: the last rows of {ledger} {failure}"));
        }
        Ok(())
    }

    /// Tries to write again, and after a success records what has waited.
    pub(super) fn retry(&mut self) {
        let result = match self.check_csv().and_then(|()| self.write_rows()) {
            Ok(()) if self.output.recording().is_some_and(|files| files.needs_rewrite()) => {
                self.sync()
            }
            other => other,
        };
        self.on_write_result(result);
        self.record_deferred();
    }
}

/// Whether the reader of the pipe takes something, but not all in time. A file on a network may have the
/// same error, which then is the system's.
fn is_slow(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none()
}

fn cause_of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => FULL.to_owned(),
        io::ErrorKind::QuotaExceeded => format!("{FULL} (quota)"),
        io::ErrorKind::FileTooLarge => format!("{FULL} (file size limit)"),
        io::ErrorKind::NotFound => "file is gone".to_owned(),
        io::ErrorKind::BrokenPipe => READER_GONE.to_owned(),
        io::ErrorKind::WouldBlock => READER_SLOW.to_owned(),
        _ if is_slow(error) => READER_SLOW.to_owned(),
        _ => format!("write error: {}", in_words(error)),
    }
}
