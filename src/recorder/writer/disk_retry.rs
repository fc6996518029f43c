//! The recorder while the disk refuses, and at its end: holding on, trying again, giving up.
//!
//! Writer thread.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use log::{Level, error, info, warn};

use super::Recorder;
use crate::channel::{Entry, log_line};
use crate::clock::now_ms;
use crate::recorder::options::Report;
use crate::recorder::recording::Recording;

/// How often a disk that refused is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// The trouble of a pipe that nobody reads.
pub(super) const READER_GONE: &str = "the reader has gone away";

/// How the causes begin that more room would cure.
const FULL: &str = "disk full";
/// The trouble of a pipe whose reader takes nothing, or too little before the end.
const READER_SLOW: &str = "the reader is too slow";

/// The disk refuses.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) cause: String,
    since: Instant,
    pub(super) retry_at: Instant,
}

impl Recorder {
    /// Notes a success or a failure of the disk; says so once per change of state.
    pub(super) fn judge(&mut self, result: io::Result<()>) {
        let now = Instant::now();
        match (result, &mut self.trouble) {
            (Ok(()), None) => {}
            (Ok(()), Some(trouble)) => {
                let seconds = now.duration_since(trouble.since).as_secs();
                info!("{}: writing again after {seconds} s", self.options.out);
                self.trouble = None;
                self.gauges.disk_trouble.store(false, Ordering::Relaxed);
            }
            (Err(_), Some(trouble)) => trouble.retry_at = now + RETRY_EVERY,
            (Err(error), None) => {
                let cause = cause_of(&error);
                if cause == READER_GONE {
                    warn!("{}: {cause}; stopping", self.options.out);
                    (self.on_reader_gone)();
                } else if !self.gauges.stopping.load(Ordering::Relaxed) {
                    self.say_trouble(&cause, &error);
                }
                self.last_cause.clone_from(&cause);
                self.trouble = Some(Trouble { cause, since: now, retry_at: now + RETRY_EVERY });
                self.gauges.disk_trouble.store(true, Ordering::Relaxed);
            }
        }
    }

    fn say_trouble(&self, cause: &str, error: &io::Error) {
        error!(
            "{cause}: cannot write {} ({error}); trades wait in memory, and writing goes on by itself",
            self.options.out
        );
    }

    /// Notes a failure of the ledger, and says so once. On a full disk it is one of the recording as
    /// well; for any other reason no trade waits for the ledger, and a later look tries it again.
    pub(super) fn judge_ledger(&mut self, result: io::Result<()>) -> io::Result<()> {
        let Err(error) = result else { return Ok(()) };
        let (cause, ledger) = (cause_of(&error), self.options.out.ledger());
        if cause.starts_with(FULL) {
            return Err(io::Error::new(error.kind(), format!("{ledger}: {error}")));
        }
        if let Some(recording) = self.output.recording() {
            recording.ledger().set_out_of_reach(true);
        }
        if self.ledger_trouble.is_none() {
            error!(
                "{cause}: cannot write {ledger} ({error}); its rows wait in memory, and writing goes on by itself"
            );
            let failure = "could not be written before the end";
            self.ledger_trouble = Some(format!("{cause}: the last rows of {ledger} {failure}"));
        }
        Ok(())
    }

    /// Tries a refusing disk again, and on success records what has been held.
    pub(super) fn retry(&mut self) {
        let result = match self.look_after_rows().and_then(|()| self.write_rows()) {
            Ok(()) if self.output.recording().is_some_and(Recording::is_in_doubt) => self.sync(),
            other => other,
        };
        self.judge(result);
        self.record_held();
    }

