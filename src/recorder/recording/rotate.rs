//! Closing the files of a recording and going on in new ones.
//!
//! Main thread at the start, writer thread later. The steps:
//!
//! 1. the ledger gets the name that belongs to the closed file;
//! 2. the recording gets the name of the closed file;
//! 3. a new file with a header gets the name of the recording;
//! 4. the closed ledger says `rotated`, on the disk;
//! 5. a new ledger, with the state that holds, gets the name of the ledger.
//!
//! A system that refuses to rename a file (it is mounted, its folder is append-only) does so at 1 or
//! 2, before anything is made or written. When a step fails, those before it are undone. After a kill
//! between two of them, the next start ends the rotation (`cut_rotation`).

use std::io;
use std::path::{Path, PathBuf};

use log::{info, warn};

use super::Recording;
use crate::recorder::append_file::AppendFile;
use crate::recorder::disk::{self, sync_directory};
use crate::recorder::ledger::{self, Ledger};
use crate::recorder::open::begin_beside;
use crate::recorder::rotation::{Rotate, free_name};
use crate::recording::ledger::{LedgerRow, Reason};
use crate::recording::names::{closed_ledger, ledger_path};
use crate::text::in_words;

/// After a rotation that failed, rows go on into the old file for this long before another try.
const ROTATE_AGAIN_MS: i64 = 60_000;

/// A time that is so much before the period of the file is of a clock that was set back, by more than the
/// usual corrections.
const SET_BACK_MS: i64 = 60_000;

impl Recording {
    /// Whether what was received at `time_ms` belongs to the next file. After a clock that was ahead has been
    /// set right, the file goes on to the end of the period that it is now.
    pub(in crate::recorder) fn rotation_is_due(&mut self, time_ms: i64) -> bool {
        let Some(rotate) = self.rotate else { return false };
        if time_ms < self.period_end_ms.saturating_sub(rotate.period_ms() + SET_BACK_MS) {
            self.period_end_ms = rotate.period_end(time_ms);
        }
        let wait_ms = self.rotate_again_ms.saturating_sub(time_ms);
        time_ms >= self.period_end_ms && !(1..=ROTATE_AGAIN_MS).contains(&wait_ms)
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
        let closed = match self.close(rotate, now_ms, last_message_ms) {
            Ok(closed) => closed,
            Err(error) => {
                warn!(
                    "cannot rotate {}: {}; rows go on into it, and the rotation is tried again later",
                    self.out.display(),
                    in_words(&error)
                );
                self.rotate_again_ms = now_ms + ROTATE_AGAIN_MS;
                return None;
            }
        };
        info!("closed {}", closed.display());
        self.period_end_ms = rotate.period_end(now_ms);
        if let Err(error) = self.sync_new_files(now_ms) {
            warn!("{} may not be on the disk yet: {}", self.out.display(), in_words(&error));
        }
        Some(closed)
    }

    /// Does the steps; gives the closed recording.
    fn close(&mut self, rotate: Rotate, now_ms: i64, last_message_ms: i64) -> io::Result<PathBuf> {
        // The ledger's rows go into the ledger that they were meant for.
        self.sync()?;
        self.check_ledger(now_ms, last_message_ms)?;
        // By this the next start knows the closed file, should a kill come before its ledger is there.
        let _ = self.write_heartbeat(Some(now_ms));
        // By the date of its last row, whatever the clock has been since.
        let named_ms = self.last_row_ms.unwrap_or(self.period_end_ms - 1);
        let closed = free_name(&self.out, &self.ledger_path, rotate, named_ms)?;
        let at_ms = self.period_end_ms.min(last_message_ms);
        self.rename_ledger(&closed, |recording| recording.close_csv(&closed, at_ms))?;
        Ok(closed)
    }

    /// Step 1, and then the `others`.
    pub(super) fn rename_ledger(
        &mut self,
        closed: &Path,
        others: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let (ledger, beside) = (closed_ledger(&self.ledger_path, closed), ledger_path(closed));
        disk::rename_no_replace(&self.ledger_path, &ledger)?;
        let result = others(self);
        if result.is_err() {
            let _ = disk::rename_no_replace(&ledger, &self.ledger_path);
        } else if ledger != beside
            && let Err(error) = disk::link(&ledger, &beside)
        {
            // The live one is a link to another folder; so is the closed one.
            warn!("cannot make {} a link to its ledger: {}", beside.display(), in_words(&error));
        }
        result
    }

    /// Steps 2 to 5.
    fn close_csv(&mut self, closed: &Path, at_ms: i64) -> io::Result<()> {
        disk::rename_no_replace(&self.out, closed)?;
        let result = self.begin_csv().and_then(|csv| {
            let result = self.begin_ledger(at_ms);
            match result {
                Ok(()) => (self.csv, self.last_row_ms) = (csv, None),
                // It holds nothing but a header.
                Err(_) => drop(disk::remove(&self.out)),
            }
            result
        });
        if result.is_err() {
            let _ = disk::rename_no_replace(closed, &self.out);
        }
        result
    }

    /// Step 3.
    fn begin_csv(&self) -> io::Result<AppendFile> {
        let (name, csv) = begin_beside(&self.out, &self.header)?;
        // A power cut must not keep only the second of two renamings.
        let begun = sync_directory(&self.out);
        let begun = begun.and_then(|()| disk::rename_no_replace(&name, &self.out));
        begun.inspect_err(|_| drop(disk::remove(&name)))?;
        Ok(csv)
    }

    /// Steps 4 and 5.
    pub(super) fn begin_ledger(&mut self, at_ms: i64) -> io::Result<()> {
        let (name, next) = begin_beside(&self.ledger_path, ledger::HEADER)?;
        let state = self.ledger.last.clone();
        if state.is_live() {
            self.ledger.down(at_ms, Reason::Rotated);
        }
        let since_ms = self.ledger.last.time_ms;
        let begun = begin_ledger(next, LedgerRow { time_ms: since_ms, ..state.clone() });
        let begun = begun.and_then(|next| {
            self.sync_ledger()?;
            sync_directory(&self.ledger_path)?;
            disk::rename_no_replace(&name, &self.ledger_path)?;
            Ok(next)
        });
        if begun.is_err() {
            let _ = disk::remove(&name);
            self.ledger.take_back(&state);
        }
        self.ledger = begun?;
        self.generation += 1;
        Ok(())
    }

    /// Forces the names and the new files to the disk.
    pub(super) fn sync_new_files(&mut self, now_ms: i64) -> io::Result<()> {
        sync_directory(&self.out)?;
        sync_directory(&self.ledger_path)?;
        // Before the first row: who reads along must not take the new file for the old one.
        self.write_heartbeat(None)?;
        self.sync()?;
        self.write_heartbeat(Some(now_ms))
    }
}

/// A new ledger in which `state` holds, if there is one yet.
fn begin_ledger(next: AppendFile, state: LedgerRow) -> io::Result<Ledger> {
    let mut next = Ledger::resume(next)?;
    if state.time_ms > 0 {
        next.push(state);
        next.flush_all()?;
    }
    Ok(next)
}
