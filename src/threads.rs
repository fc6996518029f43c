//! Threads with names.
//!
//! Any thread. Each long-lived part starts its own with [`spawn`] and gives back a handle.

use std::thread::{self, JoinHandle};

use crate::error::Error;

/// Starts a thread with a name that debuggers and `top -H` show.
///
/// # Errors
/// When the system has no thread to give.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| Error::CannotGoOn(format!("cannot start the thread {name}: {error}")))
}
