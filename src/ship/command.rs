//! Gives one batch to CMD and says whether it was accepted.
//!
//! Main thread. CMD must never take a part of a batch for the whole: end of file comes only behind
//! the last row, and where the pipe has room for all of it, the batch is complete before CMD starts.
//! A CMD that is to end early is killed before its pipe is closed.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::io::{ioctl_fionbio, ioctl_fionread};

use super::error::ShipError;
use super::progress::Progress;
use super::signals::Signals;
use crate::process::child::{self, Child, State};
use crate::text::in_words;

/// What CMD still gets after a stop was asked for: with the time to kill it below the promised 5 s.
const TIME_AFTER_STOP: Duration = Duration::from_secs(3);

/// The room that every pipe has on Linux, less some for pages that are not filled to their end.
#[cfg(target_os = "linux")]
const PIPE_ROOM: usize = 48 << 10;
/// So much at most without special rights (`fs.pipe-max-size`).
#[cfg(target_os = "linux")]
const LARGEST_PIPE: usize = 1 << 20;

/// What CMD gets.
pub(super) struct Batch<'b> {
    /// `FINNHUB_STREAM_BATCH`.
    pub(super) id: String,
    /// `FINNHUB_STREAM_ROWS`.
    pub(super) rows: u64,
    /// `FINNHUB_STREAM_FILE`.
    pub(super) file: &'b Path,
    /// The header line, if it is asked for; else nothing.
    pub(super) header: &'b [u8],
    /// Whole rows.
    pub(super) bytes: &'b [u8],
}

/// Looks for CMD before the first batch, so that a wrong name is an error at once.
///
/// # Errors
/// When there is no such program, or it is not executable.
pub(super) fn look_for(program: &OsStr) -> Result<(), ShipError> {
    let is_program = |path: &Path| {
        path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    let path = Path::new(program);
    let in_path = || {
        let folders = env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
        env::split_paths(&folders).any(|folder| is_program(&folder.join(path)))
    };
    match program.as_encoded_bytes().contains(&b'/') {
        true if is_program(path) => Ok(()),
        true if path.exists() => Err(cannot_start(program, &"it is not executable")),
        false if in_path() => Ok(()),
        _ => Err(cannot_start(program, &"there is no such program")),
    }
}

fn cannot_start(program: &OsStr, reason: &dyn Display) -> ShipError {
    ShipError::CannotStart { program: program.into(), reason: in_words(reason) }
}

/// Starts CMD with the batch on its standard input and waits for its end. `None` when it has
/// accepted the batch: exit code 0, and everything was read; else why not, for a person.
///
/// # Errors
/// When CMD cannot be started, and could not be later.
pub(super) fn deliver(
    command: &[OsString],
    batch: &Batch<'_>,
    timeout: Duration,
    signals: &Signals,
    progress: &mut Progress,
) -> Result<Option<String>, ShipError> {
    let mut pipe = match BatchPipe::fill(batch) {
        Ok(pipe) => pipe,
        Err(error) => return Ok(Some(format!("no pipe for CMD: {}", in_words(&error)))),
    };
    let mut child = match start(command, batch, &pipe.read_end, timeout) {
        Ok(child) => child,
        Err(error) if may_pass(&error) => {
            return Ok(Some(format!("CMD cannot be started: {}", in_words(&error))));
        }
        Err(error) => return Err(cannot_start(&command[0], &error)),
    };
    loop {
        if let Some(asked) = signals.stopped_at() {
            let at_once = signals.leaves_at_once.get();
            child.end_by(if at_once { Instant::now() } else { asked + TIME_AFTER_STOP });
        }
        match child.look() {
            Ok(State::Running) => {}
            Ok(State::Ended(status)) => return Ok(why_not(status, &pipe)),
            Ok(State::TookTooLong) if signals.stopping() => {
                return Ok(Some("stopped before its end".to_owned()));
            }
            Ok(State::TookTooLong) => {
                return Ok(Some(format!("no end within {timeout:?}; killed")));
            }
            Err(error) => return Ok(Some(format!("CMD is lost: {}", in_words(&error)))),
        }
        pipe.write_more();
        let until = child.until().min(progress.draw());
        signals.wait(until, pipe.write_end.as_ref().map(AsFd::as_fd));
    }
}

/// A new process with the batch on standard input.
fn start(
    command: &[OsString],
    batch: &Batch<'_>,
    input: &PipeReader,
    timeout: Duration,
) -> io::Result<Child> {
    let mut process = child::command(&command[0]);
    process
        .args(&command[1..])
        .env("FINNHUB_STREAM_BATCH", &batch.id)
        .env("FINNHUB_STREAM_ROWS", batch.rows.to_string())
        .env("FINNHUB_STREAM_FILE", batch.file)
        .stdin(Stdio::from(input.try_clone()?));
    Child::start(&mut process, timeout)
}

/// No memory, too many processes, a program that is just being replaced.
fn may_pass(error: &io::Error) -> bool {
    use ErrorKind::{ExecutableFileBusy, Interrupted, OutOfMemory, WouldBlock};
    matches!(error.kind(), OutOfMemory | WouldBlock | ExecutableFileBusy | Interrupted)
}

/// Why CMD has not accepted the batch, if it has not.
fn why_not(status: ExitStatus, pipe: &BatchPipe<'_>) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => match pipe.unread() {
            0 => None,
            left => Some(format!("exit code 0, but {left} bytes were not read")),
        },
        (Some(code), _) => Some(format!("exit code {code}")),
        (None, signal) => Some(format!("killed by signal {}", signal.unwrap_or_default())),
    }
}

