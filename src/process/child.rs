//! A child process that is run for the user: `ship`'s CMD, the command of `--on-event`.
//!
//! Any thread, each with its own children. A child is in a process group of its own, so that Ctrl-C
//! on the terminal is not for it, and what it has started can be killed with it. It does not get the
//! API key, which it might write or pass on. It has a time limit.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// The variables that may hold the API key, the more specific one first.
pub(crate) const KEY_VARIABLES: [&str; 2] = ["FINNHUB_API_KEY", "API_KEY"];

/// How long the end of a killed process is waited for: a process that hangs on a dead disk may never end.
const REAP_TIME: Duration = Duration::from_secs(1);

/// How often the end of a killed process is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A program that is to be a [`Child`].
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for variable in KEY_VARIABLES {
        command.env_remove(variable);
    }
    command.process_group(0);
    command
}

/// The state of a child.
#[derive(Debug)]
pub(crate) enum State {
    /// It runs, and has time left.
    Running,
    /// It has ended.
    Ended(ExitStatus),
    /// Its time was over; it was killed.
    TookTooLong,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    /// The end of its time.
    until: Instant,
    is_killed: bool,
}

impl Child {
    /// Starts what [`command`] has made, for no longer than `time`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(command: &mut Command, time: Duration) -> io::Result<Self> {
        let until = Instant::now() + time;
        Ok(Self { process: command.spawn()?, until, is_killed: false })
    }

    /// The end of its time.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Gives it no more time than until `until`.
    pub(crate) fn end_by(&mut self, until: Instant) {
        self.until = self.until.min(until);
    }

    /// The number of its process group.
    pub(crate) fn group(&self) -> u32 {
        self.process.id()
    }

    /// Gives its state. When it has failed, or takes too long, it is killed with all that it has started.
    ///
    /// # Errors
    /// When somebody else has waited for it, so that its end is not known.
    pub(crate) fn poll(&mut self) -> io::Result<State> {
        if self.is_killed {
            return Ok(self.process.try_wait()?.map_or(State::TookTooLong, State::Ended));
        }
        let process = WaitId::Pid(Pid::from_child(&self.process));
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(process, options)? {
            Some(end) => {
                // Until it is waited for, no other process gets its number.
                if end.exit_status() != Some(0) {
                    self.kill_group();
                }
                self.process.wait().map(State::Ended)
            }
            None if Instant::now() < self.until => Ok(State::Running),
            None => {
                self.kill();
                Ok(State::TookTooLong)
            }
        }
    }

    /// Kills it with what it has started.
    pub(crate) fn kill(&mut self) {
        self.is_killed = true;
        self.kill_group();
        let deadline = Instant::now() + REAP_TIME;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(LOOK_EVERY);
        }
    }

    fn kill_group(&self) {
        // The group may be empty.
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
    }
}
