//! CMD's standard input: a file without a name that holds one batch.
//!
//! Main thread. All of the batch is in it before CMD starts, and it stays when `ship` is killed: so
//! CMD never takes a part of a batch for the whole. It is in memory where the system has such files,
//! else in the folder for temporary files.

use std::env;
use std::fs::{self, File, FileTimes};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{self, Stdio};
use std::time::SystemTime;

/// A batch in a file.
pub(super) struct BatchFile {
    file: File,
    length: u64,
}

impl BatchFile {
    /// A file that holds these parts, one behind the other.
    ///
    /// # Errors
    /// When there is no room for it.
    pub(super) fn holding(parts: &[&[u8]]) -> io::Result<Self> {
        Self::fill(in_memory().or_else(|_| in_temporary_folder())?, parts)
    }

    fn fill(mut file: File, parts: &[&[u8]]) -> io::Result<Self> {
        for part in parts {
            file.write_all(part)?;
        }
        file.rewind()?;
        // Any read sets a later time.
        file.set_times(FileTimes::new().set_accessed(SystemTime::UNIX_EPOCH))?;
        let length = parts.iter().map(|part| part.len() as u64).sum();
        Ok(Self { file, length })
    }

    /// A handle for CMD, which shares its position in the file with ours.
    ///
    /// # Errors
    /// When too many files are open.
    pub(super) fn for_child(&self) -> io::Result<Stdio> {
        self.file.try_clone().map(Stdio::from)
    }

    /// Bytes that CMD has not read, by its position in the file. The position stays at the beginning when CMD has
    /// opened `/dev/stdin` by name, mapped the file, or read it by offset. Then the access time tells that CMD
    /// has read, and its exit code must tell that it has read all.
    ///
    /// # Errors
    /// When the system does not tell.
    pub(super) fn unread(&self) -> io::Result<u64> {
        let place = (&self.file).stream_position()?;
        if place == 0 && self.file.metadata()?.accessed()? > SystemTime::UNIX_EPOCH {
            return Ok(0);
        }
        Ok(self.length.saturating_sub(place))
    }
}

#[cfg(target_os = "linux")]
fn in_memory() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(File::from(memfd_create("finnhub-stream batch", MemfdFlags::CLOEXEC)?))
}

#[cfg(not(target_os = "linux"))]
fn in_memory() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

fn in_temporary_folder() -> io::Result<File> {
    let name = format!("finnhub-stream-{}-{:016x}", process::id(), fastrand::u64(..));
    let path = env::temp_dir().join(name);
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::Command;

    use super::{BatchFile, in_memory, in_temporary_folder};

    /// Bytes of a batch of 8 that `script` leaves unread, and what it has written.
    fn left_by(file: File, script: &str) -> (u64, String) {
        let batch = BatchFile::fill(file, &[b"head", b"", b"rows"]).unwrap();
        let mut command = Command::new("sh");
        let command = command.args(["-c", script]).stdin(batch.for_child().unwrap());
        let output = command.output().unwrap();
        (batch.unread().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn what_was_read_is_seen_however_it_was_read() {
        for (script, unread, said) in [
            ("cat", 0, "headrows"),
            ("cat /dev/stdin", 0, "headrows"),
            ("cat; cat /dev/stdin; cat", 0, "headrowsheadrows"),
            ("true", 8, ""),
            ("exec 0<&-", 8, ""),
            ("dd bs=1 count=5 2> /dev/null", 3, "headr"),
        ] {
            for file in [in_memory(), in_temporary_folder()] {
                // There is none in memory everywhere.
                let Ok(file) = file else { continue };
                assert_eq!(left_by(file, script), (unread, said.to_owned()), "{script}");
            }
        }
    }
}
