//! Files that the system lets nobody rename: rows go on into them, at a start as well.
//!
//! The mounts and the attribute are for root alone; names that get too long are refused to everybody.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Recorder, Run};
use crate::recording::{rows_of_ledger, trade_message};
use crate::server::Server;

const HEADER: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions\n";
/// Received at 2026-11-18T11:06:40Z.
const OLD_ROW: &str = "AAPL,1.5,5,1795000000000,1795000000000,1;12\n";
const OLD_LEDGER: &str = "time_ms,state,tickers,reason\n1795000000000,down,,stopped\n";

/// A run in whose folder `data` there is a recording of last week: `op1`, or another name.
fn last_week(stem: &str) -> Run {
    let run = Run::new().file(format!("data/{stem}.csv"), format!("{HEADER}{OLD_ROW}"));
    run.file(format!("data/{stem}.coverage.csv"), OLD_LEDGER)
        .file(format!("data/{stem}.csv.lock"), "")
}

/// Starts three times, and at last records a trade: the folder must hold then what it held before, with
/// this row, and a ledger that knows of no rotation.
fn check_that_rows_go_on(first: Run, stem: &str, reason: &str, undo: Undo) {
    let server = Server::plain();
    let names = names_in(&first.directory().join("data"));
    let (mut run, mut last) = (Some(first), None::<Recorder>);
    for number in 1..=3 {
        let run = run.take().or_else(|| last.as_ref().map(Run::beside)).expect("a run");
        let run = run.url(&server.url()).tickers("AAPL").arg("--rotate").arg("hourly");
        let mut recorder = run.arg("--out").arg(format!("data/{stem}.csv")).spawn();
        let mut connection = server.connect_and_wait_for_subscriptions(1);
        recorder.wait_until_it_says(&format!("{reason}; rows go on into it"));
        if number == 3 {
            let trade = r#"{"p":2.5,"s":"AAPL","t":1680300000123,"v":5}"#;
            connection.send_text(&trade_message(&[trade]));
            let csv = recorder.path(&format!("data/{stem}.csv"));
            recorder.wait_until("the row", |_| lines_of(&csv) == 3);
        }
        let ledger = recorder.path(&format!("data/{stem}.coverage.csv"));
        recorder.wait_until("it is live", |_| lines_of(&ledger) == 1 + 2 * number);
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
        assert_eq!(names_in(&recorder.path("data")), names, "{}", recorder.seen());
        let ledger = fs::read_to_string(ledger).expect("the ledger");
        let rows = rows_of_ledger(&ledger);
        assert!(ledger.starts_with(OLD_LEDGER) && !ledger.contains("rotated"), "{ledger}");
        assert_eq!(rows.len(), 1 + 2 * number, "{ledger}");
        last = Some(recorder);
    }
    // Before the folder is removed.
    drop(undo);
}

fn names_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder").flatten();
    let mut names: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    names.sort();
    names
}

fn lines_of(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

#[test]
fn where_a_closed_file_can_have_no_name_rows_go_on() {
    // With `-2026-11-18T11` the name of the ledger gets too long, or that of the recording as well.
    for length in [236, 242] {
        let stem = "n".repeat(length);
        check_that_rows_go_on(last_week(&stem), &stem, "File name too long", Undo::default());
    }
}

/// Undoes in the end what a test has done to the system.
#[derive(Default)]
struct Undo(Vec<Command>);

impl Drop for Undo {
    fn drop(&mut self) {
        for command in self.0.iter_mut().rev() {
            let _ = command.status();
        }
    }
}

impl Undo {
    /// Runs a command that `undo` undoes.
    fn after(&mut self, command: &[&str], undo: &[&str], path: &Path) {
        let of = |words: &[&str]| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).arg(path);
            command
        };
        let status = of(command).status().expect("the command");
        assert!(status.success(), "{command:?} {}", path.display());
        self.0.push(of(undo));
    }

    /// Mounts a file or folder over itself, as into a container.
    fn mount(&mut self, path: &Path) {
        let from = path.to_str().expect("text");
        self.after(&["mount", "--bind", from], &["umount"], path);
    }
}

#[test]
#[ignore = "needs root and Linux: mounts"]
fn into_mounted_files_rows_go_on() {
    for mounted in [["op1.csv"].as_slice(), &["op1.coverage.csv"], &["op1.csv", "op1.coverage.csv"]]
    {
        let (run, mut undo) = (last_week("op1"), Undo::default());
        for name in mounted {
            undo.mount(&run.directory().join("data").join(name));
        }
        check_that_rows_go_on(run, "op1", "Device or resource busy", undo);
    }
}

#[test]
#[ignore = "needs root and Linux: mounts"]
fn in_a_read_only_folder_with_writable_files_rows_go_on() {
    let (run, mut undo) = (last_week("op1"), Undo::default());
    let data = run.directory().join("data");
    undo.mount(&data);
    for name in ["op1.csv", "op1.coverage.csv", "op1.csv.lock"] {
        undo.mount(&data.join(name));
    }
    undo.after(&["mount", "-o", "remount,bind,ro"], &["true"], &data);
    check_that_rows_go_on(run, "op1", "", undo);
}

#[test]
#[ignore = "needs root, and a file system with chattr +a"]
fn in_an_append_only_folder_rows_go_on() {
    for append_only in ["data", "data/op1.csv", "data/op1.coverage.csv"] {
        let (run, mut undo) = (last_week("op1"), Undo::default());
        let path = run.directory().join(append_only);
        undo.after(&["chattr", "+a"], &["chattr", "-a"], &path);
        check_that_rows_go_on(run, "op1", "Operation not permitted", undo);
    }
}
