//! Rows of the ledger as they reach its file.

use std::fs;
use std::path::Path;

use super::{AppendFile, HEADER, Ledger, LedgerRow};
use crate::recorder::disk::DiskFile;

fn open(path: &Path) -> Ledger {
    let file = DiskFile::append_to(path).unwrap();
    let length = file.length().unwrap();
    Ledger::resume(AppendFile::new(file, length)).unwrap()
}

#[test]
fn rows_say_when_and_why_and_time_never_runs_backwards() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("op1.coverage.csv");
    fs::write(&path, HEADER).unwrap();
    let mut ledger = open(&path);
    assert_eq!(ledger.last, LedgerRow::default());
    ledger.live(100, &["AAPL".to_owned(), "IC MARKETS:1".to_owned()]);
    ledger.down(90, "connection lost: reset, by the server");
    ledger.live(200, &["A,B".to_owned()]);
    ledger.flush_all().unwrap();
    let rows = "100,live,AAPL;IC MARKETS:1,\n\
        100,down,,\"connection lost: reset, by the server\"\n\
        200,live,\"A,B\",\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}{rows}"));

    let mut again = open(&path);
    assert_eq!(again.last, LedgerRow::live(200, "A,B".to_owned()));
    again.down(150, "killed");
    again.flush_all().unwrap();
    assert!(fs::read_to_string(&path).unwrap().ends_with("200,down,,killed\n"));
    assert_eq!((open(&path).last.time_ms, open(&path).last.is_live()), (200, false));
}

/// Also with rows that wait, and with a copy that somebody has put in the place of the moved one.
#[test]
fn a_moved_ledger_ends_where_the_next_one_begins() {
    for (next, waits, expected) in [
        ("", false, "20,live,A,\n"),
        ("", true, "15,live,A,\n15,down,,lost\n"),
        ("10,live,A,\n", false, ""),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let [path, moved] = ["op1", "away"].map(|name| directory.path().join(name));
        fs::write(&moved, format!("{HEADER}10,live,A,\n")).unwrap();
        let mut ledger = open(&moved);
        if waits {
            ledger.down(15, "lost");
        }
        fs::write(&path, format!("{HEADER}{next}")).unwrap();
        ledger.file = open(&path).file;
        ledger.go_on_after(open(&moved).file, 20).unwrap();
        ledger.flush_all().unwrap();
        let end = if waits { 15 } else { 20 };
        let ended = format!("{HEADER}10,live,A,\n{end},down,,rotated\n");
        assert_eq!(fs::read_to_string(&moved).unwrap(), ended);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}{next}{expected}"));
    }
}

/// As for days in which the ledger cannot be written.
#[test]
fn rows_that_wait_take_little_memory_and_call_nothing_recorded_that_was_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("op1.coverage.csv");
    fs::write(&path, HEADER).unwrap();
    let mut ledger = open(&path);
    ledger.is_unavailable = true;
    let tickers: Vec<String> = (0..1_000).map(|number| format!("SYMBOL{number}")).collect();
    for at_ms in (10..100_000).step_by(10) {
        ledger.live(at_ms, &tickers);
        ledger.down(at_ms + 5, "lost");
        ledger.release(ledger.rows - 1);
        ledger.flush().unwrap();
        let waiting: usize = ledger.pending.iter().map(|row| row.text.len()).sum();
        assert!(waiting <= super::PENDING_BYTES);
    }
    ledger.is_unavailable = false;
    ledger.flush().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let outage = format!("{HEADER}10,down,,{}\n", super::TOO_MANY_ROWS);
    assert!(text.starts_with(&outage), "{}", &text[..200]);
    assert!(text.ends_with(&format!("99990,live,{},\n", tickers.join(";"))));
    ledger.flush_all().unwrap();
    assert_eq!(open(&path).last, ledger.last);
}

#[test]
fn damaged_rows_are_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("op1.coverage.csv");
    fs::write(&path, format!("{HEADER}4,live,\"A,\n5,live,A,\nx,down\n\n")).unwrap();
    assert_eq!((open(&path).last.time_ms, open(&path).last.is_live()), (5, true));
}
