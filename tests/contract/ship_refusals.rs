//! What `ship` refuses, in one clear line, and what it never passes over: files that are missing,
//! shorter or other than what was shipped of them, and positions that cannot be true.

use std::fs;

use crate::harness::{Recorder, Run, Signal};
use crate::ship::{HEADER, beside, gzipped, recording, rows, ship, ship_as};

const KEEP_ALL: &str = "cat >> got";

/// Runs it and gives its one line of error.
fn refused(run: Run, expected: i32) -> String {
    let (code, recorder) = run.run_to_its_end();
    assert_eq!(code, expected, "{}", recorder.seen());
    recorder.only_error_line()
}

/// The error line of a run that had begun, under its sums.
fn failed(recorder: &mut Recorder) -> String {
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    let said = recorder.stderr();
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    lines[0].to_owned()
}

/// What a first run has shipped of ten rows: all of them.
fn shipped_ten() -> Recorder {
    let (code, shipped) = ship(recording(0..10), "--once", KEEP_ALL).run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    shipped
}

#[test]
fn wrong_usage_is_one_line_with_exit_code_2() {
    for (arguments, expected) in [
        (vec!["op1.csv", "--name", "t"], "<CMD>"),
        (vec!["op1.csv", "--name", "t", "--"], "<CMD>"),
        (vec!["op1.csv", "--name", "t", "cat"], "-- cat"),
        (vec!["op1.csv", "--", "cat"], "--name"),
        (vec!["--name", "t", "--", "cat"], "<FILE>"),
        (vec!["op1.csv", "--name", "a/b", "--", "cat"], "--name"),
        (vec!["op1.csv", "--name", "", "--", "cat"], "--name"),
        (vec!["op1.csv", "--name", "x.lock", "--", "cat"], "--name"),
        (vec!["op1.csv", "--name", "x.running", "--", "cat"], "--name"),
        (vec!["op1.csv", "--name", "x.damaged-1", "--", "cat"], "--name"),
        (vec!["op1.csv", "--name", "t", "--from", "then", "--", "cat"], "--from"),
        (vec!["op1.csv", "--name", "t", "--batch-rows", "0", "--", "cat"], "--batch-rows"),
        (vec!["op1.csv", "--name", "t", "--batch-bytes", "1XB", "--", "cat"], "--batch-bytes"),
        (
            vec!["op1.csv", "--name", "t", "--batch-bytes", "9999999MiB", "--", "cat"],
            "--batch-bytes",
        ),
        (vec!["op1.csv", "--name", "t", "--batch-wait", "1", "--", "cat"], "--batch-wait"),
        (vec!["op1.csv", "--name", "t", "--timeout", "0s", "--", "cat"], "--timeout"),
    ] {
        let run = recording(0..1).arg("ship");
        let (code, recorder) = arguments.iter().fold(run, Run::arg).run_to_its_end();
        assert_eq!(code, 2, "{arguments:?}: {}", recorder.seen());
        assert!(
            recorder.only_error_line().contains(expected),
            "{arguments:?}: {}",
            recorder.seen()
        );
        assert_eq!(recorder.all_files().len(), 1, "nothing is left behind");
    }
}

#[test]
fn a_command_that_cannot_run_ends_it_at_once_and_leaves_nothing_behind() {
    for (command, why) in [
        ("no-such-command", "no such program"),
        ("./no-such-command", "no such program"),
        ("./op1.csv", "not executable"),
        ("/", "not executable"),
    ] {
        // Also when there is nothing to ship.
        let run = recording(0..0).arg("ship").arg("op1.csv").arg("--name").arg("t");
        let (code, recorder) = run.arg("--").arg(command).run_to_its_end();
        assert_eq!(code, 1, "{}", recorder.seen());
        let line = recorder.only_error_line();
        assert!(line.contains(command) && line.contains(why), "{line}");
        assert_eq!(recorder.all_files().len(), 1, "nothing is left behind");
    }
    // Its first line names an interpreter that does not exist: only starting it shows that.
    let run = recording(0..1).file("cmd", "#!/no/such/interpreter\n").restrict("cmd", 0o755);
    let mut recorder =
        run.arg("ship").arg("op1.csv").arg("--name").arg("t").arg("--").arg("./cmd").spawn();
    assert!(failed(&mut recorder).contains("./cmd"), "{}", recorder.seen());
}

