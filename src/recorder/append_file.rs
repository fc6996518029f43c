//! A file that only ever grows by whole rows: a failed write is cut back, never repeated behind
//! its own beginning.
//!
//! Writer thread. Used for the recording and for its ledger.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What an [`AppendFile`] needs of a file, so that tests can put a failing one in its place.
pub trait Storage {
    /// Appends at the end, as much as fits.
    ///
    /// # Errors
    /// The system's.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file to `length` bytes.
    ///
    /// # Errors
    /// The system's.
    fn set_len(&mut self, length: u64) -> io::Result<()>;
    /// The present length in bytes.
    ///
    /// # Errors
    /// The system's.
    fn length(&mut self) -> io::Result<u64>;
    /// Forces everything to the disk.
    ///
    /// # Errors
    /// The system's.
    fn sync(&mut self) -> io::Result<()>;
    /// Opens the same file anew and makes the bytes from `from` on look unwritten to the system,
    /// by writing them again: after a failed sync it may have dropped them while calling them clean.
    ///
    /// # Errors
    /// The system's.
    fn rewrite(&mut self, from: u64) -> io::Result<()>;
}

/// An ordinary file, opened for appending.
#[derive(Debug)]
pub struct DiskFile {
    path: PathBuf,
    file: File,
}

/// Bytes copied at a time when the tail is written again.
const REWRITE_BYTES: usize = 1 << 20;

impl DiskFile {
    /// Opens or creates the file at `path`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<DiskFile> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        Ok(DiskFile { path: path.to_owned(), file })
    }

    /// The file has been given another name.
    pub fn renamed(&mut self, path: &Path) {
        path.clone_into(&mut self.path);
    }

    /// The file itself, for locking and reading.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Storage for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn length(&mut self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn rewrite(&mut self, from: u64) -> io::Result<()> {
        let mut reader = File::open(&self.path)?;
        // Not opened for appending: the same bytes go to the same places.
        let mut writer = OpenOptions::new().write(true).open(&self.path)?;
        reader.seek(SeekFrom::Start(from))?;
        writer.seek(SeekFrom::Start(from))?;
        let mut chunk = vec![0; REWRITE_BYTES];
        loop {
            let read = reader.read(&mut chunk)?;
            if read == 0 {
                return writer.sync_data();
            }
            writer.write_all(&chunk[..read])?;
        }
    }
}

/// A file of whole rows, its length known.
#[derive(Debug)]
pub struct AppendFile<S> {
    storage: S,
    /// Up to here every byte is part of a whole row.
    whole: u64,
    /// Up to here every byte is known to be on the disk.
    synced: u64,
    /// Bytes behind the whole rows that a failed write has left.
    torn: u64,
    must_rewrite: bool,
}

impl<S: Storage> AppendFile<S> {
    /// A file whose present `length` ends with a whole row.
    pub fn new(storage: S, length: u64) -> AppendFile<S> {
        AppendFile { storage, whole: length, synced: 0, torn: 0, must_rewrite: false }
    }

    /// The bytes of whole rows.
    pub fn length(&self) -> u64 {
        self.whole
    }

    /// The bytes of whole rows that are known to be on the disk.
    pub fn synced_length(&self) -> u64 {
        self.synced
    }

    /// Whether a sync would have anything to do.
    pub fn is_dirty(&self) -> bool {
        self.synced < self.whole
    }

    /// The file below.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The file below, to tell it of its new name.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// Appends whole rows: all of them or none.
    ///
    /// # Errors
    /// The system's; then the file ends with a whole row again, or will before the next append.
    pub fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        self.cut_back()?;
        let mut rest = rows;
        while !rest.is_empty() {
            let written = match self.storage.write(rest) {
                Ok(0) => Err(io::Error::from(io::ErrorKind::WriteZero)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other,
            };
            match written {
                Ok(written) => rest = &rest[written..],
                Err(error) => {
                    self.torn = (rows.len() - rest.len()) as u64;
                    // If this fails too, it is done before the next append.
                    let _ = self.cut_back();
                    return Err(error);
                }
            }
        }
        self.whole += rows.len() as u64;
        Ok(())
    }

    fn cut_back(&mut self) -> io::Result<()> {
        if self.torn > 0 {
            // From the end rather than to the length remembered: somebody else may have emptied
            // the file, and cutting must never make it longer.
            let whole = self.storage.length()?.saturating_sub(self.torn);
            self.storage.set_len(whole)?;
            self.whole = whole;
            self.synced = self.synced.min(whole);
            self.torn = 0;
        }
        Ok(())
    }

    /// Somebody else has cut the file; it ends at `length` now.
    pub fn was_cut_to(&mut self, length: u64) {
        self.whole = length;
        self.synced = 0;
    }

    /// Empties the file.
    ///
    /// # Errors
    /// The system's.
    pub fn begin_again(&mut self) -> io::Result<()> {
        self.storage.set_len(0)?;
        self.was_cut_to(0);
        Ok(())
    }

    /// Notes what forcing the first `length` bytes to the disk elsewhere has come to.
    pub fn synced_elsewhere(&mut self, length: u64, succeeded: bool) {
        if succeeded {
            self.synced = self.synced.max(length.min(self.whole));
        } else {
            self.must_rewrite = true;
        }
    }

