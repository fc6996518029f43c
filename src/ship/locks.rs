//! The locks of `ship`: one process for each NAME, and one CMD at a time.
//!
//! Main thread. Both locks are held for as long as a file is open: the system frees them however the
//! processes end. The files stay, each with the number of its last holder, for people.

#[cfg(target_os = "linux")]
use std::fs::{self, DirEntry};
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
#[cfg(target_os = "linux")]
use std::os::unix::fs::MetadataExt;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::process;
use std::time::{Duration, Instant};

use log::warn;
use rustix::io::{FdFlags, fcntl_setfd};
#[cfg(target_os = "linux")]
use rustix::process::{Pid, getpgid};

use super::error::ShipError;
use super::options::ShipOptions;
use super::signals::Signals;

/// How often a held lock is tried again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Digits of the largest number of a process, and some more.
const NUMBER_WIDTH: usize = 20;

/// Takes the lock of this NAME.
///
/// # Errors
/// When another process ships as NAME, or the file cannot be opened.
pub(super) fn lock_name(options: &ShipOptions) -> Result<File, ShipError> {
    let path = options.beside(".lock");
    let file = open(&path)?;
    if !try_lock(&file, &path)? {
        let holder = holder(&file).map(|number| format!(" ({number})")).unwrap_or_default();
        let (file, name) = (options.file.clone(), options.name.clone());
        return Err(ShipError::InUse { file, name, holder });
    }
    note_holder(&file, process::id());
    Ok(file)
}

/// The lock that CMD inherits, with everything that it starts: it is held until all of them have
/// ended, also when `ship` was killed.
pub(super) struct CommandLock(File);

impl CommandLock {
    /// Takes the lock; waits for the CMD of an earlier `ship`. `None` when a stop comes meanwhile.
    ///
    /// # Errors
    /// When that one has not ended within `--timeout`, or the file cannot be opened.
    pub(super) fn take(
        options: &ShipOptions,
        signals: &Signals,
    ) -> Result<Option<Self>, ShipError> {
        let path = options.beside(".running");
        let file = open(&path)?;
        let deadline = Instant::now() + options.timeout;
        let mut was_said = false;
        while !try_lock(&file, &path)? {
            let timeout = options.timeout;
            if signals.stopping() {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                let name = options.name.clone();
                return Err(ShipError::StillRuns { name, who: who_holds(&file, &path), timeout });
            }
            if !was_said {
                let who = group_of_holder(&file).map(|it| format!(" ({it})")).unwrap_or_default();
                warn!(
                    "the command of an earlier run{who} has not ended; waiting up to {timeout:?}"
                );
                was_said = true;
            }
            signals.wait(deadline.min(Instant::now() + LOOK_EVERY), None);
        }
        let inherited = fcntl_setfd(&file, FdFlags::empty()).map_err(io::Error::from);
        inherited.map_err(ShipError::io("lock", &path))?;
        Ok(Some(Self(file)))
    }

    /// Notes CMD's process group.
    pub(super) fn held_by(&self, group: u32) {
        note_holder(&self.0, group);
    }
}

/// Who holds CMD's lock, and how to end it, for a person.
fn who_holds(file: &File, path: &Path) -> String {
    match group_of_holder(file) {
        Some(group) => format!("process group {group} still runs; end it with kill -9 -- -{group}"),
        None => format!("a process still holds {}; fuser or lsof names it", path.display()),
    }
}

/// The process group of another process that has the file open. Not the number that is in the file: a
/// kill may have come before that was written, and another process may have the number by now.
#[cfg(target_os = "linux")]
fn group_of_holder(file: &File) -> Option<i32> {
    let lock = file.metadata().ok()?;
    let is_lock = |path: PathBuf| {
        path.metadata().is_ok_and(|it| (it.dev(), it.ino()) == (lock.dev(), lock.ino()))
    };
    let process_of = |entry: DirEntry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let mut files = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        let is_other = Some(number) != i32::try_from(process::id()).ok();
        (is_other && files.any(|it| is_lock(it.path()))).then_some(number)
    };
    let holder = fs::read_dir("/proc").ok()?.flatten().find_map(process_of)?;
    Some(getpgid(Pid::from_raw(holder)).ok()?.as_raw_nonzero().get())
}

#[cfg(not(target_os = "linux"))]
fn group_of_holder(_: &File) -> Option<i32> {
    None
}

fn open(path: &Path) -> Result<File, ShipError> {
    let open = File::options().read(true).write(true).create(true).truncate(false).open(path);
    open.map_err(ShipError::io("lock", path))
}

/// Whether the lock is ours now.
fn try_lock(file: &File, path: &Path) -> Result<bool, ShipError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(ShipError::io("lock", path)(error)),
    }
}

/// For error messages only: the lock is what counts.
fn note_holder(file: &File, number: u32) {
    let _ = file.write_all_at(format!("{number:<NUMBER_WIDTH$}\n").as_bytes(), 0);
}

fn holder(file: &File) -> Option<u32> {
    let mut text = [0; NUMBER_WIDTH];
    let length = file.read_at(&mut text, 0).ok()?;
    str::from_utf8(&text[..length]).ok()?.trim().parse().ok()
}
