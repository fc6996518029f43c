//! `verify FILE…`: reads recordings and their ledgers, and tells what is in them.
//!
//! Runs on the main thread. It streams, so that a file of any size costs the same memory, and only
//! reads: it must not write or repair anything, because the recorder may be at work on the
//! same files.
//!
//! In reading order: [`report`] is what is told, `recording` reads one file row by row, `check`
//! says what a well-formed row is, `symbols` counts rows per symbol, [`ledger`] reads the coverage
//! beside a recording, [`days`] has the sums by day, `text` is the report for people.

mod check;
pub mod days;
pub mod ledger;
mod recording;
pub mod report;
mod source;
pub mod symbols;
mod text;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use crate::text::printable;
use days::Recordings;
use report::{Report, Total};

/// Why `verify` could not answer. Trouble with a file is part of the answer, not one of these.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The answer could not be written.
    #[error("cannot write the report: {0}; check where standard output goes")]
    Output(#[from] io::Error),
}

/// Verifies `files` and writes what it finds to `out`: text for people, or one JSON object (a
/// [`Report`]) when `json`. A file that cannot be read, or not to its end, gets a line in `trouble`
/// (standard error), and the others are read all the same. Answers whether every file could be
/// read and every row is well-formed.
///
/// # Errors
/// When `out` cannot be written to.
pub fn run(
    files: &[PathBuf],
    json: bool,
    out: &mut dyn Write,
    trouble: &mut dyn Write,
) -> Result<bool, VerifyError> {
    let mut total = Total::default();
    let mut recordings = Recordings::default();
    let mut reports = Vec::new();
    let mut separator = "";
    for path in files {
        let file = recording::verify_file(path);
        // Without columns nothing of it could be read.
        if !json && !file.columns.is_empty() {
            write!(out, "{separator}")?;
            separator = "\n";
            text::write_file(&file, out)?;
            // The next file may take minutes; this one's answer is ready.
            out.flush()?;
        }
        if let Some(error) = &file.error {
            let name = printable(&file.file, usize::MAX);
            // Should standard error be gone, the exit code still tells.
            let _ = writeln!(trouble, "error: {name}: {error}");
        }
        total.add(&file);
        recordings.add(&file);
        if json {
            reports.push(file);
        }
    }
    let ok = total.is_ok();
    let (total, recordings) = (total.finish(), recordings.finish());
    if json {
        let report = Report { ok, files: reports, recordings, total };
        serde_json::to_writer(&mut *out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        for recording in
            recordings.iter().filter(|recording| recording.files > 1 || recording.days.len() > 1)
        {
            writeln!(out)?;
            text::write_days(recording, out)?;
        }
        if files.len() > 1 {
            writeln!(out)?;
            text::write_total(&total, out)?;
        }
    }
    out.flush()?;
    Ok(ok)
}
