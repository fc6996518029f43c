//! `verify FILE…`: reads recordings and their ledgers, and tells what is in them.
//!
//! Runs on the main thread. It streams, so that a file of any size costs the same memory, and only
//! reads: it must not write, lock or repair anything, because the recorder may be at work on the
//! same files.
//!
//! In reading order: [`report`] is what is told, `recording` reads one file with `rows` (where
//! rows and fields begin and end) and `check` (what a well-formed row is), `symbols` counts rows
//! per symbol, [`ledger`] reads the coverage beside a recording, `text` is the report for people.

mod check;
pub mod ledger;
mod recording;
pub mod report;
mod rows;
mod source;
pub mod symbols;
mod text;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use crate::error::printable;
use report::{FileAnswer, Report, TotalSum};

/// Why `verify` could not answer. Trouble with a file is part of the answer, not one of these.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The answer could not be written.
    #[error("cannot write the report: {0}; check where standard output goes")]
    Output(#[from] io::Error),
}

/// Verifies `files` and writes what it finds to `out`: text for people, or one JSON object (a
/// [`Report`]) when `json`. A file that cannot be read gets a line of its own, there and in
/// `trouble` (standard error), and the others are read all the same. Answers whether every file
/// could be read and every row is well-formed.
///
/// # Errors
/// When `out` cannot be written to.
pub fn run(
    files: &[PathBuf],
    json: bool,
    out: &mut dyn Write,
    trouble: &mut dyn Write,
) -> Result<bool, VerifyError> {
    let mut total = TotalSum::default();
    let mut answers = Vec::new();
    for (index, path) in files.iter().enumerate() {
        let answer = match recording::verify_file(path) {
            Ok(file) => FileAnswer::Read(file),
            Err(error) => {
                let (file, error) = (path.display().to_string(), error.to_string());
                // The report says it too, should standard error be gone.
                let _ = writeln!(trouble, "error: {}: {error}", printable(&file, usize::MAX));
                FileAnswer::Failed { file, error }
            }
        };
        total.add(&answer);
        if json {
            answers.push(answer);
            continue;
        }
        if index > 0 {
            writeln!(out)?;
        }
        text::write_file(&answer, out)?;
        // The next file may take minutes; this one's answer is ready.
        out.flush()?;
    }
    let ok = total.is_ok();
    let total = total.finish();
    if json {
        let report = Report { ok, files: answers, total };
        serde_json::to_writer(&mut *out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else if files.len() > 1 {
        writeln!(out)?;
        text::write_total(&total, out)?;
    }
    out.flush()?;
    Ok(ok)
}
