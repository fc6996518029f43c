//! The signals that ask for a stop, the same ones for all subcommands, and the thread that listens to them.
//!
//! A thread of its own. The first signal asks for the end, a second Ctrl-C ends the program at once.

use std::ffi::c_int;
use std::fs;
use std::process::exit;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::process::error::{EXIT_INTERRUPTED, Error, cannot_go_on};
use crate::process::threads::spawn;

/// Two SIGINT within this time count as one: `timeout -s INT` sends it to the process and to its group.
const ONE_CTRL_C: Duration = Duration::from_millis(50);

/// Where Linux lists the signals that a process ignores. macOS tells it to unsafe code only, so that there
/// none counts as ignored.
const STATUS: &str = "/proc/self/status";

/// The signals that ask for the end. SIGINT and SIGHUP stay ignored when they are ignored at the start, as
/// with `nohup` and in background jobs of a script: there the program is meant to go on. SIGTERM always asks
/// for the end. To be called before the program listens to any of them.
pub(crate) fn stop_signals() -> Vec<c_int> {
    let status = fs::read_to_string(STATUS).unwrap_or_default();
    let counts = |signal: &c_int| *signal == SIGTERM || !is_ignored(*signal, &status);
    [SIGTERM, SIGINT, SIGHUP].into_iter().filter(counts).collect()
}

/// Whether a signal is ignored, and so is to stay ignored. To be asked before the program listens to it.
#[cfg(feature = "table")]
pub(crate) fn stays_ignored(signal: c_int) -> bool {
    is_ignored(signal, &fs::read_to_string(STATUS).unwrap_or_default())
}

/// Whether `status` has the signal among those that the process ignores: a hexadecimal number, whose
/// lowest bit is signal 1.
fn is_ignored(signal: c_int, status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Whether a signal after the first one, which came at `since`, is a second Ctrl-C of a person. SIGHUP never
/// is: a closing terminal sends it more than once.
pub(crate) fn is_second_ctrl_c(signal: c_int, since: Instant) -> bool {
    signal == SIGINT && since.elapsed() > ONE_CTRL_C
}

/// Listens from now on, and calls `stop` at the first signal.
///
/// # Errors
/// When the system gives no thread or no pipe for it.
pub(crate) fn listen(stop: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let mut signals = Signals::new(stop_signals()).map_err(cannot_go_on)?;
    spawn("signals", move || {
        let mut signals = signals.forever();
        signals.next();
        stop();
        // Read after the wait, since the signal may have come during it.
        let stopped = Instant::now();
        if signals.any(|signal| is_second_ctrl_c(signal, stopped)) {
            exit(i32::from(EXIT_INTERRUPTED));
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    use super::is_ignored;

    #[test]
    fn what_is_ignored_is_read_from_the_status_of_the_process() {
        let check = |mask: &str, expected: [bool; 3]| {
            let status = format!("Name:\tx\nSigBlk:\tffffffffffffffff\n{mask}\nSigCgt:\tffff\n");
            let found = [SIGHUP, SIGINT, SIGTERM].map(|signal| is_ignored(signal, &status));
            assert_eq!(found, expected, "{mask}");
        };
        check("SigIgn:\t0000000000000000", [false; 3]);
        check("SigIgn:\t0000000000001000", [false; 3]);
        check("SigIgn:\t0000000000001001", [true, false, false]);
        check("SigIgn:\t0000000000000006", [false, true, false]);
        check("SigIgn:\t0000000000004003", [true; 3]);
        check("SigIgn:\tffffffffffffffff", [true; 3]);
        check("SigIgn:", [false; 3]);
        check("", [false; 3]);
    }
}
