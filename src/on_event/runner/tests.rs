//! Commands that succeed, fail, hang or are too many.

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
