//! Rotation with the clock as an argument, and with kills between its steps.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Recording, Rotate};
use crate::recorder::Fsync;
use crate::recorder::columns::Column;
use crate::recorder::lock_file::LockFile;
use crate::recorder::tests::trace::{self, FAULTS, Faults, Operation};

/// 2026-11-23T14:30:00Z
const HALF_PAST: i64 = 1_795_444_200_000;
const HOUR: i64 = 3_600_000;
const COLUMNS: [Column; 2] = [Column::Ticker, Column::ReceivedMs];
const HEADER: &str = "ticker,received_ms\n";

fn open(directory: &Path, rotate: Option<Rotate>, now_ms: i64) -> Recording {
    Recording::open(&directory.join("op1.csv"), &COLUMNS, rotate, Fsync::Never, now_ms).unwrap()
}

/// Every file but the lock, by name.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    named
        .filter(|(name, _)| name != "op1.csv.lock")
        .map(|(name, path)| (name, fs::read_to_string(path).unwrap()))
        .collect()
}

fn check(directory: &Path, expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    assert_eq!(files(directory), expected);
}

fn ledger(rows: &str) -> String {
    format!("time_ms,state,tickers,reason\n{rows}")
}

#[test]
fn the_file_is_closed_at_the_full_hour_and_its_ledger_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut recording = open(directory.path(), Some(Rotate::Hourly), HALF_PAST);
    recording.ledger.live(HALF_PAST, &["A".to_owned(), "B".to_owned()]);
    recording.csv.append(b"A,1\n").unwrap();
    let hour = HALF_PAST + HOUR / 2;
    assert!(!recording.rotation_is_due(hour - 1));
    assert!(recording.rotation_is_due(hour));
    recording.rotate(hour + 5, hour + 5);
    recording.csv.append(b"B,2\n").unwrap();
    check(
        directory.path(),
        &[
            ("op1-2026-11-23T14.csv", &format!("{HEADER}A,1\n")),
            (
                "op1-2026-11-23T14.coverage.csv",
                &ledger(&format!("{HALF_PAST},live,A;B,\n{hour},down,,rotated\n")),
            ),
            ("op1.csv", &format!("{HEADER}B,2\n")),
            ("op1.coverage.csv", &ledger(&format!("{hour},live,A;B,\n"))),
        ],
    );
    assert!(!recording.rotation_is_due(hour + HOUR - 1));
    assert!(recording.rotation_is_due(hour + HOUR));
}

/// A connection that has said nothing since well before the hour may be dead already.
#[test]
fn the_closed_ledger_answers_only_up_to_the_last_message() {
    let directory = tempfile::tempdir().unwrap();
    let mut recording = open(directory.path(), Some(Rotate::Hourly), HALF_PAST);
    recording.ledger.live(HALF_PAST, &["A".to_owned()]);
    let (last_message, hour) = (HALF_PAST + 1000, HALF_PAST + HOUR / 2);
    recording.rotate(hour + 5 * HOUR, last_message);
    recording.ledger.down(last_message, "silent");
    recording.ledger.flush_all().unwrap();
    let found = files(directory.path());
    let closed = ledger(&format!("{HALF_PAST},live,A,\n{last_message},down,,rotated\n"));
    assert_eq!(found["op1-2026-11-23T14.coverage.csv"], closed);
    let next = ledger(&format!("{last_message},live,A,\n{last_message},down,,silent\n"));
    assert_eq!(found["op1.coverage.csv"], next);
}

/// A rotation that fails at its first step, then at its last one, and succeeds in the end.
#[test]
fn a_rotation_that_fails_is_made_up_for_under_the_right_name() {
    let directory = tempfile::tempdir().unwrap();
    let mut recording = open(directory.path(), Some(Rotate::Hourly), HALF_PAST);
    recording.ledger.live(HALF_PAST, &["A".to_owned()]);
    recording.csv.append(b"A,1\n").unwrap();
    let hour = HALF_PAST + HOUR / 2;
    for in_the_way in ["op1.csv.next", "op1.coverage.csv.next"] {
        fs::create_dir(directory.path().join(in_the_way)).unwrap();
    }
    recording.rotate(hour, hour);
    assert!(!recording.rotation_is_due(hour + 59_999) && recording.rotation_is_due(hour + 60_000));
    assert!(recording.ledger.last.live, "rows go on into the old file");
    recording.csv.append(b"A,2\n").unwrap();

    fs::remove_dir(directory.path().join("op1.csv.next")).unwrap();
    recording.rotate(hour + 60_000, hour + 60_000);
    assert!(recording.ledger.last.live, "rows go on into the new file");
    recording.csv.append(b"A,3\n").unwrap();

    fs::remove_dir(directory.path().join("op1.coverage.csv.next")).unwrap();
    assert!(recording.rotation_is_due(hour + 120_000));
    recording.rotate(hour + 120_000, hour + 120_000);
    assert!(!recording.rotation_is_due(hour + HOUR - 1));
    recording.ledger.flush_all().unwrap();
    let found = files(directory.path());
    assert_eq!(found["op1-2026-11-23T14.csv"], format!("{HEADER}A,1\nA,2\n"));
    assert_eq!(found["op1.csv"], format!("{HEADER}A,3\n"));
    assert!(found["op1-2026-11-23T14.coverage.csv"].ends_with(&format!("{hour},down,,rotated\n")));
    assert_eq!(found["op1.coverage.csv"], ledger(&format!("{hour},live,A,\n")));
    assert_eq!(found.len(), 4, "{found:?}");
}

