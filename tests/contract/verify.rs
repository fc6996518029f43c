//! `verify` as a library call on real files: what it reports, and what it calls well-formed.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use finnhub_stream::verify;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tempfile::TempDir;

const HEADER: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions\n";

/// A directory with files in it, gone after the test.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// The answer as JSON, with `ok` checked against what `run` returned.
fn verify_json(files: &[PathBuf]) -> Value {
    let mut out = Vec::new();
    let ok = verify::run(files, true, &mut out, &mut Vec::new()).unwrap();
    let report: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(report["ok"], json!(ok));
    report
}

fn verify_text(files: &[PathBuf]) -> (bool, String) {
    let mut out = Vec::new();
    let ok = verify::run(files, false, &mut out, &mut Vec::new()).unwrap();
    (ok, String::from_utf8(out).unwrap())
}

/// What JSON says of one file with `content`.
fn verify_content(content: impl AsRef<[u8]>) -> Value {
    let files = Files::new();
    let path = files.write("op1.csv", content);
    verify_json(&[path])["files"][0].clone()
}

/// The line and reason of the only malformed row.
fn only_fault(content: &str) -> (u64, String) {
    let file = verify_content(content);
    assert_eq!(file["malformed"], 1, "{content:?}: {file}");
    let row = &file["malformed_rows"][0];
    (row["line"].as_u64().unwrap(), row["reason"].as_str().unwrap().to_owned())
}

#[test]
fn a_good_recording_is_counted_exactly() {
    let file = verify_content(format!(
        "{HEADER}\
         AAPL,164.06,5,1000,2000,1;12\n\
         BINANCE:BTCUSDT,26626,0.000004,900,2000,\n\
         BINANCE:BTCUSDT,26626,0.000004,900,2000,\n\
         \"A,\nB\",1e-07,0,1100,1999,\"\"\n"
    ));
    assert_eq!(
        file["columns"],
        json!(["ticker", "price", "volume", "timestamp_ms", "received_ms", "conditions"])
    );
    for (field, expected) in [
        ("rows", json!(4)),
        ("malformed", json!(0)),
        ("malformed_rows", json!([])),
        ("unfinished_bytes", json!(0)),
        ("first_timestamp_ms", json!(900)),
        ("last_timestamp_ms", json!(1100)),
        ("first_received_ms", json!(1999)),
        ("last_received_ms", json!(2000)),
        ("timestamp_ms_backwards", json!(1)),
        ("received_ms_backwards", json!(1)),
        ("repeats", json!(1)),
        ("other_symbols_rows", json!(0)),
        ("coverage", json!(null)),
        ("ledger_error", json!(null)),
        (
            "symbols",
            json!([
                {"ticker": "BINANCE:BTCUSDT", "rows": 2},
                {"ticker": "A,\nB", "rows": 1},
                {"ticker": "AAPL", "rows": 1},
            ]),
        ),
    ] {
        assert_eq!(file[field], expected, "{field}");
    }
}

#[test]
fn every_kind_of_damage_is_named_with_its_line() {
    let good = "A,1,2,3,4,\n";
    for (row, reason) in [
        ("A,1,2,3,4", "5 fields instead of 6"),
        ("A,1,2,3,4,5,6", "7 fields instead of 6"),
        ("A,1,2,3,4,5,6,7,8,9", "10 fields instead of 6"),
        (",1,2,3,4,", "no ticker"),
        ("\"\",1,2,3,4,", "no ticker"),
        ("A,1.,2,3,4,", "price \"1.\" is not a number"),
        ("A,1,NaN,3,4,", "volume \"NaN\" is not a number"),
        ("A,1,2,3.0,4,", "timestamp_ms \"3.0\" is not a whole number of milliseconds"),
        ("A,1,2,3,,", "received_ms \"\" is not a whole number of milliseconds"),
        ("A,1,2,3,4,a\0b", "conditions \"a\\0b\" holds a NUL byte"),
        ("A\rB,1,2,3,4,", "ticker \"A\\rB\" holds a carriage return without quotes"),
        ("A\"B,1,2,3,4,", "a quote inside a field that does not begin with one"),
        ("\"A\"B,1,2,3,4,", "text after the quote that ends a field"),
        (HEADER.trim_end(), "the header again"),
    ] {
        let content = format!("{HEADER}\"A\nB\",1,2,3,4,\n{row}\n{good}");
        assert_eq!(only_fault(&content), (4, reason.to_owned()), "{row:?}");
    }
}

