//! Closing the files of a recording and going on in new ones.
//!
//! Main thread at the start, writer thread later. The order of the steps makes a kill harmless at any
//! of them; the next start finishes what a kill has left ([`Recording::catch_up`]).

use std::io;
use std::path::{Path, PathBuf};

use log::{info, warn};

use super::Recording;
use crate::recorder::append_file::AppendFile;
use crate::recorder::disk::{self, next_path, sync_directory};
use crate::recorder::ledger::{self, Ledger, LedgerRow, ROTATED, ledger_path};
use crate::recorder::open::open_rows;
use crate::recorder::rotation::{Rotate, closed_without_ledger, free_name};
use crate::text::in_words;

/// After a rotation that failed, rows go on into the old file for this long before another try.
const ROTATE_AGAIN_MS: i64 = 60_000;

impl Recording {
    /// Ends a rotation that a kill has cut in two, and closes a file of an earlier period.
    pub(super) fn catch_up(&mut self, last_row_ms: Option<i64>, now_ms: i64) -> io::Result<()> {
        let Some(rotate) = self.rotate else { return Ok(()) };
        let state = self.ledger.last.clone();
        if state.reason == ROTATED
            && let Some(closed) = closed_without_ledger(&self.out, rotate, state.time_ms - 1)
        {
            self.replace_ledger(&closed, &state, now_ms)?;
        }
        if self.csv.length() > self.header.len() as u64
            && let Some(last_row_ms) = last_row_ms
            && rotate.period_end(last_row_ms) <= now_ms
        {
            self.rotate_file(rotate, &state, last_row_ms, now_ms, i64::MAX)?;
        }
        Ok(())
    }

    /// Whether what was received at `time_ms` belongs to the next file.
    pub(in crate::recorder) fn rotation_is_due(&self, time_ms: i64) -> bool {
        let due = time_ms >= self.period_end_ms || self.unfinished.is_some();
        due && time_ms >= self.rotate_again_ms
    }

    /// Closes the file and begins the next one. Everything must have been written before.
    /// `last_message_ms` is when the last message came: from there on the next ledger says what was
    /// recorded, so that a connection found dead later was not called live in a closed one. Gives
    /// the closed file. When rotation fails the old file goes on, and it is tried again a minute
    /// later.
    pub(in crate::recorder) fn rotate(
        &mut self,
        now_ms: i64,
        last_message_ms: i64,
    ) -> Option<PathBuf> {
        let rotate = self.rotate?;
        // The ledger's rows go into the ledger that they were meant for.
        let result = self.sync().and_then(|()| self.check_ledger(now_ms));
        let state = self.ledger.last.clone();
        let result = result.and_then(|()| match self.unfinished.take() {
            Some(closed) => {
                self.close_ledger(state.time_ms);
                self.finish_rotation(closed, &state, now_ms)
            }
            None => {
                self.rotate_file(rotate, &state, self.period_end_ms - 1, now_ms, last_message_ms)
            }
        });
        result
            .inspect_err(|error| {
                warn!(
                    "cannot rotate {}: {}; rows go on into it, and the rotation is tried again later",
                    self.out.display(),
                    in_words(&error)
                );
                self.rotate_again_ms = now_ms + ROTATE_AGAIN_MS;
                self.ledger.repeat(&state);
            })
            .ok()
    }

    /// The order makes a kill harmless at any step: the next file exists before the old one is
    /// renamed, the recording is renamed before its ledger, and the ledger says `rotated` before.
    fn rotate_file(
        &mut self,
        rotate: Rotate,
        state: &LedgerRow,
        period_ms: i64,
        now_ms: i64,
        last_message_ms: i64,
    ) -> io::Result<PathBuf> {
        let next_name = next_path(&self.out);
        let next = begin_file(&next_name, &self.header, now_ms)?;
        self.close_ledger(rotate.period_end(period_ms).min(last_message_ms));
        self.sync()?;
        let closed = loop {
            let closed = free_name(&self.out, rotate, period_ms)?;
            match disk::rename_no_replace(&self.out, &closed) {
                // Made by somebody just now; there are other names.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => break other.map(|()| closed)?,
            }
        };
        // A power cut must not keep only the second of two renamings.
        sync_directory(&self.out)?;
        disk::rename_no_replace(&next_name, &self.out)?;
        self.csv = next;
        self.generation += 1;
        self.period_end_ms = rotate.period_end(now_ms);
        info!("closed {}", closed.display());
        self.finish_rotation(closed, state, now_ms)
    }

    /// Says in the ledger that the recording goes on in another file from `at_ms` on.
    fn close_ledger(&mut self, at_ms: i64) {
        if self.ledger.last.live {
            self.ledger.down(at_ms, ROTATED);
        }
    }

    /// Lets the ledger follow its recording; gives the closed recording.
    fn finish_rotation(
        &mut self,
        closed: PathBuf,
        state: &LedgerRow,
        now_ms: i64,
    ) -> io::Result<PathBuf> {
        let result = sync_directory(&self.out)
            .and_then(|()| self.write_heartbeat(None))
            .and_then(|()| self.sync())
            .and_then(|()| self.replace_ledger(&closed, state, now_ms));
        if let Err(error) = result {
            self.unfinished = Some(closed);
            return Err(error);
        }
        self.write_heartbeat(Some(now_ms))?;
        Ok(closed)
    }

    /// Gives the ledger the name that belongs to the `closed` recording, and begins a new one with
    /// the `state` that holds.
    fn replace_ledger(&mut self, closed: &Path, state: &LedgerRow, now_ms: i64) -> io::Result<()> {
        let path = self.ledger_path.clone();
        let next_name = next_path(&path);
        let next = begin_file(&next_name, ledger::HEADER, now_ms)?;
        let mut next = Ledger::resume(next)?;
        let since_ms = self.ledger.last.time_ms;
        if since_ms > 0 {
            next.push(LedgerRow { time_ms: since_ms, ..state.clone() });
        }
        next.flush_all()?;
        next.file.sync()?;
        disk::rename_no_replace(&path, &ledger_path(closed))?;
        sync_directory(&path)?;
        disk::rename_no_replace(&next_name, &path)?;
        self.ledger = next;
        self.generation += 1;
        sync_directory(&path)
    }
}

/// A new file with nothing but its header, locked as the recording is.
fn begin_file(path: &Path, header: &str, now_ms: i64) -> io::Result<AppendFile> {
    disk::remove_if_exists(path)?;
    Ok(open_rows(path, header, 0, now_ms)?)
}
