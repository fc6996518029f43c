//! One recording from end to end, as parts that are made by several threads.
//!
//! Main thread.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memchr::memchr_iter;

use super::collect::Collector;
use super::layout::Layout;
use super::part::{Part, PartMaker, Rules};
use crate::recording::blocks::{BLOCK_BYTES, Blocks, Piece, in_order};
use crate::recording::columns::Column;
use crate::recording::header::columns_of;
use crate::recording::rows::RowReader;
use crate::recording::source::RecordingFile;
use crate::terminal::{CountedRead, ProgressLine};
use crate::text::in_words;

/// Malformed rows of a file that are reported one by one.
pub(super) const MALFORMED_SHOWN: u64 = 5;

/// Rows that are read one by one make a part together.
const ROWS_A_PART: u64 = 10_000;

/// No header line is longer.
pub(super) const FRONT_BYTES: u64 = 64 << 10;

/// Why a file was not read to its end.
pub(super) enum Failure {
    /// The fault of the file, and what to do.
    File(String),
    /// The bars cannot be written.
    Output(io::Error),
}

impl Failure {
    pub(super) fn cannot_open(error: &io::Error) -> Self {
        Self::File(match error.kind() {
            io::ErrorKind::Unsupported => error.to_string(),
            _ => format!("cannot open it: {}", in_words(error)),
        })
    }

    pub(super) fn no_header() -> Self {
        let text = "no whole header line in it; a recording begins with its column names";
        Self::File(text.to_owned())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::File(format!("cannot read it to its end: {}", in_words(&error)))
    }
}

/// Reads the rows of a file, and counts the malformed ones.
pub(super) struct Reader<'r> {
    pub(super) rules: &'r Rules,
    pub(super) has_no_ledger: bool,
    /// The first line that was not read.
    line: u64,
    /// Rows that are not well-formed.
    pub(super) malformed: u64,
    /// The first of them with their lines, until they are reported.
    pub(super) shown: Vec<(u64, String)>,
}

impl<'r> Reader<'r> {
    pub(super) fn new(rules: &'r Rules, has_no_ledger: bool) -> Self {
        Self { rules, has_no_ledger, line: 1, malformed: 0, shown: Vec::new() }
    }

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
        print: impl FnMut(&mut Collector) -> io::Result<()>,
    ) -> Result<Vec<String>, Failure> {
        let mut source = RecordingFile::open(path, |source| CountedRead { source, progress })
            .map_err(|error| Failure::cannot_open(&error))?;
        let mut front = Vec::new();
        (&mut source.text).take(FRONT_BYTES).read_to_end(&mut front)?;
        let (layout, length) = self.layout(&front)?.ok_or_else(Failure::no_header)?;
        let behind = front.split_off(length);
        let unfinished = self.read_rows(behind, &mut source.text, &layout, collector, print)?;
        if unfinished > 0 && !source.is_being_recorded() {
            self.note_torn(unfinished);
        }
        Ok(layout.notes())
    }

    /// What the first line says, and how long it is; `None` when it has no end among the bytes at the
    /// `front` of the file.
    pub(super) fn layout(&mut self, front: &[u8]) -> Result<Option<(Layout, usize)>, Failure> {
        let mut rows = RowReader::new(front);
        let Some(row) = rows.next_row()? else { return Ok(None) };
        let columns = columns_of(&row).map_err(Failure::File)?;
        let needed = [Column::Ticker, Column::Price, Column::Volume, Column::TimestampMs];
        if let Some(missing) = needed.iter().find(|needed| !columns.contains(needed)) {
            return Err(Failure::File(format!(
                "it has no column {missing}; bars need ticker, price, volume and timestamp_ms"
            )));
        }
        let header = row.text.to_owned();
        let layout = Layout { columns, header, has_no_ledger: self.has_no_ledger };
        self.line = rows.line();
        Ok(Some((layout, usize::try_from(rows.position()).unwrap_or(front.len()))))
    }

    /// Reads rows on several threads: those at the `front`, and then those of `text`. Gives how many bytes
    /// are behind the last whole one.
    pub(super) fn read_rows(
        &mut self,
        front: Vec<u8>,
        text: impl Read,
        layout: &Layout,
        collector: &mut Collector,
        mut print: impl FnMut(&mut Collector) -> io::Result<()>,
    ) -> Result<u64, Failure> {
        let mut blocks = Blocks::new(front, text, BLOCK_BYTES);
        let rules = self.rules;
        let make = |block: &[u8], clock_ms: i64| {
            let mut maker = PartMaker::new(rules, layout, clock_ms);
            maker.add_block(block);
            maker.finish()
        };
        let ended = in_order(
            &mut blocks,
            |block| make(block, i64::MIN),
            |mut part, block| {
                if let Some(clock_ms) = collector.clock_before(&part) {
                    part = make(block, clock_ms);
                }
                self.take(part, collector);
                print(collector).map_err(Failure::Output)
            },
        )?;
        match ended {
            Piece::End(unfinished) => Ok(unfinished),
            Piece::Irregular | Piece::Rows(_) => {
                self.read_row_by_row(blocks.into_rest(), layout, collector, print)
            }
        }
    }

    /// Reads rows the slow way, for few of them, or where there are quotes. Gives how many bytes are behind
    /// the last whole one.
    pub(super) fn read_row_by_row(
        &mut self,
        text: impl Read,
        layout: &Layout,
        collector: &mut Collector,
        mut print: impl FnMut(&mut Collector) -> io::Result<()>,
    ) -> Result<u64, Failure> {
        let mut rows = RowReader::from_row(text, 1, layout.columns.len());
        loop {
            let first_line = rows.line();
            let mut maker = PartMaker::new(self.rules, layout, collector.clock_ms());
            let mut wanted = ROWS_A_PART;
            while wanted > 0
                && let Some(row) = rows.next_row()?
            {
                maker.add_row(&row, row.line - first_line);
                wanted -= 1;
            }
            let lines = rows.line() - first_line;
            self.take(Part { lines, ..maker.finish() }, collector);
            print(collector).map_err(Failure::Output)?;
            if wanted > 0 {
                return Ok(rows.unfinished_bytes());
            }
        }
    }

    fn take(&mut self, mut part: Part, collector: &mut Collector) {
        for (line, reason) in part.malformed.drain(..) {
            self.note_malformed(self.line + line, reason);
        }
        self.line += part.lines;
        collector.add(part);
    }

    /// These rows were read before, in another file.
    pub(super) fn pass_lines(&mut self, rows: &[u8]) {
        self.line += memchr_iter(b'\n', rows).count() as u64;
    }

    /// The file ends with `bytes` bytes that are no whole row, and nobody will complete it.
    pub(super) fn note_torn(&mut self, bytes: u64) {
        let torn = "a torn row: the file ends in the middle of it";
        self.note_malformed(self.line, format!("{torn} ({bytes} bytes)"));
    }

    fn note_malformed(&mut self, line: u64, reason: String) {
        self.malformed += 1;
        if self.malformed <= MALFORMED_SHOWN {
            self.shown.push((line, reason));
        }
    }
}

/// The size of these files together, as they are on the disk.
pub(super) fn bytes_of(files: &[PathBuf]) -> u64 {
    files.iter().filter_map(|path| Some(path.metadata().ok()?.len())).sum()
}
