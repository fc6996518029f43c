//! Closing the files of a recording and going on in new ones.
//!
//! Main thread at the start, writer thread later. The steps:
//!
//! 1. the ledger gets the name that belongs to the closed file;
//! 2. the recording gets the name of the closed file;
//! 3. a new file with a header gets the name of the recording;
//! 4. the closed ledger says `rotated`, on the disk;
//! 5. a new ledger, with the present state, gets the name of the ledger.
//!
//! A system that refuses to rename a file (it is mounted, its folder is append-only) does so at 1 or
//! 2, before anything is made or written. When a step fails, those before it are undone. After a kill
//! between two of them, the next start ends the rotation (`cut_rotation`).

use std::io;
use std::path::{Path, PathBuf};

use log::warn;

use super::coverage::Coverage;
use super::csv_file::CsvFile;
use super::period::Period;
use super::sync::Files;
use crate::recorder::append_file::AppendFile;
use crate::recorder::disk::{self, sync_directory};
use crate::recorder::ledger::{self, Ledger};
use crate::recorder::open::begin_beside;
use crate::recorder::rotation::free_name;
use crate::recording::ledger::{LedgerRow, Reason};
use crate::recording::names::{closed_ledger, ledger_path};
use crate::text::in_words;

/// The files that are closed and begun anew.
#[derive(Debug)]
pub(super) struct Rotation<'a> {
    pub(super) csv: &'a mut CsvFile,
    pub(super) coverage: &'a mut Coverage,
}

impl Rotation<'_> {
    fn files(&mut self) -> Files<'_> {
        Files { rows: Some(&mut self.csv.rows), coverage: self.coverage }
    }

    /// Closes the file of `period` and begins the next one; gives the closed recording. Everything must
    /// have been written before. The closed ledger counts no further than `last_message_ms`, when the last
    /// message came: a connection that is found dead later must not be called live in it. The new files are not on the disk yet.
    pub(super) fn close(
        &mut self,
        period: &Period,
        now_ms: i64,
        last_message_ms: i64,
    ) -> io::Result<PathBuf> {
        // Waiting rows of the ledger belong into the old one.
        self.files().sync()?;
        self.coverage.check(Some(&mut self.csv.rows), now_ms, last_message_ms)?;
        // By this heartbeat the next start recognises the closed file after a kill before step 5.
        let _ = self.files().write_heartbeat(Some(now_ms));
        // By the date of its last row, whatever the clock has been since.
        let named_ms = self.csv.last_row_ms.unwrap_or(period.end_ms - 1);
        let closed = free_name(&self.csv.path, &self.coverage.path, period.rotate, named_ms)?;
        let at_ms = period.end_ms.min(last_message_ms);
        self.rename_ledger(&closed, |rotation| rotation.close_csv(&closed, at_ms))?;
        Ok(closed)
    }

    /// Step 1, and then the `others`.
    pub(super) fn rename_ledger(
        &mut self,
        closed: &Path,
        others: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let (ledger, beside) = (closed_ledger(&self.coverage.path, closed), ledger_path(closed));
        disk::rename_no_replace(&self.coverage.path, &ledger)?;
        let result = others(self);
        if result.is_err() {
            let _ = disk::rename_no_replace(&ledger, &self.coverage.path);
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
        disk::rename_no_replace(&self.csv.path, closed)?;
        let result = self.begin_csv().and_then(|rows| {
            let result = self.begin_ledger(at_ms);
            match result {
                Ok(()) => (self.csv.rows, self.csv.last_row_ms) = (rows, None),
                // It holds nothing but a header.
                Err(_) => drop(disk::remove(&self.csv.path)),
            }
            result
        });
        if result.is_err() {
            let _ = disk::rename_no_replace(closed, &self.csv.path);
        }
        result
    }

    /// Step 3.
    fn begin_csv(&self) -> io::Result<AppendFile> {
        let (name, rows) = begin_beside(&self.csv.path, &self.csv.header)?;
        // A power cut must not keep only the second of two renamings.
        let begun = sync_directory(&self.csv.path);
        let begun = begun.and_then(|()| disk::rename_no_replace(&name, &self.csv.path));
        begun.inspect_err(|_| drop(disk::remove(&name)))?;
        Ok(rows)
    }

    /// Steps 4 and 5.
    pub(super) fn begin_ledger(&mut self, at_ms: i64) -> io::Result<()> {
        let (name, next) = begin_beside(&self.coverage.path, ledger::HEADER)?;
        let state = self.coverage.ledger.last.clone();
        if state.is_live() {
            self.coverage.ledger.down(at_ms, Reason::Rotated);
        }
        let since_ms = self.coverage.ledger.last.time_ms;
        let begun = begin_ledger(next, LedgerRow { time_ms: since_ms, ..state.clone() });
        let begun = begun.and_then(|next| {
            self.files().sync_ledger()?;
            sync_directory(&self.coverage.path)?;
            disk::rename_no_replace(&name, &self.coverage.path)?;
            Ok(next)
        });
        if begun.is_err() {
            let _ = disk::remove(&name);
            self.coverage.ledger.take_back(&state);
        }
        self.coverage.ledger = begun?;
        self.coverage.generation += 1;
        Ok(())
    }

    /// Forces the names and the new files to the disk.
    pub(super) fn sync_new_files(&mut self, now_ms: i64) -> io::Result<()> {
        sync_directory(&self.csv.path)?;
        sync_directory(&self.coverage.path)?;
        // Before the first row: a program that reads along must not take the new file for the old one.
        self.files().write_heartbeat(None)?;
        self.files().sync()?;
        self.files().write_heartbeat(Some(now_ms))
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
