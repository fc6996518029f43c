//! Rotation with the clock as an argument, and with kills between its steps.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Recording, Rotate};
use crate::recorder::Fsync;
use crate::recorder::error::OpenError;
use crate::recorder::inspect::FoundFiles;
use crate::recorder::lock_file::LockFile;
use crate::recorder::tests::trace::{self, FAULTS, Faults, Operation};
use crate::recording::columns::Column;
use crate::recording::names::lock_path;

/// 2026-11-23T14:30:00Z
const HALF_PAST: i64 = 1_795_444_200_000;
const HOUR: i64 = 3_600_000;
const COLUMNS: [Column; 2] = [Column::Ticker, Column::ReceivedMs];
const HEADER: &str = "ticker,received_ms\n";

fn try_open(out: &Path, rotate: Option<Rotate>, now_ms: i64) -> Result<Recording, OpenError> {
    Recording::open(out, &COLUMNS, rotate, Fsync::Never, FoundFiles::default(), now_ms)
}

fn open(directory: &Path, rotate: Option<Rotate>, now_ms: i64) -> Recording {
    try_open(&directory.join("op1.csv"), rotate, now_ms).unwrap()
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
    recording.coverage.ledger.live(HALF_PAST, &["A".to_owned(), "B".to_owned()]);
    recording.csv.rows.append(b"A,1\n").unwrap();
    let hour = HALF_PAST + HOUR / 2;
    assert!(!recording.rotation_is_due(hour - 1));
    assert!(recording.rotation_is_due(hour));
    recording.rotate(hour + 5, hour + 5);
    recording.csv.rows.append(b"B,2\n").unwrap();
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
    recording.coverage.ledger.live(HALF_PAST, &["A".to_owned()]);
    let (last_message, hour) = (HALF_PAST + 1000, HALF_PAST + HOUR / 2);
    recording.rotate(hour + 5 * HOUR, last_message);
    recording.coverage.ledger.down(last_message, "silent");
    recording.coverage.ledger.flush_all().unwrap();
    let found = files(directory.path());
    let closed = ledger(&format!("{HALF_PAST},live,A,\n{last_message},down,,rotated\n"));
    assert_eq!(found["op1-2026-11-23T14.coverage.csv"], closed);
    let next = ledger(&format!("{last_message},live,A,\n{last_message},down,,silent\n"));
    assert_eq!(found["op1.coverage.csv"], next);
}

/// Whatever fails, tried again and again: rows go on in the old file, nothing is added to the ledger, and
/// no file is left; in the end everything has the right name.
#[test]
fn a_rotation_that_fails_leaves_nothing_and_is_made_up_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut recording = open(directory.path(), Some(Rotate::Hourly), HALF_PAST);
    recording.coverage.ledger.live(HALF_PAST, &["A".to_owned()]);
    recording.csv.rows.append(b"A,1\n").unwrap();
    recording.files().sync().unwrap();
    let before = files(directory.path());
    let mut now = HALF_PAST + HOUR / 2;
    for next in ["op1.csv.next-", "op1.coverage.csv.next-"] {
        FAULTS.set(Faults { closed_names: Some(next), ..Faults::default() });
        for _ in 0..3 {
            assert!(recording.rotation_is_due(now));
            assert_eq!(recording.rotate(now, now), None);
            assert!(!recording.rotation_is_due(now + 59_999));
            now += 60_000;
            recording.coverage.ledger.flush_all().unwrap();
        }
        assert_eq!(files(directory.path()), before);
    }
    FAULTS.set(Faults { syncs: 1, ..Faults::default() });
    assert_eq!(recording.rotate(now, now), None);
    recording.files().sync().unwrap();
    assert_eq!(files(directory.path())["op1.csv"], before["op1.csv"]);
    recording.csv.rows.append(b"A,2\n").unwrap();

    now += 60_000;
    assert!(recording.rotation_is_due(now));
    recording.rotate(now, now);
    recording.csv.rows.append(b"A,3\n").unwrap();
    let (hour, found) = (HALF_PAST + HOUR / 2, files(directory.path()));
    assert_eq!(found["op1-2026-11-23T14.csv"], format!("{HEADER}A,1\nA,2\n"));
    assert_eq!(found["op1.csv"], format!("{HEADER}A,3\n"));
    assert!(found["op1-2026-11-23T14.coverage.csv"].ends_with(&format!("{hour},down,,rotated\n")));
    assert_eq!(found["op1.coverage.csv"], ledger(&format!("{hour},live,A,\n")));
    assert_eq!(found.len(), 4, "{found:?}");
}

