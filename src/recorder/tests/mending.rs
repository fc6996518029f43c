//! A file that somebody has damaged while it is recorded is put right; the power goes or a kill comes
//! at each step of that, or the disk fails: nothing that was in the file is lost, and nothing doubled.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use fastrand::Rng;

use super::checks::is_torn;
use super::disk_model::{self, Disk, Files};
use super::trace::{self, FAULTS, Faults, Operation};
use crate::recorder::append_file::AppendFile;
use crate::recorder::disk::DiskFile;
use crate::recorder::error::OpenError;
use crate::recorder::open::open_rows;
use crate::recorder::recording::external_changes::{Change, check_file};

const HEADER: &str = "ticker,price\n";
const BEFORE: &str = "A,1\nB,22\n\"C\nD\",333\n";
const LATER: &str = "E,4444\nA,1\n";
const NAME: &str = "op1.csv";

/// States that a power cut may leave after each step.
const STATES: usize = 6;

/// What somebody does, what is torn by it, and what is in the file, before it is put right and then.
struct Damage {
    name: &'static str,
    cut_to: Option<usize>,
    append: &'static str,
    torn: &'static str,
    unmended: String,
    mended: String,
}

fn damages() -> Vec<Damage> {
    let whole = format!("{HEADER}{BEFORE}");
    let damage = |name, cut_to: Option<usize>, append: &'static str, torn: &'static str| {
        let kept = &whole[..cut_to.unwrap_or(whole.len())];
        let unmended = format!("{kept}{append}{LATER}");
        let header = if kept.is_empty() { HEADER } else { "" };
        let before = format!("{kept}{append}");
        let rows = before.strip_suffix(torn).expect("its end").trim_start_matches('\n').to_owned();
        Damage { name, cut_to, append, torn, unmended, mended: format!("{header}{rows}{LATER}") }
    };
    let two_rows = HEADER.len() + "A,1\nB,22\n".len();
    vec![
        damage("half a row appended", None, "X,7", "X,7"),
        damage("a row and a half appended", None, "X,7\nX,", "X,"),
        damage(
            "a stump longer than the rows behind it",
            None,
            "a stump of so many letters",
            "a stump of so many letters",
        ),
        damage("cut in the middle of a row", Some(two_rows - 3), "", "B,"),
        damage("cut in the middle of a quoted field", Some(two_rows + 2), "", "\"C"),
        damage("emptied", Some(0), "", ""),
        damage("emptied, with an empty line", Some(0), "\n", ""),
        damage("emptied, with half a row", Some(0), "Y,8\nX", "X"),
    ]
}

/// Records, lets the damage happen, and records more.
fn damaged(path: &Path, damage: &Damage) -> AppendFile {
    let mut file = open_rows(path, HEADER, 0, 7).unwrap();
    file.append(BEFORE.as_bytes()).unwrap();
    file.sync().unwrap();
    file.end_check().unwrap();
    if let Some(length) = damage.cut_to {
        DiskFile::open_in_place(path).unwrap().set_len(length as u64).unwrap();
    }
    DiskFile::append_to(path).unwrap().write_all(damage.append.as_bytes()).unwrap();
    file.append(LATER.as_bytes()).unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), damage.unmended, "{}", damage.name);
    file
}

/// All torn parts, one after the other.
fn torn(files: &Files) -> String {
    let torn = files.iter().filter(|(name, _)| is_torn(name));
    torn.map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect()
}

/// Starts from what is left, and fails unless the file is as it was or has been put right, which it
/// `must` be. The start is cut short as well, so many times.
fn check_start(left: &Files, damage: &Damage, must: bool, again: usize, dice: &mut Rng) {
    let case = format!("{}, from {left:?}", damage.name);
    let directory = super::directory();
    disk_model::put(left, directory.path());
    trace::begin(directory.path());
    let opened = open_rows(&directory.path().join(NAME), HEADER, 0, 8);
    if matches!(opened, Err(OpenError::OtherColumns { .. })) && !must && damage.cut_to == Some(0) {
        // Half a row alone is no recording that could be known again.
        let known = left[NAME].split(|byte| *byte == 0).next().unwrap_or_default();
        return assert!(!known.contains(&b'\n'), "{case}");
    }
    drop(opened.unwrap());
    let (trace, found) = (trace::take(), disk_model::take(directory.path()));
    let content = String::from_utf8(found[NAME].clone()).unwrap();
    let rows = content.strip_prefix(HEADER).expect("the header");
    // Whole rows of it as it was, or as it was before anybody came.
    let unmended = damage.unmended.strip_prefix(HEADER).unwrap_or(&damage.unmended);
    let is_begun = |text: &str| text.trim_start_matches('\n').starts_with(rows);
    let is_whole = rows.is_empty() || rows.ends_with('\n');
    let as_it_was = is_whole && (is_begun(unmended) || is_begun(BEFORE));
    assert!(content == damage.mended || (as_it_was && !must), "{content:?}: {case}");
    if content == damage.mended {
        assert!(torn(&found).contains(damage.torn), "{:?}: {case}", torn(&found));
    }
    assert!(!found.keys().any(|name| name.contains("redo")), "{:?}: {case}", found.keys());
    if again > 0 {
        let point = dice.usize(trace.found..=trace.operations.len());
        let mut disk = Disk::default();
        trace.operations[..point].iter().for_each(|operation| disk.apply(operation));
        let left = if dice.bool() { disk.after_kill() } else { disk.after_power_cut(dice) };
        check_start(&left, damage, must, again - 1, dice);
    }
}

