//! The report of `verify` for people: plain lines, one block per file.
//!
//! Runs on the main thread. Formats only. Nothing from a file reaches the terminal unescaped.

use std::io::{self, Write};

use super::days::{Day, Recording};
use super::ledger::{Coverage, Gap, Spans, State};
use super::report::{Counts, FileReport, MalformedRow, Total};
use super::symbols::Symbols;
use crate::clock::show_ms;
use crate::text::{grouped, human_duration, printable};

/// Symbols shown: Finnhub's free plan has as many.
const SYMBOLS_SHOWN: usize = 50;

/// Malformed rows shown: enough to see what they have in common. `--json` lists more.
const MALFORMED_SHOWN: usize = 20;

/// Width of the names on the left, so that what they say begins in one column.
const NAME_WIDTH: usize = 22;

/// Writes the block of one file.
///
/// # Errors
/// What `out` answers.
pub(super) fn write_file(file: &FileReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", escaped(&file.file))?;
    if file.being_recorded {
        line(out, "being recorded", "read up to the last whole row")?;
    }
    if file.error.is_some() {
        line(out, "damaged", "what follows is of the part that could be read")?;
    }
    line(out, "columns", &file.columns.join(", "))?;
    write_counts(&file.counts, &file.malformed_rows, Some(&file.columns), out)?;
    if file.unfinished_bytes > 0 {
        let bytes = grouped(file.unfinished_bytes);
        line(out, "at the end", &format!("{bytes} bytes that are no whole row"))?;
    }
    write_coverage(file, out)?;
    if file.columns.contains(&"ticker") {
        write_symbols(&file.symbols, out)?;
    }
    Ok(())
}

/// Writes the sum over several files.
///
/// # Errors
/// What `out` answers.
pub(super) fn write_total(total: &Total, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "total")?;
    let failed = match total.failed_files {
        0 => String::new(),
        count => format!(", {} of them not readable, or not to the end", grouped(count)),
    };
    line(out, "files", &format!("{}{failed}", grouped(total.files)))?;
    write_counts(&total.counts, &[], None, out)?;
    if total.unfinished_files > 0 {
        line(out, "unfinished last row", &format!("{} files", grouped(total.unfinished_files)))?;
    }
    if total.files_without_ledger > 0 {
        let count = grouped(total.files_without_ledger);
        line(out, "without a ledger", &format!("{count} files, not in the times below"))?;
    }
    write_spans(&total.spans, out)?;
    write_gaps(&total.spans, out)?;
    write_symbols(&total.symbols, out)
}

