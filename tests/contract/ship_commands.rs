//! The command of `ship` as a process: one at a time, what it is given, what it says, and what becomes
//! of it; and positions that other versions have written.

use std::fs;
use std::io::Write;

use nix::unistd::Pid;

use crate::harness::{Recorder, Run, Signal};
use crate::ship::{HEADER, beside, recording, rows, ship};

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

#[test]
fn a_batch_is_whole_also_when_ship_is_killed_before_it_is_read() {
    let text = rows(0..60_000);
    let run = Run::without_key().file("op1.csv", format!("{HEADER}{text}"));
    let script = "echo > running; until [ -e go ]; do sleep 0.01; done; cat > part; mv part got";
    let mut shipped = ship(run, "--batch-rows 100000 --batch-bytes 100MiB", script).spawn();
    shipped.wait_until("CMD runs", |now| now.path("running").exists());
    shipped.signal(Signal::SIGKILL);
    fs::write(shipped.path("go"), "").expect("a file");
    // CMD has our standard output until its end.
    shipped.wait_exit();
    assert!(shipped.text_of("got") == text, "{} bytes", shipped.text_of("got").len());
}

#[test]
fn standard_input_is_a_file_of_the_length_of_the_batch() {
    let script = "[ -f /dev/stdin ] && stat -Lc %s /dev/stdin && cat > /dev/null";
    let (code, shipped) = ship(recording(0..3), "--once", script).run_to_its_end();
    assert_eq!((code, shipped.stdout()), (0, format!("{}\n", rows(0..3).len())));
}

#[test]
fn one_command_at_a_time_also_after_a_kill_of_ship() {
    let script = "cat > part.$$; echo $FINNHUB_STREAM_ROWS $$ >> begun; \
                  until [ -e go ]; do sleep 0.01; done; cat part.$$ >> got; echo $$ >> ended";
    let mut first = ship(recording(0..10), "--batch-rows 4", script).spawn();
    first.wait_until("CMD runs", |now| now.text_of("begun").ends_with('\n'));
    let command = first.text_of("begun").split_whitespace().nth(1).expect("a number").to_owned();
    first.signal(Signal::SIGKILL);
    let mut second = ship(Run::beside(&first), "--once --batch-rows 4", script).spawn();
    second.wait_until_it_says(&format!("earlier run ({command}) has not ended; waiting up to 60s"));
    let mut third = ship(Run::beside(&first), "--once", script).spawn();
    assert_eq!(third.wait_exit(), 1, "it is the second one's turn\n{}", third.seen());
    assert_eq!(first.text_of("begun").lines().count(), 1, "{}", second.seen());
    fs::write(first.path("go"), "").expect("a file");
    assert_eq!(second.wait_exit(), 0, "{}", second.seen());
    assert!(second.text_of("ended").starts_with(&format!("{command}\n")), "{}", second.seen());
    // What the first one had done came before all others; its batch comes again.
    assert_eq!(second.text_of("got"), rows(0..4) + &rows(0..10));
    assert_eq!(second.stderr().matches("has not ended").count(), 1, "{}", second.seen());
}

#[test]
fn a_command_that_never_ends_keeps_the_next_ship_from_starting_and_is_named() {
    let script = "echo $$ > running; exec sleep 60";
    let mut first = ship(recording(0..10), "", script).spawn();
    first.wait_until("CMD runs", |now| now.text_of("running").ends_with('\n'));
    first.signal(Signal::SIGKILL);
    let (code, second) =
        ship(Run::beside(&first), "--once --timeout 300ms", "cat > got").run_to_its_end();
    assert_eq!(code, 1, "{}", second.seen());
    let group = process_in(&second, "running");
    let said = second.stderr();
    assert!(said.contains(&format!("kill -9 -- -{group}")), "{said}");
    let mut waiting = ship(Run::beside(&first), "--once", "cat > got").spawn();
    waiting.wait_until_it_says("has not ended");
    waiting.signal(Signal::SIGTERM);
    assert_eq!(waiting.wait_exit(), 0, "a stop is heard meanwhile: {}", waiting.seen());
    assert!(!waiting.path("got").exists(), "{}", waiting.seen());
    nix::sys::signal::kill(Pid::from_raw(-group), Signal::SIGKILL).expect("to end it as said");
    let mut last = beside(&first, "--once", "cat > got");
    assert_eq!(last.wait_exit(), 0, "{}", last.seen());
    assert_eq!(last.text_of("got"), rows(0..10));
}

/// Notes the ids of the batch before and of the batch.
const CHAIN: &str =
    r#"cat > /dev/null; echo "[$FINNHUB_STREAM_AFTER] [$FINNHUB_STREAM_BATCH]" >> chain"#;

/// Fails unless each batch names the one before; gives the ids.
fn chain(shipped: &Recorder) -> Vec<String> {
    let mut before = String::new();
    let text = shipped.text_of("chain");
    let ids = text.lines().map(|line| {
        let (after, batch) = line.split_once("] [").expect("two ids");
        assert_eq!(after, format!("[{before}"), "{text}");
        batch.trim_end_matches(']').clone_into(&mut before);
        before.clone()
    });
    ids.collect()
}

#[test]
fn a_command_is_told_the_batch_before_through_files_and_restarts() {
    let run = recording(10..14).file("op1-2026-11-23.csv", format!("{HEADER}{}", rows(0..10)));
    let (code, shipped) = ship(run, "--once --batch-rows 4", CHAIN).run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    append(&shipped, &rows(14..18));
    let mut again = beside(&shipped, "--once", CHAIN);
    assert_eq!(again.wait_exit(), 0, "{}", again.seen());
    let ids = chain(&again);
    assert_eq!(ids.len(), 5, "{ids:?}");
}

