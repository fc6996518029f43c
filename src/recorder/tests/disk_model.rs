//! What a power cut may leave of a disk, in the manner of ALICE and `CrashMonkey`.
//!
//! What was synced is there. Of the rest, each file has kept any beginning of what was done to it,
//! or has grown over zero bytes; and each creation, renaming and removal that no sync of the
//! directory covers has happened or not. Files and names know nothing of each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fastrand::Rng;

use crate::recorder::disk::trace::{FileId, Operation, Trace};

/// An overwriting within one sector happens or not. The lock's line is shorter than any sector.
const SECTOR_BYTES: usize = 512;

/// Files by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What has been done to one file since it was last synced.
#[derive(Debug, Clone, Default)]
struct Content {
    synced: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

/// A change of names, and the file that it was about.
#[derive(Debug, Clone)]
enum Naming {
    Create(String, FileId),
    Rename(String, String, FileId),
    Remove(String, FileId),
}

/// A disk after the first operations of a trace.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    contents: BTreeMap<FileId, Content>,
    synced_names: BTreeMap<String, FileId>,
    names: BTreeMap<String, FileId>,
    pending_names: Vec<Naming>,
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes: new } => {
                let end = offset + new.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*offset..end].copy_from_slice(new);
            }
            Self::SetLen(length) => bytes.resize(*length, 0),
        }
    }

    /// Whether it may be cut at any byte.
    fn can_tear(&self, before: &[u8]) -> bool {
        match self {
            Self::Write { offset, bytes } => {
                offset + bytes.len() > before.len() || bytes.len() > SECTOR_BYTES
            }
            Self::SetLen(_) => false,
        }
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, FileId>) {
        match self {
            Self::Create(name, file) => drop(names.insert(name.clone(), *file)),
            Self::Rename(from, to, file) => {
                if names.get(from) == Some(file) {
                    names.remove(from);
                }
                names.insert(to.clone(), *file);
            }
            Self::Remove(name, file) => {
                if names.get(name) == Some(file) {
                    names.remove(name);
                }
            }
        }
    }
}

impl Content {
    fn now(&self) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        self.pending.iter().for_each(|change| change.apply(&mut bytes));
        bytes
    }

    /// What is left of it.
    fn after_power_cut(&self, dice: &mut Rng) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let whole = dice.usize(..=self.pending.len());
        self.pending[..whole].iter().for_each(|change| change.apply(&mut bytes));
        let Some(next) = self.pending.get(whole) else { return bytes };
        match next {
            Change::Write { offset, bytes: new } if next.can_tear(&bytes) => {
                let cut = dice.usize(..=new.len());
                Change::Write { offset: *offset, bytes: new[..cut].to_vec() }.apply(&mut bytes);
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
    /// The disk as it was found, and all of it is on the disk.
    pub(super) fn found(trace: &Trace) -> Self {
        let mut disk = Self::default();
        for (path, file, bytes) in &trace.found {
            disk.contents.insert(*file, Content { synced: bytes.clone(), pending: Vec::new() });
            disk.names.insert(name_of(path), *file);
        }
        disk.synced_names = disk.names.clone();
        disk
    }

    /// Goes one step on.
    pub(super) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create { path, file } => {
                self.contents.insert(*file, Content::default());
                self.name(Naming::Create(name_of(path), *file));
            }
            Operation::Rename { from, to } => {
                let (from, to) = (name_of(from), name_of(to));
                let file = self.names[&from];
                self.name(Naming::Rename(from, to, file));
            }
            Operation::Remove { path } => {
                let name = name_of(path);
                let file = self.names[&name];
                self.name(Naming::Remove(name, file));
            }
            Operation::SyncDirectory { .. } => {
                self.pending_names.clear();
                self.synced_names = self.names.clone();
            }
            Operation::Write { file, offset, bytes } => {
                let offset = usize::try_from(*offset).expect("a small file");
                let change = Change::Write { offset, bytes: bytes.clone() };
                self.content(*file).pending.push(change);
            }
            Operation::SetLen { file, length } => {
                let length = usize::try_from(*length).expect("a small file");
                self.content(*file).pending.push(Change::SetLen(length));
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

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.pending_names.push(naming);
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
        for (place, naming) in self.pending_names.iter().enumerate() {
            if if in_order { place < first } else { dice.bool() } {
                naming.apply(&mut names);
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
