//! The loaders of `generate`, each run by its own tool on recordings that people have tripped over;
//! what is right is counted here, by no tool.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::harness::Run;

const HEADER: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions\n";
const LEDGER: &str = "time_ms,state,tickers,reason\n";

/// Symbols that a tool takes for a boolean, a number, a date or nothing, when they are alone in a
/// file or beside others.
const TICKERS: &str = "NAN NA NULL NONE None TRUE INF ON NO YES MAR SEP NOW T F Y N E 1 0012 EPOCH \
    1E5 0x10 10:30 2026-11 2026-11-30 \\N";

/// Symbols that are quoted, or that a tool may trim.
const ODD_TICKERS: [&str; 3] = ["A,B", "A\"B", " A "];

/// Digits that a tool may take for a text, or shorten. One has 13 decimals.
const NUMBERS: &str = "100.10 1e-07 0.000004 0 164.0601 1.5E3 9007199254740993 1.0000000000001 \
    -37.63 984674.5044222903";

/// A row of trades as texts.
type Row = [String; 6];

/// A question to a loader, and the right answer.
struct Case {
    /// `ticks`, `digits` (ticks with numbers as texts), `ledger` or `gaps`.
    what: &'static str,
    /// A name, a pattern, or a list of both.
    files: Value,
    rows: Vec<Vec<Option<String>>>,
}

/// What is to be asked, and the folder with the files.
struct Cases<'a> {
    folder: &'a Path,
    cases: Vec<Case>,
}

/// Writes the tricky recordings to `folder`; gives what is to be asked about them.
fn cases(folder: &Path) -> Vec<Case> {
    let mut cases = Cases { folder, cases: Vec::new() };
    cases.odd_tickers_and_numbers();
    cases.types_that_show_late();
    cases.files_without_rows();
    cases.archives();
    cases.torn_rows();
    cases.ledgers();
    cases.gaps_of_one_recording();
    cases.gaps_of_many_days();
    cases.cases
}