    /// The end: one last try, then what is still waiting is lost and said to be.
    pub(super) fn finish(mut self, inbox: &Receiver<Entry>) -> Report {
        // Also when all is well: somebody may just have removed the file.
        self.retry();
        if self.trouble.is_none() {
            self.look_after_ledger();
        }
        while self.trouble.is_none() && !self.held.is_empty() {
            let result = self.sync();
            self.judge(result);
            self.record_held();
        }
        let failure = self.trouble.take().and_then(|trouble| {
            let failure = self.give_up(&trouble.cause);
            // A reader that had enough, as in `| head`, has ended the recording, not broken it.
            (trouble.cause != READER_GONE).then_some(failure)
        });
        let last_sync = match failure {
            None => self.sync(),
            _ => Ok(()),
        };
        if last_sync.is_err()
            && let Some(recording) = self.output.recording()
        {
            // That it was stopped is true all the same.
            let _ = recording.ledger().hand_over_all();
        }
        let failure = failure.or_else(|| self.ledger_trouble.take());
        let failure = failure.or_else(|| {
            let error = last_sync.err()?;
            Some(format!("the last rows may not be on the disk: fsync failed: {error}"))
        });
        self.prove_life();
        self.publish();
        while let Ok(entry) = inbox.try_recv() {
            if let Entry::Log(line) = entry {
                self.log.push(&line);
            }
        }
        // The terminal gets this line from who joins this thread, after everything else.
        self.log.push(&log_line(now_ms(), Level::Info, &self.market.counts.to_string()));
        self.log.hand_over();
        if self.refused {
            self.leave_nothing_behind();
        }
        Report { counts: self.market.counts, failure }
    }

    /// Takes away what a refused start has made, as long as nothing has come into it. The locks are
    /// held until this thread ends, so nobody else has begun to use it.
    fn leave_nothing_behind(&mut self) {
        let mut removed = Ok(());
        if let Some(recording) = self.output.recording() {
            removed = recording.remove_empty(&self.new_files);
        }
        removed = removed.and(self.log.remove_own(&self.new_files));
        if let Err(error) = removed {
            log::debug!("cannot remove what the start has made: {error}");
        }
    }

    /// Counts everything that still waits as dropped, and tells the ledger.
    fn give_up(&mut self, cause: &str) -> String {
        let held = std::mem::take(&mut self.held);
        let mut lost = std::mem::take(&mut self.gathered.trades);
        let through = self.output.rows_through(&self.gathered.rows).min(lost);
        self.market.counts.written += through;
        lost = lost - through + std::mem::take(&mut self.lost);
        self.gathered.rows.clear();
        self.market.counts.dropped += lost;
        let (written, mut later) = (self.last_written_ms, Vec::new());
        for entry in held {
            match entry {
                Entry::Trades(batch) => self.gather(&batch),
                other => later.push(other),
            }
            let trades = std::mem::take(&mut self.gathered.trades);
            self.gathered.rows.clear();
            self.market.counts.dropped += trades;
            lost += trades;
        }
        let what = match lost {
            0 => "the last rows of the ledger".to_owned(),
            _ => format!("{lost} trades"),
        };
        let failure = format!("{cause}: {what} could not be written before the end");
        if cause != READER_GONE {
            error!("{failure}");
        } else if lost > 0 {
            warn!("{failure}");
        }
        if lost > 0 {
            self.ledger_down(written, &format!("{cause}: {lost} trades dropped"));
        }
        for entry in later {
            self.record(entry);
        }
        if let Some(recording) = self.output.recording() {
            // The disk may refuse this too; the next start then finds the last proof of life.
            let _ = recording.ledger().hand_over_all();
        }
        failure
    }
}

fn cause_of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => FULL.to_owned(),
        io::ErrorKind::QuotaExceeded => format!("{FULL} (quota)"),
        io::ErrorKind::FileTooLarge => format!("{FULL} (file size limit)"),
        io::ErrorKind::NotFound => "file is gone".to_owned(),
        io::ErrorKind::BrokenPipe => READER_GONE.to_owned(),
        io::ErrorKind::WouldBlock => READER_SLOW.to_owned(),
        _ => format!("write error: {error}"),
    }
}
