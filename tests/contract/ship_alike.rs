//! `ship` and files that are alike: without times in the rows, two files of a recording may begin with
//! the same bytes. No row is passed over, and none is guessed to be shipped.

use std::fs;

use crate::harness::{Recorder, Run, Signal};
use crate::ship::{beside, gzipped, ship};

const HEADER: &str = "ticker,price,volume\n";

/// So many rows, all the same.
fn alike(count: usize) -> String {
    "AAPL,1,5\n".repeat(count)
}

fn file(count: usize) -> String {
    HEADER.to_owned() + &alike(count)
}

/// Ships a live file of ten rows, beside other files.
fn shipped_ten(others: &[(&str, usize)]) -> Recorder {
    let run = others.iter().fold(Run::without_key().file("op1.csv", file(10)), |run, other| {
        run.file(other.0, file(other.1))
    });
    let (code, shipped) = ship(run, "--once", "cat >> got").run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    shipped
}

fn write(recorder: &Recorder, name: &str, count: usize) {
    fs::write(recorder.path(name), file(count)).expect("a file");
}

#[test]
fn where_two_files_fit_the_position_it_is_an_error_and_nothing_is_passed_over() {
    for (closed, live) in [
        (&[("op1-2026-11-23.csv", 12), ("op1-2026-11-24.csv", 15)][..], 3),
        (&[("op1-2026-11-23.csv", 12)][..], 15),
    ] {
        let shipped = shipped_ten(&[]);
        for (name, count) in closed {
            write(&shipped, name, *count);
        }
        write(&shipped, "op1.csv", live);
        let mut again = beside(&shipped, "--once", "cat >> got");
        assert_eq!(again.wait_exit(), 1, "{}", again.seen());
        let line = again.only_error_line();
        let other = if live > 10 { "op1.csv" } else { closed[1].0 };
        for told in ["op1.csv.ship-t fits two files", closed[0].0, other, "--name"] {
            assert!(line.contains(told), "{told} in {line}");
        }
        assert_eq!(again.text_of("got"), alike(10), "nothing is guessed");
        // As the message says: the later ones away, until the first is shipped.
        let later = ["op1-2026-11-24.csv", "op1.csv"];
        let later = &later[later.len() - closed.len()..];
        for name in later {
            fs::rename(again.path(name), again.path(&format!("away-{name}"))).expect("a rename");
        }
        let mut first = beside(&again, "--once", "cat >> got");
        assert_eq!(first.wait_exit(), 0, "{}", first.seen());
        assert_eq!(first.text_of("got"), alike(12));
        for name in later {
            fs::rename(first.path(&format!("away-{name}")), first.path(name)).expect("a rename");
        }
        let mut last = beside(&first, "--once", "cat >> got");
        assert_eq!(last.wait_exit(), 0, "{}", last.seen());
        let all = closed.iter().map(|(_, count)| count).sum::<usize>() + live;
        assert_eq!(last.text_of("got"), alike(all));
    }
}

#[test]
fn a_file_that_was_shipped_before_is_not_taken_for_the_current_one() {
    // Twelve rows: the position in the live file fits there, too.
    let shipped = shipped_ten(&[("op1-2026-11-22.csv", 12)]);
    write(&shipped, "op1-2026-11-23.csv", 11);
    write(&shipped, "op1.csv", 2);
    let mut again = beside(&shipped, "--once", "cat >> got");
    assert_eq!(again.wait_exit(), 0, "{}", again.seen());
    assert_eq!(again.text_of("got"), alike(12 + 11 + 2));
    // The live file is gone: that no other is it must be said.
    fs::remove_file(again.path("op1.csv")).expect("to remove it");
    let mut without = beside(&again, "--once", "cat >> got");
    assert_eq!(without.wait_exit(), 1, "{}", without.seen());
    assert!(without.only_error_line().contains("op1.csv.ship-t"), "{}", without.seen());
}

#[test]
fn a_file_that_begins_like_the_current_one_is_shipped_while_it_is_followed() {
    // A comparison of their beginnings does not show the difference.
    const MANY: usize = 8_000;
    for compressed in [false, true] {
        let script = "cat >> got; until [ -e go ]; do sleep 0.01; done";
        let run = Run::without_key().file("op1.csv", file(MANY));
        let mut shipped = ship(run, "--batch-wait 1ms", script).spawn();
        shipped.wait_until("the first rows", |now| now.text_of("got") == alike(MANY));
        // CMD takes its time. Meanwhile the file is removed, and the next one closed already.
        fs::remove_file(shipped.path("op1.csv")).expect("to remove it");
        if compressed {
            fs::write(shipped.path("op1-2026-11-23.csv.gz"), gzipped(&file(MANY + 2)))
                .expect("a file");
        } else {
            write(&shipped, "op1-2026-11-23.csv", MANY + 2);
        }
        write(&shipped, "op1.csv", 3);
        fs::write(shipped.path("go"), "").expect("a file");
        shipped.wait_until("all rows", |now| now.text_of("got") == alike(MANY + MANY + 2 + 3));
        shipped.signal(Signal::SIGTERM);
        assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    }
}
