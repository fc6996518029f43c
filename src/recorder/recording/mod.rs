//! The files of a recording as one thing: the CSV, its ledger and its lock, through rotation too.
//!
//! Opened on the main thread before any connection, then used by the writer thread alone.

mod external_changes;

use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};

use log::{info, warn};

use super::append_file::AppendFile;
use super::disk::{self, next_path, sync_directory};
use super::error::{OpenError, failed};
use super::fsync::SyncRequest;
use super::header::header;
use super::ledger::{LastRow, Ledger, ledger_path};
use super::lock_file::{LockFile, ProofOfLife, lock_path};
use super::open::{open_anew, open_ledger, open_recording};
use super::options::Fsync;
use super::rotation::{Archive, Rotate, archive_without_ledger, free_archive};
use crate::channel::SyncOutcome;
use crate::recorder::columns::Column;

/// The reason in the ledger of a closed file: what came next is in another one.
const ROTATED: &str = "rotated";

/// After a rotation that failed, rows go on into the old file for this long before another try.
const ROTATE_AGAIN_MS: i64 = 60_000;

/// Open, whole, locked files.
#[derive(Debug)]
pub(super) struct Recording {
    out: PathBuf,
    header: String,
    csv: AppendFile,
    ledger: Ledger,
    lock: LockFile,
    rotate: Option<Rotate>,
    /// Rows received from this time on belong to the next file.
    period_end_ms: i64,
    /// After a rotation that failed, it is not tried before this time.
    rotate_again_ms: i64,
    /// A closed recording whose ledger could not follow it yet.
    unfinished: Option<Archive>,
    /// Counts the files through rotations.
    generation: u64,
}

impl Recording {
    /// Opens the files at `out`, repairs what a crash left, closes the ledger of a process that was
    /// killed and a file of an earlier period.
    pub(super) fn open(
        out: &Path,
        columns: &[Column],
        rotate: Option<Rotate>,
        fsync: Fsync,
        now_ms: i64,
    ) -> Result<Recording, OpenError> {
        // Before a repair, which changes it.
        let modified_ms = modified_ms(out);
        let opened = open_recording(out, columns, fsync, now_ms)?;
        let ledger_path = ledger_path(out);
        for path in [out, &ledger_path] {
            // A kill may have left one.
            let _ = disk::remove_if_there(&next_path(path));
        }
        let (ledger_file, ledger_notes) = open_ledger(&ledger_path, now_ms)?;
        let ledger = Ledger::resume(ledger_file).map_err(failed("read", &ledger_path))?;
        for note in opened.notes.iter().chain(&ledger_notes) {
            warn!("{note}");
        }
        let mut recording = Recording {
            // The working directory may be removed and made anew.
            out: path::absolute(out).map_err(failed("find", out))?,
            header: header(columns),
            csv: opened.csv,
            ledger,
            lock: opened.lock,
            rotate,
            period_end_ms: rotate.map_or(i64::MAX, |rotate| rotate.period_end(now_ms)),
            rotate_again_ms: i64::MIN,
            unfinished: None,
            generation: 0,
        };
        if recording.ledger.last().live {
            recording.tell_end(&opened.proof.unwrap_or_default(), opened.last_received_ms);
        }
        let last_row_ms = opened.last_received_ms.or(modified_ms);
        recording.catch_up(last_row_ms, now_ms).map_err(failed("rotate", out))?;
        recording.begin_proofs(now_ms);
        Ok(recording)
    }

    /// Closes the ledger of a process that ended without a stop. What its proof of life says counts
    /// only if it goes on from the very row that the ledger ends with, and if everything it found
    /// in the file is still there: either may be gone while the proof is not.
    fn tell_end(&mut self, proof: &ProofOfLife, last_received_ms: Option<i64>) {
        let booted = self.lock.last().boot.is_some() && proof.boot.is_some();
        let power_cut = booted && self.lock.last().boot != proof.boot;
        let reason = if power_cut { "power cut" } else { "killed" };
        let mut last_ms = last_received_ms;
        if proof.live_ms == Some(self.ledger.last().time_ms) {
            if !power_cut && proof.written_length <= self.csv.length() {
                last_ms = last_ms.max(Some(proof.time_ms));
            } else {
                last_ms = last_ms.or(Some(proof.synced_ms));
            }
        }
        // Not before the ledger's last row, if nothing else is known.
        self.ledger.down(last_ms.unwrap_or_default(), reason);
        // Before anything that comes later can be on the disk. On a full one it waits like every
        // other row; that is no reason not to record.
        let _ = self.ledger.hand_over_all().and_then(|()| self.ledger.sync());
        warn!("the last recording ended without a stop; the ledger says {reason}");
    }

    /// From here on the proof is of this process, unless the ledger still needs the last one.
    fn begin_proofs(&mut self, now_ms: i64) {
        if !self.ledger.has_pending() {
            // Forced to the disk, so that a power cut soon after is known for one. Without it the
            // end would be dated earlier than need be; nothing else is lost.
            let _ = self.prove_life(now_ms).and_then(|()| self.lock.sync());
        }
    }

