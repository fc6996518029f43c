//! `verify FILE…`: what it prints where, and its exit code. What it finds in files is tested in
//! `verify`.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::{Run, Signal};
use crate::recording::trade_message;
use crate::server::Server;

const WHOLE: &str = "ticker,price,volume\nAAPL,1.5,5\nMSFT,2,0\n";
const MALFORMED: &str = "ticker,price,volume\nAAPL,1.5,5\nMSFT,two,0\n";

#[test]
fn a_whole_recording_is_reported_on_standard_output_with_exit_code_0() {
    let run = Run::without_key().file("op1.csv", WHOLE).arg("verify").arg("op1.csv");
    let (code, recorder) = run.run_to_its_end();
    assert_eq!((code, recorder.stderr()), (0, String::new()), "{}", recorder.seen());
    assert!(recorder.stdout().contains("AAPL"), "{}", recorder.seen());
    assert_eq!(recorder.all_files().len(), 1, "it only reads");
}

#[test]
fn a_malformed_row_is_reported_with_its_line_and_exit_code_1() {
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
fn what_other_programs_read_as_something_else_is_one_line_and_no_error() {
    const ODD: &str =
        "ticker,price,volume\nF,1e-07,2\nNA,1.0000000000001,1E5\nAAPL,-1.5,0\nNA,1,1\n";
    let verify = |content, json: &[&str]| {
        let run = Run::without_key().file("op1.csv", content).arg("verify").arg("op1.csv");
        let (code, recorder) = json.iter().fold(run, Run::arg).run_to_its_end();
        assert_eq!((code, recorder.stderr()), (0, String::new()), "{}", recorder.seen());
        recorder.stdout()
    };
    let text = verify(ODD, &[]);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("other programs")).collect();
    assert_eq!(
        lines,
        ["  other programs        F is a boolean to DuckDB and R; NA is missing to pandas and R; \
          2 numbers with an exponent; 1 number with more than 12 decimals (no error; finnhub-stream \
          generate has loaders)"],
        "{text}"
    );
    let text = verify(WHOLE, &[]);
    assert!(!text.contains("other programs"), "{text}");
    let report: serde_json::Value = serde_json::from_str(&verify(ODD, &["--json"])).expect("JSON");
    for part in [&report["files"][0], &report["total"]] {
        assert_eq!(part["numbers_with_exponent"], 2, "{report}");
        assert_eq!(part["numbers_with_many_decimals"], 1, "{report}");
        assert_eq!(part["misread_symbols"][0]["ticker"], "F", "{report}");
        assert_eq!(part["misread_symbols"][1]["read_as"], "missing to pandas and R", "{report}");
    }
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
        assert_eq!(recorder.stdout().contains("missing.csv"), json, "{}", recorder.seen());
        assert!(recorder.stdout().contains("MSFT"), "{}", recorder.seen());
    }
}

