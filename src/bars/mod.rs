//! `bars FILE…`: candles from recordings, and how much of each was recorded.
//!
//! Main thread, and for large files one more for each processor. It streams, and only reads: the
//! recorder may be at work on the same files.
//!
//! In reading order: `options` is what is asked for, `read` takes a file apart, `part` makes the bars
//! of a block of rows, `bar` is one bar and `number` what it is computed with, `collect` puts the parts
//! together and prints, `coverage` reads the ledgers. Which trades move what is in
//! `market/conditions` and `market/prices`.

mod bar;
mod collect;
mod coverage;
mod number;
mod options;
mod part;
mod read;

use std::io::{self, BufWriter, Write};

use crate::process::error::{Error, cannot_go_on};
use crate::terminal::ProgressLine;
use crate::text::{counted, in_words, printable};
use collect::{Collector, HEADER};
use coverage::Coverage;
pub use options::{BarsOptions, Hours};
use part::Rules;

/// Malformed rows of a file that are told one by one.
const MALFORMED_SHOWN: usize = 5;

/// Prints the bars of all files to `out`, and what is odd about them to `errors`. Gives whether every
/// file could be read and every row is well-formed.
///
/// # Errors
/// When `out` cannot be written. That nobody reads it any more is none.
pub fn run(options: &BarsOptions, out: impl Write, errors: &mut dyn Write) -> Result<bool, Error> {
    let mut out = BufWriter::new(out);
    let printed = print(options, &mut out, errors).and_then(|all_well| {
        out.flush()?;
        Ok(all_well)
    });
    // What could not be written must not be tried again when this goes.
    let _ = out.into_parts();
    printed.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(true),
        _ => Err(cannot_go_on(format_args!(
            "cannot write the bars: {}; check where standard output goes",
            in_words(&error)
        ))),
    })
}

fn print(options: &BarsOptions, out: &mut impl Write, errors: &mut dyn Write) -> io::Result<bool> {
    let rules = Rules {
        every_ms: i64::try_from(options.every.as_millis()).unwrap_or(i64::MAX),
        regular_hours: options.hours == Hours::Regular,
        wanted: options.tickers.clone(),
    };
    let mut told = Told { errors, all_well: true };
    let (coverage, without_ledger) = ledgers(options, &mut told);
    let mut collector = Collector::new(rules.clone(), options.empty);
    let sizes = options.files.iter().filter_map(|path| Some(path.metadata().ok()?.len()));
    let progress = ProgressLine::new("bars", sizes.sum());
    out.write_all(HEADER.as_bytes())?;
    for (path, has_no_ledger) in options.files.iter().zip(without_ledger) {
        let name = printable(&path.to_string_lossy(), usize::MAX);
        let mut file = read::File { rules: &rules, has_no_ledger, malformed: 0, shown: Vec::new() };
        let read = file.read(path, &progress, &mut collector, |collector| {
            collector.print_done(&coverage, out)
        });
        progress.suspend(|| {
            for (line, reason) in &file.shown {
                told.tell(format_args!("{name}: line {line}: {reason}"));
            }
            let more = file.malformed - file.shown.len() as u64;
            if more > 0 {
                told.tell(format_args!("{name}: … and {}", counted(more, "malformed row")));
            }
            match read {
                Ok(notes) => {
                    for note in notes {
                        told.note(format_args!("{name}: {note}"));
                    }
                }
                Err(read::Failure::File(reason)) => told.tell(format_args!("{name}: {reason}")),
                Err(read::Failure::Output(error)) => return Err(error),
            }
            Ok(())
        })?;
    }
    collector.print_rest(&coverage, out)?;
    drop(progress);
    if collector.late > 0 {
        let late = counted(collector.late, "trade");
        told.note(format_args!("{late} came more than two hours late and are in no bar"));
    }
    Ok(told.all_well)
}

/// The ledgers of all files, and for each file whether it has none.
fn ledgers(options: &BarsOptions, told: &mut Told<'_>) -> (Coverage, Vec<bool>) {
    let mut coverage = Coverage::default();
    let mut without = Vec::new();
    for path in &options.files {
        let found = coverage.add(path, &|| read::covered_until(path));
        if let Err(error) = &found {
            let name = printable(&path.to_string_lossy(), usize::MAX);
            told.tell(format_args!("{name}: the ledger beside it: {error}"));
        }
        without.push(!found.unwrap_or(false));
    }
    let missing = without.iter().filter(|without| **without).count() as u64;
    if missing > 0 {
        told.note(format_args!(
            "{} without a ledger beside it: covered_ms is empty for its bars",
            counted(missing, "recording")
        ));
    }
    coverage.sort();
    (coverage, without)
}

/// Lines on standard error.
struct Told<'e> {
    errors: &'e mut dyn Write,
    all_well: bool,
}

impl Told<'_> {
    /// Says what is wrong.
    fn tell(&mut self, what: impl std::fmt::Display) {
        self.all_well = false;
        // Should standard error be gone, the exit code still says it.
        let _ = writeln!(self.errors, "error: {what}");
    }

    /// Says what is odd and no error.
    fn note(&mut self, what: impl std::fmt::Display) {
        let _ = writeln!(self.errors, "{what}");
    }
}