    /// Ends a rotation that a kill has cut in two, and closes a file of an earlier period.
    fn catch_up(&mut self, last_row_ms: Option<i64>, now_ms: i64) -> io::Result<()> {
        let Some(rotate) = self.rotate else { return Ok(()) };
        let last = self.ledger.last();
        if last.reason == ROTATED
            && let Some(archive) = archive_without_ledger(&self.out, rotate, last.time_ms - 1)
        {
            self.replace_ledger(&archive, now_ms)?;
        }
        if self.csv.length() <= self.header.len() as u64 {
            return Ok(());
        }
        let Some(last_row_ms) = last_row_ms else { return Ok(()) };
        if rotate.period_end(last_row_ms) <= now_ms {
            self.rotate_file(rotate, last_row_ms, now_ms, i64::MAX)?;
        }
        Ok(())
    }

    /// Removes those of its files that are `new` and hold no row; the lock last.
    pub(super) fn remove_empty(&mut self, new: &[PathBuf]) -> io::Result<()> {
        let no_row = self.csv.length() <= self.header.len() as u64;
        let no_state = self.ledger.file().length() <= super::ledger::HEADER.len() as u64;
        for (path, is_empty) in [
            (self.out.clone(), no_row),
            (ledger_path(&self.out), no_state),
            (lock_path(&self.out), true),
        ] {
            if is_empty && new.contains(&path) {
                disk::remove(&path)?;
            }
        }
        Ok(())
    }

