//! What a power cut may leave of a disk, in the manner of ALICE and `CrashMonkey`.
//!
//! What was synced is there. Of the rest, each file has kept any beginning of what was done to it,
//! or has grown over zero bytes; and each creation, renaming and removal that no sync of the
//! directory covers has happened or not. Files and names are independent.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fastrand::Rng;

use super::trace::{FileId, Operation, name_of};

/// An overwriting within one sector happens or not. The lock's line is shorter than any sector.
const SECTOR_BYTES: usize = 512;

/// Files by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What has been done to one file since it was last synced.
#[derive(Debug, Clone, Default)]
struct Content {
    synced: Vec<u8>,
    pending: Vec<Operation>,
}

/// A disk after the first operations of a trace.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    contents: BTreeMap<FileId, Content>,
    synced_names: BTreeMap<String, FileId>,
    names: BTreeMap<String, FileId>,
    pending_names: Vec<Operation>,
}

/// Writes to a file, or cuts it.
fn change(bytes: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Write { offset, bytes: new, .. } => write(bytes, *offset, new),
        Operation::SetLen { length, .. } => bytes.resize(*length, 0),
        other => unreachable!("{other:?}"),
    }
}

fn write(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    let end = offset + new.len();
    bytes.resize(bytes.len().max(end), 0);
    bytes[offset..end].copy_from_slice(new);
}

/// Changes names.
fn name(names: &mut BTreeMap<String, FileId>, operation: &Operation) {
    let mut drop_name = |name, file| {
        if names.get(name) == Some(file) {
            names.remove(name);
        }
    };
    match operation {
        Operation::Create { name, file } => drop(names.insert(name.clone(), *file)),
        Operation::Rename { from, to, file } => {
            drop_name(from, file);
            names.insert(to.clone(), *file);
        }
        Operation::Remove { name, file } => drop_name(name, file),
        other => unreachable!("{other:?}"),
    }
}

impl Content {
    fn now(&self) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        self.pending.iter().for_each(|operation| change(&mut bytes, operation));
        bytes
    }

    /// What is left of it.
    fn after_power_cut(&self, dice: &mut Rng) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let whole = dice.usize(..=self.pending.len());
        self.pending[..whole].iter().for_each(|operation| change(&mut bytes, operation));
        match self.pending.get(whole) {
            // What grows the file, or is larger than a sector, may be cut at any byte.
            Some(Operation::Write { offset, bytes: new, .. })
                if offset + new.len() > bytes.len() || new.len() > SECTOR_BYTES =>
            {
                write(&mut bytes, *offset, &new[..dice.usize(..=new.len())]);
            }
            _ => return bytes,
        }
        let grown = self.now();
        if dice.bool() && grown.len() > bytes.len() {
            // The length is on the disk before the blocks are; some of the later ones may be, too.
            let known = bytes.len();
            bytes.resize(dice.usize(known..=grown.len()), 0);
            let block = dice.usize(known..=bytes.len());
            if dice.u8(..4) == 0 {
                let length = bytes.len();
                bytes[block..].copy_from_slice(&grown[block..length]);
            }
        }
        bytes
    }
}

impl Disk {
    /// Goes one step on.
    pub(super) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create { file, .. } => {
                self.contents.insert(*file, Content::default());
                self.rename(operation);
            }
            Operation::Rename { .. } | Operation::Remove { .. } => self.rename(operation),
            Operation::SyncDirectory => {
                self.pending_names.clear();
                self.synced_names = self.names.clone();
            }
            Operation::Write { file, .. } | Operation::SetLen { file, .. } => {
                self.content(*file).pending.push(operation.clone());
            }
            Operation::Sync { file } => {
                let content = self.content(*file);
                content.synced = content.now();
                content.pending.clear();
            }
        }
    }

    fn content(&mut self, file: FileId) -> &mut Content {
        self.contents.get_mut(&file).expect("a file that was created")
    }

    fn rename(&mut self, operation: &Operation) {
        name(&mut self.names, operation);
        self.pending_names.push(operation.clone());
    }

    /// What the files that begin with `header` have on the disk, whatever their names.
    pub(super) fn synced_under<'a>(&'a self, header: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let synced = self.contents.values().map(|content| content.synced.as_slice());
        synced.filter(|bytes| bytes.starts_with(header.as_bytes()))
    }

    /// What the files have on the disk whose names are there and `wanted`.
    pub(super) fn synced_named(&self, wanted: fn(&str) -> bool) -> impl Iterator<Item = &[u8]> {
        let names = self.synced_names.iter().filter(move |(name, _)| wanted(name));
        names.map(|(_, file)| self.contents[file].synced.as_slice())
    }

    /// What a kill leaves: everything.
    pub(super) fn after_kill(&self) -> Files {
        let files = self.names.iter();
        files.map(|(name, file)| (name.clone(), self.contents[file].now())).collect()
    }

    /// One of the states that a power cut may leave.
    pub(super) fn after_power_cut(&self, dice: &mut Rng) -> Files {
        let mut names = self.synced_names.clone();
        // Most file systems keep the order of namings; these lose the last ones.
        let in_order = dice.bool();
        let first = dice.usize(..=self.pending_names.len());
        for (place, operation) in self.pending_names.iter().enumerate() {
            if if in_order { place < first } else { dice.bool() } {
                name(&mut names, operation);
            }
        }
        // Two files of one state are cut independently, and one file under two names once.
        let cut: BTreeMap<FileId, Vec<u8>> =
            names.values().map(|file| (*file, self.contents[file].after_power_cut(dice))).collect();
        names.into_iter().map(|(name, file)| (name, cut[&file].clone())).collect()
    }
}

/// Puts files into an empty directory.
pub(super) fn put(files: &Files, directory: &Path) {
    for (name, bytes) in files {
        fs::write(directory.join(name), bytes).expect("a file");
    }
}

/// Takes them out again.
pub(super) fn take(directory: &Path) -> Files {
    let entries = fs::read_dir(directory).expect("the directory").map(|entry| entry.expect("one"));
    entries.map(|entry| (name_of(&entry.path()), fs::read(entry.path()).expect("it"))).collect()
}
