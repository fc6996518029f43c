//! Closed files, with the real binary: the clock cannot be set here, so the old file is an old one.
//! Rotation through many hours is tested in `recorder/tests`.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use crate::harness::{Recorder, Run};
use crate::recording::trade_message;
use crate::server::Server;

const HEADER: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions\n";
/// Received at 2026-11-18T11:06:40Z.
const OLD_ROW: &str = "AAPL,1.5,5,1795000000000,1795000000000,1;12\n";

/// Records one trade beside what is there, which makes this many rows in the live file.
fn recorded_beside(run: Run, rows: usize) -> Recorder {
    let server = Server::plain();
    let mut recorder = run.url(&server.url()).tickers("AAPL").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade_message(&[r#"{"p":2.5,"s":"AAPL","t":1680300000123,"v":5}"#]));
    recorder.wait_for_row_count(rows);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    recorder
}

#[test]
fn a_start_after_days_away_closes_the_old_file_under_its_own_date() {
    let old = format!("{HEADER}{OLD_ROW}");
    let ledger = "time_ms,state,tickers,reason\n1795000000000,down,,stopped\n";
    let run = Run::new().file("op1.csv", &old).file("op1.coverage.csv", ledger);
    // A file that is there already is not touched.
    let run = run.file("op1-2026-11-18T11.csv", "mine");
    let recorder = recorded_beside(run.arg("--rotate").arg("hourly"), 1);
    assert_eq!(recorder.text_of("op1-2026-11-18T11.csv"), "mine");
    assert_eq!(recorder.text_of("op1-2026-11-18T11-2.csv"), old);
    assert_eq!(recorder.text_of("op1-2026-11-18T11-2.coverage.csv"), ledger);
    let csv = recorder.csv();
    assert!(csv.starts_with(&format!("{HEADER}AAPL,2.5,")) && csv.lines().count() == 2, "{csv}");
    assert!(recorder.ledger().contains(",live,AAPL,"), "{}", recorder.ledger());
}

#[test]
fn a_closed_file_is_compressed_and_what_a_kill_left_is_finished() {
    let old = format!("{HEADER}{OLD_ROW}");
    let run = Run::new()
        .file("op1.csv", &old)
        .file("op1-2026-11-17.csv", format!("{HEADER}left\n"))
        .file("op1-2026-11-16.csv.gz.part-1795000000000", b"\x1f\x8b\x08half");
    let server = Server::plain();
    let mut recorder = run
        .url(&server.url())
        .tickers("AAPL")
        .arg("--rotate")
        .arg("daily")
        .arg("--compress")
        .spawn();
    let connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until("both files compressed", |recorder| {
        let names = ["op1-2026-11-17.csv", "op1-2026-11-18.csv"];
        names.iter().all(|name| !recorder.path(name).exists())
    });
    recorder.wait_until_it_says("compressing 2 closed files that earlier runs have left");
    assert_eq!(unzipped(&recorder, "op1-2026-11-18.csv.gz"), old);
    assert_eq!(unzipped(&recorder, "op1-2026-11-17.csv.gz"), format!("{HEADER}left\n"));
    assert!(!recorder.path("op1-2026-11-16.csv.gz.part-1795000000000").exists());
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

/// Large enough to be looked at while it is compressed.
const ROWS_OF_A_LARGE_FILE: usize = 200_000;

#[test]
fn nobody_can_record_to_a_file_while_it_is_compressed() {
    let left = format!("{HEADER}{}", OLD_ROW.repeat(ROWS_OF_A_LARGE_FILE));
    let name = "op1-2026-11-17.csv";
    let is_under_way = |now: &Recorder| !now.names_with("op1-2026-11-17.csv.gz.part-").is_empty();
    let server = Server::plain();
    let run = Run::new().file(name, &left).url(&server.url()).tickers("AAPL");
    let mut recorder = run.arg("--rotate").arg("daily").arg("--compress").spawn();
    recorder.wait_until("it is being compressed", is_under_way);
    let file = fs::File::open(recorder.path(name)).expect("the plain file");
    let (locked, going_on) = (file.try_lock(), is_under_way(&recorder));
    drop(file);
    assert!(going_on, "it took a moment only");
    assert!(locked.is_err(), "another process could begin to record to it");
    recorder.wait_until("it is compressed", |now| !now.path(name).exists());
    assert_eq!(unzipped(&recorder, "op1-2026-11-17.csv.gz"), left);
}

fn unzipped(recorder: &Recorder, name: &str) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(recorder.bytes_of(name).as_slice())
        .read_to_string(&mut text)
        .expect("a whole file");
    text
}

#[test]
fn without_rotation_an_old_file_goes_on() {
    let old = format!("{HEADER}{OLD_ROW}");
    let recorder = recorded_beside(Run::new().file("op1.csv", &old), 2);
    assert!(recorder.csv().starts_with(&old));
    assert_eq!(recorder.csv().lines().count(), 3);
}

#[test]
fn compressing_needs_rotation() {
    let (code, recorder) = Run::new().tickers("A").arg("--compress").run_to_its_end();
    assert_eq!(code, 2);
    assert!(recorder.only_error_line().contains("add --rotate"));
}

#[test]
fn a_name_that_is_not_utf8_is_kept_by_rotation_and_found_by_verify() {
    let name = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    let old = format!("{HEADER}{OLD_ROW}");
    let server = Server::plain();
    let run = Run::new().file(name(b"\xff.csv"), &old).arg("--out").arg(name(b"\xff.csv"));
    let run = run.url(&server.url()).tickers("AAPL").arg("--rotate").arg("daily");
    let mut recorder = run.spawn();
    let connection = server.connect_and_wait_for_subscriptions(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let read = |name: &OsStr| fs::read_to_string(recorder.home().path().join(name)).expect("it");
    assert_eq!(read(name(b"\xff-2026-11-18.csv")), old);
    assert!(read(name(b"\xff.coverage.csv")).contains(",live,AAPL,"));
    let run = Run::beside(&recorder).arg("verify").arg("--json").arg(name(b"\xff.csv"));
    let (code, verified) = run.run_to_its_end();
    assert_eq!(code, 0, "{}", verified.seen());
    let report: serde_json::Value = serde_json::from_str(&verified.stdout()).expect("JSON");
    let ledger = report["files"][0]["coverage"]["ledger"].as_str().expect("its ledger");
    assert!(ledger.ends_with(".coverage.csv"), "{report}");
}