    /// Whether the last sync failed, so that only [`AppendFile::sync`] may be used now.
    pub fn is_in_doubt(&self) -> bool {
        self.must_rewrite
    }

    /// Forces everything appended to the disk.
    ///
    /// # Errors
    /// The system's. After one the file must be considered damaged between
    /// [`AppendFile::synced_length`] and its end; the next call looks at it anew.
    pub fn sync(&mut self) -> io::Result<()> {
        let result =
            if self.must_rewrite { self.storage.rewrite(self.synced) } else { self.storage.sync() };
        self.must_rewrite = result.is_err();
        if result.is_ok() {
            self.synced = self.whole;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{AppendFile, Storage};

    /// A disk that takes `room` bytes in all and can be made larger.
    #[derive(Debug, Default)]
    struct SmallDisk {
        content: Vec<u8>,
        room: usize,
        refuse_cuts: u32,
        failing_syncs: u32,
        rewritten_from: Vec<u64>,
    }

    impl Storage for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.room - self.content.len());
            if fits == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.content.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn set_len(&mut self, length: u64) -> io::Result<()> {
            if self.refuse_cuts > 0 {
                self.refuse_cuts -= 1;
                return Err(io::ErrorKind::Other.into());
            }
            self.content.truncate(usize::try_from(length).unwrap());
            Ok(())
        }

        fn length(&mut self) -> io::Result<u64> {
            Ok(self.content.len() as u64)
        }

        fn sync(&mut self) -> io::Result<()> {
            if self.failing_syncs > 0 {
                self.failing_syncs -= 1;
                return Err(io::ErrorKind::Other.into());
            }
            Ok(())
        }

        fn rewrite(&mut self, from: u64) -> io::Result<()> {
            self.rewritten_from.push(from);
            self.sync()
        }
    }

    const ROWS: [&str; 4] = ["AAPL,1\n", "MSFT,22\n", "\"A\nB\",333\n", "C,4\n"];

    /// Fails at every single byte, with and without a cut that fails as well, then makes room.
    #[test]
    fn a_write_that_fails_at_any_byte_leaves_whole_rows_and_doubles_none() {
        let all: String = ROWS.concat();
        for room in 0..=all.len() {
            for refuse_cuts in 0..3 {
                let disk = SmallDisk { room, refuse_cuts, ..SmallDisk::default() };
                let mut file = AppendFile::new(disk, 0);
                let mut rows = ROWS.iter();
                let mut waiting = rows.next();
                // Every row is tried until it fits; the disk grows after some failures.
                let mut failures = 0;
                while let Some(row) = waiting {
                    if file.append(row.as_bytes()).is_ok() {
                        waiting = rows.next();
                        continue;
                    }
                    failures += 1;
                    if refuse_cuts == 0 {
                        let content = String::from_utf8(file.storage.content.clone()).unwrap();
                        assert!(all.starts_with(&content) && content.len() as u64 == file.length());
                    }
                    if failures > 4 {
                        file.storage.room = 1000;
                    }
                }
                assert_eq!(String::from_utf8(file.storage.content).unwrap(), all, "room {room}");
            }
        }
    }

    #[test]
    fn a_file_that_somebody_emptied_is_not_made_longer() {
        let mut file = AppendFile::new(SmallDisk { room: 10, ..SmallDisk::default() }, 0);
        file.append(b"1234567\n").unwrap();
        file.storage.content.clear();
        file.storage.room = 2;
        assert!(file.append(b"abcdef\n").is_err());
        file.storage.room = 100;
        file.append(b"x\n").unwrap();
        assert_eq!((file.storage.content.as_slice(), file.length()), (b"x\n".as_slice(), 2));
    }

    #[test]
    fn a_sync_elsewhere_counts_for_what_was_there_when_it_began() {
        let mut file = AppendFile::new(SmallDisk { room: 100, ..SmallDisk::default() }, 0);
        file.append(b"a\n").unwrap();
        file.append(b"b\n").unwrap();
        file.synced_elsewhere(2, true);
        assert_eq!((file.synced_length(), file.is_dirty()), (2, true));
        file.synced_elsewhere(4, false);
        assert!(file.is_in_doubt());
        file.sync().unwrap();
        assert_eq!(file.storage.rewritten_from, [2]);
        assert!(!file.is_in_doubt() && !file.is_dirty());
    }

    #[test]
    fn after_a_failed_sync_the_tail_is_written_again() {
        let disk = SmallDisk { room: 100, ..SmallDisk::default() };
        let mut file = AppendFile::new(disk, 0);
        file.append(b"a\n").unwrap();
        file.sync().unwrap();
        file.append(b"b\n").unwrap();
        file.storage.failing_syncs = 2;
        assert!(file.sync().is_err());
        assert!(file.sync().is_err());
        assert_eq!((file.synced_length(), file.is_dirty()), (2, true));
        file.sync().unwrap();
        assert_eq!(
            (file.storage.rewritten_from.as_slice(), file.synced_length()),
            ([2, 2].as_slice(), 4)
        );
        file.sync().unwrap();
        assert_eq!(file.storage.rewritten_from.len(), 2, "a healthy disk is trusted again");
    }
}
