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
mod tests {
    use std::fs;
    use std::path::Path;
    use std::thread;
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, test_kill_process};
    use tempfile::TempDir;

    use super::{Event, LOOK_EVERY, Runner, WAITING_EVENTS};

    const DEADLINE: Duration = Duration::from_secs(20);

    /// A runner whose command finds the directory in `$FINNHUB_STREAM_OUT`.
    fn runner(command: &str) -> (Runner, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().as_os_str().to_owned();
        (Runner::new(command.to_owned(), out), directory)
    }

    fn run_until(runner: &mut Runner, what: &str, done: impl Fn(&Runner) -> bool) {
        let start = Instant::now();
        while !done(runner) {
            assert!(start.elapsed() < DEADLINE, "waited for {what}");
            runner.run();
            thread::sleep(LOOK_EVERY);
        }
    }

    fn is_idle(runner: &Runner) -> bool {
        runner.running.is_none() && runner.waiting.is_empty()
    }

    fn read(directory: &TempDir, name: &str) -> String {
        fs::read_to_string(directory.path().join(name)).unwrap_or_default()
    }

    #[test]
    fn texts_are_in_the_environment_and_never_run() {
        let (mut runner, directory) = runner(
            "cd \"$FINNHUB_STREAM_OUT\"; printf '%s ' $FINNHUB_STREAM_EVENT $FINNHUB_STREAM_TIME_MS \"$FINNHUB_STREAM_REASON\" >told",
        );
        let reason = "x\"; touch owned; $(touch owned) `touch owned`\0\n";
        runner.add(Event::new("down", 17, reason));
        run_until(&mut runner, "the command", is_idle);
        let told = "down 17 x\"; touch owned; $(touch owned) `touch owned`\\0\\n ";
        assert_eq!(read(&directory, "told"), told);
        assert!(!directory.path().join("owned").exists());
    }

    #[test]
    fn one_runs_at_a_time_in_their_order_and_the_oldest_give_way() {
        let (mut runner, directory) = runner(
            "cd \"$FINNHUB_STREAM_OUT\"; mkdir one || echo two >>told; until [ -e go ]; do sleep 0.01; done; echo $FINNHUB_STREAM_TIME_MS >>told; rmdir one",
        );
        runner.add(Event::new("down", 0, ""));
        runner.run();
        let last = i64::try_from(WAITING_EVENTS).unwrap() + 2;
        for number in 1..=last {
            runner.add(Event::new("live", number, ""));
        }
        fs::write(directory.path().join("go"), "").unwrap();
        run_until(&mut runner, "all commands", is_idle);
        let numbers = [0].into_iter().chain(3..=last).map(|number| format!("{number}\n"));
        assert_eq!(read(&directory, "told"), numbers.collect::<String>());
    }

    /// Waits until the process whose number is in the file is gone.
    fn wait_for_the_end_of(process: &Path) {
        let number = fs::read_to_string(process).unwrap().trim().parse().unwrap();
        let start = Instant::now();
        while test_kill_process(Pid::from_raw(number).unwrap()).is_ok() {
            assert!(start.elapsed() < DEADLINE, "{number} still runs");
            thread::sleep(LOOK_EVERY);
        }
    }

    #[test]
    fn a_command_that_hangs_is_killed_with_what_it_started() {
        let (mut runner, directory) = runner(
            "cd \"$FINNHUB_STREAM_OUT\"; [ $FINNHUB_STREAM_EVENT = live ] && exit; sleep 1000 & echo $! >new; mv new child; wait",
        );
        runner.time = Duration::from_millis(200);
        let child = directory.path().join("child");
        runner.add(Event::new("down", 1, ""));
        runner.add(Event::new("live", 2, ""));
        runner.run();
        let start = Instant::now();
        while !child.exists() {
            assert!(start.elapsed() < DEADLINE, "it started nothing");
            thread::sleep(LOOK_EVERY);
        }
        run_until(&mut runner, "the end of both", is_idle);
        wait_for_the_end_of(&child);
    }

    #[test]
    fn the_last_event_is_reported_although_an_earlier_command_hangs() {
        let (mut runner, directory) = runner(
            "cd \"$FINNHUB_STREAM_OUT\"; echo $FINNHUB_STREAM_EVENT >>told; [ $FINNHUB_STREAM_EVENT = stopped ] || exec sleep 1000",
        );
        runner.add(Event::new("disk-full", 1, ""));
        runner.add(Event::new("disk-ok", 2, ""));
        runner.run();
        let start = Instant::now();
        while read(&directory, "told").is_empty() {
            assert!(start.elapsed() < DEADLINE, "the command was not run");
            thread::sleep(LOOK_EVERY);
        }
        runner.finish(Event::new("stopped", 3, ""), Instant::now());
        while read(&directory, "told") != "disk-full\nstopped\n" {
            assert!(start.elapsed() < DEADLINE, "{}", read(&directory, "told"));
            thread::sleep(LOOK_EVERY);
        }
    }
}
