//! How far a long task has come, on a terminal; nothing of it elsewhere, and nothing that is quick.

use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{Recorder, Run, Signal};
use crate::pseudo_terminal::{PseudoTerminal, screen};
use crate::simulate_command::url;

const WIDE: u16 = 60;

const HEADER: &str = "ticker,price,volume,received_ms\n";

/// What takes no longer shows nothing.
const SHOWN_AFTER: Duration = Duration::from_secs(2);

/// A recording whose rows come slowly, by a named pipe, and one that is there.
fn slow_and_quick() -> Run {
    let run = Run::without_key().file("quick.csv", HEADER.to_owned() + &"A,1,1,5\n".repeat(5_000));
    let made = Command::new("mkfifo").arg(run.directory().join("slow.csv")).status();
    assert!(made.expect("mkfifo").success());
    run.arg("verify").arg("slow.csv").arg("quick.csv").env("TERM", "xterm")
}

/// Writes rows to the pipe until `enough`.
fn feed(recorder: &mut Recorder, what: &str, enough: impl Fn(&Recorder) -> bool) {
    let mut pipe = File::options().write(true).open(recorder.path("slow.csv")).expect("a reader");
    pipe.write_all(HEADER.as_bytes()).expect("a reader");
    recorder.wait_until(what, |now| {
        pipe.write_all(b"A,1,1,5\n").expect("a reader");
        enough(now)
    });
}

fn last_row(bytes: &str) -> String {
    screen(bytes, WIDE).pop().unwrap_or_default()
}

/// As in `verify 12 % of 40.03 kB, 9s left`.
fn is_progress(row: &str, task: &str) -> bool {
    row.starts_with(task) && row.contains(" % of ") && row.ends_with(" left")
}

#[test]
fn verify_shows_on_a_terminal_how_far_it_has_come_and_takes_it_away() {
    let terminal = PseudoTerminal::new(WIDE);
    let mut recorder = slow_and_quick().spawn_all_on(&terminal);
    let began = Instant::now();
    feed(&mut recorder, "the line", |now| is_progress(&last_row(&now.stderr()), "verify "));
    assert!(began.elapsed() >= SHOWN_AFTER, "after {:?}", began.elapsed());
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let told = recorder.stderr();
    assert!(told.contains("slow.csv\r\n") && told.contains("total\r\n"), "{told:?}");
    let rows = screen(&told, WIDE);
    assert!(rows.iter().all(|row| !row.contains(" % of ")), "{rows:#?}");
}

#[test]
fn verify_shows_nothing_of_it_where_there_is_no_terminal() {
    let mut recorder = slow_and_quick().spawn();
    let until = Instant::now() + SHOWN_AFTER + Duration::from_millis(300);
    feed(&mut recorder, "more than two seconds", |_| Instant::now() >= until);
    assert_eq!((recorder.wait_exit(), recorder.stderr()), (0, String::new()));
    assert!(!recorder.stdout().contains(['\x1b', '\r', '%']), "{}", recorder.seen());
}

#[test]
fn what_is_verified_at_once_draws_nothing() {
    let terminal = PseudoTerminal::new(WIDE);
    let run = Run::without_key().file("quick.csv", HEADER.to_owned() + "A,1,1,5\n");
    let run = run.arg("verify").arg("quick.csv").env("TERM", "xterm");
    let mut recorder = run.spawn_on(&terminal);
    assert_eq!((recorder.wait_exit(), recorder.stderr()), (0, String::new()));
}

/// Rows a tenth of a second apart, for this long.
const REPLAY_ROWS: u32 = 35;

#[test]
fn a_replay_shows_how_far_it_has_come_below_the_log() {
    let rows: Vec<_> = (0..REPLAY_ROWS).map(|at| format!("A,1,{at},{}\n", at * 100)).collect();
    for on_terminal in [true, false] {
        let run = Run::without_key().file("op1.csv", HEADER.to_owned() + &rows.concat());
        let run = run.arg("simulate").arg("--listen").arg("127.0.0.1:0");
        let run = run.arg("--replay").arg("op1.csv").env("TERM", "xterm");
        let terminal = PseudoTerminal::new(WIDE);
        let mut simulator = if on_terminal { run.spawn_on(&terminal) } else { run.spawn() };
        let client = Run::new().url(&url(&mut simulator)).tickers("A").columns("ticker,volume");
        let mut client = client.spawn();
        if on_terminal {
            simulator
                .wait_until("the line", |now| is_progress(&last_row(&now.stderr()), "replay "));
        }
        simulator.wait_until_it_says(&format!("{REPLAY_ROWS} rows played, 0 bad rows"));
        let told = simulator.stderr();
        assert!(!last_row(&told).contains(" % of "), "{told:?}");
        assert_eq!(told.contains('\x1b'), on_terminal, "{told:?}");
        for program in [&mut client, &mut simulator] {
            program.signal(Signal::SIGTERM);
            assert_eq!(program.wait_exit(), 0, "{}", program.seen());
        }
    }
}