#[test]
fn bytes_that_are_no_utf8_are_malformed() {
    let mut content = HEADER.as_bytes().to_vec();
    content.extend_from_slice(b"A,1,2,3,4,\nA\xff,1,2,3,4,\n");
    let file = verify_content(content);
    assert_eq!((&file["rows"], &file["malformed"]), (&json!(1), &json!(1)));
    assert_eq!(file["malformed_rows"][0]["line"], 3);
    let reason = file["malformed_rows"][0]["reason"].as_str().unwrap();
    assert!(reason.ends_with("is not UTF-8"), "{reason}");
}

/// Ends that are no whole row, and how many bytes each has.
const UNFINISHED: [(&str, u64); 5] =
    [("A,1,2,3,4,", 10), ("A", 1), ("\"A,\n", 4), ("\"A,\n,1,2", 8), ("", 0)];

#[test]
fn a_row_still_being_written_is_not_malformed() {
    for (tail, bytes) in UNFINISHED {
        let files = Files::new();
        let path = files.write("op1.csv", format!("{HEADER}A,1,2,3,4,\n{tail}"));
        let recorder = fs::File::open(&path).unwrap();
        recorder.lock().unwrap();
        let report = verify_json(std::slice::from_ref(&path));
        assert_eq!(report["ok"], true, "{tail:?}");
        let file = &report["files"][0];
        assert_eq!((&file["rows"], &file["malformed"]), (&json!(1), &json!(0)), "{tail:?}");
        assert_eq!(file["unfinished_bytes"], bytes, "{tail:?}");
        assert_eq!(file["being_recorded"], true, "{tail:?}");
        assert!(verify_text(&[path]).1.contains("read up to the last whole row"), "{tail:?}");
    }
}

#[test]
fn a_torn_row_that_nobody_writes_is_malformed_and_named_with_its_line() {
    let zeros = "\0".repeat(4096);
    for (tail, bytes) in UNFINISHED.into_iter().chain([(zeros.as_str(), 4096)]) {
        let content = format!("{HEADER}A,1,2,3,4,\n{tail}");
        let file = verify_content(&content);
        assert_eq!((&file["rows"], &file["being_recorded"]), (&json!(1), &json!(false)));
        assert_eq!(file["unfinished_bytes"], bytes, "{tail:?}");
        if bytes == 0 {
            assert_eq!(file["malformed"], 0);
        } else {
            let reason = format!("a torn row: the file ends in the middle of it ({bytes} bytes)");
            assert_eq!(only_fault(&content), (3, reason), "{tail:?}");
        }
    }
}

#[test]
fn a_lost_quote_near_the_end_does_not_hide_the_rows_after_it() {
    let content = format!("{HEADER}A,1,2,3,4,\n\"A,1,2,3,4,\nB,1,2,3,4,\nC,1,2,3,4,\n");
    assert_eq!(only_fault(&content), (3, "a quote that is opened and never closed".to_owned()));
    let file = verify_content(format!("{content}D,1"));
    assert_eq!((&file["rows"], &file["malformed"]), (&json!(3), &json!(2)));
    assert_eq!(
        (&file["unfinished_bytes"], &file["malformed_rows"][1]["line"]),
        (&json!(3), &json!(6))
    );
}

#[test]
fn the_header_decides_the_columns() {
    let file = verify_content("ticker,price,volume\nA,1,2\nA,1,2\n");
    assert_eq!(file["rows"], 2);
    assert_eq!(file["first_timestamp_ms"], json!(null));
    assert_eq!(file["repeats"], 1);
    let file = verify_content("\u{feff}received_ms,ticker\r\n7,A\r\n9,A\r\n");
    assert_eq!((&file["rows"], &file["malformed"]), (&json!(2), &json!(0)));
    assert_eq!(file["last_received_ms"], 9);
    let file = verify_content("ticker\nA\nticker\n");
    assert_eq!(file["malformed_rows"][0]["reason"], "the header again");
}