#[test]
fn what_is_no_recording_is_refused() {
    let line = refused(ship(Run::without_key(), "--once", KEEP_ALL), 1);
    assert!(line.contains("op1.csv") && line.contains("--out"), "{line}");
    let run = Run::without_key().file("op1.csv", "a,b\n1,2\n");
    let line = failed(&mut ship(run, "--once", KEEP_ALL).spawn());
    assert!(line.contains("op1.csv has no header"), "{line}");
}

#[test]
fn two_with_one_name_are_one_too_many() {
    let mut first = ship(recording(0..3), "", KEEP_ALL).spawn();
    first.wait_until("it ships", |now| now.text_of("got") == rows(0..3));
    let line = refused(ship(Run::beside(&first), "", KEEP_ALL), 1);
    assert!(line.contains("op1.csv") && line.contains("--name"), "{line}");
    let (code, other) = ship_as("u", Run::beside(&first), "--once", "cat > got.u").run_to_its_end();
    assert_eq!(code, 0, "{}", other.seen());
    // The lock goes with the process, however it ends.
    first.signal(Signal::SIGKILL);
    assert_eq!(first.wait_exit(), -9);
    assert_eq!(beside(&first, "--once", KEEP_ALL).wait_exit(), 0);
}

#[test]
fn a_file_shorter_than_the_position_is_an_error() {
    let shipped = shipped_ten();
    let whole = shipped.csv();
    fs::write(shipped.path("op1.csv"), HEADER.to_owned() + &rows(0..9)).expect("a file");
    let line = refused(ship(Run::beside(&shipped), "--once", KEEP_ALL), 1);
    assert!(line.contains("op1.csv is only") && line.contains(&whole.len().to_string()), "{line}");
    // Put back, it goes on.
    fs::write(shipped.path("op1.csv"), whole + &rows(10..11)).expect("a file");
    let mut again = beside(&shipped, "--once", KEEP_ALL);
    assert_eq!(again.wait_exit(), 0, "{}", again.seen());
    assert_eq!(again.text_of("got"), rows(0..11));
}

#[test]
fn a_file_that_is_cut_or_replaced_while_it_is_followed_is_an_error() {
    for content in [HEADER.to_owned() + &rows(0..9), HEADER.to_owned() + &rows(20..40)] {
        let mut shipped = ship(recording(0..10), "", KEEP_ALL).spawn();
        shipped.wait_until("it ships", |now| now.text_of("got") == rows(0..10));
        // The same file, with other content.
        fs::write(shipped.path("op1.csv"), content).expect("a file");
        let line = failed(&mut shipped);
        assert!(line.contains("op1.csv") && line.contains("another --name"), "{line}");
        assert_eq!(shipped.text_of("got"), rows(0..10));
    }
}

#[test]
fn the_position_of_another_recording_is_refused() {
    let shipped = shipped_ten();
    fs::write(shipped.path("op1.csv"), HEADER.to_owned() + &rows(20..40)).expect("a file");
    fs::write(shipped.path("op1-2026-11-23.csv"), HEADER.to_owned() + &rows(10..20)).expect("one");
    let line = refused(ship(Run::beside(&shipped), "--once", KEEP_ALL), 1);
    assert!(line.contains("op1.csv.ship-t") && line.contains("another recording"), "{line}");
    assert_eq!(shipped.text_of("got"), rows(0..10));
    let mut skipping = beside(&shipped, "--once --skip-missing", KEEP_ALL);
    assert_eq!(skipping.wait_exit(), 0, "{}", skipping.seen());
    assert!(
        skipping.stderr().contains("op1.csv was removed; its rows after byte"),
        "{}",
        skipping.seen()
    );
    assert_eq!(skipping.text_of("got"), rows(0..40));
}

