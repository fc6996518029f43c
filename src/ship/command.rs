//! Gives one batch to CMD and says whether it was accepted.
//!
//! Main thread. CMD must never take a part of a batch for the whole: end of file comes only behind
//! the last row, and where the pipe has room for all of it, the batch is complete before CMD starts.
//! Whoever is to be stopped is killed first.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::io::{ioctl_fionbio, ioctl_fionread};
use rustix::process::{Pid, Signal, kill_process_group};

use super::progress::Progress;
use super::signals::Signals;

/// What CMD still gets after a stop was asked for; with [`REAP_TIME`] below the promised 5 s.
const TIME_AFTER_STOP: Duration = Duration::from_secs(3);

/// A killed process has this long to be gone.
const REAP_TIME: Duration = Duration::from_secs(1);

/// The room that every pipe has on Linux, less some for pages that are not filled to their end.
#[cfg(target_os = "linux")]
const PIPE_ROOM: usize = 48 << 10;
/// So much at most without special rights (`fs.pipe-max-size`).
#[cfg(target_os = "linux")]
const LARGEST_PIPE: usize = 1 << 20;

/// What CMD gets.
pub(super) struct Delivery<'b> {
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

/// How it went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Exit 0, and everything was read.
    Accepted,
    /// Anything else, for a person.
    NotAccepted(String),
}

/// Why no try can ever succeed.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {}: {reason}; check the name, its permissions and PATH", .program.display())]
pub(super) struct CannotStart {
    program: PathBuf,
    reason: String,
}

impl CannotStart {
    fn new(program: &OsStr, reason: &dyn Display) -> CannotStart {
        CannotStart { program: program.into(), reason: reason.to_string() }
    }
}

/// Looks for CMD before the first batch, so that a wrong name is told at once.
///
/// # Errors
/// When there is no such program, or it is none.
pub(super) fn look_for(program: &OsStr) -> Result<(), CannotStart> {
    let is_program = |path: &Path| {
        path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    let path = Path::new(program);
    let in_path = || {
        let folders = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
        std::env::split_paths(&folders).any(|folder| is_program(&folder.join(path)))
    };
    let with_folder = path.components().count() > 1 || path.is_absolute();
    match with_folder {
        true if is_program(path) => Ok(()),
        true if path.exists() => Err(CannotStart::new(program, &"it is not executable")),
        false if in_path() => Ok(()),
        _ => Err(CannotStart::new(program, &"there is no such program")),
    }
}

/// Starts CMD with the batch on its standard input and waits for its end.
///
/// # Errors
/// When CMD cannot be started, now or later.
pub(super) fn deliver(
    command: &[OsString],
    delivery: &Delivery<'_>,
    timeout: Duration,
    signals: &mut Signals,
    progress: &mut Progress,
) -> Result<Outcome, CannotStart> {
    let deadline = Instant::now() + timeout;
    let mut feed = match Feed::fill(delivery) {
        Ok(feed) => feed,
        Err(error) => return Ok(Outcome::NotAccepted(format!("no pipe for CMD: {error}"))),
    };
    let mut child = match start(command, delivery, &feed.read_end) {
        Ok(child) => child,
        Err(error) => return give_up_or_retry(&command[0], &error),
    };
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(error) => return Ok(Outcome::NotAccepted(format!("CMD is lost: {error}"))),
        }
        let until = match signals.stopped_at() {
            _ if signals.insisted() => Instant::now(),
            Some(asked) => deadline.min(asked + TIME_AFTER_STOP),
            None => deadline,
        };
        if Instant::now() >= until {
            kill(&mut child, signals);
            let why = if signals.stopping() {
                "stopped before its end".to_owned()
            } else {
                format!("no end within {timeout:?}; killed")
            };
            return Ok(Outcome::NotAccepted(why));
        }
        feed.go_on();
        signals.wait(until.min(progress.draw()), feed.write_end.as_ref().map(AsFd::as_fd));
    };
    Ok(judge(status, &feed))
}

