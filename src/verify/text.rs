//! The report of `verify` for people: plain lines, one block per file.
//!
//! Runs on the main thread. Formats only. Nothing from a file reaches the terminal unescaped.

use super::days::{Day, RecordingDays};
use super::ledger::Coverage;
use super::report::{FileReport, RowCounts, Total};
use super::spans::{LedgerGap, Spans};
use super::symbols::Symbols;
use crate::recording::ledger::{LedgerRow, Reason, State};
use crate::recording::row_rules::MOST_DECIMALS;
use crate::text::clock::show_ms;
use crate::text::{counted, grouped, human_duration, printable};

/// Symbols shown: Finnhub's free plan has as many.
const SYMBOLS_SHOWN: usize = 50;

/// Malformed rows shown: enough to see what they have in common. `--json` lists more.
const MALFORMED_SHOWN: usize = 20;

/// Misread tickers shown: enough to see the problem. `--json` lists all.
const MISREAD_SHOWN: usize = 3;

/// Width of the names on the left, so that the values begin in one column.
const NAME_WIDTH: usize = 22;

/// The block of one file.
pub(super) fn of_file(file: &FileReport) -> String {
    let mut text = Text(escaped(&file.file) + "\n");
    if file.being_recorded {
        text.line("being recorded", "read up to the last whole row");
    }
    if file.error.is_some() {
        text.line("damaged", "what follows is of the part that could be read");
    }
    text.line("columns", file.columns.join(", "));
    text.rows(&file.counts);
    for row in file.malformed_rows.iter().take(MALFORMED_SHOWN) {
        text.push(format!("    line {}: {}", row.line, row.reason));
    }
    text.more(file.counts.malformed, MALFORMED_SHOWN);
    text.times(&file.counts, |column| file.columns.contains(&column));
    if file.unfinished_bytes > 0 {
        let bytes = grouped(file.unfinished_bytes);
        text.line("at the end", format!("{bytes} bytes that are no whole row"));
    }
    match (&file.coverage, &file.ledger_error) {
        (Some(coverage), _) => text.coverage(coverage),
        (None, Some(error)) => text.line("ledger", escaped(error)),
        (None, None) => {
            text.line("ledger", "no ledger beside it: quiet and missing cannot be told apart");
        }
    }
    if file.columns.contains(&"ticker") {
        text.symbols(&file.symbols);
    }
    text.misread(&file.counts, &file.symbols);
    text.0
}

/// The sum over several files.
pub(super) fn of_total(total: &Total) -> String {
    let mut text = Text("total\n".to_owned());
    let failed = match total.failed_files {
        0 => String::new(),
        count => format!(", {} of them not readable, or not to the end", grouped(count)),
    };
    text.line("files", format!("{}{failed}", grouped(total.files)));
    text.rows(&total.counts);
    text.times(&total.counts, |_| true);
    if total.unfinished_files > 0 {
        text.line("unfinished last row", format!("{} files", grouped(total.unfinished_files)));
    }
    if total.files_without_ledger > 0 {
        let count = grouped(total.files_without_ledger);
        text.line("without a ledger", format!("{count} files, not in the times below"));
    }
    text.spans(&total.spans);
    text.gaps(&total.spans);
    text.symbols(&total.symbols);
    text.misread(&total.counts, &total.symbols);
    text.0
}

/// The last line: whether all is well, and what is missing.
pub(super) fn verdict(total: &Total) -> String {
    let rows = counted(total.counts.rows, "row");
    let mut faults = Vec::new();
    if total.counts.malformed > 0 {
        faults.push(counted(total.counts.malformed, "malformed row"));
    }
    match (total.failed_files, total.files) {
        (0, _) => {}
        (_, 1) => faults.push("not readable, or not to the end".to_owned()),
        (failed, files) => faults.push(format!(
            "{} of {} files not readable, or not to the end",
            grouped(failed),
            grouped(files)
        )),
    }
    if faults.is_empty() {
        faults.push("nothing malformed".to_owned());
    }
    let word = if total.is_ok() { "OK" } else { "NOT OK" };
    format!("{word}: {rows}, {}, {}\n", faults.join(", "), missing(total))
}