/// The recording is replaced before its ledger is, and the answer may come in between.
#[test]
fn a_late_answer_about_the_old_file_says_nothing_of_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut recording = open(directory.path(), Some(Rotate::Hourly), HALF_PAST);
    recording.csv.append(b"A,1\n").unwrap();
    let outcome = recording.sync_request().unwrap().outcome;
    fs::create_dir(directory.path().join("op1.coverage.csv.next")).unwrap();
    recording.rotate(HALF_PAST + HOUR / 2, i64::MAX);
    recording.csv.append(b"A,2\n").unwrap();
    recording.synced(&outcome);
    assert!(recording.csv.is_dirty(), "nobody has forced the new row to the disk");
}

/// What has the name by then may be anything. What was there before the start may be gigabytes, and
/// was not written by this process.
#[test]
fn a_failed_sync_is_repaired_by_the_new_rows_alone_and_in_the_same_file_wherever_that_is_by_now() {
    let directory = tempfile::tempdir().unwrap();
    let (out, away) = (directory.path().join("op1.csv"), directory.path().join("away.csv"));
    fs::write(&out, format!("{HEADER}A,1\n")).unwrap();
    trace::begin(directory.path());
    let mut recording = open(directory.path(), None, HALF_PAST);
    assert!(!recording.is_dirty(), "what a killed process has left is forced to the disk first");
    recording.csv.append(b"A,2\nA,3\n").unwrap();
    let before = trace::length();
    fs::rename(&out, &away).unwrap();
    fs::write(&out, "another file, and longer than the recording is by now").unwrap();
    FAULTS.set(Faults { syncs: 1, ..Faults::default() });
    assert!(recording.sync().is_err());
    recording.sync().unwrap();
    let operations = trace::take().operations;
    let tail = operations[before - 1].clone();
    let Operation::Write { file, .. } = tail else { panic!("{tail:?}") };
    assert_eq!(operations[before..], [tail, Operation::Sync { file }]);
    // It still appends.
    recording.csv.append(b"A,4\n").unwrap();
    assert_eq!(fs::read_to_string(away).unwrap(), format!("{HEADER}A,1\nA,2\nA,3\nA,4\n"));
}

/// Row 150 is in the file; the ledger says `live` since 100.
#[test]
#[cfg(target_os = "linux")]
fn an_end_is_dated_by_what_is_really_there() {
    let scratch = tempfile::tempdir().unwrap();
    let lock = LockFile::take(&scratch.path().join("x"), true).unwrap().0;
    let here = lock.last.boot.clone().expect("a boot id");
    let other = "0".repeat(here.len());
    let row = format!("{HEADER}A,150\n");
    let (length, more) = (row.len(), row.len() + 1);
    for (lock, rows, end) in [
        (format!("200 {length} 1 {here} {length} 140 100 yes"), &*row, "200,down,,killed"),
        (format!("200 {length} 1 {here} {more} 140 100 yes"), &row, "150,down,,killed"),
        (format!("200 {length} 1 {here} {length} 140 90 yes"), &row, "150,down,,killed"),
        (format!("200 {length} 1 {here} {length} 140 - no"), &row, "150,down,,killed"),
        (format!("200 {length} 1 {other} {length} 140 100 yes"), &row, "150,down,,power cut"),
        (format!("200 {length} 1 {other} {length} 140 100 yes"), HEADER, "140,down,,power cut"),
        (format!("200 {length} 1 {other} {length} 140 90 yes"), HEADER, "100,down,,power cut"),
        (format!("200 {length} 1 - {length} 140 100 yes"), &row, "200,down,,killed"),
        (format!("200 {length} 1 - {more} 140 100 yes"), HEADER, "140,down,,killed"),
        (String::new(), &row, "150,down,,killed"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("op1.csv"), rows).unwrap();
        fs::write(directory.path().join("op1.csv.lock"), &lock).unwrap();
        let live = ledger("100,live,A,\n");
        fs::write(directory.path().join("op1.coverage.csv"), &live).unwrap();
        drop(open(directory.path(), None, HALF_PAST));
        let expected = format!("{live}{end}\n");
        assert_eq!(files(directory.path())["op1.coverage.csv"], expected, "{lock:?}");
    }
}

