//! Waiting for something that can be seen.

use std::thread;
use std::time::Duration;

pub(crate) use crate::harness::DEADLINE;
use crate::harness::stopwatch::Waits;

/// For what is measured of this process: of servers that run inside the test, and of waiting for others
/// on a machine that is as busy for them.
pub(crate) fn own_waits() -> Waits {
    Waits::of(std::process::id())
}

/// Looks until there is something to give; on failure says what was seen last.
pub(crate) fn wait_for<T, S: std::fmt::Debug>(
    what: &str,
    mut look: impl FnMut() -> Result<T, S>,
) -> T {
    let mut waits = own_waits();
    let start = waits.start();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if waits.exceeds(&start, DEADLINE) => {
                panic!("waited {DEADLINE:?} for {what}; seen last: {seen:?}")
            }
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Waits until `look` says yes about what it gives.
pub(crate) fn wait_until<S: std::fmt::Debug>(
    what: &str,
    mut look: impl FnMut() -> S,
    is_right: impl Fn(&S) -> bool,
) -> S {
    wait_for(what, || {
        let seen = look();
        if is_right(&seen) { Ok(seen) } else { Err(seen) }
    })
}