/// What is missing, in a few words; the reason is that of the longest gap, without its details.
fn missing(total: &Total) -> String {
    let spans = &total.spans;
    let known = match (spans.gaps.first(), spans.gap_count) {
        (None, _) if total.files_without_ledger + total.failed_files >= total.files => {
            return "no ledger says what is missing".to_owned();
        }
        (None, _) => "nothing missing".to_owned(),
        (Some(gap), 1) => format!("1 gap of {} ({})", duration(gap.missing_ms), kind(gap)),
        (Some(gap), count) => format!(
            "{} gaps of {} in all (the longest: {}, {})",
            grouped(count),
            duration(spans.missing_ms),
            duration(gap.missing_ms),
            kind(gap)
        ),
    };
    match total.files_without_ledger {
        0 => known,
        count => format!("{known}; {} without a ledger", counted(count, "file")),
    }
}

fn kind(gap: &LedgerGap) -> String {
    escaped(gap.reason.split(':').next().unwrap_or_default())
}

/// A line for each day of a recording.
pub(super) fn of_days(recording: &RecordingDays) -> String {
    let mut text = Text(format!("{} by day (UTC)\n", escaped(&recording.recording)));
    let head = ["day", "rows", "covered", "missing", "not running", "worst gap"];
    let days = recording.days.iter().map(day_cells);
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(days).collect();
    text.table("  ", &rows, [false, true, true, true, true, false]);
    text.0
}

/// A day that is in no ledger has no times.
fn day_cells(day: &Day) -> [String; 6] {
    let Spans { covered_ms, missing_ms, not_running_ms, gaps, .. } = &day.spans;
    let is_known = [covered_ms, missing_ms, not_running_ms].iter().any(|ms| **ms > 0);
    let time = |ms: i64| if is_known { duration(ms) } else { "?".to_owned() };
    let worst = gaps.first().map(|gap| {
        let from = show_ms(gap.from_ms);
        let from = from.get(11..19).unwrap_or(&from);
        format!("{} from {from}  {}", duration(gap.missing_ms), escaped(&gap.reason))
    });
    [
        day.date.clone(),
        grouped(day.rows),
        time(*covered_ms),
        time(*missing_ms),
        time(*not_running_ms),
        worst.unwrap_or_default(),
    ]
}

/// Lines of a report.
struct Text(String);

impl Text {
    fn push(&mut self, line: impl AsRef<str>) {
        self.0.extend([line.as_ref().trim_end(), "\n"]);
    }

    fn line(&mut self, name: &str, value: impl AsRef<str>) {
        self.push(format!("  {name:<NAME_WIDTH$}{}", value.as_ref()));
    }

    /// A line for the rest of `count` things when only `shown` are shown.
    fn more(&mut self, count: u64, shown: usize) {
        if count > shown as u64 {
            self.push(format!("    … and {} more", grouped(count - shown as u64)));
        }
    }

    /// Rows whose cells are below each other, to the right where `right` says so.
    fn table<const N: usize>(&mut self, indent: &str, rows: &[[String; N]], right: [bool; N]) {
        let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let widths: [usize; N] = std::array::from_fn(width);
        for row in rows {
            let cells: [String; N] = std::array::from_fn(|at| match (widths[at], right[at]) {
                (width, true) => format!("{:>width$}", row[at]),
                (width, false) => format!("{:<width$}", row[at]),
            });
            self.push(indent.to_owned() + &cells.join("  "));
        }
    }

    fn rows(&mut self, counts: &RowCounts) {
        self.line("rows", grouped(counts.rows));
        self.line("malformed rows", grouped(counts.malformed));
    }

