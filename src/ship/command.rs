//! Gives one batch to CMD and says whether it was accepted.
//!
//! Main thread. CMD must never take a part of a batch for the whole: see `batch_file`.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::batch_file::BatchFile;
use super::error::ShipError;
use super::locks::CommandLock;
use super::options::ShipOptions;
use super::progress::Progress;
use super::said::Said;
use super::signals::Signals;
use crate::process::child::{self, Child, State};
use crate::text::in_words;

/// How long CMD may go on after a stop was asked for: with the time to kill it below the promised 5 s.
const TIME_AFTER_STOP: Duration = Duration::from_secs(3);

/// A batch as CMD gets it.
pub(super) struct Batch<'b> {
    /// `FINNHUB_STREAM_BATCH`.
    pub(super) id: String,
    /// `FINNHUB_STREAM_AFTER`.
    pub(super) after: &'b str,
    /// `FINNHUB_STREAM_ROWS`.
    pub(super) rows: u64,
    /// `FINNHUB_STREAM_FILE`.
    pub(super) file: &'b Path,
    /// The header line, if it is asked for; else nothing.
    pub(super) header: &'b [u8],
    /// Whole rows.
    pub(super) bytes: &'b [u8],
}

/// The result of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Exit code 0, and everything was read.
    Accepted,
    /// Why not, for a person.
    Refused(String),
    /// CMD was killed at the end of `--timeout`.
    TookTooLong,
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
        false if path.is_file() => {
            let here = format!("it is not in PATH; for the file here write ./{}", path.display());
            Err(cannot_start(program, &here))
        }
        _ => Err(cannot_start(program, &"there is no such program")),
    }
}

fn cannot_start(program: &OsStr, reason: &dyn Display) -> ShipError {
    ShipError::CannotStart { program: program.into(), reason: in_words(reason) }
}

/// CMD, which is started for each batch and each try of one.
pub(super) struct Command<'o> {
    options: &'o ShipOptions,
    signals: &'o Signals,
    lock: CommandLock,
    pub(super) said: Said,
}

impl<'o> Command<'o> {
    /// No CMD is started yet.
    ///
    /// # Errors
    /// When the system gives no pipe for what CMD says.
    pub(super) fn new(
        options: &'o ShipOptions,
        signals: &'o Signals,
        lock: CommandLock,
    ) -> Result<Self, ShipError> {
        let said = Said::new().map_err(ShipError::io("get a pipe for", &options.file))?;
        Ok(Self { options, signals, lock, said })
    }

    /// Starts CMD with the batch on its standard input and waits for its end.
    ///
    /// # Errors
    /// When CMD cannot be started, and could not be later.
    pub(super) fn deliver(
        &mut self,
        batch: &Batch<'_>,
        progress: &mut Progress,
    ) -> Result<Outcome, ShipError> {
        let input = match BatchFile::holding(&[batch.header, batch.bytes]) {
            Ok(input) => input,
            Err(error) => {
                let why = format!("no room to hand over the batch: {}", in_words(&error));
                return Ok(Outcome::Refused(why));
            }
        };
        match self.start(batch, &input) {
            Ok(child) => Ok(self.wait_for(child, &input, progress)),
            Err(error) if may_pass(&error) => {
                Ok(Outcome::Refused(format!("CMD cannot be started: {}", in_words(&error))))
            }
            Err(error) => Err(cannot_start(&self.options.command[0], &error)),
        }
    }

    fn start(&mut self, batch: &Batch<'_>, input: &BatchFile) -> io::Result<Child> {
        let [program, arguments @ ..] = &self.options.command[..] else {
            return Err(ErrorKind::NotFound.into());
        };
        let mut process = child::command(program);
        process
            .args(arguments)
            .env("FINNHUB_STREAM_BATCH", &batch.id)
            .env("FINNHUB_STREAM_AFTER", batch.after)
            .env("FINNHUB_STREAM_ROWS", batch.rows.to_string())
            .env("FINNHUB_STREAM_FILE", batch.file)
            .stdin(input.for_child()?)
            .stderr(self.said.for_child()?);
        let child = Child::start(&mut process, self.options.timeout)?;
        self.lock.held_by(child.group());
        Ok(child)
    }

    fn wait_for(
        &mut self,
        mut child: Child,
        input: &BatchFile,
        progress: &mut Progress,
    ) -> Outcome {
        loop {
            if let Some(asked) = self.signals.stopped_at() {
                let at_once = self.signals.leaves_at_once.get();
                child.end_by(if at_once { Instant::now() } else { asked + TIME_AFTER_STOP });
            }
            match child.poll() {
                Ok(State::Running) => {}
                Ok(State::Ended(status)) => return self.judge(status, input),
                Ok(State::TookTooLong) if self.signals.stopping() => {
                    return Outcome::Refused("stopped before its end".to_owned());
                }
                Ok(State::TookTooLong) => return Outcome::TookTooLong,
                Err(error) => {
                    return Outcome::Refused(format!("CMD is lost: {}", in_words(&error)));
                }
            }
            self.said.pass_on();
            self.signals.wait(child.until().min(progress.show()), Some(self.said.as_fd()));
        }
    }

    /// The outcome by the end of CMD.
    fn judge(&mut self, status: ExitStatus, input: &BatchFile) -> Outcome {
        let last_line = self.said.last_line();
        let mut why = match (status.code(), status.signal()) {
            (Some(0), _) => match input.unread() {
                Ok(0) => return Outcome::Accepted,
                Ok(left) => format!("exit code 0, but {left} bytes were not read"),
                Err(error) => format!("how much was read is not known: {}", in_words(&error)),
            },
            (Some(code), _) => format!("exit code {code}"),
            (None, signal) => format!("killed by signal {}", signal.unwrap_or_default()),
        };
        if !last_line.is_empty() {
            why.extend([": ", last_line]);
        }
        Outcome::Refused(why)
    }
}

/// Whether an error may pass: no memory, too many processes, a program that is just being replaced.
fn may_pass(error: &io::Error) -> bool {
    use ErrorKind::{ExecutableFileBusy, Interrupted, OutOfMemory, WouldBlock};
    matches!(error.kind(), OutOfMemory | WouldBlock | ExecutableFileBusy | Interrupted)
}
