//! The README's recipes for other tools, run as they are there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::Run;

/// A recording with all that is special, and its ledger. AAPL is recorded from the start, lost for
/// 20 s and 10 s, MSFT is added back later, and ZZZ is on no list.
const RECORDING: &str = "\
ticker,price,volume,timestamp_ms,received_ms,conditions
AAPL,100.10,5,1680285600500,1680285600600,1
AAPL,99.0,0,1680285601000,1680285601100,
AAPL,250,7,1680285602000,1680285602100,1;12
MSFT,10,1,1680285603000,1680285603100,
AAPL,101.5,2,1680285604000,1680285604100,1;8
AAPL,100.2,3,1680285603500,1680285604200,1
AAPL,100.3,1,1680285604000,1680285604300,1
AAPL,98,500,1680285605000,1680285605100,1;16
AAPL,100.4,1,1680285600400,1680285605200,
\"A,B\",1e-07,0.000004,1680285605000,1680285605100,
AAPL,102,1,1680285720000,1680285720100,24;1
AAPL,1,1,1680285780000,1680285780100,12
ZZZ,5,1,1680285600000,1680285780100,
";
const LEDGER: &str = "\
time_ms,state,tickers,reason
1680285590000,live,\"AAPL;MSFT;A,B\",
1680285610000,down,,connection lost: reset by the server
1680285630000,live,AAPL,
1680285630000,down,,silent
1680285640000,live,AAPL,
1680285700000,live,AAPL;MSFT,
";

const BARS: &str = "\
ticker|minute|open|high|low|close|volume|trades|covered_s
A,B|2023-03-31 18:00:00|1e-07|1e-07|1e-07|1e-07|4e-06|1|10.0
AAPL|2023-03-31 18:00:00|100.4|101.5|100.1|100.3|19.0|6|30.0
AAPL|2023-03-31 18:02:00|102.0|102.0|102.0|102.0|1.0|1|60.0
AAPL|2023-03-31 18:03:00|None|None|None|None|1.0|1|0.1
MSFT|2023-03-31 18:00:00|10.0|10.0|10.0|10.0|1.0|1|10.0
ZZZ|2023-03-31 18:00:00|5.0|5.0|5.0|5.0|1.0|1|0.0
";

/// Runs a query with the loader on the files of the working directory, and prints the answer.
const RUN: &str = "
import duckdb, sys
duckdb.sql(sys.argv[2])
answer = duckdb.sql(sys.argv[1])
for row in [answer.columns] + answer.fetchall():
    print(*row, sep='|')
";

/// The block of the README that holds `word`.
fn recipe(word: &str) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let readme = readme.expect("the README");
    let mut blocks = readme.split("\n```").filter(|block| block.contains(word));
    let block = blocks.find_map(|block| block.strip_prefix("sql\n")).expect("a block of SQL");
    block.to_owned()
}

#[test]
#[ignore = "needs DuckDB for Python, in FINNHUB_TEST_PYTHON or python3"]
fn bars_are_what_the_recording_and_its_ledger_say() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("op1.csv"), RECORDING).expect("the recording");
    fs::write(directory.path().join("op1.coverage.csv"), LEDGER).expect("the ledger");
    let (code, recorder) = Run::without_key().arg("generate").arg("duckdb").run_to_its_end();
    assert_eq!(code, 0, "{}", recorder.seen());
    let python = std::env::var("FINNHUB_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    command
        .args(["-c", RUN, &recipe("covered_s"), &recorder.stdout()])
        .current_dir(directory.path());
    let output = command.output().expect("Python");
    assert_eq!(
        (String::from_utf8_lossy(&output.stdout).as_ref(), output.status.success()),
        (BARS, true),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
