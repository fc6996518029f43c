//! The running writer thread, for the thread that ends the program: the main thread, or the deadline
//! thread when the main thread is stuck.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::process::error::{Error, cannot_go_on};
use crate::status::snapshot::Counts;

/// How often it is checked whether the thread has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What the writer thread returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The sums.
    pub counts: Counts,
    /// What could not be written at the very end, as one line.
    pub failure: Option<String>,
}

/// The writer thread. Clones are handles of the same thread.
#[derive(Debug, Clone)]
pub struct WriterHandle {
    /// `None` after the first join.
    thread: Arc<Mutex<Option<JoinHandle<Summary>>>>,
}

impl WriterHandle {
    /// A handle of the running `thread`.
    pub(super) fn new(thread: JoinHandle<Summary>) -> Self {
        Self { thread: Arc::new(Mutex::new(Some(thread))) }
    }

    /// Waits for the thread to end, until the `deadline` if there is one, and returns its summary. The
    /// caller that gets a result ends the program; every other caller then waits for ever.
    ///
    /// # Errors
    /// When the thread has panicked, or has not ended before the deadline.
    pub fn join(&self, deadline: Option<Instant>) -> Result<Summary, Error> {
        loop {
            let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            let is_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            match thread.take() {
                Some(running) if running.is_finished() => {
                    let failed = "the writer thread failed; the file holds everything up to then";
                    return running.join().map_err(|_| cannot_go_on(failed));
                }
                Some(_) if is_late => {
                    return Err(cannot_go_on("the last rows could not be written in time"));
                }
                running => *thread = running,
            }
            drop(thread);
            thread::sleep(LOOK_EVERY);
        }
    }
}