#[test]
fn a_kill_or_a_power_cut_at_any_step_loses_and_doubles_nothing() {
    // A state that fails is shown as a whole.
    let mut dice = Rng::new();
    for damage in damages() {
        let directory = super::directory();
        let path = directory.path().join(NAME);
        trace::begin(directory.path());
        let mut file = damaged(&path, &damage);
        let begun = trace::length();
        assert_eq!(check_file(&path, HEADER, &mut file, 9).unwrap(), Change::Other);
        let operations = trace::take().operations;
        assert_eq!(fs::read_to_string(&path).unwrap(), damage.mended, "{}", damage.name);
        assert_eq!(torn(&disk_model::take(directory.path())), damage.torn, "{}", damage.name);

        let changes_file = |operation: &Operation| {
            matches!(
                operation,
                Operation::Write { file: 1, .. } | Operation::SetLen { file: 1, .. }
            )
        };
        let changed = begun + operations[begun..].iter().position(changes_file).expect("a change");
        let mut disk = Disk::default();
        for (number, operation) in operations.iter().enumerate() {
            disk.apply(operation);
            if number >= begun {
                let must = number >= changed;
                check_start(&disk.after_kill(), &damage, must, 1, &mut dice);
                for _ in 0..STATES {
                    check_start(&disk.after_power_cut(&mut dice), &damage, must, 1, &mut dice);
                }
            }
        }
    }
}

/// The running program looks again; a full disk, a failed write or a failed sync may be at any step.
#[test]
fn an_error_at_any_step_is_made_up_for_by_the_next_look() {
    let mut faults: Vec<Faults> =
        (1..=6).map(|syncs| Faults { syncs, ..Faults::default() }).collect();
    let rooms = (0..=160).step_by(5).map(|room| Faults { room: Some(room), ..Faults::default() });
    faults.extend(rooms);
    for (cuts, overwrites) in [(1, 0), (2, 0), (0, 1), (0, 2), (1, 1)] {
        faults.push(Faults { cuts, overwrites, ..Faults::default() });
    }
    let mut failures = 0;
    for damage in damages() {
        for fault in &faults {
            let case = format!("{}: {fault:?}", damage.name);
            let directory = super::directory();
            let path = directory.path().join(NAME);
            let mut file = damaged(&path, &damage);
            FAULTS.set(*fault);
            for _ in 0..10 {
                if check_file(&path, HEADER, &mut file, 9).is_ok() {
                    break;
                }
                failures += 1;
                if failures % 3 == 0 {
                    FAULTS.set(Faults { room: None, ..FAULTS.get() });
                }
            }
            FAULTS.take();
            check_file(&path, HEADER, &mut file, 9).unwrap();
            file.end_check().unwrap();
            file.append(b"Z,9\n").unwrap();
            let found = disk_model::take(directory.path());
            let content = String::from_utf8(found[NAME].clone()).unwrap();
            assert_eq!(content, format!("{}Z,9\n", damage.mended), "{case}");
            assert_eq!(file.length(), content.len() as u64, "{case}");
            assert_eq!(torn(&found), damage.torn, "{case}");
            let torn = usize::from(!damage.torn.is_empty());
            assert_eq!(found.len(), 1 + torn, "{:?}: {case}", found.keys());
            let again = check_file(&path, HEADER, &mut file, 9).unwrap();
            assert_eq!(again, Change::Nothing, "{case}");
        }
    }
    assert!(failures > 100, "{failures}");
}

/// Nobody's rows go where they do not belong: the file was replaced or changed before the next start.
#[test]
fn the_new_end_of_another_file_is_kept_and_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(NAME);
    let damage = &damages()[0];
    let mut file = damaged(&path, damage);
    FAULTS.set(Faults { overwrites: 1, ..Faults::default() });
    assert!(check_file(&path, HEADER, &mut file, 9).is_err());
    FAULTS.take();
    drop(file);
    for other in
        [format!("{HEADER}M,1\n"), format!("{HEADER}{}", "M,1\n".repeat(20)), String::new()]
    {
        let elsewhere = tempfile::tempdir().unwrap();
        disk_model::put(&disk_model::take(directory.path()), elsewhere.path());
        let path = elsewhere.path().join(NAME);
        fs::write(&path, &other).unwrap();
        drop(open_rows(&path, HEADER, 0, 10).unwrap());
        let expected = if other.is_empty() { HEADER } else { &other };
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        let found = disk_model::take(elsewhere.path());
        assert!(torn(&found).contains(LATER), "{:?}", found.keys());
        assert!(!found.keys().any(|name| name.contains("redo")), "{:?}", found.keys());
    }
}
