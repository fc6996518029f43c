//! For tests: what a run on this thread has done to the disk, in its order, and disks that fail.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file, whatever its name is at the moment.
pub(in crate::recorder) type FileId = usize;

/// One change of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::recorder) enum Operation {
    /// A new empty file has this name.
    Create { path: PathBuf, file: FileId },
    /// These bytes were written at this place.
    Write { file: FileId, offset: u64, bytes: Vec<u8> },
    /// The file has this length.
    SetLen { file: FileId, length: u64 },
    /// What is in the file is on the disk.
    Sync { file: FileId },
    /// The names in the directory are on the disk.
    SyncDirectory { path: PathBuf },
    /// The file has another name.
    Rename { from: PathBuf, to: PathBuf },
    /// The name is gone.
    Remove { path: PathBuf },
}

/// A directory when the trace began, and what has been done to it since.
#[derive(Debug, Default)]
pub(in crate::recorder) struct Trace {
    /// The files that were there, and what was in them.
    pub(in crate::recorder) found: Vec<(PathBuf, FileId, Vec<u8>)>,
    /// The changes in their order.
    pub(in crate::recorder) operations: Vec<Operation>,
    /// Device and inode of every file seen; an inode may come again, as another file.
    known: HashMap<(u64, u64), FileId>,
    files: usize,
}

thread_local! {
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// Begins a new trace on this thread, of a run in `directory`.
pub(in crate::recorder) fn begin(directory: &Path) {
    let mut trace = Trace::default();
    for entry in fs::read_dir(directory).expect("the directory") {
        let path = entry.expect("an entry").path();
        let file = trace.new_file(&File::open(&path).expect("a file"));
        trace.found.push((path.clone(), file, fs::read(path).expect("a file")));
    }
    TRACE.set(Some(trace));
}

/// How many changes there have been.
pub(in crate::recorder) fn length() -> usize {
    TRACE.with_borrow(|trace| trace.as_ref().expect("a trace that was begun").operations.len())
}

/// Ends the trace of this thread and gives what was recorded.
pub(in crate::recorder) fn take() -> Trace {
    TRACE.take().expect("a trace that was begun")
}

fn record(operation: impl FnOnce(&mut Trace) -> Operation) {
    TRACE.with_borrow_mut(|trace| {
        if let Some(trace) = trace {
            let operation = operation(trace);
            trace.operations.push(operation);
        }
    });
}

impl Trace {
    fn new_file(&mut self, file: &File) -> FileId {
        let found = file.metadata().expect("an open file");
        self.files += 1;
        self.known.insert((found.dev(), found.ino()), self.files);
        self.files
    }

    fn file(&mut self, file: &File) -> FileId {
        let found = file.metadata().expect("an open file");
        let known = self.known.get(&(found.dev(), found.ino())).copied();
        known.expect("every file is created while the trace is taken")
    }
}

pub(super) fn opened(path: &Path, file: &File, was_there: bool) {
    if !was_there {
        record(|trace| Operation::Create { path: path.to_owned(), file: trace.new_file(file) });
    } else if end_of(file) == 0 {
        // It may have been emptied by opening it.
        set_len(file, 0);
    }
}

pub(super) fn write(file: &File, offset: u64, bytes: &[u8]) {
    record(|trace| Operation::Write { file: trace.file(file), offset, bytes: bytes.to_vec() });
}

pub(super) fn set_len(file: &File, length: u64) {
    record(|trace| Operation::SetLen { file: trace.file(file), length });
}

pub(super) fn sync(file: &File) {
    record(|trace| Operation::Sync { file: trace.file(file) });
}

pub(super) fn renamed(from: &Path, to: &Path) {
    record(|_| Operation::Rename { from: from.to_owned(), to: to.to_owned() });
}

pub(super) fn removed(path: &Path) {
    record(|_| Operation::Remove { path: path.to_owned() });
}

pub(super) fn directory_synced(path: &Path) {
    record(|_| Operation::SyncDirectory { path: path.to_owned() });
}

pub(super) fn end_of(file: &File) -> u64 {
    file.metadata().expect("an open file").len()
}

/// What goes wrong with one file.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::recorder) struct Faults {
    /// Bytes that the file can hold at most.
    pub(in crate::recorder) room: Option<u64>,
    /// So many cuts fail.
    pub(in crate::recorder) cuts: u32,
    /// So many syncs fail.
    pub(in crate::recorder) syncs: u32,
    /// From where the tail was last written again.
    pub(in crate::recorder) rewritten_from: Option<u64>,
}

impl Faults {
    pub(super) fn room<'a>(&self, file: &File, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        let Some(room) = self.room else { return Ok(bytes) };
        let left = usize::try_from(room.saturating_sub(end_of(file))).expect("a small disk");
        match &bytes[..bytes.len().min(left)] {
            [] if !bytes.is_empty() => Err(io::ErrorKind::StorageFull.into()),
            fits => Ok(fits),
        }
    }

    pub(super) fn cut(faults: &Cell<Self>) -> io::Result<()> {
        fail(faults, |faults| &mut faults.cuts)
    }

    pub(super) fn sync(faults: &Cell<Self>) -> io::Result<()> {
        fail(faults, |faults| &mut faults.syncs)
    }

    pub(super) fn rewritten(faults: &Cell<Self>, from: u64) {
        faults.set(Self { rewritten_from: Some(from), ..faults.get() });
    }
}

fn fail(faults: &Cell<Faults>, times: impl Fn(&mut Faults) -> &mut u32) -> io::Result<()> {
    let mut now = faults.get();
    let left = times(&mut now);
    if *left == 0 {
        return Ok(());
    }
    *left -= 1;
    faults.set(now);
    Err(io::Error::other("a failing disk"))
}