#[test]
fn a_missing_file_gets_the_name_that_was_probably_meant() {
    for (there, given) in [
        ("demo.csv", "demo"),
        ("op1-2026-11-23.csv.gz", "op1-2026-11-23.csv"),
        ("op1.csv", "op1.csv.gz"),
        ("my.data.csv", "my.data"),
    ] {
        let run = Run::without_key().file(there, WHOLE).arg("verify").arg(given);
        let (code, recorder) = run.run_to_its_end();
        assert_eq!(code, 1, "{}", recorder.seen());
        let expected = format!(
            "error: {given}: cannot open it: No such file or directory; did you mean {there}?"
        );
        assert_eq!(recorder.only_error_line(), expected);
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
    let mut recorder = Run::without_key().arg("--demo").arg("--out").arg("op1.csv").spawn();
    recorder.wait_for_row_count(3);
    let run = Run::beside(&recorder).arg("verify").arg("--json").arg("op1.csv");
    let (code, verified) = run.run_to_its_end();
    assert_eq!(code, 0, "{}", verified.seen());
    let report: serde_json::Value = serde_json::from_str(&verified.stdout()).expect("JSON");
    assert!(report["total"]["rows"].as_u64() >= Some(3), "{report}");
    assert_eq!(report["files"][0]["being_recorded"], true, "{report}");
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}

/// Two days in three files: one compressed, one closed by hand, and the live one.
fn rotated() -> Run {
    const HEADER: &str = "ticker,price,volume,received_ms";
    const LEDGER: &str = "time_ms,state,tickers,reason";
    // 2026-11-22T00:00:00Z and the midnight after it.
    let (day, midnight): (i64, i64) = (1_795_305_600_000, 1_795_392_000_000);
    let first = format!("{HEADER}\nAAPL,1.5,5,{day}\nAAPL,1.5,6,{}\n", midnight - 1);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(first.as_bytes()).expect("memory");
    let ledger = format!(
        "{LEDGER}\n{day},live,AAPL,\n{},down,,silent\n{},live,AAPL,\n{midnight},down,,rotated\n",
        day + 3_600_000,
        day + 3_690_000,
    );
    Run::without_key()
        .file("op1-2026-11-22.csv.gz", encoder.finish().expect("memory"))
        .file("op1-2026-11-22.coverage.csv", ledger)
        .file("op1-2026-11-23.csv", format!("{HEADER}\nAAPL,1.5,7,{midnight}\n"))
        .file(
            "op1-2026-11-23.coverage.csv",
            format!("{LEDGER}\n{midnight},live,AAPL,\n{},down,,stopped\n", midnight + 60_000),
        )
        .file("op1.csv", format!("{HEADER}\nMSFT,2,1,{}\n", midnight + 600_000))
        .file(
            "op1.coverage.csv",
            format!(
                "{LEDGER}\n{},down,,stopped\n{},live,MSFT,\n",
                midnight + 60_000,
                midnight + 300_000
            ),
        )
        .arg("verify")
        .arg("op1-2026-11-22.csv.gz")
        .arg("op1-2026-11-23.csv")
        .arg("op1.csv")
}

#[test]
fn rotated_files_are_reported_by_day_and_a_rotation_is_an_end_and_no_gap() {
    let (code, recorder) = rotated().run_to_its_end();
    assert_eq!(code, 0, "{}", recorder.seen());
    let told = recorder.stdout();
    let table: Vec<&str> =
        told.lines().skip_while(|line| *line != "op1.csv by day (UTC)").collect();
    assert_eq!(
        table[1..4],
        [
            "  day         rows    covered   missing  not running  worst gap",
            "  2026-11-22     2  23 h 58 m  1 m 30 s          0 s  1 m 30 s from 01:00:00  silent",
            "  2026-11-23     2        6 m       0 s          4 m",
        ],
        "{told}"
    );
    assert!(
        told.contains(
            "  rotated               2026-11-23T00:00:00.000Z  it goes on in the next file\n"
        ),
        "{told}"
    );
    assert!(!told.contains("not recorded since    2026-11-23T00:00:00"), "{told}");
}

#[test]
fn the_days_are_in_the_json_too() {
    let (code, recorder) = rotated().arg("--json").run_to_its_end();
    assert_eq!(code, 0, "{}", recorder.seen());
    let report: serde_json::Value = serde_json::from_str(&recorder.stdout()).expect("JSON");
    let recordings = report["recordings"].as_array().expect("a list");
    assert_eq!(recordings.len(), 1, "{report}");
    assert_eq!(
        (&recordings[0]["recording"], &recordings[0]["files"]),
        (&"op1.csv".into(), &3.into())
    );
    let [first, second] = recordings[0]["days"].as_array().expect("a list").as_slice() else {
        panic!("two days: {report}");
    };
    assert_eq!((&first["day"], &second["day"]), (&"2026-11-22".into(), &"2026-11-23".into()));
    for (day, rows, covered_ms, missing_ms, not_running_ms) in
        [(first, 2, 86_310_000, 90_000, 0), (second, 2, 360_000, 0, 240_000)]
    {
        let told = [&day["rows"], &day["covered_ms"], &day["missing_ms"], &day["not_running_ms"]];
        assert_eq!(told, [rows, covered_ms, missing_ms, not_running_ms], "{day}");
    }
    assert_eq!(first["gaps"][0]["missing_ms"], 90_000, "{first}");
    assert_eq!(report["total"]["gap_count"], 1, "the rotation is none: {report}");
}

/// The recorder itself closes an old file, in each of the ways it can; then its days are reported.
#[test]
fn days_are_reported_of_files_closed_by_the_hour_or_the_day_compressed_or_not() {
    const HEADER: &str = "ticker,price,received_ms";
    // 2026-11-18T11:06:40Z
    const OLD_MS: i64 = 1_795_000_000_000;
    let ledger = format!(
        "time_ms,state,tickers,reason\n{OLD_MS},live,AAPL,\n{},down,,silent\n{},live,AAPL,\n\
         {},down,,stopped\n",
        OLD_MS + 60_000,
        OLD_MS + 65_000,
        OLD_MS + 100_000,
    );
    for (rotate, compress) in
        [("daily", false), ("daily", true), ("hourly", false), ("hourly", true)]
    {
        let closed = match (rotate, compress) {
            ("daily", false) => "op1-2026-11-18.csv",
            ("daily", true) => "op1-2026-11-18.csv.gz",
            (_, false) => "op1-2026-11-18T11.csv",
            (_, true) => "op1-2026-11-18T11.csv.gz",
        };
        let run = Run::new()
            .file("op1.csv", format!("{HEADER}\nAAPL,1.5,{OLD_MS}\nAAPL,1.6,{OLD_MS}\n"))
            .file("op1.coverage.csv", &ledger)
            .columns(HEADER)
            .arg("--rotate")
            .arg(rotate);
        let server = Server::plain();
        let run = if compress { run.arg("--compress") } else { run };
        let mut recorder = run.url(&server.url()).tickers("AAPL").spawn();
        let mut connection = server.connect_and_wait_for_subscriptions(1);
        connection.send_text(&trade_message(&[r#"{"p":2.5,"s":"AAPL","t":1,"v":5}"#]));
        recorder.wait_for_row_count(1);
        recorder.wait_until("the closed file", |now| {
            now.path(closed).exists()
                && (!compress || !now.path(&closed[..closed.len() - 3]).exists())
        });
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());

        let verify = || Run::beside(&recorder).arg("verify").arg(closed).arg("op1.csv");
        let (code, told) = verify().run_to_its_end();
        assert_eq!(code, 0, "{}", told.seen());
        let table = told.stdout();
        let table = table.split_once("op1.csv by day (UTC)\n").expect("the days").1;
        let words: Vec<&str> = table.lines().nth(1).expect("a day").split_whitespace().collect();
        let day = "2026-11-18 2 1 m 35 s 5 s 12 h 51 m 5 s from 11:07:40 silent";
        assert_eq!(words.join(" "), day, "{closed}: {table}");
        let (code, told) = verify().arg("--json").run_to_its_end();
        assert_eq!(code, 0, "{}", told.seen());
        let report: serde_json::Value = serde_json::from_str(&told.stdout()).expect("JSON");
        let recording = &report["recordings"][0];
        assert_eq!((&recording["recording"], &recording["files"]), (&"op1.csv".into(), &2.into()));
        let days = recording["days"].as_array().expect("a list");
        let [first, .., last] = days.as_slice() else { panic!("two days: {report}") };
        assert_eq!((&first["rows"], &last["rows"]), (&2.into(), &1.into()), "{report}");
        assert_eq!((&first["day"], &first["covered_ms"]), (&"2026-11-18".into(), &95_000.into()));
        assert_eq!(first["gaps"][0]["reason"], "silent", "{report}");
    }
}

/// A row cut in the middle, and blocks that a power cut has left empty.
#[test]
fn a_torn_end_that_nobody_writes_is_reported_with_its_line_and_exit_code_1() {
    for tail in ["MSFT,2.5", &"\0".repeat(4096)] {
        let run = Run::without_key().file("op1.csv", format!("{WHOLE}{tail}"));
        let (code, recorder) = run.arg("verify").arg("op1.csv").run_to_its_end();
        assert_eq!((code, recorder.stderr()), (1, String::new()), "{}", recorder.seen());
        let said =
            format!("line 4: a torn row: the file ends in the middle of it ({} bytes)", tail.len());
        assert!(recorder.stdout().contains(&said), "{}", recorder.seen());
    }
}

#[test]
fn a_compressed_file_that_was_cut_is_reported_as_far_as_it_goes_and_then_the_fault() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"ticker,price,volume\n").expect("memory");
    for number in 0..20_000 {
        writeln!(encoder, "AAPL,{number},5").expect("memory");
    }
    let mut compressed = encoder.finish().expect("memory");
    compressed.truncate(compressed.len() / 2);
    let run = Run::without_key().file("op1.csv.gz", compressed);
    let (code, recorder) = run.arg("verify").arg("op1.csv.gz").run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    let stdout = recorder.stdout();
    assert!(stdout.contains("what follows is of the part that could be read"), "{stdout}");
    assert!(
        stdout.contains("malformed rows        0\n") && stdout.contains("    AAPL  "),
        "{stdout}"
    );
    let stderr = recorder.stderr();
    assert!(stderr.starts_with("error: op1.csv.gz: cannot read on at line "), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

/// The start after a crash, `verify` and the replay see the same rows.
#[test]
fn one_stray_quote_is_one_bad_row_to_everything_that_reads_rows() {
    const ROWS: usize = 100_000;
    let header = "ticker,price,volume,timestamp_ms,conditions";
    let row = "AAPL,1.5,5,1680300000123,\n";
    let before = format!("{header}\n{row}\"{row}{}", row.repeat(ROWS));
    let (code, verified) =
        Run::without_key().file("op1.csv", &before).arg("verify").arg("op1.csv").run_to_its_end();
    assert_eq!(code, 1, "{}", verified.seen());
    assert!(
        verified.stdout().contains("malformed rows        1\n    line 3: "),
        "{}",
        verified.seen()
    );

    let server = Server::plain();
    let mut recorder =
        Run::beside(&verified).url(&server.url()).tickers("AAPL").columns(header).spawn();
    let connection = server.connect_and_wait_for_subscriptions(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(recorder.csv().len(), before.len(), "nothing was moved aside");

    let run = Run::beside(&verified).arg("simulate").arg("--listen").arg("127.0.0.1:0");
    let mut simulator = run.arg("--replay").arg("op1.csv").spawn();
    simulator.wait_until_it_says("; Ctrl-C ends it");
    let said = simulator.stderr();
    let url = said.split_whitespace().find(|word| word.starts_with("ws://")).expect("its URL");
    let client = Run::new().url(url.trim_end_matches(';')).tickers("AAPL").columns(header);
    let mut client = client.spawn();
    simulator.wait_until_it_says(&format!("{} rows played, 1 bad rows skipped", ROWS + 1));
    client.wait_for_row_count(ROWS + 1);
    for mut program in [client, simulator] {
        program.signal(Signal::SIGTERM);
        assert_eq!(program.wait_exit(), 0, "{}", program.seen());
    }
}