    /// Appends whole rows: all of them or none.
    pub(super) fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        self.csv.append(rows)
    }

    /// The size of the CSV in bytes.
    pub(super) fn length(&self) -> u64 {
        self.csv.length()
    }

    /// The ledger.
    pub(super) fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// Whether something is not known to be on the disk.
    pub(super) fn is_dirty(&mut self) -> bool {
        self.csv.is_dirty() || self.ledger.file().is_dirty()
    }

    /// Whether forcing to the disk has failed, so that the tail must be written again.
    pub(super) fn is_in_doubt(&mut self) -> bool {
        self.csv.is_in_doubt() || self.ledger.file().is_in_doubt()
    }

    /// Forces everything to the disk: the rows, then what the ledger says of them. Everything must
    /// have been handed over before.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.sync_rows()?;
        self.settle_ledger()
    }

    /// The rows' part of it.
    pub(super) fn sync_rows(&mut self) -> io::Result<()> {
        if self.csv.is_dirty() { self.csv.sync() } else { Ok(()) }
    }

    /// The ledger's part of it, when that of the rows is done.
    pub(super) fn settle_ledger(&mut self) -> io::Result<()> {
        self.release_ledger();
        self.ledger.hand_over()?;
        self.ledger.sync()
    }

    /// Lets the ledger's rows go to the disk, if every trade before them is there. To be asked when
    /// nothing that comes before them waits in memory.
    pub(super) fn release_ledger(&mut self) {
        if !self.csv.is_dirty() {
            self.ledger.release(self.ledger.rows());
        }
    }

    /// What must be forced to the disk now, for another thread to do so; `None` when there is
    /// nothing, or when a failure asks for [`Recording::sync`].
    pub(super) fn sync_request(&mut self) -> Option<SyncRequest> {
        if !self.is_dirty() || self.is_in_doubt() {
            return None;
        }
        let ledger_rows = self.ledger.rows();
        let ledger = self.ledger.file();
        // Without another handle it is simply done here.
        Some(SyncRequest {
            csv: self.csv.disk().try_clone().ok()?,
            ledger: ledger.disk().try_clone().ok()?,
            outcome: SyncOutcome {
                generation: self.generation,
                csv_length: self.csv.length(),
                ledger_length: ledger.length(),
                ledger_rows,
                error: None,
            },
        })
    }

    /// Notes what came of a [`Recording::sync_request`].
    pub(super) fn synced(&mut self, outcome: &SyncOutcome) {
        // The files of an earlier generation were forced to the disk when they were closed.
        if outcome.generation == self.generation {
            let succeeded = outcome.error.is_none();
            self.csv.synced_elsewhere(outcome.csv_length, succeeded);
            self.ledger.file().synced_elsewhere(outcome.ledger_length, succeeded);
            if succeeded {
                self.ledger.release(outcome.ledger_rows);
            }
        }
    }

    /// Leaves word that everything received until now is in the file, and every row of the ledger.
    pub(super) fn prove_life(&mut self, now_ms: i64) -> io::Result<()> {
        let LastRow { time_ms, live, .. } = *self.ledger.last();
        let mut proof = self.proof_of_sync();
        proof.time_ms = now_ms;
        proof.written_length = self.csv.length();
        proof.live_ms = live.then_some(time_ms);
        if !self.csv.is_dirty() {
            proof.synced_ms = now_ms;
        }
        self.lock.prove(proof)
    }

    /// Leaves word of what is on the disk, whatever waits.
    pub(super) fn prove_sync(&mut self) -> io::Result<()> {
        // Before our first whole proof the next start may still need that of the last holder.
        if self.lock.last().time_ms == 0 {
            return Ok(());
        }
        let proof = self.proof_of_sync();
        self.lock.prove(proof)
    }

    fn proof_of_sync(&self) -> ProofOfLife {
        let last = self.lock.last().clone();
        let synced_length = self.csv.synced_length();
        let synced_ms =
            if synced_length >= last.written_length { last.time_ms } else { last.synced_ms };
        ProofOfLife { synced_length, synced_ms, ..last }
    }

    /// Whether what was received at `time_ms` belongs to the next file.
    pub(super) fn rotation_is_due(&self, time_ms: i64) -> bool {
        let due = time_ms >= self.period_end_ms || self.unfinished.is_some();
        due && time_ms >= self.rotate_again_ms
    }

    /// Closes the file and begins the next one. Everything must have been handed over before.
    /// `last_message_ms` is the last sign of life of the connection: from there on the next ledger
    /// answers, so that a connection found dead later was not called live in a closed one. Gives
    /// the closed file. When rotation fails the old file goes on, and it is tried again a minute
    /// later.
    pub(super) fn rotate(&mut self, now_ms: i64, last_message_ms: i64) -> Option<PathBuf> {
        let rotate = self.rotate?;
        // The ledger's rows go into the ledger that they were meant for.
        let result = self.sync().and_then(|()| self.look_after_ledger(now_ms));
        let result = result.and_then(|()| match self.unfinished.take() {
            Some(archive) => {
                let since_ms = self.ledger.last().time_ms;
                self.ledger.close(since_ms, ROTATED);
                self.finish_rotation(archive, now_ms)
            }
            None => self.rotate_file(rotate, self.period_end_ms - 1, now_ms, last_message_ms),
        });
        result
            .inspect_err(|error| {
                warn!("cannot rotate {}: {error}; it goes on as it is for now", self.out.display());
                self.rotate_again_ms = now_ms + ROTATE_AGAIN_MS;
                self.ledger.reopen();
            })
            .ok()
    }

    /// The order makes a kill harmless at any step: the next file exists before the old one is
    /// renamed, the recording is renamed before its ledger, and the ledger says `rotated` before.
    fn rotate_file(
        &mut self,
        rotate: Rotate,
        period_ms: i64,
        now_ms: i64,
        last_message_ms: i64,
    ) -> io::Result<PathBuf> {
        let next_name = next_path(&self.out);
        let next = begin_file(&next_name, &self.header, now_ms)?;
        self.ledger.close(rotate.period_end(period_ms).min(last_message_ms), ROTATED);
        self.sync()?;
        let archive = loop {
            let archive = free_archive(&self.out, rotate, period_ms)?;
            match disk::rename_to_free(&self.out, &archive.csv) {
                // Made by somebody just now; there are other names.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => break other.map(|()| archive)?,
            }
        };
        // A power cut must not keep only the second of two renamings.
        sync_directory(&self.out)?;
        disk::rename_to_free(&next_name, &self.out)?;
        self.csv = next;
        self.generation += 1;
        self.period_end_ms = rotate.period_end(now_ms);
        info!("closed {}", archive.csv.display());
        self.finish_rotation(archive, now_ms)
    }

    /// Lets the ledger follow its recording; gives the closed recording.
    fn finish_rotation(&mut self, archive: Archive, now_ms: i64) -> io::Result<PathBuf> {
        let result = sync_directory(&self.out)
            .and_then(|()| self.prove_sync())
            .and_then(|()| self.sync())
            .and_then(|()| self.replace_ledger(&archive, now_ms));
        if let Err(error) = result {
            self.unfinished = Some(archive);
            return Err(error);
        }
        self.prove_life(now_ms)?;
        Ok(archive.csv)
    }

    /// Renames the ledger and begins a new one with the state that holds.
    fn replace_ledger(&mut self, archive: &Archive, now_ms: i64) -> io::Result<()> {
        let path = ledger_path(&self.out);
        let next_name = next_path(&path);
        let next = begin_file(&next_name, super::ledger::HEADER, now_ms)?;
        let mut next = Ledger::resume(next)?;
        next.carry_over(&self.ledger, ROTATED);
        next.hand_over_all()?;
        next.sync()?;
        disk::rename_to_free(&path, &archive.ledger)?;
        sync_directory(&path)?;
        disk::rename_to_free(&next_name, &path)?;
        self.ledger = next;
        self.generation += 1;
        sync_directory(&path)
    }
}

/// A new file with nothing but its header, locked as the recording is.
fn begin_file(path: &Path, header: &str, now_ms: i64) -> io::Result<AppendFile> {
    disk::remove_if_there(path)?;
    open_anew(path, header, now_ms)
}

/// When the file was last written: the best guess for rows without `received_ms`.
fn modified_ms(path: &Path) -> Option<i64> {
    let modified = fs::metadata(path).ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests;
