//! The one line in the lock file of a recording: how far its recorder has come.
//!
//! The recorder writes it, any process reads it. It always has 142 bytes:
//!
//! | field | |
//! |---|---|
//! | time | when it was written: everything received by then is in the file |
//! | synced bytes | of whole rows of the live file, known to be on the disk, and to stay in it |
//! | process | the holder's number |
//! | boot | the machine's boot id, `-` where the system has none |
//! | written bytes | of whole rows of the live file at that time |
//! | synced time | everything received by then is on the disk |
//! | live | the time of the ledger's `live` row that goes on; `-` when its last row is none |
//! | fsync | `yes`, or `no` with `--fsync never` |
//!
//! Times are the recording machine's clock in UNIX milliseconds.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::names::lock_path;
use super::paths::behind_links;

/// Stands for an unknown value.
const UNKNOWN: &str = "-";

/// Longer than the line.
const MOST_BYTES: usize = 256;

/// How often the line is read until two readings agree. It is renewed once a second, so that two readings
/// hardly ever differ twice.
const MOST_LOOKS: usize = 8;

/// What the recorder writes for the next start, and for processes that read the recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    /// Everything received by then is in the file.
    pub(crate) time_ms: i64,
    /// Bytes of whole rows that are known to be on the disk.
    pub(crate) synced_length: u64,
    /// The number of the recorder's process.
    pub(crate) process: u32,
    /// The id of the machine's boot, if the system has one.
    pub(crate) boot: Option<String>,
    /// Bytes of whole rows in the file.
    pub(crate) written_length: u64,
    /// Everything received by then is on the disk; 0 when that is not known.
    pub(crate) synced_ms: i64,
    /// The time of the ledger's last row, if it says `live`.
    pub(crate) live_ms: Option<i64>,
    /// Whether rows are forced to the disk as they come.
    pub(crate) syncs: bool,
}

/// How much of a recording is safe from a power cut, as its recorder says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synced {
    /// Bytes of whole rows of the live file that are on the disk, and stay in it: rows that came
    /// since the recorder has last found it under its name may be taken back.
    pub bytes: u64,
    /// Whether the recorder forces rows to the disk as they come. With `--fsync never` it does so
    /// only now and then (for a row of the ledger, a rotation, a stop), and waiting for `bytes` to
    /// grow can take for ever.
    pub goes_on: bool,
    /// Bytes of whole rows that stay in the live file, on the disk or not.
    pub written: u64,
}

/// How much of `live`, the file found at `out`, is on the disk; `None` when no recorder has said so.
/// For other processes: nothing is locked.
///
/// # Errors
/// When the lock file or the size of `live` cannot be read.
pub fn read_synced(out: &Path, live: &File) -> io::Result<Option<Synced>> {
    // The length first: a recorder that begins a new file renews its heartbeat before the first row goes
    // there. So the lengths of an old heartbeat are cut to a file without rows.
    let length = live.metadata()?.len();
    let heartbeat = match File::open(lock_path(&behind_links(out))) {
        Ok(file) => read(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(heartbeat.map(|heartbeat| Synced {
        bytes: heartbeat.synced_length.min(length),
        goes_on: heartbeat.syncs,
        written: heartbeat.written_length.min(length),
    }))
}

/// Everything received by this time is in the recording `out`, as its lock says: UNIX milliseconds of the
/// recording machine. `None` when there is no lock file.
pub(crate) fn heartbeat_ms(out: &Path) -> Option<i64> {
    Some(read(&File::open(lock_path(out)).ok()?)?.time_ms)
}

/// Reads the line of the present or the last recorder; `None` when it is damaged.
pub(crate) fn read(file: &File) -> Option<Heartbeat> {
    let look = || {
        let mut line = [0; MOST_BYTES];
        file.read_at(&mut line, 0).ok().map(|length| line[..length].to_vec())
    };
    // The recorder may be renewing it: not on every system a read sees a write as a whole.
    let mut last = look()?;
    for _ in 0..MOST_LOOKS {
        let line = look()?;
        if line == last {
            return Heartbeat::parse(std::str::from_utf8(&line).ok()?);
        }
        last = line;
    }
    None
}

impl Heartbeat {
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [time, synced, process, boot, written, synced_time, live_since, fsync] = fields[..]
        else {
            return None;
        };
        Some(Self {
            time_ms: time.parse().ok()?,
            synced_length: synced.parse().ok()?,
            process: process.parse().ok()?,
            boot: Some(boot.to_owned()).filter(|boot| boot != UNKNOWN),
            written_length: written.parse().ok()?,
            synced_ms: synced_time.parse().ok()?,
            live_ms: if live_since == UNKNOWN { None } else { Some(live_since.parse().ok()?) },
            syncs: fsync == "yes",
        })
    }

    /// The line, always of the same length.
    pub(crate) fn line(&self) -> String {
        let Self { time_ms, synced_length, process, written_length, synced_ms, .. } = self;
        let boot = self.boot.as_deref().unwrap_or(UNKNOWN);
        let going_on =
            self.live_ms.map_or_else(|| UNKNOWN.to_owned(), |time_ms| time_ms.to_string());
        let syncs = if self.syncs { "yes" } else { "no" };
        format!(
            "{time_ms:>15} {synced_length:>20} {process:>10} {boot:>36} {written_length:>20} \
             {synced_ms:>15} {going_on:>15} {syncs:>3}\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Heartbeat, Synced, lock_path, read_synced};

    #[test]
    fn another_process_reads_what_is_on_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("op1.csv");
        fs::write(&out, "a row and half a ro").unwrap();
        let live = fs::File::open(&out).unwrap();
        assert_eq!(read_synced(&out, &live).unwrap(), None);
        for goes_on in [true, false] {
            let (synced_length, written_length, syncs) = (6, 8, goes_on);
            let heartbeat =
                Heartbeat { synced_length, written_length, syncs, ..Heartbeat::default() };
            fs::write(lock_path(&out), heartbeat.line()).unwrap();
            let expected = Synced { bytes: 6, goes_on, written: 8 };
            assert_eq!(read_synced(&out, &live).unwrap(), Some(expected));
        }
        // A new file, which the lock file does not describe yet.
        fs::write(&out, "a row").unwrap();
        assert_eq!(read_synced(&out, &live).unwrap().unwrap().bytes, 5);
    }
}
