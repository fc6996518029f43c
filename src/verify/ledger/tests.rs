//! Ledgers as text, and the covered and missing time in them.

use super::super::spans::LedgerGap;
use super::*;

fn read(rows: &str, last_received_ms: Option<i64>) -> Coverage {
    let text = format!("time_ms,state,tickers,reason\n{rows}");
    let reader = LedgerReader::new(text.as_bytes()).unwrap();
    read_ledger(reader, last_received_ms, &mut Days::default()).unwrap()
}

/// Covered, missing and stopped milliseconds.
fn check(rows: &str, last_received_ms: Option<i64>, expected: (i64, i64, i64)) -> Coverage {
    let coverage = read(rows, last_received_ms);
    let found =
        (coverage.spans.covered_ms, coverage.spans.missing_ms, coverage.spans.not_running_ms);
    assert_eq!(found, expected, "{rows}");
    coverage
}

#[test]
fn covered_and_missing_are_the_sums_of_their_spans() {
    check("", None, (0, 0, 0));
    check("1000,live,A,\n", None, (0, 0, 0));
    check("1000,live,A,\n", Some(1700), (700, 0, 0));
    check("1000,live,A,\n", Some(400), (0, 0, 0));
    check("1000,live,A,\n2000,live,A;B,\n", Some(2500), (1500, 0, 0));
    check("1000,down,,silent\n", Some(9000), (0, 0, 0));
    check("1000,live,A,\n3000,down,,silent\n3500,live,A,\n", Some(4000), (2500, 500, 0));
    check("0,live,A,\n10,down,,stopped\n70,live,A,\n90,down,,stopped\n", None, (30, 0, 60));
}

#[test]
fn stops_and_faults_are_listed_apart() {
    let coverage = check(
        "0,live,A,\n10,down,,killed\n30,live,A,\n40,down,,stopped\n140,live,A,\n",
        None,
        (20, 20, 100),
    );
    let gap = |from_ms, to_ms, reason: &str| LedgerGap {
        from_ms,
        to_ms,
        missing_ms: to_ms - from_ms,
        reason: reason.to_owned(),
    };
    assert_eq!(coverage.spans.gaps, [gap(10, 30, "killed")]);
    assert_eq!(coverage.spans.stops, [gap(40, 140, "stopped")]);
}

#[test]
fn the_same_fault_said_twice_is_one_gap_and_another_fault_is_another() {
    let coverage = check(
        "0,live,A,\n10,down,,x\n20,down,,x\n30,down,,y\n45,live,A,\n50,down,,z\n60,down,,z\n",
        None,
        (15, 45, 0),
    );
    let gaps: Vec<_> =
        coverage.spans.gaps.iter().map(|gap| (gap.from_ms, gap.to_ms, &*gap.reason)).collect();
    assert_eq!(gaps, [(10, 30, "x"), (30, 45, "y"), (50, 60, "z")]);
    assert_eq!(coverage.end.unwrap().time_ms, 50);
}

#[test]
fn the_five_longest_gaps_are_kept_and_all_are_counted() {
    let lengths = [3, 9, 1, 7, 5, 9, 2];
    let gaps: Vec<String> = lengths
        .into_iter()
        .zip(1..)
        .map(|(length, n)| format!("{n}00,down,,r{n}\n{},live,A,\n", n * 100 + length))
        .collect();
    let rows = format!("0,live,A,\n{}", gaps.concat());
    let coverage = read(&rows, None);
    let kept: Vec<_> = coverage.spans.gaps.iter().map(|gap| &*gap.reason).collect();
    assert_eq!(kept, ["r2", "r6", "r4", "r5", "r1"]);
    assert_eq!(coverage.spans.gap_count, 7);
    assert_eq!(coverage.spans.missing_ms, 36);
}

#[test]
fn torn_damaged_and_backward_rows_do_not_spoil_the_sum() {
    let coverage = check(
        "0,live,\"A;B\",\n10,down,,\"x, \"\"y\"\"\"\nrubbish\n12,up,,\n5,live,A,\n30,dow",
        Some(40),
        (40, 0, 0),
    );
    assert_eq!(coverage.malformed, 2);
    assert_eq!(coverage.spans.gaps[0].reason, "x, \"y\"");
}