    /// The times and counts whose columns the recording has.
    fn times(&mut self, counts: &RowCounts, has: impl Fn(&'static str) -> bool) {
        self.span("exchange time", counts.first_timestamp_ms, counts.last_timestamp_ms);
        self.span("received", counts.first_received_ms, counts.last_received_ms);
        let note = |count| format!("{} rows (no error)", grouped(count));
        if has("timestamp_ms") {
            self.line("exchange time back", note(counts.timestamp_ms_backwards));
        }
        if has("received_ms") {
            self.line("received time back", note(counts.received_ms_backwards));
        }
        self.line("same as row above", note(counts.repeats));
    }

    fn span(&mut self, name: &str, from_ms: Option<i64>, to_ms: Option<i64>) {
        if let Some((from_ms, to_ms)) = from_ms.zip(to_ms) {
            self.line(name, format!("{} to {}", show_ms(from_ms), show_ms(to_ms)));
        }
    }

    fn coverage(&mut self, coverage: &Coverage) {
        self.line("ledger", escaped(&coverage.ledger));
        if coverage.malformed > 0 {
            let count = grouped(coverage.malformed);
            self.line("", format!("{count} rows of it cannot be read and were passed over"));
        }
        self.span("ledger time", coverage.from_ms, coverage.to_ms);
        self.spans(&coverage.spans);
        // A ledger that ends `down` has a gap of unknown length, unless the next file continues it.
        if let Some(LedgerRow { time_ms, state: State::Down { reason } }) = &coverage.end {
            let since = show_ms(*time_ms);
            if *reason == Reason::Rotated {
                self.line("rotated", format!("{since}  it goes on in the next file"));
            } else {
                self.line("not recorded since", format!("{since}  {}", escaped(reason.text())));
            }
        }
        self.gaps(&coverage.spans);
    }

    fn spans(&mut self, spans: &Spans) {
        self.line("covered", duration(spans.covered_ms));
        self.line("missing", duration(spans.missing_ms));
        if spans.not_running_ms > 0 {
            self.line("not running", duration(spans.not_running_ms) + ", after a stop on purpose");
        }
    }

    fn gaps(&mut self, spans: &Spans) {
        self.longest("gaps", spans.gap_count, &spans.gaps);
        self.longest("times not running", spans.stop_count, &spans.stops);
    }

    fn longest(&mut self, name: &str, count: u64, gaps: &[LedgerGap]) {
        if count > 0 {
            let only = if count > gaps.len() as u64 { ", the longest" } else { "" };
            self.line(name, grouped(count) + only);
        }
        let cells = |gap: &LedgerGap| {
            let between = format!("{} to {}", show_ms(gap.from_ms), show_ms(gap.to_ms));
            [between, duration(gap.missing_ms), escaped(&gap.reason)]
        };
        let rows: Vec<_> = gaps.iter().map(cells).collect();
        self.table("    ", &rows, [false, true, false]);
    }

    fn symbols(&mut self, symbols: &Symbols) {
        let sorted = symbols.sorted();
        self.line("symbols", grouped(sorted.len() as u64));
        let shown = sorted.iter().take(SYMBOLS_SHOWN);
        let rows: Vec<_> =
            shown.map(|symbol| [escaped(&symbol.ticker), grouped(symbol.rows)]).collect();
        self.table("    ", &rows, [false, true]);
        self.more(sorted.len() as u64, SYMBOLS_SHOWN);
        if symbols.other_rows > 0 {
            let rows = grouped(symbols.other_rows);
            self.push(format!("    {rows} rows of symbols beyond those"));
        }
    }

    /// A line when other programs may misread something.
    fn misread(&mut self, counts: &RowCounts, symbols: &Symbols) {
        let misread = symbols.misread();
        let shown = misread.iter().take(MISREAD_SHOWN);
        let mut words: Vec<String> = shown
            .map(|symbol| format!("{} is {}", escaped(symbol.ticker), symbol.read_as))
            .collect();
        if misread.len() > MISREAD_SHOWN {
            let more = grouped((misread.len() - MISREAD_SHOWN) as u64);
            words.push(format!("{more} more such tickers"));
        }
        for (count, what) in [
            (counts.numbers_with_exponent, "with an exponent".to_owned()),
            (counts.numbers_with_many_decimals, format!("with more than {MOST_DECIMALS} decimals")),
        ] {
            if count > 0 {
                words.push(format!("{} {what}", counted(count, "number")));
            }
        }
        if !words.is_empty() {
            let words = words.join("; ");
            self.line("other programs", words + " (no error; finnhub-stream generate has loaders)");
        }
    }
}

/// A span for people; below a second in milliseconds, since such gaps exist.
fn duration(ms: i64) -> String {
    if (1..1000).contains(&ms) { format!("{ms} ms") } else { human_duration(ms) }
}

/// Text from a file, made safe for a terminal.
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
