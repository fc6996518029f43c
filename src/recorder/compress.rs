//! Compresses closed files.
//!
//! A thread of its own. The compressed file appears whole or not at all, and only then is the
//! plain one removed: after a kill at any instant at least one of them is there.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use log::{info, warn};

use super::beside::{PART, create_beside, is_left, made_beside};
use super::disk::{self, DiskFile, sync_directory};
use super::error::OpenError;
use super::lock_file::take_lock;
use super::rotation::closed_files;
use crate::process::error::Error;
use crate::process::threads::spawn;
use crate::recording::gzip::GZIP_MARK;
use crate::recording::names::{closed_label, compressed_name};
use crate::recording::paths::{behind_links, folder_of, without_gz};
use crate::text::clock::now_ms;
use crate::text::{counted, in_words};

/// Starts the thread that compresses closed files of `out`, beginning with what a kill has left. The
/// lock must be held: only then these files are ours. The thread ends when the sender is dropped, without being
/// waited for: the next start does the rest.
///
/// # Errors
/// When the system has no thread to give.
pub(super) fn start(out: &Path) -> Result<Sender<PathBuf>, Error> {
    let left = left_uncompressed(&behind_links(out)).unwrap_or_else(|error| {
        warn!("cannot look for closed files beside {}: {}", out.display(), in_words(&error));
        Vec::new()
    });
    let (sender, closed) = mpsc::channel();
    if !left.is_empty() {
        // A log line, and no progress line, because the live line is on the terminal.
        info!(
            "compressing {} that earlier runs have left",
            counted(left.len() as u64, "closed file")
        );
    }
    spawn("compressor", move || compress_all(left.into_iter().chain(closed)))?;
    Ok(sender)
}

/// Compresses one file after the other.
pub(super) fn compress_all(closed: impl Iterator<Item = PathBuf>) {
    for path in closed {
        // A file that was closed at the start is in the list of earlier files, too.
        if !path.exists() {
            continue;
        }
        match compress(&path) {
            Ok(small) => info!("compressed {}", small.display()),
            Err(error) => {
                warn!(
                    "cannot compress {}: {}; it stays as it is",
                    path.display(),
                    in_words(&error)
                );
            }
        }
    }
}

fn compress(path: &Path) -> io::Result<PathBuf> {
    let small = compressed_name(path);
    // Another process may be recording to a file of this name, and none may begin to until the plain file
    // is removed.
    let locked = File::open(path)?;
    // `verify` and `ship` lock a file for an instant, to see whether it is being recorded.
    take_lock(path, || locked.try_lock(), || OpenError::InUse(path.to_owned(), None))
        .map_err(|_| io::Error::other("another process uses it"))?;
    if small.exists() {
        // Left by a kill just before the plain file was removed; or a file of somebody else, and then both stay.
        if !same_content(path, &small)? {
            return Err(io::Error::other(format!("{} exists", small.display())));
        }
        // The name of the compressed file may not be on the disk yet.
        sync_directory(&small)?;
        return disk::remove(path).map(|()| small);
    }
    let (part, new) = create_beside(&small, PART, now_ms())?;
    let result = write_compressed(&locked, new).and_then(|()| {
        disk::rename_no_replace(&part, &small)?;
        sync_directory(&small)?;
        disk::remove(path)
    });
    if result.is_err() {
        let _ = disk::remove(&part);
    }
    result.map(|()| small)
}

/// Whether decompressing `small` gives `path`.
fn same_content(path: &Path, small: &Path) -> io::Result<bool> {
    let mut plain = BufReader::new(File::open(path)?);
    let mut unpacked = BufReader::new(GzDecoder::new(File::open(small)?));
    loop {
        let (ours, theirs) = (plain.fill_buf()?, unpacked.fill_buf()?);
        let length = ours.len().min(theirs.len());
        if ours[..length] != theirs[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(ours.is_empty() && theirs.is_empty());
        }
        plain.consume(length);
        unpacked.consume(length);
    }
}

fn write_compressed(mut from: &File, to: DiskFile) -> io::Result<()> {
    let mut encoder = GzEncoder::new(to, Compression::default());
    io::copy(&mut from, &mut encoder)?;
    let mut file = encoder.finish()?;
    file.file().set_permissions(from.metadata()?.permissions())?;
    file.sync()
}

/// Closed files of `out` that a kill has left uncompressed, oldest first; halves of compressed ones
/// are removed.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn left_uncompressed(out: &Path) -> io::Result<Vec<PathBuf>> {
    for entry in fs::read_dir(folder_of(out))? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_half_of = |small: &OsStr| {
            let small = Path::new(small);
            let plain = small.file_stem().filter(|_| without_gz(small) != small);
            plain.is_some_and(|plain| closed_label(out, plain).is_some())
                && is_left(&path, &GZIP_MARK)
        };
        if made_beside(&name, PART).is_some_and(is_half_of) {
            disk::remove(&path)?;
        }
    }
    closed_files(out)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Instant;

    use super::super::lock_file::LOCK_MOMENT;
    use super::super::tests::trace::{FAULTS, Faults};
    use super::{compress, left_uncompressed};

    #[test]
    fn a_compressed_file_that_is_there_already_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1-2026-11-23.csv");
        fs::write(&path, "rows\n".repeat(50_000)).unwrap();
        let small = compress(&path).unwrap();
        // A kill before the plain file went.
        fs::write(&path, "rows\n".repeat(50_000)).unwrap();
        compress(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "others\n").unwrap();
        let before = fs::read(&small).unwrap();
        assert!(compress(&path).is_err());
        assert_eq!((fs::read(&small).unwrap(), path.exists()), (before, true));
    }

    #[test]
    fn what_cannot_be_compressed_or_is_recorded_to_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("op1-2026-11-23.csv");
        fs::write(&path, "x").unwrap();
        let recording = fs::File::open(&path).unwrap();
        recording.try_lock().unwrap();
        let began = Instant::now();
        assert!(compress(&path).is_err());
        assert!(began.elapsed() >= LOCK_MOMENT, "who only looks is waited for");
        drop(recording);
        FAULTS.set(Faults { room: Some(1), ..Faults::default() });
        assert!(compress(&path).is_err());
        FAULTS.take();
        assert_eq!(fs::read_to_string(&path).unwrap(), "x");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no half is left");
    }

    #[test]
    fn what_a_kill_left_is_found_and_halves_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("op1.csv");
        for name in [
            "op1.csv",
            "op1-2026-11-24.csv",
            "op1-2026-11-23.csv",
            "op1-2026-11-23.csv.gz.part",
            "op1-2026-11-23.csv.gz.part-8",
            "other.gz.part-7",
            "op1.csv.gz.part-7",
        ] {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        let halves = [&b""[..], b"\x1f", b"\x1f\x8b\x08", b"\0\0"];
        for (number, half) in halves.into_iter().enumerate() {
            let name = format!("op1-2026-11-23.csv.gz.part-1{number}");
            fs::write(directory.path().join(name), half).unwrap();
        }
        let left = left_uncompressed(&out).unwrap();
        let names: Vec<_> =
            left.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["op1-2026-11-23.csv", "op1-2026-11-24.csv"]);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 7, "the halves are gone");
    }
}
