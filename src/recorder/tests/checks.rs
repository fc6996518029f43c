//! What must be true of the files after a crash and the start that follows.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use super::disk_model::{Disk, Files};
use super::run::{HALF, History};
use crate::recorder::ledger;
use crate::recording::columns::Column;
use crate::recording::gzip::GZIP_MARK;
use crate::recording::header::header;
use crate::recording::names::closed_label;
use crate::text::clock::show_ms;

/// What is known when the disk stops.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Numbers of the rows that were on the disk at any time.
    pub(super) synced: BTreeSet<u64>,
    /// Rows of the ledger that were.
    pub(super) ledger: BTreeSet<String>,
    /// Every row received so far: number and time.
    pub(super) received: Vec<(u64, i64)>,
    /// What is torn at the ends of files, or was, and is never thrown away.
    pub(super) torn: Vec<Vec<u8>>,
    /// Times at which nothing can have been recorded.
    pub(super) outages: Vec<(i64, i64)>,
}

/// What was seen, to be sure that something was.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) rows: usize,
    pub(super) lost: usize,
    /// Rows at whose time the ledger says `live`.
    pub(super) covered: usize,
    pub(super) power_cuts: usize,
    pub(super) kills: usize,
    pub(super) torn: usize,
    pub(super) archives: usize,
}

impl Known {
    /// Adds what is on the disk.
    pub(super) fn learn_synced(&mut self, disk: &Disk, header: &str) {
        self.synced.extend(disk.synced_under(header).flat_map(numbers));
        self.ledger.extend(disk.synced_named(is_ledger).flat_map(ledger_rows));
    }

    /// Adds what is known of a run after so many operations; nothing is recorded after them.
    pub(super) fn learn(&mut self, history: &History, operations: usize) {
        let sent = history.sent.iter().filter(|sent| sent.operations <= operations);
        self.received.extend(sent.map(|sent| (sent.number, sent.received_ms)));
        let over = history.outages.iter().filter(|outage| outage.operations <= operations);
        self.outages.extend(over.map(|outage| (outage.from_ms, outage.until_ms)));
        self.outages.push((history.time_after(operations), i64::MAX));
    }
}

/// The numbers of whole rows in a recording; nothing behind a NUL counts.
fn numbers(bytes: &[u8]) -> Vec<u64> {
    let lines = whole_lines(bytes);
    lines.iter().filter_map(|line| line.split(',').next()?.parse().ok()).collect()
}

/// The rows of a ledger.
fn ledger_rows(bytes: &[u8]) -> Vec<String> {
    whole_lines(bytes).into_iter().skip(1).collect()
}

fn whole_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.split('\0').next().unwrap_or_default();
    let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    whole.map(str::to_owned).collect()
}

pub(super) fn is_torn(name: &str) -> bool {
    name.contains(".torn-")
}

fn is_ledger(name: &str) -> bool {
    name.ends_with(".coverage.csv")
}

/// Names of recordings or of ledgers in the order of what is in them.
fn in_order(files: &Files, wanted: impl Fn(&str) -> bool) -> Vec<&str> {
    let names = files.keys().map(String::as_str).filter(|name| wanted(name));
    // `op1-<hour>` comes before `op1`, and `-10` after `-2`.
    let key = |name: &str| {
        let stem = name.split('.').next().unwrap_or_default();
        (stem == "op1", stem.len(), stem.to_owned())
    };
    let mut names: Vec<&str> = names.collect();
    names.sort_by_key(|name| key(name));
    names
}

