//! All operations of the recorder that change the disk, so that a test can trace a whole run and build the
//! states that a power cut may leave.
//!
//! Any of the recorder's threads. Not for reading, nor for the log, which promises nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{CWD, OFlags, RenameFlags, fcntl_getfl, fcntl_setfl, renameat_with};
use rustix::io::Errno;

#[cfg(test)]
use super::tests::trace;
use crate::recording::paths;

/// Bytes of one copy when the tail is written again.
const REWRITE_BYTES: usize = 1 << 20;

/// An open file of the recorder's.
#[derive(Debug)]
pub(super) struct DiskFile(File);

impl DiskFile {
    /// Opens or creates a file for appending.
    pub(super) fn append_to(path: &Path) -> io::Result<Self> {
        Self::open(path, OpenOptions::new().read(true).append(true).create(true))
    }

    /// Opens an existing file for appending.
    pub(super) fn append_to_existing(path: &Path) -> io::Result<Self> {
        Self::open(path, OpenOptions::new().read(true).append(true))
    }

    /// Opens or creates a file that is written in place.
    pub(super) fn open_in_place(path: &Path) -> io::Result<Self> {
        Self::open(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))
    }

    /// Creates a file for appending, under a name that must be free.
    pub(super) fn create_new(path: &Path) -> io::Result<Self> {
        Self::open(path, OpenOptions::new().read(true).append(true).create_new(true))
    }

    fn open(path: &Path, options: &OpenOptions) -> io::Result<Self> {
        #[cfg(test)]
        trace::may_open(path)?;
        let file = options.open(path)?;
        #[cfg(test)]
        trace::opened(path, &file);
        Ok(Self(file))
    }

    /// The file itself, for locking and reading only.
    pub(super) fn file(&self) -> &File {
        &self.0
    }

    /// Another handle of the same file.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// The present length in bytes.
    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// Overwrites what is at `offset`.
    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        let (bytes, failure) = trace::overwrite(&self.0, offset, bytes);
        self.0.write_all_at(bytes, offset)?;
        #[cfg(test)]
        failure?;
        Ok(())
    }

    /// Cuts the file to `length` bytes.
    pub(super) fn set_len(&mut self, length: u64) -> io::Result<()> {
        #[cfg(test)]
        trace::set_len(&self.0, length)?;
        self.0.set_len(length)
    }

    /// Forces everything in the file to the disk; its name needs [`sync_directory`].
    pub(super) fn sync(&mut self) -> io::Result<()> {
        #[cfg(test)]
        trace::sync(&self.0)?;
        self.0.sync_data()
    }

    /// Makes the bytes from `from` on look unwritten to the system, by writing them again, and forces
    /// them to the disk: after a failed sync it may have dropped them while calling them clean.
    ///
    /// Through this very handle, because what has the name by now may be another file.
    pub(super) fn rewrite(&mut self, from: u64) -> io::Result<()> {
        self.without_appending(|file| file.rewrite_in_place(from))?;
        self.sync()
    }

    /// Overwrites what is at `offset` of a file that appends.
    pub(super) fn overwrite(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.without_appending(|file| file.write_at(bytes, offset))
    }

    /// Turns appending off during `work`, so that bytes can be written at any offset.
    fn without_appending(&self, work: impl FnOnce(&Self) -> io::Result<()>) -> io::Result<()> {
        let flags = fcntl_getfl(&self.0)?;
        fcntl_setfl(&self.0, flags - OFlags::APPEND)?;
        let result = work(self);
        fcntl_setfl(&self.0, flags)?;
        result
    }

    fn rewrite_in_place(&self, mut offset: u64) -> io::Result<()> {
        let mut chunk = vec![0; REWRITE_BYTES];
        loop {
            let read = self.0.read_at(&mut chunk, offset)?;
            if read == 0 {
                return Ok(());
            }
            self.write_at(&chunk[..read], offset)?;
            offset += read as u64;
        }
    }
}

/// Appends, as much as fits.
impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(test)]
        let bytes = trace::append(&self.0, bytes)?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Renames a file to a name that must be free: also a file made a moment before is not overwritten.
