//! Reads one recording from end to end and counts what `verify` reports.
//!
//! Main thread; the parts are made by several. One pass, in memory that does not grow with the file;
//! it must not write anything, nor stop at a malformed row.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::days::Days;
use super::ledger::{self, unreadable};
use super::part::{Border, Layout, Part, is_back};
use super::report::{FileReport, MalformedRow};
use crate::recording::blocks::{BLOCK_BYTES, Blocks, Piece, in_order};
use crate::recording::header::columns_of;
use crate::recording::rows::RowReader;
use crate::recording::source::RecordingFile;
use crate::terminal::{CountedRead, ProgressLine};
use crate::text::in_words;

/// Verifies the recording at `path` with the ledger beside it, as far as they can be read. Its days
/// are added to `days`, what is read counts in `progress`.
pub(super) fn verify_file(path: &Path, days: &mut Days, progress: &ProgressLine) -> FileReport {
    let mut report = FileReport { file: path.display().to_string(), ..FileReport::default() };
    report.error = read_recording(path, &mut report, days, progress).err();
    if !report.columns.is_empty() {
        match ledger::read_beside(path, report.counts.last_received_ms, days, progress) {
            Ok(coverage) => report.coverage = coverage,
            Err(error) => report.ledger_error = Some(error),
        }
    }
    report
}

/// Fills in everything but the name and the ledger.
fn read_recording(
    path: &Path,
    report: &mut FileReport,
    days: &mut Days,
    progress: &ProgressLine,
) -> Result<(), String> {
    let mut source =
        RecordingFile::open(path, |source| CountedRead { source, progress }).map_err(|error| {
            if error.kind() == io::ErrorKind::Unsupported {
                return error.to_string();
            }
            let advice = similar(path).map_or_else(
                || "check the name and the permissions".to_owned(),
                |meant| format!("did you mean {}?", meant.display()),
            );
            format!("cannot open it: {}; {advice}", in_words(&error))
        })?;
    report.being_recorded = source.is_being_recorded();
    let (bytes, line) = read_rows(&mut source.text, BLOCK_BYTES, report, days)?;
    report.unfinished_bytes = bytes;
    // A recorder may have begun in the meantime.
    report.being_recorded |= bytes > 0 && source.is_being_recorded();
    if bytes > 0 && !report.being_recorded {
        let reason = format!("a torn row: the file ends in the middle of it ({bytes} bytes)");
        report.malformed(line, reason);
    }
    Ok(())
}

/// Reads the header and all rows; gives how many bytes are behind the last one, and on which line.
fn read_rows(
    text: impl Read,
    block_bytes: usize,
    report: &mut FileReport,
    days: &mut Days,
) -> Result<(u64, u64), String> {
    let mut rows = RowReader::new(text);
    let first = rows.next_row().map_err(|error| unreadable(&error))?;
    let header =
        first.ok_or("no whole header line in it; a recording begins with its column names")?;
    let columns = columns_of(&header)?;
    report.columns = columns.iter().map(|column| column.name()).collect();
    let layout = Layout { columns, header: header.text.to_vec() };
    let line = rows.line();
    let (front, text) = rows.into_rest();
    let blocks = Blocks::new(front, text, block_bytes);
    let mut collector =
        Collector { report, days, line, line_behind_rows: line, last: Border::default() };
    let read = collector.add_all(blocks, block_bytes, &layout);
    let bytes = read.map_err(|error| {
        format!(
            "cannot read on at line {}: {}; what comes before was readable",
            collector.line_behind_rows,
            in_words(&error)
        )
    })?;
    Ok((bytes, collector.line))
}

/// An existing recording whose name differs from `path` only in `.csv` or `.gz` at the end.
fn similar(path: &Path) -> Option<PathBuf> {
    let name = path.as_os_str().to_string_lossy();
    let stem = name.trim_end_matches(".gz").trim_end_matches(".csv");
    let mut endings = [".csv", ".csv.gz"].into_iter().map(|ending| format!("{stem}{ending}"));
    let missing = !path.exists();
    endings.find(|name| missing && Path::new(name).is_file()).map(PathBuf::from)
}

/// Takes the parts of a recording in the order of their rows.
struct Collector<'r> {
    report: &'r mut FileReport,
    days: &'r mut Days,
    /// The line on which the next part begins, and the one behind the last row.
    line: u64,
    line_behind_rows: u64,
    /// The last row.
    last: Border,
}

