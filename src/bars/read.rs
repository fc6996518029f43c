//! One recording from end to end, as parts that are made by several threads.
//!
//! Main thread.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::MALFORMED_SHOWN;
use super::collect::Collector;
use super::part::{Layout, Part, PartMaker, Rules};
use crate::recording::blocks::{Blocks, Piece, in_order};
use crate::recording::columns::Column;
use crate::recording::header::columns_of;
use crate::recording::lock_line::heartbeat_ms;
use crate::recording::paths::behind_links;
use crate::recording::rows::RowReader;
use crate::recording::source::Source;
use crate::recording::source::is_locked;
use crate::terminal::{CountedRead, ProgressLine};
use crate::text::clock::now_ms;
use crate::text::in_words;

/// Rows that are read one by one make a part together.
const ROWS_A_PART: u64 = 10_000;

/// No header line is longer.
const FRONT_BYTES: u64 = 64 << 10;

/// Why a file was not read to its end.
pub(super) enum Failure {
    /// What is wrong with it, and what to do.
    File(String),
    /// The bars cannot be written.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::File(format!("cannot read it to its end: {}", in_words(&error)))
    }
}

/// Reads a file.
pub(super) struct File<'r> {
    pub(super) rules: &'r Rules,
    pub(super) has_no_ledger: bool,
    /// Rows that are not well-formed.
    pub(super) malformed: u64,
    /// The first of them, with their lines.
    pub(super) shown: Vec<(u64, String)>,
}

impl File<'_> {
    /// Adds the trades of the file at `path` to the `collector`, and calls `print` after each part of
    /// them. Notes are what is odd about the file and no error.
    ///
    /// # Errors
    /// When the file cannot be read, or not to its end; when `print` fails.
    pub(super) fn read(
        &mut self,
        path: &Path,
        progress: &ProgressLine,
        collector: &mut Collector,
        mut print: impl FnMut(&mut Collector) -> io::Result<()>,
    ) -> Result<Vec<String>, Failure> {
        let mut source =
            Source::open(path, |source| CountedRead { source, progress }).map_err(|error| {
                match error.kind() {
                    io::ErrorKind::Unsupported => Failure::File(error.to_string()),
                    _ => Failure::File(format!("cannot open it: {}", in_words(&error))),
                }
            })?;
        let (layout, front) = self.layout(&mut source.text)?;
        let mut notes = Vec::new();
        if !layout.columns.contains(&Column::Conditions) {
            notes.push("it has no conditions: every trade counts".to_owned());
        }
        let mut blocks = Blocks::new(front, &mut source.text);
        let rules = self.rules;
        let make = |block: &[u8], clock_ms: i64| {
            let mut maker = PartMaker::new(rules, &layout, clock_ms);
            maker.add_block(block);
            maker.finish()
        };
        // The header is the first one.
        let mut line = 2;
        let ended = in_order(
            &mut blocks,
            |block| (make(&block, i64::MIN), block),
            |(mut part, block)| {
                if collector.is_ahead_of(&part) {
                    part = make(&block, collector.clock_ms);
                }
                self.note_malformed(&part, line);
                line += part.lines;
                collector.add(part);
                print(collector).map_err(Failure::Output)
            },
        )?;
        let unfinished = match ended {
            Piece::End(unfinished) => unfinished,
            Piece::Irregular | Piece::Rows(_) => {
                let columns = layout.columns.len();
                let rows = RowReader::from_row(blocks.into_rest(), 1, columns);
                self.read_row_by_row(rows, &layout, &mut line, collector, print)?
            }
        };
        if unfinished > 0 && !source.is_being_recorded() {
            let torn = "a torn row: the file ends in the middle of it";
            self.malformed_row(line, format!("{torn} ({unfinished} bytes)"));
        }
        Ok(notes)
    }

    /// What the first line says, and what was read behind it.
    fn layout(&self, text: &mut impl Read) -> Result<(Layout, Vec<u8>), Failure> {
        let mut front = Vec::new();
        text.take(FRONT_BYTES).read_to_end(&mut front)?;
        let mut rows = RowReader::new(front.as_slice());
        let row = rows.next_row()?.ok_or_else(|| {
            let text = "no whole header line in it; a recording begins with its column names";
            Failure::File(text.to_owned())
        })?;
        let columns = columns_of(&row).map_err(Failure::File)?;
        let needed = [Column::Ticker, Column::Price, Column::Volume, Column::TimestampMs];
        if let Some(missing) = needed.iter().find(|needed| !columns.contains(needed)) {
            return Err(Failure::File(format!(
                "it has no column {missing}; bars need ticker, price, volume and timestamp_ms"
            )));
        }
        let header = row.text.to_owned();
        let behind = usize::try_from(rows.position()).unwrap_or(usize::MAX).min(front.len());
        let layout = Layout { columns, header, has_no_ledger: self.has_no_ledger };
        Ok((layout, front.split_off(behind)))
    }

    /// The slow way, for what has quotes; gives how many bytes are behind the last row. `line` is the
    /// first one, and then the one behind the last row.
    fn read_row_by_row(
        &mut self,
        mut rows: RowReader<impl Read>,
        layout: &Layout,
        line: &mut u64,
        collector: &mut Collector,
        mut print: impl FnMut(&mut Collector) -> io::Result<()>,
    ) -> Result<u64, Failure> {
        loop {
            let mut maker = PartMaker::new(self.rules, layout, collector.clock_ms);
            let mut wanted = ROWS_A_PART;
            while wanted > 0
                && let Some(row) = rows.next_row()?
            {
                maker.add_row(&row, row.line - 1);
                wanted -= 1;
            }
            let part = maker.finish();
            self.note_malformed(&part, *line);
            collector.add(part);
            print(collector).map_err(Failure::Output)?;
            if wanted > 0 {
                *line += rows.line() - 1;
                return Ok(rows.unfinished_bytes());
            }
        }
    }

    fn note_malformed(&mut self, part: &Part, first_line: u64) {
        for (line, reason) in &part.malformed {
            self.malformed_row(first_line + line, reason.clone());
        }
    }

    fn malformed_row(&mut self, line: u64, reason: String) {
        self.malformed += 1;
        if self.shown.len() < MALFORMED_SHOWN {
            self.shown.push((line, reason));
        }
    }
}

/// Until when the ledger of `recording` counts when it ends `live`: up to now while somebody records,
/// else up to the heartbeat in its lock.
pub(super) fn covered_until(recording: &Path) -> i64 {
    let is_recorded = fs::File::open(recording).is_ok_and(|file| is_locked(&file));
    if is_recorded { now_ms() } else { heartbeat_ms(&behind_links(recording)).unwrap_or(i64::MIN) }
}
