//! `verify FILE…`: what it prints where, and its exit code. What it finds in files is tested in
//! `tests/verify.rs`.

use crate::harness::{Run, Signal};

const WHOLE: &str = "ticker,price,volume\nAAPL,1.5,5\nMSFT,2,0\n";
const MALFORMED: &str = "ticker,price,volume\nAAPL,1.5,5\nMSFT,two,0\n";

#[test]
fn a_whole_recording_is_told_on_standard_output_with_exit_code_0() {
    let run = Run::without_key().file("op1.csv", WHOLE).arg("verify").arg("op1.csv");
    let (code, recorder) = run.run_to_its_end();
    assert_eq!((code, recorder.stderr()), (0, String::new()), "{}", recorder.seen());
    assert!(recorder.stdout().contains("AAPL"), "{}", recorder.seen());
    assert_eq!(recorder.all_files().len(), 1, "it only reads");
}

#[test]
fn a_malformed_row_is_told_with_its_line_and_exit_code_1() {
    let run = Run::without_key().file("op1.csv", MALFORMED).arg("verify").arg("op1.csv");
    let (code, recorder) = run.run_to_its_end();
    assert_eq!((code, recorder.stderr()), (1, String::new()), "{}", recorder.seen());
    assert!(recorder.stdout().contains("line 3"), "{}", recorder.seen());
}

#[test]
fn json_is_one_object_with_numbers() {
    let run = Run::without_key().file("a.csv", WHOLE).file("b.csv", MALFORMED);
    let run = run.arg("verify").arg("--json").arg("a.csv").arg("b.csv");
    let (code, recorder) = run.run_to_its_end();
    let report: serde_json::Value = serde_json::from_str(&recorder.stdout()).expect("JSON");
    assert_eq!((code, &report["ok"]), (1, &serde_json::json!(false)));
    assert_eq!(report["total"]["rows"], 3);
    assert_eq!(report["files"][1]["malformed_rows"][0]["line"], 3);
}

#[test]
fn a_file_that_cannot_be_read_is_one_line_on_standard_error_and_the_rest_is_read() {
    for json in [false, true] {
        let mut run = Run::without_key().file("op1.csv", WHOLE).arg("verify").arg("missing.csv");
        run = run.arg("op1.csv");
        if json {
            run = run.arg("--json");
        }
        let (code, recorder) = run.run_to_its_end();
        assert_eq!(code, 1, "{}", recorder.seen());
        let stderr = recorder.stderr();
        assert!(stderr.starts_with("error: missing.csv: cannot open it"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(recorder.stdout().contains("missing.csv"), "{}", recorder.seen());
        assert!(recorder.stdout().contains("MSFT"), "{}", recorder.seen());
    }
}

#[test]
fn without_a_file_it_says_how_to_use_it() {
    let (code, recorder) = Run::without_key().arg("verify").run_to_its_end();
    assert_eq!(code, 2, "{}", recorder.seen());
    assert!(recorder.only_error_line().contains("FILE"), "{}", recorder.seen());
}

#[test]
fn a_reader_that_goes_away_ends_it_without_a_word() {
    let mut run = Run::without_key().file("op1.csv", WHOLE).arg("verify");
    // More than a pipe holds.
    for _ in 0..500 {
        run = run.arg("op1.csv");
    }
    let (code, recorder) = run.run_with_closed_stdout();
    assert_eq!((code, recorder.stderr()), (1, String::new()));
}

#[test]
fn a_file_that_is_being_recorded_is_read_up_to_its_last_whole_row() {
    let mut recorder = Run::without_key().arg("--demo").tickers("AAPL").spawn();
    recorder.wait_for_row_count(3);
    let run = Run::beside(&recorder).arg("verify").arg("--json").arg("op1.csv");
    let (code, verified) = run.run_to_its_end();
    assert_eq!(code, 0, "{}", verified.seen());
    let report: serde_json::Value = serde_json::from_str(&verified.stdout()).expect("JSON");
    assert!(report["total"]["rows"].as_u64() >= Some(3), "{report}");
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}