impl Collector<'_> {
    /// Gives how many bytes are behind the last row.
    fn add_all(
        &mut self,
        mut blocks: Blocks<impl Read>,
        block_bytes: usize,
        layout: &Layout,
    ) -> io::Result<u64> {
        let make = |block: &[u8]| Part::of_block(layout, block);
        let take = |part, _: &[u8]| {
            self.add(part);
            io::Result::Ok(())
        };
        if let Piece::End(unfinished) = in_order(&mut blocks, make, take)? {
            return Ok(unfinished);
        }
        let mut rows = RowReader::from_row(blocks.into_rest(), 1, layout.columns.len());
        loop {
            let (part, at_end) = Part::of_next(layout, &mut rows, block_bytes);
            self.add(part);
            if at_end? {
                return Ok(rows.unfinished_bytes());
            }
        }
    }

    fn add(&mut self, part: Part) {
        let counts = &mut self.report.counts;
        counts.merge(&part.counts);
        let Border { row, timestamp_ms, received_ms } = &mut self.last;
        let is_repeated = row.is_some() && *row == part.first.row;
        counts.repeats += u64::from(is_repeated);
        counts.timestamp_ms_backwards += u64::from(is_back(*timestamp_ms, part.first.timestamp_ms));
        counts.received_ms_backwards += u64::from(is_back(*received_ms, part.first.received_ms));
        *timestamp_ms = part.last.timestamp_ms.or(*timestamp_ms);
        *received_ms = part.last.received_ms.or(*received_ms);
        if part.counts.rows + part.counts.malformed > 0 {
            *row = part.last.row;
        }
        for MalformedRow { line, reason } in part.malformed_rows {
            self.report.list_malformed(self.line + line, reason);
        }
        part.symbols.iter().for_each(|(ticker, rows)| self.report.symbols.add(ticker, *rows));
        part.days.iter().for_each(|(day_ms, rows)| self.days.add_rows(*day_ms, *rows));
        if part.lines_to_last_row > 0 {
            self.line_behind_rows = self.line + part.lines_to_last_row;
        }
        self.line += part.lines;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use proptest::prelude::*;

    use super::{Days, FileReport, read_rows};
    use crate::verify::sequential;

    /// Any file: rows as they are recorded, often twice, times that run backwards, quotes good and bad,
    /// line ends of Windows, empty lines, the header again, rows of other files, torn ends.
    fn file() -> impl Strategy<Value = String> {
        let header = prop_oneof![
            6 => Just("ticker,price,volume,timestamp_ms,received_ms,conditions"),
            1 => Just("timestamp_ms,ticker"),
            1 => Just("ticker"),
            1 => Just("conditions"),
            1 => Just("\u{feff}price,\"ticker\",volume"),
        ];
        let good =
            ("[AB]{1,2}", 0..20_i64, 0..3_i64, "(1;2)?").prop_map(|(ticker, time, back, codes)| {
                let time_ms = time * 40_000_000;
                format!("{ticker},1.50,{back},{},{time_ms},{codes}", time_ms - back)
            });
        let line = prop_oneof![
            30 => good,
            2 => "[AB1,.;]{0,12}",
            1 => Just("A,1e5,0.1234567890123,1,2,".to_owned()),
            1 => Just("ticker,price,volume,timestamp_ms,received_ms,conditions".to_owned()),
            1 => Just(String::new()),
            1 => "[é\0 ]{1,3},1,1,1,1,",
        ];
        let quoted = prop_oneof![
            Just("\"A,B\",1,1,1,1,".to_owned()),
            Just("\"A\nB\",1,1,1,1,\"x\"".to_owned()),
            Just("A\"B,1,1,1,1,".to_owned()),
            Just("\"A".to_owned()),
        ];
        let line = prop_oneof![60 => line, 1 => quoted];
        let line = (line, 0..4_usize, prop_oneof![9 => Just("\n"), 1 => Just("\r\n")])
            .prop_map(|(line, again, end)| (line + end).repeat(1 + again / 3));
        (header, prop::collection::vec(line, 0..120), "[A,1\"\r]{0,6}")
            .prop_map(|(header, lines, torn)| format!("{header}\n{}{torn}", lines.concat()))
    }

    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("cut"))
        }
    }

    fn check<R: Read>(text: impl Fn() -> R, block_bytes: usize) {
        let (mut report, mut days) = (FileReport::default(), Days::default());
        let (mut expected, mut expected_days) = (FileReport::default(), Days::default());
        let end = sequential::read_rows(text(), &mut expected, &mut expected_days);
        let found = read_rows(text(), block_bytes, &mut report, &mut days);
        match end {
            Ok(end) => assert_eq!(found, Ok(end)),
            Err(line) => {
                let reason =
                    format!("cannot read on at line {line}: cut; what comes before was readable");
                assert_eq!(found, Err(reason));
            }
        }
        expected.columns.clone_from(&report.columns);
        let json = |value: &FileReport| serde_json::to_value(value).unwrap();
        assert_eq!(json(&report), json(&expected));
        assert_eq!(format!("{days:?}"), format!("{expected_days:?}"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn blocks_on_several_threads_say_what_one_row_after_the_other_says(
            text in file(), block_bytes in 2_usize..2_000, is_cut in any::<bool>(),
        ) {
            if is_cut {
                check(|| text.as_bytes().chain(Broken), block_bytes);
            } else {
                check(|| text.as_bytes(), block_bytes);
            }
        }
    }
}