/// All rows, file after file. Fails when a line is not what was received.
fn rows(files: &Files, columns: &[Column], known: &Known, seen: &mut Seen) -> Vec<u64> {
    let mut found = Vec::new();
    let recordings = in_order(files, |name| {
        name == "op1.csv" || (name.starts_with("op1-") && !is_ledger(name) && !is_torn(name))
    });
    let received_ms = columns.contains(&Column::ReceivedMs);
    let rotates = recordings.len() > 1;
    seen.archives += recordings.len() - 1;
    for name in recordings {
        let mut text = String::new();
        if files[name].starts_with(&GZIP_MARK) {
            GzDecoder::new(&*files[name]).read_to_string(&mut text).expect("a whole gzip");
        } else {
            text = String::from_utf8(files[name].clone()).expect("text");
        }
        let lines = text.strip_prefix(&header(columns));
        let lines = lines.unwrap_or_else(|| panic!("{name} has no header: {text:?}"));
        // All rows of a file are of one hour, and a closed file has the name of that.
        let label = closed_label(Path::new("op1.csv"), name.trim_end_matches(".gz").as_ref());
        let mut hour = label.map(|label| label[..13].to_owned());
        for line in lines.split_inclusive('\n') {
            // What somebody has appended before the end spoils a row of ours, until that is noticed.
            let line = line.trim_start_matches(HALF);
            let number = numbers(line.as_bytes()).first().copied();
            let received = known.received.iter().find(|(known, _)| Some(*known) == number);
            let (number, time_ms) = received.unwrap_or_else(|| panic!("{line:?} in {name}"));
            let time = if received_ms { format!(",{time_ms}") } else { String::new() };
            assert_eq!(line, format!("{number}{time}\n"), "in {name}");
            if received_ms && rotates {
                let own = show_ms(*time_ms)[..13].to_owned();
                assert_eq!(*hour.get_or_insert(own.clone()), own, "{line:?} in {name}");
            }
            found.push(*number);
        }
    }
    found
}

/// Every row of every ledger: time, and whether it is `live`.
fn ledger(files: &Files, known: &Known, seen: &mut Seen) -> Vec<(i64, bool)> {
    let (mut found, mut there) = (Vec::new(), BTreeSet::new());
    for name in in_order(files, is_ledger) {
        let text = String::from_utf8(files[name].clone()).expect("text");
        let rows = text.strip_prefix(ledger::HEADER);
        let rows = rows.unwrap_or_else(|| panic!("{name} has no header: {text:?}"));
        assert!(rows.is_empty() || rows.ends_with('\n'), "{name} is torn: {rows:?}");
        for row in rows.lines() {
            let fields: Vec<&str> = row.split(',').collect();
            assert_eq!(fields.len(), 4, "{row:?} in {name}");
            seen.power_cuts += usize::from(fields[3] == "power cut");
            seen.kills += usize::from(fields[3] == "killed");
            found.push((fields[0].parse().expect("a time"), fields[1] == "live"));
            there.insert(row.to_owned());
        }
    }
    let gone: Vec<&String> = known.ledger.difference(&there).collect();
    assert!(gone.is_empty(), "rows of the ledger are gone: {gone:?}");
    assert!(found.is_sorted_by_key(|(time_ms, _)| *time_ms), "times run backwards: {found:?}");
    found
}

fn is_live(ledger: &[(i64, bool)], at_ms: i64) -> bool {
    ledger.iter().rfind(|(time_ms, _)| *time_ms <= at_ms).is_some_and(|(_, live)| *live)
}

/// Fails unless the files hold what they must after a start. Gives the rows that are there.
pub(super) fn check(files: &Files, columns: &[Column], known: &Known, seen: &mut Seen) -> Vec<u64> {
    let found = rows(files, columns, known, seen);
    assert!(found.is_sorted_by(|a, b| a < b), "doubled, or not in order: {found:?}");
    let there: BTreeSet<u64> = found.iter().copied().collect();
    let missing: Vec<&u64> = known.synced.difference(&there).collect();
    assert!(missing.is_empty(), "synced rows are missing: {missing:?}");
    let ledger = ledger(files, known, seen);
    for (number, time_ms) in &known.received {
        let live = is_live(&ledger, *time_ms);
        if there.contains(number) {
            seen.covered += usize::from(live);
        } else {
            seen.lost += 1;
            assert!(
                !live,
                "row {number} of {time_ms} is lost, and the ledger says live: {ledger:?}"
            );
        }
    }
    for (from_ms, until_ms) in &known.outages {
        let inside = from_ms + 1 < *until_ms;
        let live = inside && is_live(&ledger, from_ms + 1);
        assert!(!live, "the outage of {from_ms} to {until_ms} is called live: {ledger:?}");
    }
    let torn: Vec<&Vec<u8>> =
        files.iter().filter(|(name, _)| is_torn(name)).map(|(_, bytes)| bytes).collect();
    for bytes in &known.torn {
        let kept = torn.iter().any(|torn| torn.ends_with(bytes));
        assert!(kept, "{:?} is torn, and gone", String::from_utf8_lossy(bytes));
    }
    seen.rows += found.len();
    seen.torn += torn.len();
    found
}
