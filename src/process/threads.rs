//! Threads with names, and waiting for their end.
//!
//! Any thread. Each long-lived part starts its own with [`spawn`] and gives back a handle.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::process::error::{Error, cannot_go_on};

/// How often the end of a thread is looked for: too short a time for a person to notice.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Starts a thread with a name that debuggers and `top -H` show.
///
/// # Errors
/// When the system has no thread to give.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder
        .spawn(work)
        .map_err(|error| cannot_go_on(format_args!("cannot start the thread {name}: {error}")))
}

/// A thread that repeats its work. It ends when this handle is dropped.
#[derive(Debug)]
pub(crate) struct Repeating {
    _stop: Sender<()>,
}

/// Starts a thread that repeats `work`: the first time after `pause`, then after the pause that `work` returns.
///
/// # Errors
/// When the system has no thread to give.
pub(crate) fn spawn_every(
    name: &str,
    mut pause: Duration,
    mut work: impl FnMut() -> Duration + Send + 'static,
) -> Result<Repeating, Error> {
    let (stop, stopped) = mpsc::channel();
    spawn(name, move || {
        while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            pause = work();
        }
    })?;
    Ok(Repeating { _stop: stop })
}

/// Waits for the end of a thread, but not longer than `until`.
pub(crate) fn join_until<T>(thread: &JoinHandle<T>, until: Instant) {
    while !thread.is_finished() && Instant::now() < until {
        thread::sleep(LOOK_EVERY);
    }
}