impl Cases<'_> {
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.folder.join(name), content).expect("a file");
    }

    fn ticks(&mut self, what: &'static str, files: Value, rows: &[Row]) {
        let rows = rows.iter().map(|row| row.iter().cloned().map(Some).collect()).collect();
        self.cases.push(Case { what, files, rows });
    }

    fn ledger(&mut self, files: Value, rows: &[[&str; 4]]) {
        let rows = rows.iter().map(|row| row.map(|cell| Some(cell.to_owned())).into()).collect();
        self.cases.push(Case { what: "ledger", files, rows });
    }

    fn gaps(&mut self, files: Value, rows: &[(i64, Option<i64>, &str)]) {
        let text = |ms: i64| ms.to_string();
        let row = |&(from, until, reason): &(i64, Option<i64>, &str)| {
            vec![Some(text(from)), until.map(text), Some(reason.to_owned())]
        };
        self.cases.push(Case { what: "gaps", files, rows: rows.iter().map(row).collect() });
    }

    fn odd_tickers_and_numbers(&mut self) {
        let tickers = TICKERS.split_whitespace().chain(ODD_TICKERS);
        let all: Vec<Row> = tickers.map(|ticker| row(ticker, "5", "07")).collect();
        for (number, ticker) in all.iter().enumerate() {
            let name = format!("alone-{number}.csv");
            let rows = [ticker.clone(), ticker.clone()];
            self.write(&name, recording(&rows));
            self.ticks("ticks", json!(name), &rows);
        }
        self.write("among.csv", recording(&all));
        self.ticks("ticks", json!("among.csv"), &all);

        let numbers = NUMBERS.split_whitespace();
        let numbers: Vec<Row> = numbers.map(|number| row("AAPL", number, "")).collect();
        self.write("numbers.csv", recording(&numbers));
        self.ticks("ticks", json!("numbers.csv"), &numbers);
        self.ticks("digits", json!(["numbers.csv"]), &numbers);
    }

    /// A fraction after whole numbers, several codes after one or none.
    fn types_that_show_late(&mut self) {
        let mut late = vec![row("AAPL", "100", ""); 15_000];
        late.extend(vec![row("BITFLYER:BTC_JPY", "300", "12"); 15_000]);
        late.extend(vec![row("BINANCE:BTCUSDT", "0.00008", "1;12"); 300]);
        self.write("late.csv", recording(&late));
        self.ticks("ticks", json!("late.csv"), &late);
    }

    /// Alone, and ten before one with other types than text.
    fn files_without_rows(&mut self) {
        for hour in 0..10 {
            self.write(&format!("quiet-2026-11-30T0{hour}.csv"), HEADER);
        }
        let rows = [row("AAPL", "9.5", ""), row("AAPL", "100.25", "1;12"), row("NA", "1e-07", "")];
        self.write("quiet.csv", recording(&rows));
        self.ticks("ticks", json!("quiet-2026-11-30T00.csv"), &[]);
        self.ticks("ticks", json!("quiet-2026-11-30T0*.csv"), &[]);
        self.ticks("ticks", json!(["quiet-2026-11-30T*.csv", "quiet.csv"]), &rows);
    }

    /// Several gzip members, one without rows, none where there could be some; rows in no order but
    /// that of the files.
    fn archives(&mut self) {
        let first = [row("AAPL", "9.5", ""), row("AAPL", "8", "1;12"), row("AAPL", "8.5", "")];
        let text = recording(&first);
        let (front, back) = text.split_at(100);
        self.write("day-2026-11-29.csv.gz", [gzip(front), gzip(back)].concat());
        self.write("day-2026-11-30.csv.gz", gzip(HEADER));
        let last = [row("Z", "2", ""), row("A", "1", ""), row("M", "3", "")];
        self.write("day.csv", recording(&last));
        let both = [first, last.clone()].concat();
        self.ticks("ticks", json!(["day-2026-11-*.csv.gz", "day.csv"]), &both);
        self.ticks("ticks", json!(["none-*.csv.gz", "day.csv"]), &last);
    }

    /// A last row that is cut anywhere, as after a crash, or as a reader may see it in a live file.
    fn torn_rows(&mut self) {
        let (whole, mut expected) = ([row("AAPL", "7", "1"), row("MSFT", "8", "")], Vec::new());
        for (kind, torn) in [row("AAPL", "100.25", "1;12"), row("A,B", "5", "")].iter().enumerate()
        {
            let torn = recording(std::slice::from_ref(torn)).split_off(HEADER.len());
            for cut in 1..torn.len() {
                let name = format!("torn-{kind}{cut:03}.csv");
                self.write(&name, recording(&whole) + &torn[..cut]);
                expected.extend(whole.clone());
            }
            // In the middle of the time at which it was received.
            let cut = &torn[..torn.len() - 9];
            self.write(&format!("torn-{kind}.csv.gz"), gzip(&(recording(&whole) + cut)));
        }
        self.ticks("ticks", json!("torn-*.csv"), &expected);
        self.ticks("digits", json!("torn-*.csv"), &expected);
        self.ticks("ticks", json!("torn-?.csv.gz"), &[whole.clone(), whole].concat());
    }

    fn write_ledger(&self, name: &str, rows: &str) {
        self.write(&format!("{name}.coverage.csv"), LEDGER.to_owned() + rows);
    }

    fn ledgers(&mut self) {
        let rows = "1,live,TRUE,\n2,live,\"NA;A,B\",\n3,down,,NA\n4,down,,\"x, \"\"y\"\"\"\n";
        self.write_ledger("odd", rows);
        let expected = [
            ["1", "live", "TRUE", ""],
            ["2", "live", "NA;A,B", ""],
            ["3", "down", "", "NA"],
            ["4", "down", "", "x, \"y\""],
        ];
        self.ledger(json!("odd.coverage.csv"), &expected);
        self.gaps(json!("odd.coverage.csv"), &[(3, Some(4), "NA"), (4, None, "x, \"y\"")]);
        self.write_ledger("empty", "");
        self.ledger(json!(["empty.coverage.csv"]), &[]);
        self.gaps(json!("empty.coverage.csv"), &[]);
        // A list of tickers that is longer than what some take for a field.
        let tickers = vec!["BINANCE:BTCUSDT_AND_A_LONG_NAME"; 5000].join(";");
        self.write_ledger("long", &format!("1,live,{tickers},\n"));
        self.ledger(json!("long.coverage.csv"), &[["1", "live", &tickers, ""]]);
        let torn = "2000,down,,\"connection lost: reset, by \"\"it\"\"\"\n";
        for cut in 1..torn.len() {
            let rows = format!("1000,live,AAPL,\n{}", &torn[..cut]);
            self.write_ledger(&format!("half-{cut:02}"), &rows);
        }
        let expected = vec![["1000", "live", "AAPL", ""]; torn.len() - 1];
        self.ledger(json!("half-*.coverage.csv"), &expected);
    }

    fn gaps_of_one_recording(&mut self) {
        // Rows of one millisecond stand in their order; the same is said twice; a stop has its name.
        self.write_ledger(
            "order",
            "1000,live,A,\n2000,down,,x\n2000,live,A,\n2500,live,A;B,\n3000,live,A,\n\
             3000,down,,silent\n3500,down,,silent\n4000,down,,y\n5000,live,A,\n\
             6000,down,,stopped\n9000,live,A,\n",
        );
        let expected =
            [(3000, Some(4000), "silent"), (4000, Some(5000), "y"), (6000, Some(9000), "stopped")];
        self.gaps(json!("order.coverage.csv"), &expected);
        // A rotation in the middle of an outage, and another soon after, into a file whose name comes
        // before; the last one has not gone on.
        self.write_ledger("cut-2026-11-23T14", "1000,live,A,\n2000,down,,silent\n");
        self.write_ledger(
            "cut-2026-11-23T14-2",
            "2000,down,,silent\n3000,live,A,\n4000,down,,rotated\n",
        );
        self.write_ledger("cut", "4000,live,A,\n5000,live,A,\n6000,down,,rotated\n");
        let files = json!(["cut.coverage.csv", "cut-*.coverage.csv"]);
        self.gaps(files, &[(2000, Some(3000), "silent")]);
    }

    /// Daily ledgers in which one second is missing.
    fn gaps_of_many_days(&mut self) {
        const DAY_MS: i64 = 86_400_000;
        for count in [1, 3, 11, 365] {
            let start = |day: i64| 1_767_225_600_000 + day * DAY_MS;
            let lost_ms = start(count / 2) + 1000;
            let back_ms = lost_ms + 1000;
            for day in 0..count {
                let from = format!("{},live,AAPL,\n", start(day));
                let gap = format!("{lost_ms},down,,silent\n{back_ms},live,AAPL,\n");
                let until = format!("{},down,,rotated\n", start(day + 1));
                let gap = if day == count / 2 { &gap } else { "" };
                let date = format!("-{day:03}");
                let (date, until) = if day == count - 1 { ("", "") } else { (&*date, &*until) };
                self.write_ledger(&format!("{count}days{date}"), &(from + gap + until));
            }
            let expected = [(lost_ms, Some(back_ms), "silent")];
            self.gaps(json!(format!("{count}days*.coverage.csv")), &expected);
        }
    }
}