fn append(recorder: &Recorder, text: &str) {
    let file = fs::OpenOptions::new().append(true).open(recorder.path("op1.csv"));
    file.expect("the recording").write_all(text.as_bytes()).expect("room");
}

/// FNV-1a of 64 bits, as the position has it.
fn fnv1a(text: &str) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The position of `shipped` as the version before wrote it.
fn in_the_old_form(shipped: &Recorder) -> String {
    let position: serde_json::Value =
        serde_json::from_str(&shipped.text_of("op1.csv.ship-t")).expect("JSON");
    let mark = &position["mark"];
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let print = |mark: &serde_json::Value| format!("{} {}", mark["length"], text(&mark["hash"]));
    let lines = format!(
        "finnhub-stream ship 1\nshipping {}\naccepted {}\nfile {} -\npassed -\nhead {}\ntail {}\n\
         offset {}\nbatch -\n",
        text(&position["shipping"]),
        position["accepted"],
        position["file_number"],
        print(&mark["head"]),
        print(&mark["tail"]),
        mark["offset"],
    );
    format!("{lines}check {:016x}\n", fnv1a(&lines))
}

#[test]
fn a_position_of_the_version_before_is_gone_on_with() {
    let script = format!("cat >> got; {CHAIN}");
    let (code, shipped) = ship(recording(0..10), "--once", &script).run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    fs::write(shipped.path("op1.csv.ship-t"), in_the_old_form(&shipped)).expect("a file");
    fs::remove_file(shipped.path("chain")).expect("a file");
    append(&shipped, &rows(10..20));
    let mut again = beside(&shipped, "--once --batch-rows 5", &script);
    assert_eq!(again.wait_exit(), 0, "{}", again.seen());
    assert!(again.stderr().contains("10 rows accepted before"), "{}", again.seen());
    assert_eq!(again.text_of("got"), rows(0..20));
    assert_eq!(chain(&again).len(), 2, "which batch was before is not known at first");
    assert!(again.text_of("op1.csv.ship-t").contains("\"version\": 2"));
}

#[test]
fn a_position_of_a_newer_version_is_left_alone() {
    let (code, shipped) = ship(recording(0..10), "--once", "cat >> got").run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    let newer = shipped.text_of("op1.csv.ship-t").replace("\"version\": 2", "\"version\": 3");
    fs::write(shipped.path("op1.csv.ship-t"), &newer).expect("a file");
    let mut again = beside(&shipped, "--once --from start", "cat >> got");
    assert_eq!(again.wait_exit(), 1, "{}", again.seen());
    let line = again.only_error_line();
    assert!(line.contains("op1.csv.ship-t was written by a newer finnhub-stream"), "{line}");
    assert_eq!(again.text_of("op1.csv.ship-t"), newer);
    assert_eq!(again.text_of("got"), rows(0..10));
}

#[test]
fn the_first_failure_has_the_last_line_of_the_command_and_its_lines_are_bounded() {
    let script =
        "cat > /dev/null; seq 1000 >&2; printf 'no such\\ttable' >&2; echo >> tries; exit 3";
    let mut shipped = ship(recording(0..10), "", script).spawn();
    shipped.wait_until("a third try", |now| now.text_of("tries").lines().count() > 2);
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    let said = shipped.stderr();
    let failure = "WARN  a batch is not accepted: exit code 3: no such\\ttable; it is tried again";
    assert_eq!(said.matches(failure).count(), 1, "{said}");
    assert_eq!(said.matches("not accepted").count(), 1, "{said}");
    // Not more than twenty, and perhaps some in another minute.
    let lines = said.matches("INFO  CMD: ").count();
    assert!((20..=40).contains(&lines), "{lines}: {said}");
    assert!(said.contains("INFO  CMD: 1\n"), "{said}");
    let end = "\nread 10 = accepted 0 + waiting 10\n";
    assert!(said.ends_with(end), "{said}");
}

#[test]
fn what_a_command_has_left_running_may_still_say_something() {
    let script = "cat >> got; (until [ -e go ]; do sleep 0.01; done; seq 50000 >&2; echo > done) &";
    let mut shipped = ship(recording(0..3), "", script).spawn();
    shipped.wait_until("the rows", |now| now.text_of("got") == rows(0..3));
    append(&shipped, &rows(3..6));
    shipped.wait_until("the next rows", |now| now.text_of("got") == rows(0..6));
    fs::write(shipped.path("go"), "").expect("a file");
    shipped.wait_until("it was neither killed by a closed pipe nor held by a full one", |now| {
        now.path("done").exists()
    });
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
}

#[test]
fn two_tries_that_take_too_long_get_an_advice_once() {
    let script = "echo >> tries; exec sleep 60";
    let mut shipped = ship(recording(0..10), "--timeout 100ms", script).spawn();
    shipped.wait_until("a third try", |now| now.text_of("tries").lines().count() > 2);
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    let said = shipped.stderr();
    assert_eq!(said.matches("--timeout").count(), 2, "one line: {said}");
    assert!(said.contains("twice taken longer than --timeout 100ms"), "{said}");
    assert!(said.contains("--batch-rows"), "{said}");
}

#[test]
#[ignore = "needs more than a minute"]
fn a_failure_that_lasts_is_told_once_a_minute_with_what_waits() {
    let mut shipped = ship(recording(0..10), "--batch-rows 4", "echo away >&2; exit 1").spawn();
    shipped.wait_until_it_says("a batch is not accepted: exit code 1: away; it is tried again");
    append(&shipped, &rows(10..20));
    shipped.wait_until_it_says("a batch is not accepted for 1 m, ");
    let said = shipped.stderr();
    assert!(said.contains(" attempts: exit code 1: away; waiting: 20 rows\n"), "{said}");
    assert_eq!(said.matches("not accepted").count(), 2, "{said}");
}
