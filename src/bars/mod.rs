//! `bars FILE…`: candles from recordings, and how much of each was recorded.
//!
//! Main thread, and for large files one more for each processor; with `--follow` one for signals. It
//! streams, and only reads: the recorder may be at work on the same files.
//!
//! In reading order: `options` is what is asked for, `read` takes a file apart, `part` makes the bars
//! of a block of rows, `bar` is one bar and `number` what it is computed with, `collect` puts the parts
//! together and prints, `ledgers` and `coverage` know what was recorded, `follow` goes on with the
//! `live_file`, `told` has the words for standard error. Which trades move what is in `market/conditions` and `market/prices`.

mod bar;
mod collect;
mod coverage;
mod follow;
mod layout;
mod ledgers;
mod live_file;
mod number;
mod options;
mod part;
mod read;
mod told;

use std::io::{self, BufWriter, Write};

use crate::process::error::{Error, cannot_go_on};
use crate::recording::header::BARS_HEADER;
use crate::recording::names::without_ledgers;
use crate::terminal::ProgressLine;
use crate::text::in_words;
use collect::Collector;
use follow::{Stop, follow};
use ledgers::Ledgers;
pub use options::{BarsOptions, Hours};
use part::Rules;
use read::{Reader, bytes_of};
use told::Told;

/// Prints the bars of all files to `out`, with `--follow` until a stop, and what is odd about them to
/// `errors`. Gives whether every file could be read and every row is well-formed.
///
/// # Errors
/// When `out` cannot be written. That nobody reads it any more is none.
pub fn run(options: &BarsOptions, out: impl Write, errors: &mut dyn Write) -> Result<bool, Error> {
    let options = &BarsOptions { files: without_ledgers(&options.files), ..options.clone() };
    let stop = if options.follow { Some(Stop::listen()?) } else { None };
    let mut out = BufWriter::new(out);
    let printed = print(options, stop.as_ref(), &mut out, errors).and_then(|all_well| {
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

fn print(
    options: &BarsOptions,
    stop: Option<&Stop>,
    out: &mut impl Write,
    errors: &mut dyn Write,
) -> io::Result<bool> {
    let rules = Rules {
        every_ms: i64::try_from(options.every.as_millis()).unwrap_or(i64::MAX),
        regular_hours: options.hours == Hours::Regular,
        wanted: options.tickers.clone(),
    };
    let mut told = Told::new(errors);
    if let Some(stop) = stop {
        return follow(options, &rules, stop, told, out);
    }
    let mut ledgers = Ledgers::default();
    let without_ledger = ledgers.add_all(&options.files, &mut told);
    told.without_ledger(&without_ledger);
    let coverage = ledgers.coverage();
    let mut collector = Collector::new(rules.clone(), options.empty);
    let progress = ProgressLine::new("bars", bytes_of(&options.files));
    out.write_all(BARS_HEADER.as_bytes())?;
    for (path, has_no_ledger) in options.files.iter().zip(without_ledger) {
        let mut reader = Reader::new(&rules, has_no_ledger);
        let read = reader
            .read(path, &progress, &mut collector, |collector| collector.print_done(coverage, out));
        progress.suspend(|| told.whole_file(path, &mut reader, read))?;
    }
    collector.print_rest(coverage, out)?;
    drop(progress);
    told.late(&collector);
    told.unseen(&collector);
    Ok(told.all_well)
}
