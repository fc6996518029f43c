//! `verify FILE…`: reads recordings and their ledgers, and says what is in them.
//!
//! Main thread, with others that read blocks of a recording beside each other. It streams, so that a
//! file of any size costs the same memory: a few blocks for each processor. It only reads: it must not
//! write or repair anything, because the recorder may be at work on the same files.
//!
//! In reading order: `report` has the results, `recording` reads one file, `part` counts a part of its
//! rows, `symbols` counts rows per symbol, `misread` knows what other programs guess wrongly, `ledger`
//! reads the coverage beside a recording, `spans` and `days` have the sums, `text` is the report for
//! people.

mod days;
mod ledger;
mod misread;
mod part;
mod recording;
mod report;
#[cfg(test)]
mod sequential;
mod spans;
mod symbols;
mod text;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::process::error::{Error, answer_not_written};
use crate::recording::names::{recording_of, without_ledgers};
use crate::recording::paths::behind_links;
use crate::terminal::ProgressLine;
use crate::text::printable;
use days::RecordingDays;
use report::{Report, Total};

/// Verifies `files` and writes what it finds to `out`: text for people, or one JSON object when
/// `json`. A file that cannot be read, or not to its end, gets a line in `errors` (standard error),
/// and the others are read all the same. Answers whether every file could be read and every row is
/// well-formed; `false` when the reader of `out` goes away before the end.
///
/// # Errors
/// When `out` cannot be written to.
pub fn run(
    files: &[PathBuf],
    json: bool,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<bool, Error> {
    verify(files, json, out, errors).or_else(|error| answer_not_written(&error).map(|()| false))
}

fn verify(
    files: &[PathBuf],
    json: bool,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> io::Result<bool> {
    let files = without_ledgers(files);
    let mut total = Total::default();
    let mut recordings: BTreeMap<PathBuf, RecordingDays> = BTreeMap::new();
    let mut reports = Vec::new();
    let sizes = files.iter().filter_map(|path| Some(path.metadata().ok()?.len()));
    let progress = ProgressLine::new("verify", sizes.sum());
    let mut separator = "";
    for path in &files {
        let recording = recordings.entry(recording_of(&behind_links(path)));
        let recording = recording.or_insert_with_key(RecordingDays::of);
        let file = recording::verify_file(path, &mut recording.days, &progress);
        // Without columns nothing of it could be read.
        let is_readable = !file.columns.is_empty();
        recording.files += u64::from(is_readable);
        progress.suspend(|| {
            if !json && is_readable {
                write!(out, "{separator}{}", text::of_file(&file))?;
                separator = "\n";
                // The next file may take minutes, and the answer for this one is ready.
                out.flush()?;
            }
            if let Some(error) = &file.error {
                let name = printable(&file.file, usize::MAX);
                // Should standard error be gone, the exit code still says it.
                let _ = writeln!(errors, "error: {name}: {error}");
            }
            io::Result::Ok(())
        })?;
        total.add(&file);
        if json {
            reports.push(file);
        }
    }
    drop(progress);
    let ok = total.is_ok();
    recordings.retain(|_, recording| recording.files > 0);
    if json {
        let verdict = text::verdict(&total).trim_end().to_owned();
        let report = Report { ok, verdict, files: reports, recordings, total };
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        for recording in recordings.values().filter(|it| it.files > 1 || it.days.iter().len() > 1) {
            write!(out, "\n{}", text::of_days(recording))?;
        }
        if files.len() > 1 {
            write!(out, "\n{}", text::of_total(&total))?;
        }
        // Where nothing could be read, the errors have said all.
        if total.files > total.failed_files || total.counts.rows > 0 {
            write!(out, "\n{}", text::verdict(&total))?;
        }
    }
    out.flush()?;
    Ok(ok)
}
