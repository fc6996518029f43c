//! The command of `ship` as a process: one at a time, and what becomes of it.

use std::fs;

use nix::unistd::Pid;

use crate::harness::{Recorder, Signal};
use crate::ship::{recording, ship};

/// Whether this process has ended. It was adopted by somebody who waits for it or not: then it is a zombie.
fn has_ended(process: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    nix::sys::signal::kill(Pid::from_raw(process), None).is_err() || status.contains(") Z ")
}

/// The number in the first line of a file.
fn process_in(shipped: &Recorder, name: &str) -> i32 {
    let text = shipped.text_of(name);
    text.lines().next().and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn what_a_command_that_has_failed_leaves_behind_is_gone_before_the_next_try() {
    let script = "cat > /dev/null; [ -e left ] && grep -qs '^State:.[RS]' /proc/$(head -1 left)/status && touch beside; \
                  sleep 60 & echo $! >> left; exit 1";
    let mut shipped = ship(recording(0..3), "", script).spawn();
    shipped.wait_until("a third try", |now| now.text_of("left").lines().count() > 2);
    assert!(has_ended(process_in(&shipped, "left")), "{}", shipped.seen());
    assert!(!shipped.path("beside").exists(), "it was there beside the next one");
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
}