/// A new process with the batch on standard input, in a group of its own: Ctrl-C on the terminal is
/// for us, and a batch under way is not to be cut by it.
fn start(command: &[OsString], delivery: &Delivery<'_>, input: &PipeReader) -> io::Result<Child> {
    Command::new(&command[0])
        .args(&command[1..])
        .env("FINNHUB_STREAM_BATCH", &delivery.id)
        .env("FINNHUB_STREAM_ROWS", delivery.rows.to_string())
        .env("FINNHUB_STREAM_FILE", delivery.file)
        .stdin(Stdio::from(input.try_clone()?))
        .process_group(0)
        .spawn()
}

fn give_up_or_retry(program: &OsStr, error: &io::Error) -> Result<Outcome, CannotStart> {
    match error.kind() {
        // No memory, too many processes, a program that is just being replaced: it may pass.
        io::ErrorKind::OutOfMemory
        | io::ErrorKind::WouldBlock
        | io::ErrorKind::ExecutableFileBusy
        | io::ErrorKind::Interrupted => {
            Ok(Outcome::NotAccepted(format!("CMD cannot be started: {error}")))
        }
        _ => Err(CannotStart::new(program, error)),
    }
}

fn judge(status: ExitStatus, feed: &Feed<'_>) -> Outcome {
    let why = match (status.code(), status.signal()) {
        (Some(0), _) => match feed.left() {
            0 => return Outcome::Accepted,
            left => format!("exit code 0, but {left} bytes were not read"),
        },
        (Some(code), _) => format!("exit code {code}"),
        (None, signal) => format!("killed by signal {}", signal.unwrap_or_default()),
    };
    Outcome::NotAccepted(why)
}

/// Kills CMD and what it has started.
fn kill(child: &mut Child, signals: &Signals) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // It may have ended by itself in this very moment.
    let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    let deadline = Instant::now() + REAP_TIME;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        signals.wait(deadline, None);
    }
}

/// The bytes on their way into the pipe.
struct Feed<'b> {
    /// Ours is kept open beside CMD's, to see how much was left in the pipe.
    read_end: PipeReader,
    /// Closed behind the last byte.
    write_end: Option<PipeWriter>,
    /// What has not been written: the header, all rows but the last, the last row.
    rest: [&'b [u8]; 3],
}

impl<'b> Feed<'b> {
    /// A pipe with as much of the batch in it as it takes.
    fn fill(delivery: &Delivery<'b>) -> io::Result<Feed<'b>> {
        let (read_end, write_end) = io::pipe()?;
        // A write as short as a row goes into a pipe as a whole: should we be killed before it, what
        // CMD has lacks a row and not the end of one, and FINNHUB_STREAM_ROWS tells.
        let before = &delivery.bytes[..delivery.bytes.len().saturating_sub(1)];
        let last_row = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
        let (rows, last) = delivery.bytes.split_at(last_row);
        let rest = [delivery.header, rows, last];
        #[cfg(target_os = "linux")]
        {
            let length = rest.iter().map(|part| part.len()).sum::<usize>();
            if length > PIPE_ROOM {
                let room = (length + PIPE_ROOM).min(LARGEST_PIPE);
                // Refused when this user has too many pipes; then it is filled while CMD runs.
                let _ = rustix::pipe::fcntl_setpipe_size(&write_end, room);
            }
        }
        ioctl_fionbio(&write_end, true)?;
        let mut feed = Feed { read_end, write_end: Some(write_end), rest };
        feed.go_on();
        Ok(feed)
    }

    /// Writes what the pipe takes.
    fn go_on(&mut self) {
        let Some(pipe) = &mut self.write_end else { return };
        for part in &mut self.rest {
            while !part.is_empty() {
                match pipe.write(part) {
                    Ok(count) => *part = &part[count..],
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // Full. No other error comes as long as our own read end is open.
                    Err(_) => return,
                }
            }
        }
        self.write_end = None;
    }

    /// Bytes that CMD has not read.
    fn left(&self) -> u64 {
        let unwritten = self.rest.iter().map(|part| part.len() as u64).sum::<u64>();
        unwritten + ioctl_fionread(&self.read_end).unwrap_or(u64::MAX - unwritten)
    }
}