/// As in a container into which only the files are mounted, here by names that get too long.
#[test]
fn a_rotation_that_is_refused_is_a_warning_at_a_start_too() {
    // `-2026-11-23T14` makes the name of the ledger too long, or that of the recording as well.
    for length in [236, 242] {
        let directory = tempfile::tempdir().unwrap();
        let name = "n".repeat(length);
        let out = directory.path().join(format!("{name}.csv"));
        let rows = format!("{HEADER}A,{HALF_PAST}\n");
        fs::write(&out, &rows).unwrap();
        let before = ledger(&format!("{HALF_PAST},live,A,\n{HALF_PAST},down,,stopped\n"));
        fs::write(directory.path().join(format!("{name}.coverage.csv")), &before).unwrap();
        let now = HALF_PAST + HOUR;
        for _ in 0..3 {
            let open = try_open(&out, Some(Rotate::Hourly), now);
            let mut recording = open.unwrap();
            assert!(!recording.rotation_is_due(now + 59_999));
            assert!(recording.rotation_is_due(now + 60_000));
            assert_eq!(recording.rotate(now + 60_000, now), None);
        }
        let found: Vec<String> = files(directory.path()).into_values().collect();
        assert_eq!(found, [before, rows, fs::read_to_string(lock_path(&out)).unwrap()]);
    }
}

#[test]
fn a_late_answer_about_the_old_file_says_nothing_of_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut recording = open(directory.path(), Some(Rotate::Hourly), HALF_PAST);
    recording.csv.rows.append(b"A,1\n").unwrap();
    let outcome = recording.files().sync_request().unwrap().outcome;
    recording.rotate(HALF_PAST + HOUR / 2, i64::MAX).unwrap();
    recording.csv.rows.append(b"A,2\n").unwrap();
    recording.files().synced(&outcome);
    assert!(recording.csv.rows.is_dirty(), "nobody has forced the new row to the disk");
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
    assert!(
        !recording.files().is_dirty(),
        "what a killed process has left is forced to the disk first"
    );
    recording.csv.rows.append(b"A,2\nA,3\n").unwrap();
    let before = trace::length();
    fs::rename(&out, &away).unwrap();
    fs::write(&out, "another file, and longer than the recording is by now").unwrap();
    FAULTS.set(Faults { syncs: 1, ..Faults::default() });
    assert!(recording.files().sync().is_err());
    recording.files().sync().unwrap();
    let operations = trace::take().operations;
    let tail = operations[before - 1].clone();
    let Operation::Write { file, .. } = tail else { panic!("{tail:?}") };
    assert_eq!(operations[before..], [tail, Operation::Sync { file }]);
    // It still appends.
    recording.csv.rows.append(b"A,4\n").unwrap();
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
    recording.coverage.ledger.down(HALF_PAST, "silent");
    recording.rotate(HALF_PAST + 24 * HOUR, i64::MAX);
    let expected = ledger(&format!("{HALF_PAST},down,,silent\n"));
    let found = files(directory.path());
    assert_eq!(found["op1.coverage.csv"], expected);
    assert_eq!(found["op1-2026-11-23.coverage.csv"], expected);
}

/// A file of yesterday, and a machine that begins in 1970 and then learns what time it is.
#[test]
fn a_closed_file_has_the_date_of_its_last_row_whatever_the_clock_was() {
    for (row_then, name) in [(None, "op1-2026-11-22"), (Some(5_000), "op1-1970-01-01")] {
        let directory = tempfile::tempdir().unwrap();
        let yesterday = HALF_PAST - 24 * HOUR;
        fs::write(directory.path().join("op1.csv"), format!("{HEADER}A,{yesterday}\n")).unwrap();
        let mut recording = open(directory.path(), Some(Rotate::Daily), 0);
        assert!(!recording.rotation_is_due(5_000));
        if let Some(received_ms) = row_then {
            recording.csv.append(b"A,5000\n", received_ms).unwrap();
        }
        assert!(!recording.rotation_is_due(24 * HOUR - 1));
        assert!(recording.rotation_is_due(HALF_PAST));
        let closed = recording.rotate(HALF_PAST, 5_000).unwrap();
        assert_eq!(closed.file_stem().unwrap(), name);
        assert!(!recording.rotation_is_due(HALF_PAST));
    }
}

