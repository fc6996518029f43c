//! A stop that is asked for by a signal.
//!
//! A thread of its own. The first signal asks for the end, a second Ctrl-C leaves at once.

use std::process::exit;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{EXIT_INTERRUPTED, Error, cannot_go_on};
use crate::threads::spawn;

/// Two SIGINT within this are one: `timeout -s INT` sends it to the process and to its group.
pub(crate) const ONE_CTRL_C: Duration = Duration::from_millis(50);

/// Listens from now on, and calls `stop` at the first signal.
///
/// # Errors
/// When the system gives no thread or no pipe for it.
pub(crate) fn listen(stop: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(cannot_go_on)?;
    spawn("signals", move || {
        let mut signals = signals.forever();
        signals.next();
        let stopped = Instant::now();
        stop();
        // A closing terminal sends SIGHUP more than once; only a person presses Ctrl-C again.
        if signals.any(|signal| signal == SIGINT && stopped.elapsed() > ONE_CTRL_C) {
            exit(i32::from(EXIT_INTERRUPTED));
        }
    })?;
    Ok(())
}