/// Writes a line for each day of a recording.
///
/// # Errors
/// What `out` answers.
pub(super) fn write_days(recording: &Recording, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{} by day (UTC)", escaped(&recording.recording))?;
    let head = ["day", "rows", "covered", "missing", "between runs", "worst gap"];
    let rows = recording.days.iter().map(day_cells);
    let table: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max();
    let widths = [0, 1, 2, 3, 4].map(|column| width(column).unwrap_or_default());
    for [day, rows, covered, missing, between, worst] in &table {
        let [w0, w1, w2, w3, w4] = widths;
        let line = format!(
            "  {day:<w0$}  {rows:>w1$}  {covered:>w2$}  {missing:>w3$}  {between:>w4$}  {worst}"
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// `missing` is what was missed by faults; a day of which no ledger speaks has no times.
fn day_cells(day: &Day) -> [String; 6] {
    let Spans { covered_ms, missing_ms, stopped_ms, gaps, .. } = &day.spans;
    let is_known = *covered_ms > 0 || *missing_ms > 0;
    let time = |ms: i64| if is_known { duration(ms) } else { "?".to_owned() };
    let worst = gaps.first().map(|gap| {
        let from = show_ms(gap.from_ms);
        let from = from.get(11..19).unwrap_or(&from);
        format!("{} from {from}  {}", duration(gap.missing_ms), escaped(&gap.reason))
    });
    [
        day.day.clone(),
        grouped(day.rows),
        time(*covered_ms),
        time(missing_ms - stopped_ms),
        time(*stopped_ms),
        worst.unwrap_or_default(),
    ]
}

/// Counts that need no column, and those whose column is there. Under the malformed rows stand
/// those that are listed.
fn write_counts(
    counts: &Counts,
    malformed: &[MalformedRow],
    columns: Option<&[&'static str]>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let has = |column| columns.is_none_or(|columns| columns.contains(&column));
    line(out, "rows", &grouped(counts.rows))?;
    line(out, "malformed rows", &grouped(counts.malformed))?;
    if !malformed.is_empty() {
        write_malformed(malformed, counts.malformed, out)?;
    }
    if let Some((first, last)) = counts.first_timestamp_ms.zip(counts.last_timestamp_ms) {
        line(out, "exchange time", &format!("{} to {}", show_ms(first), show_ms(last)))?;
    }
    if let Some((first, last)) = counts.first_received_ms.zip(counts.last_received_ms) {
        line(out, "received", &format!("{} to {}", show_ms(first), show_ms(last)))?;
    }
    let note = |count| format!("{} rows (no error)", grouped(count));
    if has("timestamp_ms") {
        line(out, "exchange time back", &note(counts.timestamp_ms_backwards))?;
    }
    if has("received_ms") {
        line(out, "received time back", &note(counts.received_ms_backwards))?;
    }
    line(out, "same as row above", &note(counts.repeats))
}

fn write_malformed(rows: &[MalformedRow], count: u64, out: &mut dyn Write) -> io::Result<()> {
    let shown = &rows[..rows.len().min(MALFORMED_SHOWN)];
    for row in shown {
        writeln!(out, "    line {}: {}", row.line, row.reason)?;
    }
    write_more(count - shown.len() as u64, out)
}

fn write_coverage(file: &FileReport, out: &mut dyn Write) -> io::Result<()> {
    let Some(coverage) = &file.coverage else {
        return match &file.ledger_error {
            Some(error) => line(out, "ledger", &escaped(error)),
            None => {
                line(out, "ledger", "no ledger beside it: quiet and missing cannot be told apart")
            }
        };
    };
    line(out, "ledger", &escaped(&coverage.ledger))?;
    if coverage.malformed > 0 {
        let count = grouped(coverage.malformed);
        line(out, "", &format!("{count} rows of it cannot be read and were passed over"))?;
    }
    if let Some((from, to)) = coverage.from_ms.zip(coverage.to_ms) {
        line(out, "ledger time", &format!("{} to {}", show_ms(from), show_ms(to)))?;
    }
    write_spans(&coverage.spans, out)?;
    write_end(coverage, out)?;
    write_gaps(&coverage.spans, out)
}

fn write_spans(spans: &Spans, out: &mut dyn Write) -> io::Result<()> {
    line(out, "covered", &duration(spans.covered_ms))?;
    let stopped = match spans.stopped_ms {
        0 => String::new(),
        ms => format!(", of which {} between runs", duration(ms)),
    };
    line(out, "missing", &format!("{}{stopped}", duration(spans.missing_ms)))
}

/// A ledger that ends `down` has a gap whose length nobody knows yet, unless the next file goes on.
fn write_end(coverage: &Coverage, out: &mut dyn Write) -> io::Result<()> {
    match &coverage.end {
        Some(end) if end.is_rotation() => {
            line(out, "rotated", &format!("{}  it goes on in the next file", show_ms(end.since_ms)))
        }
        Some(end) if end.state == State::Down => {
            let since = show_ms(end.since_ms);
            line(out, "not recorded since", &format!("{since}  {}", escaped(&end.reason)))
        }
        _ => Ok(()),
    }
}

fn write_gaps(spans: &Spans, out: &mut dyn Write) -> io::Result<()> {
    write_longest("gaps by faults", spans.gap_count, &spans.gaps, out)?;
    write_longest("gaps between runs", spans.stop_count, &spans.stops, out)
}

fn write_longest(name: &str, count: u64, gaps: &[Gap], out: &mut dyn Write) -> io::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let only = if count > gaps.len() as u64 { ", the longest" } else { "" };
    line(out, name, &format!("{}{only}", grouped(count)))?;
    let width = gaps.iter().map(|gap| duration(gap.missing_ms).len()).max().unwrap_or(0);
    for gap in gaps {
        let (from, to) = (show_ms(gap.from_ms), show_ms(gap.to_ms));
        let length = duration(gap.missing_ms);
        writeln!(out, "    {from} to {to}  {length:>width$}  {}", escaped(&gap.reason))?;
    }
    Ok(())
}

fn write_symbols(found: &Symbols, out: &mut dyn Write) -> io::Result<()> {
    let symbols = &found.symbols;
    line(out, "symbols", &grouped(symbols.len() as u64))?;
    let shown: Vec<(String, String)> = symbols
        .iter()
        .take(SYMBOLS_SHOWN)
        .map(|symbol| (escaped(&symbol.ticker), grouped(symbol.rows)))
        .collect();
    let name_width = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let rows_width = shown.iter().map(|(_, rows)| rows.len()).max().unwrap_or(0);
    for (name, rows) in &shown {
        writeln!(out, "    {name:<name_width$}  {rows:>rows_width$}")?;
    }
    write_more((symbols.len() - shown.len()) as u64, out)?;
    if found.other_symbols_rows > 0 {
        let rows = grouped(found.other_symbols_rows);
        writeln!(out, "    {rows} rows of symbols beyond those")?;
    }
    Ok(())
}

fn write_more(count: u64, out: &mut dyn Write) -> io::Result<()> {
    if count == 0 { Ok(()) } else { writeln!(out, "    … and {} more", grouped(count)) }
}

fn line(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {name:<NAME_WIDTH$}{value}")
}

/// A span for people; below a second in milliseconds, since such gaps exist.
fn duration(ms: i64) -> String {
    if (1..1000).contains(&ms) { format!("{ms} ms") } else { human_duration(ms) }
}

/// Text from outside, of which nothing moves the cursor of a terminal.
fn escaped(text: &str) -> String {
    printable(text, usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_gaps_are_shown_in_milliseconds() {
        for (ms, expected) in [(0, "0 s"), (1, "1 ms"), (999, "999 ms"), (1000, "1 s")] {
            assert_eq!(duration(ms), expected);
        }
    }
}