/// The pipe to CMD, and the part of the batch that is not in it yet.
struct BatchPipe<'b> {
    /// Ours is kept open beside CMD's, to see how much was left in the pipe.
    read_end: PipeReader,
    /// Closed behind the last byte.
    write_end: Option<PipeWriter>,
    /// What has not been written: the header, all rows but the last, the last row.
    rest: [&'b [u8]; 3],
}

impl<'b> BatchPipe<'b> {
    /// A pipe with as much of the batch in it as it takes.
    fn fill(batch: &Batch<'b>) -> io::Result<Self> {
        let (read_end, write_end) = io::pipe()?;
        // A write as short as a row goes into a pipe as a whole: should we be killed before it, what
        // CMD has lacks a row and not the end of one, which FINNHUB_STREAM_ROWS shows.
        let before = &batch.bytes[..batch.bytes.len().saturating_sub(1)];
        let last_row = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
        let (rows, last) = batch.bytes.split_at(last_row);
        #[cfg(target_os = "linux")]
        {
            let length = batch.header.len() + batch.bytes.len();
            if length > PIPE_ROOM {
                let room = (length + PIPE_ROOM).min(LARGEST_PIPE);
                // Refused when this user has too many pipes; then it is filled while CMD runs.
                let _ = rustix::pipe::fcntl_setpipe_size(&write_end, room);
            }
        }
        ioctl_fionbio(&write_end, true)?;
        let rest = [batch.header, rows, last];
        let mut pipe = Self { read_end, write_end: Some(write_end), rest };
        pipe.write_more();
        Ok(pipe)
    }

    /// Writes what the pipe takes.
    fn write_more(&mut self) {
        let Some(write_end) = &mut self.write_end else { return };
        for part in &mut self.rest {
            while !part.is_empty() {
                match write_end.write(part) {
                    Ok(count) => *part = &part[count..],
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // Full. No other error comes as long as our own read end is open.
                    Err(_) => return,
                }
            }
        }
        self.write_end = None;
    }

    /// Bytes that CMD has not read.
    fn unread(&self) -> u64 {
        let unwritten = self.rest.iter().map(|part| part.len() as u64).sum::<u64>();
        unwritten + ioctl_fionread(&self.read_end).unwrap_or(u64::MAX - unwritten)
    }
}