#[test]
fn while_nothing_is_recorded_the_new_ledger_says_so_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut recording = open(directory.path(), Some(Rotate::Daily), HALF_PAST);
    recording.ledger.down(HALF_PAST, "silent");
    recording.rotate(HALF_PAST + 24 * HOUR, i64::MAX);
    let expected = ledger(&format!("{HALF_PAST},down,,silent\n"));
    let found = files(directory.path());
    assert_eq!(found["op1.coverage.csv"], expected);
    assert_eq!(found["op1-2026-11-23.coverage.csv"], expected);
}

#[test]
fn the_next_file_is_locked_like_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let mut recording = open(directory.path(), Some(Rotate::Hourly), HALF_PAST);
    recording.rotate(HALF_PAST + HOUR, i64::MAX);
    let out = directory.path().join("op1.csv");
    assert!(fs::File::open(&out).unwrap().try_lock().is_err());
    assert!(Recording::open(&out, &COLUMNS, None, Fsync::Never, HALF_PAST).is_err());
}

#[test]
fn a_start_after_days_away_closes_the_old_file_first() {
    let directory = tempfile::tempdir().unwrap();
    let rows = format!("{HEADER}A,{HALF_PAST}\n");
    fs::write(directory.path().join("op1.csv"), format!("{rows}torn")).unwrap();
    let expected = ledger(&format!("{HALF_PAST},live,A,\n"));
    fs::write(directory.path().join("op1.coverage.csv"), expected).unwrap();
    let now = HALF_PAST + 72 * HOUR;
    drop(open(directory.path(), Some(Rotate::Daily), now));
    let killed = ledger(&format!("{HALF_PAST},live,A,\n{HALF_PAST},down,,killed\n"));
    check(
        directory.path(),
        &[
            ("op1-2026-11-23.csv", &rows),
            ("op1-2026-11-23.coverage.csv", &killed),
            ("op1.csv", HEADER),
            ("op1.coverage.csv", &ledger(&format!("{HALF_PAST},down,,killed\n"))),
            (&format!("op1.csv.torn-{now}"), "torn"),
        ],
    );
}

#[test]
fn a_start_within_the_period_goes_on_with_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let rows = format!("{HEADER}A,{HALF_PAST}\n");
    fs::write(directory.path().join("op1.csv"), &rows).unwrap();
    drop(open(directory.path(), Some(Rotate::Hourly), HALF_PAST + HOUR / 2 - 1));
    assert_eq!(files(directory.path())["op1.csv"], rows);
    assert_eq!(files(directory.path()).len(), 2);
}

/// The state on the disk after each step of a rotation, made by hand; the next start must end in
/// the same files, with every row there once.
#[test]
fn a_kill_between_any_two_steps_is_repaired_by_the_next_start() {
    let rows = format!("{HEADER}A,{HALF_PAST}\n");
    let hour = HALF_PAST + HOUR / 2;
    let live = ledger(&format!("{HALF_PAST},live,A,\n"));
    let closed = ledger(&format!("{HALF_PAST},live,A,\n{hour},down,,rotated\n"));
    let (archive, archived_ledger) = ("op1-2026-11-23T14.csv", "op1-2026-11-23T14.coverage.csv");
    let (out, out_ledger, next) = ("op1.csv", "op1.coverage.csv", "op1.csv.next");
    let steps: [&[(&str, &str)]; 5] = [
        &[(out, &rows), (next, HEADER), (out_ledger, &live)],
        &[(out, &rows), (next, HEADER), (out_ledger, &closed)],
        &[(archive, &rows), (next, HEADER), (out_ledger, &closed)],
        &[(archive, &rows), (out, HEADER), (out_ledger, &closed)],
        &[(archive, &rows), (out, HEADER), (archived_ledger, &closed)],
    ];
    for (step, content) in steps.iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in *content {
            fs::write(directory.path().join(name), text).unwrap();
        }
        drop(open(directory.path(), Some(Rotate::Hourly), hour + 10));
        let found = files(directory.path());
        assert_eq!(found[archive], rows, "step {step}");
        assert_eq!(found[out], HEADER, "step {step}");
        assert!(found.contains_key(archived_ledger), "step {step}: {found:?}");
        assert!(!found[out_ledger].contains("live"), "step {step}: {found:?}");
    }
}