#[test]
fn what_is_no_recording_is_an_error_of_one_line() {
    for (content, expected) in [
        ("", "no whole header line"),
        ("ticker,pri", "no whole header line"),
        ("a,b\n1,2\n", "its header is \"a,b\": unknown column \"a\"; the columns are ticker,"),
        ("ticker,ticker\n", "the column ticker stands in it twice"),
        ("time_ms,state,tickers,reason\n1,live,A,\n", "it is a coverage ledger"),
        ("\"ticker\nA,1\n\"x\n", "text after the quote"),
    ] {
        let file = verify_content(content);
        let error = file["error"].as_str().unwrap();
        assert!(error.contains(expected), "{content:?}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_does_not_keep_the_others_from_being_read() {
    let files = Files::new();
    let good = files.write("good.csv", format!("{HEADER}A,1,2,3,4,\n"));
    let mut torn = gzip(&format!("{HEADER}{}", "A,1,2,3,4,\n".repeat(10_000)));
    torn.truncate(torn.len() / 2);
    let torn = files.write("torn.csv.gz", torn);
    let missing = files.path("missing.csv");
    let report = verify_json(&[missing.clone(), torn.clone(), good.clone()]);
    let readable = report["files"][1]["rows"].as_u64().unwrap();
    assert!((1_000..10_000).contains(&readable), "{readable}");
    assert_eq!(report["files"][1]["malformed"], 0, "what is missing is no row");
    assert_eq!(report["ok"], false);
    assert_eq!(report["files"][0]["file"], missing.to_str().unwrap());
    assert!(report["files"][0]["error"].as_str().unwrap().starts_with("cannot open it"));
    assert!(report["files"][1]["error"].as_str().unwrap().starts_with("cannot read on at line"));
    assert_eq!(report["files"][2]["rows"], 1);
    assert_eq!(report["total"]["failed_files"], 2);
    assert_eq!(report["total"]["rows"], readable + 1);
    let (ok, text) = verify_text(&[missing.clone(), torn.clone(), good]);
    assert!(!ok);
    assert!(!text.contains(missing.to_str().unwrap()), "one stream tells of it: {text}");
    let line = text.lines().next().unwrap();
    assert_eq!(line, torn.to_str().unwrap());
    assert!(text.contains("what follows is of the part that could be read"), "{text}");
    assert!(text.contains("2 of them not readable"), "{text}");
}

#[test]
fn a_compressed_recording_reads_like_a_plain_one_also_in_several_members() {
    let files = Files::new();
    let mut both = gzip(&format!("{HEADER}A,1,2,3,4,\n"));
    both.extend(gzip("B,1,2,3,5,\nC"));
    let path = files.write("op1-2026-11-23.csv.gz", both);
    files.write(
        "op1-2026-11-23.coverage.csv.gz",
        gzip("time_ms,state,tickers,reason\n1,live,A;B,\n"),
    );
    let report = verify_json(&[path]);
    let file = &report["files"][0];
    assert_eq!((&file["rows"], &file["unfinished_bytes"]), (&json!(2), &json!(1)));
    assert_eq!(file["malformed_rows"][0]["line"], 4, "nobody writes it, so it is torn");
    assert_eq!(file["coverage"]["covered_ms"], 4);
}

#[test]
fn the_ledger_says_covered_time_faults_and_stops() {
    let files = Files::new();
    let path = files.write("op1.csv", format!("{HEADER}A,1,2,3,90000,\n"));
    let ledger = files.write(
        "op1.coverage.csv",
        "time_ms,state,tickers,reason\n\
         1000,live,A,\n\
         2000,live,A;B,\n\
         11000,down,,connection lost: reset\n\
         11400,live,A;B,\n\
         20000,down,,stopped\n\
         80000,live,A;B,\n\
         85000,do",
    );
    let coverage = verify_json(std::slice::from_ref(&path))["files"][0]["coverage"].clone();
    assert_eq!(
        coverage,
        json!({
            "ledger": ledger.to_str().unwrap(),
            "from_ms": 1000,
            "to_ms": 90000,
            "covered_ms": 10_000 + 8_600 + 10_000,
            "missing_ms": 400,
            "not_running_ms": 60_000,
            "end": {"state": "live", "since_ms": 80000, "reason": ""},
            "gap_count": 1,
            "gaps": [{
                "from_ms": 11000, "to_ms": 11400, "missing_ms": 400,
                "reason": "connection lost: reset",
            }],
            "stop_count": 1,
            "stops": [{
                "from_ms": 20000, "to_ms": 80000, "not_running_ms": 60000, "reason": "stopped",
            }],
            "malformed": 0,
        })
    );
    let (ok, text) = verify_text(&[path]);
    assert!(ok);
    for expected in [
        "covered               28 s",
        "missing               400 ms\n",
        "not running           1 m, after a stop on purpose\n",
        "1970-01-01T00:00:11.000Z to 1970-01-01T00:00:11.400Z  400 ms  connection lost: reset",
        "1970-01-01T00:00:20.000Z to 1970-01-01T00:01:20.000Z  1 m  stopped",
    ] {
        assert!(text.contains(expected), "{expected:?} in\n{text}");
    }
    let verdict = text.lines().last();
    assert_eq!(verdict, Some("OK: 1 row, nothing malformed, 1 gap of 400 ms (connection lost)"));
}

#[test]
fn without_a_ledger_it_says_what_cannot_be_known() {
    let files = Files::new();
    let path = files.write("op1.csv", format!("{HEADER}A,1,2,3,4,\n"));
    let (ok, text) = verify_text(std::slice::from_ref(&path));
    assert!(ok);
    assert!(text.contains("no ledger beside it: quiet and missing cannot be told apart"), "{text}");
    // One that cannot be understood is named, and the recording is still well-formed.
    files.write("op1.coverage.csv", "a,b\n");
    let (ok, text) = verify_text(&[path]);
    assert!(ok);
    assert!(text.contains("it is no ledger"), "{text}");
}

#[test]
fn the_list_of_malformed_rows_is_bounded_and_their_count_exact() {
    let files = Files::new();
    let path = files.write("op1.csv", format!("{HEADER}{}", "x\n".repeat(1234)));
    let file = verify_json(std::slice::from_ref(&path))["files"][0].clone();
    assert_eq!(file["malformed"], 1234);
    assert_eq!(file["malformed_rows"].as_array().unwrap().len(), 100);
    let (ok, text) = verify_text(&[path]);
    assert!(!ok);
    assert!(text.contains("malformed rows        1,234\n"), "{text}");
    assert!(text.contains("    line 21: 1 fields instead of 6\n    … and 1,214 more\n"), "{text}");
}

#[test]
fn several_files_are_summed() {
    let files = Files::new();
    let one = files.write("1.csv", format!("{HEADER}A,1,2,30,400,\nB,1,2,3,4,\n"));
    let two = files.write("2.csv", format!("{HEADER}A,1,2,10,200,\nrubbish\nA,1"));
    files.write("1.coverage.csv", "time_ms,state,tickers,reason\n0,live,A,\n");
    let total = verify_json(&[one, two])["total"].clone();
    for (field, expected) in [
        ("files", json!(2)),
        ("failed_files", json!(0)),
        ("rows", json!(3)),
        ("malformed", json!(2)),
        ("unfinished_files", json!(1)),
        ("first_timestamp_ms", json!(3)),
        ("last_timestamp_ms", json!(30)),
        ("first_received_ms", json!(4)),
        ("last_received_ms", json!(400)),
        ("files_without_ledger", json!(1)),
        ("covered_ms", json!(400)),
        ("symbols", json!([{"ticker": "A", "rows": 2}, {"ticker": "B", "rows": 1}])),
    ] {
        assert_eq!(total[field], expected, "{field}");
    }
}

#[test]
fn text_from_the_files_cannot_steer_the_terminal() {
    let files = Files::new();
    let path =
        files.write("op1.csv", format!("{HEADER}\u{1b}[2J\u{9b},1,2,3,4,\nA,\u{1b}]0;x,2,3,4,\n"));
    files
        .write("op1.coverage.csv", "time_ms,state,tickers,reason\n0,down,,\u{1b}[31m\n9,live,A,\n");
    let (_, text) = verify_text(&[path]);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(text.contains("\\u{1b}[31m"), "{text}");
}

#[test]
fn a_long_table_of_symbols_is_cut_in_the_text_and_whole_in_the_json() {
    let files = Files::new();
    let rows: Vec<String> = (0..60).map(|n| format!("S{n:02},1,2,3,4,\n")).collect();
    let path = files.write("op1.csv", format!("{HEADER}{}", rows.concat()));
    let (_, text) = verify_text(std::slice::from_ref(&path));
    assert!(text.contains("S49  1\n    … and 10 more\n"), "{text}");
    let symbols = verify_json(&[path])["files"][0]["symbols"].clone();
    assert_eq!(symbols.as_array().unwrap().len(), 60);
}

/// Reads a directory as it would a file: an error of the operating system in the middle.
#[test]
fn a_directory_is_an_error_and_not_an_empty_recording() {
    let files = Files::new();
    let path: &Path = files.directory.path();
    let report = verify_json(&[path.to_owned()]);
    assert_eq!(report["ok"], false);
    assert!(report["files"][0]["error"].is_string());
}
