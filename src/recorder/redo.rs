//! Putting the end of a file right in its place, at the cost of that end: what is to be there is first
//! written to a file beside it, so that a kill, a power cut or a full disk at any instant loses none
//! of it and doubles none.
//!
//! Main thread at the start, writer thread later; only the holder of the lock.
//!
//! `op1.csv.redo-<time>` is a line and the bytes that the file ends with when all is done:
//!
//! ```text
//! finnhub-stream redo 1 OFFSET OLD-LENGTH BYTES BEFORE BEHIND CHECK
//! ```
//!
//! OFFSET says where they begin, OLD-LENGTH how long the file was. BEFORE and BEHIND are hashes of what
//! does not change meanwhile, by which the file is known again: up to 4 KiB before the offset, and the
//! last of what is to be cut off. CHECK is a hash of everything else.
//!
//! 1. The file itself is forced to the disk, and this one, and its name.
//! 2. The bytes are written over what is at the offset, which needs no room on the disk, and the file
//!    is cut behind them and forced to the disk.
//! 3. This file is removed, and that is forced to the disk before another row is appended.
//!
//! Before the end of step 1 nothing has been changed. From there on step 2 is done again, as a whole,
//! by the next look at the file, or by the next start.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use log::{info, warn};
use memchr::memchr;

use super::beside::{REDO, TORN, create_beside, left_beside, rename_beside};
use super::disk::{self, DiskFile, sync_directory};
use crate::text::fnv1a;

/// How it begins. The number changes when an older program must not read it.
const FORMAT: &str = "finnhub-stream redo 1 ";

/// The bytes by which the file is known again.
const KNOWN_BY: u64 = 4 << 10;

/// The new end of a file, from the end of step 1 on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Redo {
    /// The file that holds this.
    name: PathBuf,
    offset: u64,
    old_length: u64,
    before: u64,
    behind: u64,
    bytes: Vec<u8>,
}

/// Step 1: the file at `path` is to have these bytes at `offset`, and nothing behind them.
///
/// # Errors
/// When the disk refuses something; then nothing is left of it.
pub(super) fn begin(
    path: &Path,
    disk: &mut DiskFile,
    offset: u64,
    bytes: Vec<u8>,
    now_ms: i64,
) -> io::Result<Redo> {
    disk.sync()?;
    let (name, mut file) = create_beside(path, REDO, now_ms)?;
    let write = || {
        let old_length = disk.length()?;
        let mut redo = Redo { name: name.clone(), offset, old_length, before: 0, behind: 0, bytes };
        redo.before = hash(disk, redo.part_before())?;
        redo.behind = hash(disk, redo.part_behind())?;
        file.write_all(&redo.to_bytes())?;
        file.sync()?;
        sync_directory(path)?;
        Ok(redo)
    };
    // A full disk would get another one at each try.
    write().inspect_err(|_| drop(disk::remove(&name)))
}

/// Ends what a kill, a power cut or an error has cut short in the file at `path`, if there is anything.
///
/// # Errors
/// When the disk refuses something; then it is to be tried again before a row is appended.
pub(super) fn finish(path: &Path, disk: &mut DiskFile, now_ms: i64) -> io::Result<()> {
    let left = match left_beside(path, REDO, FORMAT.as_bytes()) {
        // A folder that is only written to.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
        left => left?,
    };
    for name in left {
        match Redo::parse(&name, &fs::read(&name)?) {
            // It was never whole, so that nothing has been changed.
            None => disk::remove(&name)?,
            Some(redo) if redo.fits(disk)? => {
                redo.apply(disk)?;
                info!("{}: its end was put right, which had been cut short", path.display());
            }
            Some(_) => {
                let aside = rename_beside(&name, path, TORN, now_ms)?;
                let (path, aside) = (path.display(), aside.display());
                warn!(
                    "{path} was changed by somebody while its end was put right; that is in {aside}"
                );
            }
        }
    }
    Ok(())
}

impl Redo {
    fn new_length(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }

    fn part_before(&self) -> Range<u64> {
        self.offset.saturating_sub(KNOWN_BY)..self.offset
    }

    fn part_behind(&self) -> Range<u64> {
        self.new_length().max(self.old_length.saturating_sub(KNOWN_BY))..self.old_length
    }

    /// Whether the file is one that this was made for, at any instant of step 2.
    fn fits(&self, disk: &DiskFile) -> io::Result<bool> {
        let (length, new) = (disk.length()?, self.new_length());
        // Cut already, or still growing; or nothing of what is behind has changed yet.
        let is_there = (length <= new && length >= new.min(self.old_length))
            || (length == self.old_length && self.behind == hash(disk, self.part_behind())?);
        Ok(is_there && self.before == hash(disk, self.part_before())?)
    }

    /// Steps 2 and 3.
    ///
    /// # Errors
    /// When the disk refuses something; then [`finish`] will end it.
    pub(super) fn apply(&self, disk: &mut DiskFile) -> io::Result<()> {
        disk.overwrite(&self.bytes, self.offset)?;
        disk.set_len(self.new_length())?;
        disk.sync()?;
        disk::remove(&self.name)?;
        sync_directory(&self.name)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let Self { offset, old_length, before, behind, bytes, .. } = self;
        let line =
            format!("{FORMAT}{offset} {old_length} {} {before:016x} {behind:016x}", bytes.len());
        let mut all = line.into_bytes();
        all.extend_from_slice(bytes);
        let check = fnv1a(&all);
        let end_of_line = all.len() - bytes.len();
        all.splice(end_of_line..end_of_line, format!(" {check:016x}\n").into_bytes());
        all
    }

    /// Reads it back from the file called `name`; `None` when it is not what was written.
    fn parse(name: &Path, all: &[u8]) -> Option<Self> {
        let end = memchr(b'\n', all)?;
        let line = str::from_utf8(&all[..end]).ok()?;
        let fields: Vec<&str> = line.strip_prefix(FORMAT)?.split(' ').collect();
        let [offset, old_length, _, before, behind, _] = fields[..] else { return None };
        let hash = |text| u64::from_str_radix(text, 16).ok();
        let redo = Self {
            name: name.to_owned(),
            offset: offset.parse().ok()?,
            old_length: old_length.parse().ok()?,
            before: hash(before)?,
            behind: hash(behind)?,
            bytes: all[end + 1..].to_vec(),
        };
        (redo.to_bytes() == all).then_some(redo)
    }
}

/// The hash of a part of a file, or of as much of it as is there.
fn hash(disk: &DiskFile, part: Range<u64>) -> io::Result<u64> {
    let length = part.end.min(disk.length()?).saturating_sub(part.start);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    disk.file().read_exact_at(&mut bytes, part.start)?;
    Ok(fnv1a(&bytes))
}
