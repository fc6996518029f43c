//! Runs the command for one event at a time, each with a time limit.
//!
//! The events' thread. The texts of an event may quote a server, so they are in the environment of
//! the command and never in its words. It does not get the API key, nor our standard output.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use log::warn;

use super::watch::Event;
use crate::process::child::{self, Child, State};
use crate::text::{in_words, printable};

/// A command that takes longer is killed: a message is sent within seconds, or not at all.
const TIME: Duration = Duration::from_secs(30);

/// Events that may wait while a command runs. With more the oldest are left out: the newest ones tell the present
/// state.
const WAITING_EVENTS: usize = 16;

/// How often the end of a command is looked for when the program is about to end.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Characters of a reason that the command gets.
const REASON_CHARACTERS: usize = 300;

/// The exit code of `sh` for a command that it does not find.
const NOT_FOUND: i32 = 127;

/// The command, the events that it is still to be run for, and its process if it is running.
#[derive(Debug)]
pub(super) struct Runner {
    command: String,
    out: OsString,
    time: Duration,
    waiting: VecDeque<Event>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    kind: &'static str,
}

impl Runner {
    /// No event yet. `out` is what `--out` names.
    pub(super) fn new(command: String, out: OsString) -> Self {
        Self { command, out, time: TIME, waiting: VecDeque::new(), running: None }
    }

    /// Warns when the first word of the command is clearly no command. Words that only the shell understands are
    /// not checked.
    pub(super) fn warn_if_unknown(&self) {
        let Some(word) = self.command.split_whitespace().next() else { return };
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
        let known = if !word.chars().all(plain) {
            true
        } else if word.contains('/') {
            Path::new(word).exists()
        } else {
            // A shell that cannot be started is reported at the first event.
            shell().args(["command -v \"$0\"", word]).status().is_ok_and(|status| status.success())
        };
        if !known {
            warn!("--on-event: there is no command {word}; check its name and PATH");
        }
    }

    /// Adds an event to those that wait for their turn.
    pub(super) fn add(&mut self, event: Event) {
        if self.waiting.len() == WAITING_EVENTS
            && let Some(oldest) = self.waiting.pop_front()
        {
            warn!("--on-event: too many events wait; {} is left out", oldest.kind);
        }
        self.waiting.push_back(event);
    }

    /// Kills the running command when its time is over, and starts the next one when it has ended. Never waits.
    pub(super) fn run(&mut self) {
        if let Some(Running { child, kind }) = &mut self.running {
            let fault = match child.poll() {
                Ok(State::Running) => return,
                Ok(State::TookTooLong) => {
                    format!("took longer than {} s, and was killed", self.time.as_secs())
                }
                Ok(State::Ended(status)) => fault_of(status),
                Err(error) => in_words(&error),
            };
            if !fault.is_empty() {
                warn!("--on-event: the command for {kind} {fault}");
            }
            self.running = None;
        }
        if let Some(event) = self.waiting.pop_front() {
            match self.start(&event) {
                Ok(child) => self.running = Some(Running { child, kind: event.kind }),
                Err(error) => warn!("--on-event: cannot run sh: {}", in_words(&error)),
            }
        }
    }

    /// Runs the command for the last event. At `until` a command for an earlier event is killed and waiting events
    /// are left out; the command for the last event may go on by itself.
    pub(super) fn finish(mut self, last: Event, until: Instant) {
        self.add(last);
        loop {
            self.run();
            let last_one = self.waiting.is_empty();
            match &mut self.running {
                None if last_one => return,
                Some(running) if Instant::now() >= until => {
                    if last_one {
                        return;
                    }
                    running.child.kill();
                    self.waiting.drain(..self.waiting.len() - 1);
                }
                _ => thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn start(&self, event: &Event) -> io::Result<Child> {
        let mut shell = shell();
        shell
            .arg(&self.command)
            .env("FINNHUB_STREAM_EVENT", event.kind)
            .env("FINNHUB_STREAM_REASON", printable(&event.reason, REASON_CHARACTERS))
            .env("FINNHUB_STREAM_TIME_MS", event.at_ms.to_string())
            .env("FINNHUB_STREAM_OUT", &self.out);
        Child::start(&mut shell, self.time)
    }
}

/// `sh -c`, which says nothing to anybody.
fn shell() -> Command {
    let mut shell = child::command("sh");
    shell.arg("-c").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell
}

/// The fault of a command that has ended; empty when it has none.
fn fault_of(status: ExitStatus) -> String {
    match status.code() {
        Some(0) => String::new(),
        Some(NOT_FOUND) => "failed: sh cannot find a command in it".to_owned(),
        Some(code) => format!("failed with exit code {code}"),
        None => format!("failed: {status}"),
    }
}

#[cfg(test)]
mod tests;
