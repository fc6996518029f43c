//! What a run on this thread has done to the disk, in its order, and disks that fail.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A file, whatever its name is at the moment.
pub(in crate::recorder) type FileId = usize;

/// One change of the disk. Names are those in the one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::recorder) enum Operation {
    /// A new empty file has this name.
    Create { name: String, file: FileId },
    /// The file has another name.
    Rename { from: String, to: String, file: FileId },
    /// The name is gone.
    Remove { name: String, file: FileId },
    /// The names in the directory are on the disk.
    SyncDirectory,
    /// These bytes were written at this place.
    Write { file: FileId, offset: usize, bytes: Vec<u8> },
    /// The file has this length.
    SetLen { file: FileId, length: usize },
    /// What is in the file is on the disk.
    Sync { file: FileId },
}

/// What has been done to a directory. It begins with what was there, as if it was made and synced.
#[derive(Debug, Default)]
pub(in crate::recorder) struct Trace {
    /// The changes in their order.
    pub(in crate::recorder) operations: Vec<Operation>,
    /// How many of them are for what was there.
    pub(in crate::recorder) found: usize,
    names: BTreeMap<String, FileId>,
    /// By device and inode; an inode may come again, as another file.
    files: HashMap<(u64, u64), FileId>,
    last_file: FileId,
}

/// What goes wrong on this thread.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::recorder) struct Faults {
    /// Bytes that a file can hold at most.
    pub(in crate::recorder) room: Option<u64>,
    /// So many cuts fail.
    pub(in crate::recorder) cuts: u32,
    /// So many overwritings fail in the middle.
    pub(in crate::recorder) overwrites: u32,
    /// So many syncs fail.
    pub(in crate::recorder) syncs: u32,
    /// No file can be opened whose name begins so.
    pub(in crate::recorder) closed_names: Option<&'static str>,
}

thread_local! {
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
    pub(in crate::recorder) static FAULTS: Cell<Faults> =
        const { Cell::new(Faults { room: None, cuts: 0, overwrites: 0, syncs: 0, closed_names: None }) };
}

/// Begins a new trace on this thread, of a run in `directory`.
pub(in crate::recorder) fn begin(directory: &Path) {
    TRACE.set(Some(Trace::default()));
    for entry in fs::read_dir(directory).expect("the directory") {
        let path = entry.expect("an entry").path();
        let file = File::open(&path).expect("a file");
        opened(&path, &file);
        write(&file, 0, &fs::read(&path).expect("a file"));
        record(|trace| Operation::Sync { file: trace.file(&file) });
    }
    directory_synced();
    record_in(|trace| trace.found = trace.operations.len());
}

/// How many changes there have been.
pub(in crate::recorder) fn length() -> usize {
    TRACE.with_borrow(|trace| trace.as_ref().expect("a trace that was begun").operations.len())
}

/// Ends the trace of this thread and gives what was recorded.
pub(in crate::recorder) fn take() -> Trace {
    TRACE.take().expect("a trace that was begun")
}

fn record_in(change: impl FnOnce(&mut Trace)) {
    TRACE.with_borrow_mut(|trace| trace.as_mut().map(change));
}

fn record(operation: impl FnOnce(&mut Trace) -> Operation) {
    record_in(|trace| {
        let operation = operation(trace);
        trace.operations.push(operation);
    });
}

impl Trace {
    fn file(&self, file: &File) -> FileId {
        self.files[&inode(file)]
    }
}

fn inode(file: &File) -> (u64, u64) {
    let found = file.metadata().expect("an open file");
    (found.dev(), found.ino())
}

fn length_of(file: &File) -> u64 {
    file.metadata().expect("an open file").len()
}

pub(super) fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// Fails for a name that cannot be opened.
pub(in crate::recorder) fn may_open(path: &Path) -> io::Result<()> {
    match FAULTS.get().closed_names {
        Some(names) if name_of(path).starts_with(names) => Err(io::Error::other("a failing disk")),
        _ => Ok(()),
    }
}

/// Opening a file may have created or emptied it.
pub(in crate::recorder) fn opened(path: &Path, file: &File) {
    record_in(|trace| {
        let name = name_of(path);
        if !trace.names.contains_key(&name) {
            trace.last_file += 1;
            trace.names.insert(name.clone(), trace.last_file);
            trace.files.insert(inode(file), trace.last_file);
            trace.operations.push(Operation::Create { name, file: trace.last_file });
        } else if length_of(file) == 0 {
            let file = trace.file(file);
            trace.operations.push(Operation::SetLen { file, length: 0 });
        }
    });
}

/// Gives as many of the bytes as the disk takes, and then what it says.
pub(in crate::recorder) fn overwrite<'a>(
    file: &File,
    offset: u64,
    bytes: &'a [u8],
) -> (&'a [u8], io::Result<()>) {
    let result = fail(|faults| &mut faults.overwrites);
    let taken = if result.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
    write(file, offset, taken);
    (taken, result)
}

fn write(file: &File, offset: u64, bytes: &[u8]) {
    let offset = usize::try_from(offset).expect("a small file");
    record(|trace| Operation::Write { file: trace.file(file), offset, bytes: bytes.to_vec() });
}

/// Gives as many of the bytes as there is room for.
pub(in crate::recorder) fn append<'a>(file: &File, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
    let left = FAULTS.get().room.map(|room| room.saturating_sub(length_of(file)));
    let left = left.map_or(bytes.len(), |left| usize::try_from(left).expect("a small disk"));
    let fits = &bytes[..bytes.len().min(left)];
    if fits.is_empty() && !bytes.is_empty() {
        return Err(io::ErrorKind::StorageFull.into());
    }
    write(file, length_of(file), fits);
    Ok(fits)
}

pub(in crate::recorder) fn set_len(file: &File, length: u64) -> io::Result<()> {
    fail(|faults| &mut faults.cuts)?;
    let length = usize::try_from(length).expect("a small file");
    record(|trace| Operation::SetLen { file: trace.file(file), length });
    Ok(())
}

pub(in crate::recorder) fn sync(file: &File) -> io::Result<()> {
    fail(|faults| &mut faults.syncs)?;
    record(|trace| Operation::Sync { file: trace.file(file) });
    Ok(())
}

pub(in crate::recorder) fn renamed(from: &Path, to: &Path) {
    record(|trace| {
        let (from, to) = (name_of(from), name_of(to));
        let file = trace.names.remove(&from).expect("a file that was there");
        trace.names.insert(to.clone(), file);
        Operation::Rename { from, to, file }
    });
}

pub(in crate::recorder) fn removed(path: &Path) {
    record(|trace| {
        let name = name_of(path);
        let file = trace.names.remove(&name).expect("a file that was there");
        Operation::Remove { name, file }
    });
}

pub(in crate::recorder) fn directory_synced() {
    record(|_| Operation::SyncDirectory);
}

fn fail(times: impl Fn(&mut Faults) -> &mut u32) -> io::Result<()> {
    let mut faults = FAULTS.get();
    let left = times(&mut faults);
    if *left == 0 {
        return Ok(());
    }
    *left -= 1;
    FAULTS.set(faults);
    Err(io::Error::other("a failing disk"))
}
