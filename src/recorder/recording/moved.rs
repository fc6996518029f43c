//! Files that somebody moves away, removes or empties while they are being recorded.
//!
//! Writer thread, at each proof of life. The rows until then are where the old file went; from then
//! on they stand under the name that was asked for.

use std::fs;
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use log::warn;

use super::{Recording, open_anew};
use crate::recorder::coverage::{self, Ledger, ledger_path};
use crate::recorder::disk::DiskFile;

/// What can have come between two looks at an emptied file. More means that it was cut rather than
/// emptied, and is left as it is.
const LARGEST_REST: u64 = 64 << 20;

impl Recording {
    /// Makes files that are gone anew, and gives an emptied recording its header back. Everything
    /// must have been handed over before.
    pub(in crate::recorder) fn look_after_files(&mut self, now_ms: i64) -> io::Result<()> {
        let out = self.out.clone();
        if !stands_at(&out, self.csv.disk())? {
            // What the old file holds is not ours to lose, wherever it is now.
            self.csv.sync()?;
            self.csv = open_anew(&out, &self.header, now_ms)?;
            self.generation += 1;
            // Before the first row: who reads along must not take it for the old file.
            self.prove_sync()?;
            warn!("{} was moved or removed; a new one was begun", out.display());
        } else if self.csv.disk().length()? < self.csv.length() {
            self.heal_cut_file()?;
            warn!("{} was emptied or cut by somebody; it goes on behind that", out.display());
        }
        let path = ledger_path(&out);
        if !stands_at(&path, self.ledger.file().disk())? {
            self.ledger.sync()?;
            let mut next = Ledger::resume(open_anew(&path, coverage::HEADER, now_ms)?)?;
            next.carry_over(&self.ledger, "");
            next.hand_over_all()?;
            self.ledger = next;
            self.generation += 1;
            warn!("{} was moved or removed; a new one was begun", path.display());
        }
        Ok(())
    }

    /// Puts the header back in front of the rows that came after the file was emptied.
    fn heal_cut_file(&mut self) -> io::Result<()> {
        let mut file = self.csv.disk().file();
        let length = file.metadata()?.len();
        if length <= LARGEST_REST {
            file.rewind()?;
            let mut rest = self.header.clone().into_bytes();
            file.read_to_end(&mut rest)?;
            let found = &rest[self.header.len()..];
            let found = found.strip_prefix("\u{feff}".as_bytes()).unwrap_or(found);
            if !found.starts_with(self.header.trim_end().as_bytes()) {
                self.csv.begin_again()?;
                self.csv.append(&rest)?;
            }
        }
        let length = self.csv.disk().length()?;
        self.csv.was_cut_to(length);
        self.generation += 1;
        self.prove_sync()
    }
}

/// Whether the open file is the one that the name leads to.
fn stands_at(path: &Path, disk: &DiskFile) -> io::Result<bool> {
    let ours = disk.file().metadata()?;
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
