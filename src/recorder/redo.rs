//! Replaces the end of a file in place, at a cost that depends on that end only. The new end is first written to
//! a file beside it, so that a kill, a power cut or a full disk at any instant loses and doubles nothing.
//!
//! Main thread at the start, writer thread later; only the holder of the lock.
//!
//! `op1.csv.redo-<time>` has one line, and then the bytes of the new end:
//!
//! ```text
//! finnhub-stream redo 1 OFFSET OLD-LENGTH BYTES BEFORE BEHIND CHECK
//! ```
//!
//! OFFSET is where the new end begins, OLD-LENGTH the old length of the file, BYTES the number of bytes. BEFORE and
//! BEHIND are hashes of parts that do not change meanwhile, to recognise the file: up to 4 KiB before the offset,
//! and the last bytes of the part that is to be cut off. CHECK is a hash of everything else.
//!
//! 1. The recording is forced to the disk, and so are the redo file and its name.
//! 2. The new end is written over the bytes at the offset, which needs no room on the disk; the recording is
//!    cut behind it and forced to the disk.
//! 3. The redo file is removed, and that is forced to the disk before another row is appended.
//!
//! Before the end of step 1 the recording is unchanged. After it, the next check of the file or the next start
//! does step 2 again as a whole.

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

/// The beginning of a redo file. The number changes when an older program must not read it.
const FORMAT: &str = "finnhub-stream redo 1 ";

/// Bytes of a part by which the recording is recognised.
const KNOWN_BY: u64 = 4 << 10;

/// A redo file, from the end of step 1 on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Redo {
    /// Its path.
    name: PathBuf,
    offset: u64,
    old_length: u64,
    before: u64,
    behind: u64,
    bytes: Vec<u8>,
}

/// Step 1: the file at `path` is to have `bytes` at `offset`, and nothing behind them.
///
/// # Errors
/// When the disk refuses something; then no redo file is left.
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
    // Else a full disk would get another file at each try.
    write().inspect_err(|_| drop(disk::remove(&name)))
}

/// Finishes the replacement that a kill, a power cut or an error has interrupted in the file at `path`, if there
/// is one. Answers whether the file was changed.
///
/// # Errors
/// When the disk refuses something; then this must be called again before a row is appended.
pub(super) fn finish(path: &Path, disk: &mut DiskFile, now_ms: i64) -> io::Result<bool> {
    let mut is_changed = false;
    let left = match left_beside(path, REDO, FORMAT.as_bytes()) {
        // The folder is writable, but not readable.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(false),
        left => left?,
    };
    for name in left {
        match Redo::parse(&name, &fs::read(&name)?) {
            // The redo file was never whole, so that the recording is unchanged.
            None => disk::remove(&name)?,
            Some(redo) if redo.fits(disk)? => {
                redo.apply(disk)?;
                is_changed = true;
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
    Ok(is_changed)
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

    /// Whether the file is the one that this was made for, at any instant of step 2.
    fn fits(&self, disk: &DiskFile) -> io::Result<bool> {
        let (length, new) = (disk.length()?, self.new_length());
        // Cut already or still growing; or the part to be cut off is unchanged.
        let is_there = (length <= new && length >= new.min(self.old_length))
            || (length == self.old_length && self.behind == hash(disk, self.part_behind())?);
        Ok(is_there && self.before == hash(disk, self.part_before())?)
    }

    /// Steps 2 and 3.
    ///
    /// # Errors
    /// When the disk refuses something; then [`finish`] does the rest.
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

    /// Reads the content of the redo file `name`; `None` when it is not whole.
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

/// The hash of a part of a file, as far as the file reaches.
fn hash(disk: &DiskFile, part: Range<u64>) -> io::Result<u64> {
    let length = part.end.min(disk.length()?).saturating_sub(part.start);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    disk.file().read_exact_at(&mut bytes, part.start)?;
    Ok(fnv1a(&bytes))
}
