//! The lock that keeps a second process off the recording, and the proof of life inside it.
//!
//! Writer thread. The system frees the lock however the process ends; the file stays, 48 bytes for
//! ever, and says until when the recording was whole and how much of it was safely on the disk.

use std::fs::TryLockError;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::disk::DiskFile;

/// What the last holder left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ProofOfLife {
    /// This machine's clock, UNIX milliseconds: everything received by then is in the file.
    pub(super) time_ms: i64,
    /// Bytes of whole rows that were on the disk by then.
    pub(super) synced_length: u64,
}

/// The held lock.
#[derive(Debug)]
pub(super) struct LockFile {
    file: DiskFile,
    last: ProofOfLife,
}

/// Why the lock is not ours.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process holds it; its number, when it could be read.
    Held(Option<u32>),
    /// The system's error.
    Io(io::Error),
}

/// `op1.csv.lock` for `op1.csv`.
pub(super) fn lock_path(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

impl LockFile {
    /// Takes the lock for the recording `out` and reads what the last holder left.
    pub(super) fn take(out: &Path) -> Result<(LockFile, Option<ProofOfLife>), LockError> {
        let file = DiskFile::write_in(&lock_path(out)).map_err(LockError::Io)?;
        let mut content = String::new();
        let read = file.file().read_to_string(&mut content);
        let fields: Vec<&str> = content.split_whitespace().collect();
        match file.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held(fields.get(2).and_then(|pid| pid.parse().ok())));
            }
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        let left = read.ok().and_then(|_| match fields[..] {
            [time_ms, length, _pid] => Some(ProofOfLife {
                time_ms: time_ms.parse().ok()?,
                synced_length: length.parse().ok()?,
            }),
            _ => None,
        });
        Ok((LockFile { file, last: left.unwrap_or_default() }, left))
    }

    /// Leaves a new proof of life; times never run backwards.
    pub(super) fn prove(&mut self, proof: ProofOfLife) -> io::Result<()> {
        let time_ms = proof.time_ms.max(self.last.time_ms);
        self.last = ProofOfLife { time_ms, ..proof };
        // Always the same length and always in one write: there is never half a line.
        let line =
            format!("{time_ms:>15} {:>20} {:>10}\n", proof.synced_length, std::process::id());
        self.file.write_at(line.as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{LockError, LockFile, ProofOfLife};

    #[test]
    fn the_next_holder_reads_what_the_last_one_proved() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("op1.csv");
        let (mut lock, left) = LockFile::take(&out).unwrap();
        assert_eq!(left, None);
        lock.prove(ProofOfLife { time_ms: 1_700_000_000_000, synced_length: 7 }).unwrap();
        lock.prove(ProofOfLife { time_ms: 1_600_000_000_000, synced_length: 8 }).unwrap();
        let refused = LockFile::take(&out);
        assert!(matches!(refused, Err(LockError::Held(Some(pid))) if pid == std::process::id()));
        drop(lock);
        let (_lock, left) = LockFile::take(&out).unwrap();
        assert_eq!(left, Some(ProofOfLife { time_ms: 1_700_000_000_000, synced_length: 8 }));
    }

    #[test]
    fn a_lock_file_of_nonsense_proves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("op1.csv");
        for nonsense in ["", "x y z", "1 2", "\0\0\0"] {
            std::fs::write(super::lock_path(&out), nonsense).unwrap();
            assert_eq!(LockFile::take(&out).unwrap().1, None, "{nonsense:?}");
        }
    }
}