#[test]
fn after_a_clock_that_was_ahead_files_are_closed_at_each_hour_as_before() {
    for ahead in [9 * HOUR, 72 * HOUR] {
        let directory = tempfile::tempdir().unwrap();
        let mut recording = open(directory.path(), Some(Rotate::Hourly), HALF_PAST);
        let hour = HALF_PAST + HOUR / 2;
        let mut record = |received_ms: i64| {
            if recording.rotation_is_due(received_ms) {
                recording.rotate(received_ms, received_ms).unwrap();
            }
            recording.csv.append(format!("A,{received_ms}\n").as_bytes(), received_ms).unwrap();
        };
        let received = [HALF_PAST, HALF_PAST + ahead, HALF_PAST + 2, hour - 1, hour, hour + HOUR];
        received.into_iter().for_each(&mut record);
        // Corrections of some seconds around the full hour.
        record(hour + HOUR - 3_000);
        record(hour + HOUR + 1);
        let found = files(directory.path());
        let rows = |received: &[i64]| {
            let rows: Vec<String> = received.iter().map(|ms| format!("A,{ms}\n")).collect();
            format!("{HEADER}{}", rows.concat())
        };
        assert_eq!(found["op1-2026-11-23T14.csv"], rows(&received[..1]));
        assert_eq!(found["op1-2026-11-23T14-2.csv"], rows(&received[1..4]));
        assert_eq!(found["op1-2026-11-23T15.csv"], rows(&received[4..5]));
        assert_eq!(found["op1.csv"], rows(&[hour + HOUR, hour + HOUR - 3_000, hour + HOUR + 1]));
    }
}

#[test]
fn a_rotation_that_failed_by_a_clock_that_was_ahead_is_not_put_off_until_then() {
    let directory = tempfile::tempdir().unwrap();
    let mut recording = open(directory.path(), Some(Rotate::Hourly), HALF_PAST);
    FAULTS.set(Faults { closed_names: Some("op1.csv.next-"), ..Faults::default() });
    assert!(recording.rotation_is_due(HALF_PAST + 9 * HOUR));
    assert_eq!(recording.rotate(HALF_PAST + 9 * HOUR, HALF_PAST), None);
    assert!(!recording.rotation_is_due(HALF_PAST + 1));
    assert!(recording.rotation_is_due(HALF_PAST + HOUR / 2));
}

