//! `--on-event`: runs a command at events, for a person who is not watching.
//!
//! One thread looks for events in the snapshots (`watch`) and runs the command for each (`runner`).
//! Recording and stopping never wait for it.

mod runner;
mod watch;

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::channel::SharedState;
use crate::process::error::Error;
use crate::process::threads::{join_until, spawn};
use crate::text::clock::now_ms;
use runner::Runner;
use watch::{Event, EventWatch};

/// How often a snapshot is looked at; [`EventWatch`] depends on this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Starting the last command takes this long at most, on a busy machine.
const STARTING: Duration = Duration::from_millis(200);

/// Why the recording has ended, and until when the last command is waited for.
type End = (String, Instant);

/// The thread, for the thread that ends the program.
#[derive(Clone)]
pub(crate) struct OnEvent {
    sender: Sender<End>,
    thread: Arc<JoinHandle<()>>,
}

impl OnEvent {
    /// Starts the thread. `out` is what was given to `--out`, for the command.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start(
        command: String,
        out: OsString,
        shared: &Arc<SharedState>,
    ) -> Result<Self, Error> {
        let runner = Runner::new(command, out);
        let shared = Arc::clone(shared);
        let (sender, end) = mpsc::channel();
        let thread = spawn("events", move || run(runner, &shared, &end))?;
        Ok(Self { sender, thread: Arc::new(thread) })
    }

    /// Runs the command for the end of the recording, and waits for it until `until`. After that it
    /// goes on by itself.
    pub(crate) fn stopped(&self, reason: String, until: Instant) {
        if self.sender.send((reason, until)).is_ok() {
            join_until(&self.thread, until + STARTING);
        }
    }
}

fn run(mut runner: Runner, shared: &SharedState, end: &Receiver<End>) {
    runner.warn_if_unknown();
    let mut watch = EventWatch::default();
    loop {
        let ended = end.recv_timeout(LOOK_EVERY);
        let key_refused = shared.key_refused.load(Ordering::Relaxed);
        for event in watch.poll(&shared.slot.latest(), key_refused, Instant::now(), now_ms()) {
            runner.add(event);
        }
        match ended {
            Err(RecvTimeoutError::Timeout) => runner.run(),
            Err(RecvTimeoutError::Disconnected) => return,
            Ok((reason, until)) => {
                return runner.finish(Event::new("stopped", now_ms(), reason), until);
            }
        }
    }
}
