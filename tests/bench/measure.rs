//! What the kernel says about a recorder's process, and medians. Runs on the main thread of the
//! bench.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::Outcome;

/// User and system time of all children that have ended and been waited for. Recorders run one at
/// a time, so the difference across one of them is its own, with all its threads.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn cpu_of_ended_children() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds =
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(microseconds)?))
}

/// CPU time of all threads of a running process so far, by the scheduler's nanosecond count.
/// Threads that have ended are not in it.
///
/// # Errors
/// The process has ended, or the kernel does not keep the count.
pub(crate) fn cpu_of_running(process: u32) -> Outcome<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let line = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = line.split_whitespace().next().ok_or("schedstat is empty")?;
        nanoseconds += first.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// How often the threads of a running process have gone to sleep so far, and so have woken up.
///
/// # Errors
/// The process has ended.
pub(crate) fn wake_ups_of_running(process: u32) -> Outcome<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        sum += status_number(&status, "voluntary_ctxt_switches:").ok_or("no context switches")?;
    }
    Ok(sum)
}

/// The most memory a running process has had resident; nothing once it has ended.
pub(crate) fn peak_memory_bytes(process: u32) -> Option<u64> {
    memory_bytes(process, "VmHWM:")
}

/// The memory that a running process has resident now.
pub(crate) fn resident_bytes(process: u32) -> Option<u64> {
    memory_bytes(process, "VmRSS:")
}

fn memory_bytes(process: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Some(status_number(&status, name)? * 1024)
}

/// The number behind `name` in a `status` file of `/proc`.
fn status_number(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Median, lowest and highest of one figure over the rounds.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// Of any number of values; of none, all three are NaN and show as such.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (Some(&low), Some(&high)) = (values.first(), values.last()) else {
            return Self { median: f64::NAN, low: f64::NAN, high: f64::NAN };
        };
        let (below, above) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Self { median: f64::midpoint(below, above), low, high }
    }
}