/// A trade with this number as price and as volume.
fn row(ticker: &str, number: &str, conditions: &str) -> Row {
    [ticker, number, number, "1680285600500", "1680285600600", conditions].map(str::to_owned)
}

/// A recording with these rows, quoted as RFC 4180 has it.
fn recording(rows: &[Row]) -> String {
    let mut text = HEADER.to_owned();
    for row in rows {
        let field = |text: &String| {
            if text.contains([',', '"']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.clone()
            }
        };
        text += &row.iter().map(field).collect::<Vec<_>>().join(",");
        text.push('\n');
    }
    text
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// Asks `tool` about every case. `path` goes before the Python packages that are installed.
fn reads_rightly(tool: &str, path: Option<String>) {
    let (code, recorder) = Run::without_key().arg("generate").arg(tool).run_to_its_end();
    assert_eq!(code, 0, "{}", recorder.seen());
    let directory = tempfile::tempdir().expect("a directory");
    let folder = directory.path();
    let mut cases = cases(folder);
    if tool == "spark" {
        cases = joined(cases);
    }
    let questions: Vec<_> = cases.iter().map(|case| (case.what, &case.files)).collect();
    let text = recorder.stdout();
    let loader = if text.starts_with("--") { "ticks.sql" } else { "ticks.py" };
    fs::write(folder.join(loader), text).expect("the loader");
    let questions = serde_json::to_vec(&questions).expect("JSON");
    fs::write(folder.join("questions"), questions).expect("the questions");

    let python = std::env::var("FINNHUB_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/loaders/read.py");
    let mut command = Command::new(&python);
    command.arg(script).args([tool, loader, "questions", "answers"]).current_dir(folder);
    // Spark's workers are another process.
    command.env("PYSPARK_PYTHON", &python).stdin(Stdio::null());
    if let Some(path) = path {
        command.env("PYTHONPATH", path);
    }
    let output = command.output().expect("Python");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");

    let answers = fs::read(folder.join("answers")).expect("the answers");
    let answers: Vec<Value> = serde_json::from_slice(&answers).expect("JSON");
    assert_eq!(answers.len(), cases.len());
    let wrong = cases.iter().zip(&answers).filter_map(|(case, answer)| {
        let files = &case.files;
        Some(format!("{}({files}): {}", case.what, difference(case, answer)?))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Spark takes a second and more for each question: it gets those that follow each other as one.
fn joined(cases: Vec<Case>) -> Vec<Case> {
    let listed = |files: Value| match files {
        Value::Array(files) => files,
        name => vec![name],
    };
    let mut joined: Vec<Case> = Vec::new();
    for case in cases {
        match joined.last_mut().filter(|last| last.what == case.what && case.what != "gaps") {
            Some(last) => {
                last.files = [listed(last.files.take()), listed(case.files)].concat().into();
                last.rows.extend(case.rows);
            }
            None => joined.push(case),
        }
    }
    joined
}

/// What is wrong with an answer.
fn difference(case: &Case, answer: &Value) -> Option<String> {
    let Ok(rows) = serde_json::from_value::<Vec<Vec<Option<String>>>>(answer.clone()) else {
        return Some(answer.to_string());
    };
    let cells_agree = |column: usize, cells: (&Option<String>, &Option<String>)| {
        let number = |text: &Option<String>| text.as_ref()?.parse::<f64>().ok();
        let is_double = case.what == "ticks" && matches!(column, 1 | 2);
        if is_double { number(cells.0) == number(cells.1) } else { cells.0 == cells.1 }
    };
    let rows_agree = |found: &[Option<String>], right: &[Option<String>]| {
        let mut cells = found.iter().zip(right).enumerate();
        found.len() == right.len() && cells.all(|(column, cells)| cells_agree(column, cells))
    };
    if rows.len() != case.rows.len() {
        return Some(format!("{} rows, not {}: {:?}", rows.len(), case.rows.len(), rows.last()));
    }
    let mut pairs = rows.iter().zip(&case.rows);
    let (found, right) = pairs.find(|(found, right)| !rows_agree(found, right))?;
    Some(format!("{found:?}, not {right:?}"))
}

#[test]
#[ignore = "needs duckdb 2.0.1 for Python, in FINNHUB_TEST_PYTHON or python3"]
fn duckdb() {
    reads_rightly("duckdb", None);
}

#[test]
#[ignore = "needs pandas 3.1.1, in FINNHUB_TEST_PYTHON or python3"]
fn pandas() {
    reads_rightly("pandas", None);
}

#[test]
#[ignore = "needs pandas 2.3.3, installed below FINNHUB_TEST_PANDAS_2"]
fn pandas_2() {
    let path = std::env::var("FINNHUB_TEST_PANDAS_2").expect("the folder of pandas 2.3.3");
    reads_rightly("pandas", Some(path));
}

#[test]
#[ignore = "needs polars 2.1.0, in FINNHUB_TEST_PYTHON or python3"]
fn polars() {
    reads_rightly("polars", None);
}

#[test]
#[ignore = "needs sqlite3, its shell, and Python"]
fn sqlite() {
    reads_rightly("sqlite", None);
}

#[test]
#[ignore = "needs chdb 4.4.0, in FINNHUB_TEST_PYTHON or python3"]
fn clickhouse() {
    reads_rightly("clickhouse", None);
}

#[test]
#[ignore = "needs Java, and pyspark 4.3.0 and pyarrow, in FINNHUB_TEST_PYTHON or python3"]
fn spark() {
    reads_rightly("spark", None);
}