pub(super) fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    let taken = || io::Error::new(ErrorKind::AlreadyExists, format!("{} exists", to.display()));
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) => return Err(taken()),
        // An old system, or a file system such as NFS that has no such rename: there the name can only be
        // looked at first.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            if to.symlink_metadata().is_ok() {
                return Err(taken());
            }
            fs::rename(from, to)?;
        }
        other => other?,
    }
    #[cfg(test)]
    trace::renamed(from, to);
    Ok(())
}

/// Makes `name` a symbolic link to the file at `to`.
pub(super) fn link(to: &Path, name: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, name)
}

/// Removes a file.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    #[cfg(test)]
    trace::removed(path);
    Ok(())
}

/// Forces the names in the directory of `path` to the disk, as [`paths::sync_directory`] does.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    paths::sync_directory(path)?;
    #[cfg(test)]
    trace::directory_synced();
    Ok(())
}

/// Where an open file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// Where its name leads.
    InPlace,
    /// It has another name now, or its directory has.
    Moved,
    /// It was removed: no name leads to its content.
    Removed,
}

/// Where `file` is, which was opened at `path`.
pub(super) fn locate(path: &Path, file: &File) -> io::Result<Location> {
    let ours = file.metadata()?;
    let found = fs::metadata(path);
    let is_here = match &found {
        Ok(found) => (found.dev(), found.ino()) == (ours.dev(), ours.ino()),
        // A parent directory may have become unreadable; the file need not have moved.
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    };
    Ok(match ours.nlink() {
        0 => Location::Removed,
        _ if is_here => Location::InPlace,
        _ => Location::Moved,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{ErrorKind, Write as _};

    use super::{DiskFile, remove, rename_no_replace, sync_directory};
    use crate::recorder::tests::trace;
    use crate::recorder::tests::trace::Operation::{
        Create, Remove, Rename, SetLen, Sync, SyncDirectory, Write,
    };

    #[test]
    fn a_trace_holds_every_change_in_its_order_and_finds_a_file_by_any_name() {
        let directory = tempfile::tempdir().unwrap();
        let [from, to] = ["a", "b"].map(|name| directory.path().join(name));
        let [a, b] = ["a", "b"].map(str::to_owned);
        fs::write(&from, "0").unwrap();
        trace::begin(directory.path());
        let mut disk = DiskFile::append_to(&from).unwrap();
        disk.write_all(b"123").unwrap();
        sync_directory(&from).unwrap();
        rename_no_replace(&from, &to).unwrap();
        DiskFile::open_in_place(&to).unwrap().write_at(b"4", 1).unwrap();
        let mut other = DiskFile::create_new(&from).unwrap();
        other.set_len(2).unwrap();
        disk.sync().unwrap();
        remove(&to).unwrap();
        let expected = [
            Create { name: a.clone(), file: 1 },
            Write { file: 1, offset: 0, bytes: b"0".to_vec() },
            Sync { file: 1 },
            SyncDirectory,
            Write { file: 1, offset: 1, bytes: b"123".to_vec() },
            SyncDirectory,
            Rename { from: a.clone(), to: b.clone(), file: 1 },
            Write { file: 1, offset: 1, bytes: b"4".to_vec() },
            Create { name: a, file: 2 },
            SetLen { file: 2, length: 2 },
            Sync { file: 1 },
            Remove { name: b, file: 1 },
        ];
        let trace = trace::take();
        assert_eq!((trace.operations, trace.found), (expected.to_vec(), 4));
    }

    #[test]
    fn no_file_is_renamed_over_another() {
        let directory = tempfile::tempdir().unwrap();
        let [from, to] = ["a", "b"].map(|name| directory.path().join(name));
        fs::write(&from, "ours").unwrap();
        fs::write(&to, "made in between").unwrap();
        let error = rename_no_replace(&from, &to).unwrap_err();
        assert!(
            error.kind() == ErrorKind::AlreadyExists && error.to_string().contains("/b exists")
        );
        let texts = [from, to].map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(texts, ["ours", "made in between"]);
    }
}