#[test]
fn the_next_file_is_locked_like_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let mut recording = open(directory.path(), Some(Rotate::Hourly), HALF_PAST);
    recording.rotate(HALF_PAST + HOUR, i64::MAX);
    let out = directory.path().join("op1.csv");
    assert!(fs::File::open(&out).unwrap().try_lock().is_err());
    assert!(try_open(&out, None, HALF_PAST).is_err());
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
/// the same files, with every row there once, and no ledger that goes on saying `live`.
#[test]
fn a_kill_between_any_two_steps_is_repaired_by_the_next_start() {
    let rows = format!("{HEADER}A,{HALF_PAST}\n");
    let hour = HALF_PAST + HOUR / 2;
    let live = ledger(&format!("{HALF_PAST},live,A,\n"));
    let rotated = ledger(&format!("{HALF_PAST},live,A,\n{hour},down,,rotated\n"));
    let silent = ledger(&format!("{HALF_PAST},live,A,\n{HALF_PAST},down,,silent\n"));
    let next_live = ledger(&format!("{hour},live,A,\n"));
    let (archive, archived_ledger) = ("op1-2026-11-23T14.csv", "op1-2026-11-23T14.coverage.csv");
    let (out, out_ledger) = ("op1.csv", "op1.coverage.csv");
    let (next, next_ledger) = ("op1.csv.next-7", "op1.coverage.csv.next-8");
    let steps: [&[(&str, &str)]; 10] = [
        &[(out, &rows), (archived_ledger, &live)],
        &[(out, &rows), (archived_ledger, &silent)],
        &[(archive, &rows), (archived_ledger, &live)],
        &[(archive, &rows), (archived_ledger, &silent)],
        &[(archive, &rows), (archived_ledger, &live), (next, HEADER)],
        &[(archive, &rows), (archived_ledger, &live), (out, HEADER)],
        &[(archive, &rows), (archived_ledger, &live), (out, HEADER), (next_ledger, &next_live)],
        &[(archive, &rows), (archived_ledger, &rotated), (out, HEADER), (next_ledger, &next_live)],
        // A power cut may keep the second renaming and not the first.
        &[(archive, &rows), (out_ledger, &live)],
        &[(archive, &rows), (out_ledger, &silent), (out, HEADER)],
    ];
    for (step, content) in steps.iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in *content {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let length = rows.len();
        let lock = format!("{HALF_PAST} {length} 1 - {length} {HALF_PAST} {HALF_PAST} no");
        fs::write(directory.path().join("op1.csv.lock"), lock).unwrap();
        drop(open(directory.path(), Some(Rotate::Hourly), hour + 10));
        let found = files(directory.path());
        assert_eq!(found[archive], rows, "step {step}");
        assert_eq!(found[out], HEADER, "step {step}");
        let closed = &found[archived_ledger];
        assert!(closed.starts_with(&live) && !closed.ends_with(&live), "step {step}: {closed}");
        assert!(!found[out_ledger].contains("live"), "step {step}: {found:?}");
        assert_eq!(found.len(), 4, "step {step}: {found:?}");
    }
}

/// As somebody does by hand who wants to keep what a kill has left, with a heartbeat that is a little older.
#[test]
fn files_that_were_moved_to_the_names_of_closed_ones_after_a_kill_get_their_end() {
    let directory = tempfile::tempdir().unwrap();
    let rows = format!("{HEADER}A,{HALF_PAST}\n");
    let (archive, archived_ledger) = ("op1-2026-11-23.csv", "op1-2026-11-23.coverage.csv");
    fs::write(directory.path().join(archive), &rows).unwrap();
    let live = ledger(&format!("{HALF_PAST},live,A,\n"));
    fs::write(directory.path().join(archived_ledger), &live).unwrap();
    let lock = format!("{HALF_PAST} 1 1 - 1 {HALF_PAST} {HALF_PAST} no");
    fs::write(directory.path().join("op1.csv.lock"), lock).unwrap();
    drop(open(directory.path(), None, HALF_PAST + HOUR));
    let killed = format!("{HALF_PAST},down,,killed\n");
    let found = files(directory.path());
    assert_eq!(found[archive], rows);
    assert_eq!(found[archived_ledger], format!("{live}{killed}"));
    assert_eq!(found["op1.coverage.csv"], ledger(&killed));
}

/// Files that somebody else has put beside the recording, or taken away, are no cut rotation.
#[test]
fn a_ledger_goes_to_no_file_that_it_is_not_about() {
    let stopped = ledger(&format!("{HALF_PAST},live,A,\n{HALF_PAST},down,,stopped\n"));
    let rotated = ledger(&format!("{HALF_PAST},live,A,\n{HALF_PAST},down,,rotated\n"));
    let mine = format!("{HEADER}A,1\n");
    let rows = format!("{HEADER}A,{HALF_PAST}\n");
    let (archive, archived_ledger) = ("op1-2026-11-23T14.csv", "op1-2026-11-23T14.coverage.csv");
    let cases: [&[(&str, &str)]; 3] = [
        &[("op1.csv", HEADER), ("op1.coverage.csv", &stopped), (archive, &mine)],
        &[("op1.csv", &rows), ("op1.coverage.csv", &stopped), (archive, &rows)],
        &[("op1.csv", &rows), (archived_ledger, &rotated)],
    ];
    for (number, content) in cases.iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in *content {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let lock = format!("1 1 1 - {} 1 1 no", rows.len());
        fs::write(directory.path().join("op1.csv.lock"), lock).unwrap();
        drop(open(directory.path(), Some(Rotate::Hourly), HALF_PAST + 10));
        let found = files(directory.path());
        for (name, text) in *content {
            assert_eq!(found[*name], *text, "case {number}");
        }
    }
}