#[test]
fn a_damaged_position_is_moved_aside_and_never_guessed() {
    let shipped = shipped_ten();
    let whole = shipped.text_of("op1.csv.ship-t");
    fs::write(
        shipped.path("op1.csv.ship-t"),
        whole.replace("\"accepted\": 10", "\"accepted\": 11"),
    )
    .expect("one");
    let line = refused(ship(Run::beside(&shipped), "--once", KEEP_ALL), 1);
    let aside = line.split_whitespace().find(|word| word.contains(".damaged-")).expect("its name");
    let aside = aside.trim_end_matches(';');
    assert!(
        shipped.text_of(aside).contains("\"accepted\": 11") && line.contains("--from start"),
        "{line}"
    );
    // A service manager that starts it again ships nothing twice.
    let line = refused(ship(Run::beside(&shipped), "--once", KEEP_ALL), 1);
    assert!(line.contains(aside) && line.contains("--from start"), "{line}");
    assert_eq!(shipped.text_of("got"), rows(0..10));
    let mut anew = beside(&shipped, "--once --from start", KEEP_ALL);
    assert_eq!(anew.wait_exit(), 0, "{}", anew.seen());
    assert_eq!(anew.text_of("got"), rows(0..10) + &rows(0..10));
    assert_eq!(beside(&shipped, "--once", KEEP_ALL).wait_exit(), 0);
}

/// Ships the first of three closed files; the position has the others then.
fn one_of_three_shipped() -> Recorder {
    let run = recording(30..40)
        .file("op1-2026-11-21.csv", HEADER.to_owned() + &rows(0..10))
        .file("op1-2026-11-22.csv.gz", gzipped(&(HEADER.to_owned() + &rows(10..20))))
        .file("op1-2026-11-23.csv", HEADER.to_owned() + &rows(20..30));
    let script = "cat >> got; [ $(wc -l < got) -le 10 ]";
    let mut shipped = ship(run, "--batch-rows 10", script).spawn();
    shipped.wait_until_it_says("exit code 1");
    shipped.signal(Signal::SIGKILL);
    shipped.wait_exit();
    fs::write(shipped.path("got"), rows(0..10)).expect("a file");
    shipped
}

#[test]
fn a_closed_file_that_was_removed_before_it_was_shipped_is_an_error() {
    for (name, got) in [
        ("op1-2026-11-22.csv.gz", rows(0..10) + &rows(20..40)),
        ("op1-2026-11-23.csv", rows(0..20) + &rows(30..40)),
    ] {
        let shipped = one_of_three_shipped();
        fs::remove_file(shipped.path(name)).expect("to remove it");
        let mut again = beside(&shipped, "--once", KEEP_ALL);
        let line = failed(&mut again);
        let name = name.trim_end_matches(".gz");
        assert!(line.contains(name) && line.contains("--skip-missing"), "{line}");
        let mut skipping = beside(&shipped, "--once --skip-missing", KEEP_ALL);
        assert_eq!(skipping.wait_exit(), 0, "{}", skipping.seen());
        assert!(skipping.stderr().contains(name), "{}", skipping.seen());
        assert_eq!(skipping.text_of("got"), got);
    }
}

#[test]
fn a_closed_file_that_was_shipped_may_go() {
    let shipped = one_of_three_shipped();
    let mut again = beside(&shipped, "--once", KEEP_ALL);
    assert_eq!(again.wait_exit(), 0, "{}", again.seen());
    for name in ["op1-2026-11-21.csv", "op1-2026-11-22.csv.gz", "op1-2026-11-23.csv"] {
        fs::remove_file(again.path(name)).expect("to remove it");
    }
    let mut last = beside(&shipped, "--once", KEEP_ALL);
    assert_eq!(last.wait_exit(), 0, "{}", last.seen());
    assert_eq!(last.text_of("got"), rows(0..40));
}
