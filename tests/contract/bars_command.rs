//! `bars FILE…`: which trades move what, how much was covered, and what is said of the rest.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::{Recorder, Run};

const COLUMNS: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions";
const LEDGER_COLUMNS: &str = "time_ms,state,tickers,reason";
const BARS_COLUMNS: &str = "ticker,time_ms,open,high,low,close,volume,trades,covered_ms";

/// 2026-11-23T14:00:00Z, a Monday, 09:00 in New York.
const NINE: i64 = 1_795_442_400_000;
const MINUTE: i64 = 60_000;

/// A row of a trade that was received 100 ms after it happened.
fn row(ticker: &str, price: &str, volume: &str, at_ms: i64, conditions: &str) -> String {
    format!("{ticker},{price},{volume},{at_ms},{},{conditions}\n", at_ms + 100)
}

fn recording(rows: &[String]) -> String {
    format!("{COLUMNS}\n{}", rows.concat())
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// Runs `bars` with these arguments, and gives its rows.
fn bars(run: Run, arguments: &[&str]) -> (Vec<String>, Recorder) {
    let run = arguments.iter().fold(run.arg("bars"), Run::arg);
    let (code, recorder) = run.run_to_its_end();
    assert_eq!(code, 0, "{}", recorder.seen());
    (rows_of(&recorder), recorder)
}

fn rows_of(recorder: &Recorder) -> Vec<String> {
    let out = recorder.stdout();
    let rows = out.strip_prefix(BARS_COLUMNS).unwrap_or_else(|| panic!("{}", recorder.seen()));
    rows.lines().skip(1).map(str::to_owned).collect()
}

/// The bars of a recording without a ledger.
fn bars_of(rows: &[String], arguments: &[&str]) -> Vec<String> {
    let run = Run::without_key().file("op1.csv", recording(rows));
    bars(run, &[&["op1.csv"], arguments].concat()).0
}

#[test]
fn a_bar_has_the_digits_of_its_trades_and_an_exact_volume() {
    let trade =
        |price, volume, after_ms| row("BINANCE:BTCUSDT", price, volume, NINE + after_ms, "");
    let rows = [
        trade("100.10", "0.1", 500),
        trade("101.50", "0.2", 1_000),
        trade("101.5", "0.000004", 2_000),
        trade("99.9", "3", 3_000),
        trade("100", "1e-07", 3_000),
        // Earlier, but it came later; and an equal low, which came later too.
        trade("99.90", "0", 400),
    ];
    assert_eq!(
        bars_of(&rows, &[]),
        [format!("BINANCE:BTCUSDT,{NINE},99.90,101.50,99.9,100,3.3000041,5,")]
    );
}

#[test]
fn bars_come_by_time_and_then_by_ticker_and_begin_at_multiples_of_their_length() {
    let rows = [
        row("MSFT", "2", "1", NINE + 59_999, ""),
        row("AAPL", "3", "1", NINE + MINUTE, ""),
        row("AAPL", "1", "1", NINE, ""),
        row("B,\"C", "4", "1", NINE, "").replace("B,\"C", "\"B,\"\"C\""),
    ];
    let expected = |bars: &[(&str, i64, &str, u32)]| -> Vec<String> {
        let bar = |(ticker, time_ms, prices, trades): &(&str, i64, &str, u32)| {
            format!("{ticker},{time_ms},{prices},{trades},{trades},")
        };
        bars.iter().map(bar).collect()
    };
    let minutes = expected(&[
        ("AAPL", NINE, "1,1,1,1", 1),
        ("\"B,\"\"C\"", NINE, "4,4,4,4", 1),
        ("MSFT", NINE, "2,2,2,2", 1),
        ("AAPL", NINE + MINUTE, "3,3,3,3", 1),
    ]);
    assert_eq!(bars_of(&rows, &[]), minutes);
    let hours = expected(&[
        ("AAPL", NINE, "1,3,1,3", 2),
        ("\"B,\"\"C\"", NINE, "4,4,4,4", 1),
        ("MSFT", NINE, "2,2,2,2", 1),
    ]);
    assert_eq!(bars_of(&rows, &["--every", "1h"]), hours);
    let day = NINE - NINE % 86_400_000;
    let days = bars_of(&rows, &["--every", "1d", "-t", "MSFT"]);
    assert_eq!(days, expected(&[("MSFT", day, "2,2,2,2", 1)]));
    assert_eq!(bars_of(&rows, &["--every", "1s", "-t", "AAPL,MSFT"]).len(), 3);
}

#[test]
fn what_a_trade_moves_is_decided_by_its_conditions() {
    // A late print sets a range; an odd lot volume only; an official close nothing.
    let rows = [
        row("AAPL", "10", "100", NINE, "1"),
        row("AAPL", "12", "7", NINE + 1, "1;32"),
        row("AAPL", "50", "5", NINE + 2, "12"),
        row("AAPL", "60", "900", NINE + 3, "16"),
        row("AAPL", "9", "0", NINE + 4, "1"),
        row("AAPL", "11", "2", NINE + 5, "24"),
    ];
    assert_eq!(bars_of(&rows, &[]), [format!("AAPL,{NINE},10,12,10,11,114,4,")]);
    // Only late prints: they set the ends as well. Only odd lots: volume without prices.
    assert_eq!(bars_of(&rows[1..2], &[]), [format!("AAPL,{NINE},12,12,12,12,7,1,")]);
    assert_eq!(bars_of(&rows[2..3], &[]), [format!("AAPL,{NINE},,,,,5,1,")]);
    assert_eq!(bars_of(&rows[3..5], &[]), [""; 0]);
    // In the regular session form T sets no price.
    let session = NINE + 30 * MINUTE;
    let rows = [row("AAPL", "11", "2", session, "24"), row("AAPL", "12", "2", session - 1, "24")];
    assert_eq!(
        bars_of(&rows, &[]),
        [format!("AAPL,{},12,12,12,12,2,1,", session - MINUTE), format!("AAPL,{session},,,,,2,1,")]
    );
    // These rules are of US shares.
    assert_eq!(
        bars_of(&[row("OANDA:EUR_USD", "1.06618", "0", NINE, "12;16")], &[]),
        [format!("OANDA:EUR_USD,{NINE},1.06618,1.06618,1.06618,1.06618,0,0,")]
    );
}

#[test]
fn regular_hours_leave_out_what_us_shares_do_before_and_after() {
    let (open, close) = (NINE + 30 * MINUTE, NINE + 7 * 60 * MINUTE);
    let at = |ticker: &str, at_ms| row(ticker, "1", "1", at_ms, "");
    let rows = [
        at("AAPL", open - 1),
        at("X:Y", open - 1),
        at("AAPL", open),
        at("AAPL", close - 1),
        at("AAPL", close),
        // The day after Thanksgiving closes at 13:00; the weekend has no session.
        at("AAPL", open + 4 * 86_400_000 + 3 * 3_600_000 + 30 * MINUTE - 1),
        at("AAPL", open + 4 * 86_400_000 + 3 * 3_600_000 + 30 * MINUTE),
        at("AAPL", open + 5 * 86_400_000),
    ];
    let times: Vec<i64> = bars_of(&rows, &["--hours", "regular"])
        .iter()
        .map(|bar| bar.split(',').nth(1).expect("a time").parse().expect("a number"))
        .collect();
    let early_close = open + 4 * 86_400_000 + 3 * 3_600_000 + 29 * MINUTE;
    assert_eq!(times, [open - MINUTE, open, close - MINUTE, early_close]);
}

#[test]
fn covered_time_is_what_the_ledger_calls_recorded() {
    let ledger = format!(
        "{LEDGER_COLUMNS}\n\
         {},live,AAPL;MSFT,\n\
         {},down,,connection lost: reset\n\
         {},live,AAPL,\n\
         {},down,,stopped\n",
        NINE - 5_000,
        NINE + 20_000,
        NINE + 50_000,
        NINE + 3 * MINUTE + 500,
    );
    let rows = [
        row("AAPL", "1", "1", NINE, ""),
        row("MSFT", "1", "1", NINE, ""),
        row("MSFT", "2", "1", NINE + 2 * MINUTE, ""),
    ];
    let run =
        || Run::without_key().file("op1.csv", recording(&rows)).file("op1.coverage.csv", &ledger);
    let (found, recorder) = bars(run(), &["op1.csv"]);
    let bar = |ticker: &str, minute: i64, rest: &str| {
        format!("{ticker},{},{rest}", NINE + minute * MINUTE)
    };
    let traded = [
        bar("AAPL", 0, "1,1,1,1,1,1,30000"),
        bar("MSFT", 0, "1,1,1,1,1,1,20000"),
        bar("MSFT", 2, "2,2,2,2,1,1,0"),
    ];
    assert_eq!(found, traded);
    assert_eq!(recorder.stderr(), "");
    let (found, _) = bars(run(), &["op1.csv", "--empty"]);
    let empty =
        |ticker, minute, covered_ms: i64| bar(ticker, minute, &format!(",,,,0,0,{covered_ms}"));
    let [aapl, msft, late] = traded;
    assert_eq!(
        found,
        [
            empty("AAPL", -1, 5_000),
            empty("MSFT", -1, 5_000),
            aapl,
            msft,
            empty("AAPL", 1, MINUTE),
            empty("AAPL", 2, MINUTE),
            late,
            empty("AAPL", 3, 500),
        ]
    );
    let (found, _) = bars(run(), &["op1.csv", "--empty", "-t", "MSFT"]);
    assert_eq!(found.len(), 3);
    // Before the regular session nothing of a share is missing.
    let (found, _) = bars(run(), &["op1.csv", "--empty", "--hours", "regular"]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn archives_are_read_with_their_ledgers_in_the_order_given() {
    let first = recording(&[row("AAPL", "1", "1", NINE, "")]);
    let second = recording(&[row("AAPL", "2", "1", NINE + 1_000, "")]);
    let ledgers = [
        format!("{LEDGER_COLUMNS}\n{NINE},live,AAPL,\n{},down,,rotated\n", NINE + 30_000),
        format!(
            "{LEDGER_COLUMNS}\n{},live,AAPL,\n{},down,,stopped\n",
            NINE + 30_000,
            NINE + 40_000
        ),
    ];
    let run = Run::without_key()
        .file("op1-2026-11-23T14.csv.gz", gzip(&first))
        .file("op1-2026-11-23T14.coverage.csv", &ledgers[0])
        .file("op1.csv", second)
        .file("op1.coverage.csv", &ledgers[1]);
    let (found, _) = bars(run, &["op1-2026-11-23T14.csv.gz", "op1.csv"]);
    assert_eq!(found, [format!("AAPL,{NINE},1,2,1,2,2,2,40000")]);
}

#[test]
fn a_ledger_that_ends_live_counts_up_to_the_last_heartbeat() {
    let heartbeat = NINE + 45_000;
    let lock = format!(
        "{heartbeat:>15} {:>20} {:>10} {:>36} {:>20} {:>15} {NINE:>15} yes\n",
        0, 1, "-", 0, 0
    );
    let run = Run::without_key()
        .file("op1.csv", recording(&[row("AAPL", "1", "1", NINE, "")]))
        .file("op1.coverage.csv", format!("{LEDGER_COLUMNS}\n{NINE},live,AAPL,\n"))
        .file("op1.csv.lock", lock);
    assert_eq!(bars(run, &["op1.csv"]).0, [format!("AAPL,{NINE},1,1,1,1,1,1,45000")]);
}

#[test]
fn what_comes_two_hours_late_is_counted_and_said() {
    let late = |after_ms: i64| {
        let received_ms = NINE + MINUTE + 2 * 60 * MINUTE + after_ms;
        format!("AAPL,9,1,{NINE},{received_ms},\n")
    };
    let rows = [row("AAPL", "1", "1", NINE, ""), late(-1), late(0), late(1)];
    let run = Run::without_key().file("op1.csv", recording(&rows));
    let (found, recorder) = bars(run, &["op1.csv"]);
    assert_eq!(found, [format!("AAPL,{NINE},1,9,1,9,2,2,")]);
    let said = "2 trades came more than two hours late and are in no bar";
    assert!(recorder.stderr().contains(said), "{}", recorder.seen());
}

#[test]
fn a_symbol_that_is_in_no_file_is_told() {
    let rows = [row("AAPL", "1", "1", NINE, ""), row("MSFT", "2", "1", NINE, "")];
    let run = Run::without_key().file("op1.csv", recording(&rows));
    let (found, recorder) = bars(run, &["op1.csv", "-t", "AAPL,msft"]);
    assert_eq!(found.len(), 1);
    let said = "msft: no row of it in these files; give the name as it stands there\n";
    assert!(recorder.stderr().ends_with(said), "{}", recorder.seen());
    assert!(!recorder.stderr().contains("AAPL"), "{}", recorder.seen());
}

#[test]
fn malformed_rows_and_files_are_told_and_the_rest_is_read() {
    let rows = [
        row("AAPL", "1", "1", NINE, ""),
        "AAPL,x,1,1,1,\n".to_owned(),
        "\n".to_owned(),
        row("AAPL", "2", "1", NINE + 1, ""),
        "AAPL,1,1".to_owned(),
    ];
    let run =
        Run::without_key().file("op1.csv", recording(&rows)).file("op2.csv", "ticker,price\n");
    let run = run.arg("bars").arg("op1.csv").arg("op2.csv").arg("op3.csv");
    let (code, recorder) = run.run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    assert_eq!(rows_of(&recorder), [format!("AAPL,{NINE},1,2,1,2,2,2,")]);
    for line in [
        "error: op1.csv: line 3: price \"x\" is not a number",
        "error: op1.csv: line 6: a torn row: the file ends in the middle of it (8 bytes)",
        "error: op2.csv: it has no column volume; bars need ticker, price, volume and timestamp_ms",
        "error: op3.csv: cannot open it: No such file or directory",
        "without a ledger beside",
    ] {
        assert!(recorder.stderr().contains(line), "{line}: {}", recorder.seen());
    }
    // The file that is not there is none of them.
    assert!(recorder.stderr().contains("2 recordings without a ledger"), "{}", recorder.seen());
}

#[test]
fn without_conditions_every_trade_counts_and_that_is_said() {
    let text = format!("price,ticker,timestamp_ms,volume\n1,AAPL,{NINE},5\n");
    let (found, recorder) = bars(Run::without_key().file("op1.csv", text), &["op1.csv"]);
    assert_eq!(found, [format!("AAPL,{NINE},1,1,1,1,5,1,")]);
    let said = "op1.csv: it has no conditions: every trade counts";
    assert!(recorder.stderr().contains(said), "{}", recorder.seen());
}

#[test]
fn a_length_that_does_not_divide_a_day_is_refused() {
    for every in ["7s", "500ms", "0s", "2d", "1", "x"] {
        let run = Run::without_key().file("op1.csv", recording(&[]));
        let (code, recorder) =
            run.arg("bars").arg("op1.csv").arg("--every").arg(every).run_to_its_end();
        assert_eq!(code, 2, "{}", recorder.seen());
        let line = recorder.only_error_line();
        assert!(line.contains("give whole seconds that divide a day"), "{line}");
    }
}

#[test]
fn nobody_who_reads_on_is_no_fault_and_a_full_disk_is() {
    let rows: Vec<String> =
        (0..5_000).map(|n| row("AAPL", "1", "1", NINE + n * MINUTE, "")).collect();
    let run = || Run::without_key().file("op1.csv", recording(&rows)).arg("bars").arg("op1.csv");
    let (code, recorder) = run().run_with_closed_stdout();
    assert_eq!(code, 0, "{}", recorder.seen());
    #[cfg(target_os = "linux")]
    {
        let run = run().through(&["sh", "-c", "exec \"$@\" > /dev/full", "sh"]);
        let (code, recorder) = run.run_to_its_end();
        assert_eq!(code, 1, "{}", recorder.seen());
        assert!(
            recorder.stderr().contains("cannot write the bars: No space left"),
            "{}",
            recorder.seen()
        );
    }
}

/// What a code moves, as the contract's table has it: the range, the ends (`l`: where no other trade
/// does), the volume.
fn moved(code: u32, in_session: bool) -> &'static str {
    match code {
        9 | 21 | 30 | 32 => "yly",
        3 | 5 | 10 | 11 | 12 | 17 | 22 | 25 | 26 | 27 | 37 => "nny",
        24 if in_session => "nny",
        16 | 20 | 38 | 39 => "nnn",
        _ => "yyy",
    }
}

#[test]
fn each_code_alone_and_in_pairs_moves_what_the_table_says() {
    let alone = (1..=41).map(|code| vec![code]);
    let pairs = (1..=41).flat_map(|one| (1..=41).map(move |other| vec![one, other]));
    let (mut rows, mut expected) = (Vec::new(), Vec::new());
    for (number, codes) in alone.chain(pairs).enumerate() {
        for (session, at_ms) in [('O', NINE), ('S', NINE + 30 * MINUTE)] {
            let ticker = format!("{session}{number:04}");
            let joined = codes.iter().map(u32::to_string).collect::<Vec<_>>().join(";");
            rows.push(row(&ticker, "10", "1", at_ms, "1"));
            rows.push(row(&ticker, "20", "5", at_ms + 1, &joined));
            let strictest = |place: usize| {
                let letters =
                    codes.iter().map(|code| moved(*code, session == 'S').as_bytes()[place]);
                letters.max_by_key(|letter| "yln".find(*letter as char)).expect("a code")
            };
            let high = if strictest(0) == b'y' { 20 } else { 10 };
            let close = if strictest(1) == b'y' { 20 } else { 10 };
            let sum = if strictest(2) == b'y' { "6,2" } else { "1,1" };
            expected.push(format!("{ticker},{at_ms},10,{high},10,{close},{sum},"));
        }
    }
    expected.sort();
    assert_eq!(bars_of(&rows, &[]), expected);
}

#[test]
fn a_ledger_whose_recording_is_named_too_is_passed_over() {
    let ledger = format!("{LEDGER_COLUMNS}\n{NINE},live,AAPL,\n{},down,,stopped\n", NINE + 1_000);
    let run = || {
        Run::without_key()
            .file("op1-2026-11-23.csv", recording(&[row("AAPL", "1", "1", NINE, "")]))
            .file("op1-2026-11-23.coverage.csv", &ledger)
    };
    let (found, recorder) = bars(run(), &["op1-2026-11-23.coverage.csv", "op1-2026-11-23.csv"]);
    assert_eq!(found, [format!("AAPL,{NINE},1,1,1,1,1,1,1000")]);
    assert_eq!(recorder.stderr(), "");
    let (code, recorder) = run().args(&["bars", "op1-2026-11-23.coverage.csv"]).run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    assert!(recorder.stderr().contains("it is a coverage ledger"), "{}", recorder.seen());
}
