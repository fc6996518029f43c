//! What some rows of a recording say: what the threads work out beside each other.
//!
//! Any thread. No I/O, no clock.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read};
use std::ops::Range;

use foldhash::fast::RandomState;

use super::days::day_of;
use super::report::{MALFORMED_LISTED, MalformedRow, RowCounts, earlier};
use crate::recording::columns::Column;
use crate::recording::ordinary_row::{Key, NO_KEY, OrdinaryRow, Recent, leading_decimals};
use crate::recording::row_rules::{MOST_DECIMALS, Values, check_row};
use crate::recording::rows::{FieldSpans, Row, RowReader, front_row};

/// A file's columns and its header line.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) columns: Vec<Column>,
    pub(super) header: Vec<u8>,
}

/// What some rows say that follow each other. All of it takes no more memory than a few times their bytes.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Without what only the rows before could tell of the first row.
    pub(super) counts: RowCounts,
    /// The first malformed rows; lines count from 0, the first line of these rows.
    pub(super) malformed_rows: Vec<MalformedRow>,
    /// Symbols and their rows, in the order in which they were first seen.
    pub(super) symbols: Vec<(Box<[u8]>, u64)>,
    /// The beginnings of days in UNIX milliseconds and rows on them, in their order.
    pub(super) days: Vec<(i64, u64)>,
    /// Lines of these rows, and those without the empty lines at their end.
    pub(super) lines: u64,
    pub(super) lines_to_last_row: u64,
    /// The first row and the last one.
    pub(super) first: Border,
    pub(super) last: Border,
}

/// What a row is compared with.
#[derive(Debug, Default)]
pub(super) struct Border {
    /// The row, unless it is malformed.
    pub(super) row: Option<Vec<u8>>,
    /// The times of the well-formed row that is nearest.
    pub(super) timestamp_ms: Option<i64>,
    pub(super) received_ms: Option<i64>,
}

/// Adds rows to a [`Part`].
struct PartMaker<'r> {
    layout: &'r Layout,
    part: Part,
    /// The row above, unless it is malformed.
    above: Option<Cow<'r, [u8]>>,
    by_symbol: HashMap<Box<[u8]>, usize, RandomState>,
    known_symbols: Recent<usize>,
    today: Range<i64>,
}

/// What a well-formed row says, as far as `verify` is concerned.
struct Checked<'a> {
    /// `None` when the file has no such column; so are the times.
    ticker: Option<&'a [u8]>,
    key: Key,
    timestamp_ms: Option<i64>,
    received_ms: Option<i64>,
    with_exponent: u64,
    with_many_decimals: u64,
}

impl Part {
    /// Of whole rows, none of which has a quote.
    pub(super) fn of_block(layout: &Layout, mut rows: &[u8]) -> Self {
        let mut maker = PartMaker::new(layout);
        let mut spans = FieldSpans::default();
        while !rows.is_empty() {
            let line = maker.part.lines;
            let ordinary = OrdinaryRow::read(&layout.columns, rows, leading_decimals);
            let ordinary = ordinary.filter(|row| row.text != layout.header);
            let (text, length) = if let Some(row) = ordinary {
                maker.add(&Checked::from(&row), row.text.into());
                (row.text, row.text.len() + 1)
            } else {
                let Some((row, length)) = front_row(rows, line, &mut spans) else { break };
                let text = &rows[..row.text.len()];
                maker.add_row(&row, text.into(), line);
                (text, length)
            };
            rows = &rows[length..];
            maker.part.lines += 1;
            // As the reader of rows does, which passes over empty lines.
            if !text.is_empty() || layout.columns.len() == 1 {
                maker.part.lines_to_last_row = maker.part.lines;
            }
        }
        maker.finish()
    }

    /// Of the next `bytes` of `rows`, whatever they are; and whether no row is left.
    pub(super) fn of_next(
        layout: &Layout,
        rows: &mut RowReader<impl Read>,
        bytes: usize,
    ) -> (Self, io::Result<bool>) {
        let mut maker = PartMaker::new(layout);
        let (first_line, end) = (rows.line(), rows.position() + bytes as u64);
        let at_end = loop {
            if rows.position() >= end {
                break Ok(false);
            }
            match rows.next_row() {
                Ok(Some(row)) => {
                    maker.add_row(&row, row.text.to_vec().into(), row.line - first_line);
                }
                Ok(None) => break Ok(true),
                Err(error) => break Err(error),
            }
            maker.part.lines_to_last_row = rows.line() - first_line;
        };
        maker.part.lines = rows.line() - first_line;
        (maker.finish(), at_end)
    }
}

impl<'r> PartMaker<'r> {
    fn new(layout: &'r Layout) -> Self {
        let (part, by_symbol) = (Part::default(), HashMap::default());
        Self { layout, part, above: None, by_symbol, known_symbols: Recent::default(), today: 0..0 }
    }

    fn finish(mut self) -> Part {
        self.part.last.row = self.above.map(Cow::into_owned);
        self.part
    }

    /// Adds a row that begins on this `line` of the part, and whose `text` is this.
    fn add_row(&mut self, row: &Row<'_>, text: Cow<'r, [u8]>, line: u64) {
        let Layout { columns, header } = self.layout;
        // A trade without conditions, where only these are recorded; else nothing.
        if text.is_empty() && *columns != [Column::Conditions] {
            return;
        }
        match check_row(row, columns, header) {
            Ok(values) => self.add(&Checked::from(&values), text),
            Err(reason) => {
                self.above = None;
                self.part.counts.malformed += 1;
                if self.part.malformed_rows.len() < MALFORMED_LISTED {
                    self.part.malformed_rows.push(MalformedRow { line, reason });
                }
            }
        }
    }

    #[inline]
    fn add(&mut self, row: &Checked<'_>, text: Cow<'r, [u8]>) {
        if let Some(ticker) = row.ticker {
            self.add_symbol(ticker, row.key);
        }
        let Part { counts, first, last, days, .. } = &mut self.part;
        if counts.rows + counts.malformed == 0 {
            first.row = Some(text.to_vec());
        }
        counts.repeats += u64::from(self.above.as_deref() == Some(&text));
        self.above = Some(text);
        counts.rows += 1;
        counts.numbers_with_exponent += row.with_exponent;
        counts.numbers_with_many_decimals += row.with_many_decimals;
        if let Some(time_ms) = row.timestamp_ms {
            first.timestamp_ms.get_or_insert(time_ms);
            let above_ms = last.timestamp_ms.replace(time_ms);
            counts.timestamp_ms_backwards += u64::from(is_back(above_ms, row.timestamp_ms));
            counts.first_timestamp_ms = earlier(counts.first_timestamp_ms, row.timestamp_ms);
            counts.last_timestamp_ms = counts.last_timestamp_ms.max(row.timestamp_ms);
        }
        if let Some(time_ms) = row.received_ms {
            first.received_ms.get_or_insert(time_ms);
            let above_ms = last.received_ms.replace(time_ms);
            counts.received_ms_backwards += u64::from(is_back(above_ms, row.received_ms));
            counts.first_received_ms = earlier(counts.first_received_ms, row.received_ms);
            counts.last_received_ms = counts.last_received_ms.max(row.received_ms);
        }
        if let Some(time_ms) = row.received_ms.or(row.timestamp_ms) {
            match days.last_mut() {
                Some((_, rows)) if self.today.contains(&time_ms) => *rows += 1,
                _ => {
                    self.today = day_of(time_ms);
                    days.push((self.today.start, 1));
                }
            }
        }
    }

    fn add_symbol(&mut self, ticker: &[u8], key: Key) {
        let symbols = &mut self.part.symbols;
        let place = self.known_symbols.get(key).unwrap_or_else(|| {
            let place = self.by_symbol.get(ticker).copied().unwrap_or_else(|| {
                self.by_symbol.insert(ticker.into(), symbols.len());
                symbols.push((ticker.into(), 0));
                symbols.len() - 1
            });
            self.known_symbols.set(key, place);
            place
        });
        symbols[place].1 += 1;
    }
}

/// Whether a row's time is before that of the well-formed row above it.
pub(super) fn is_back(above_ms: Option<i64>, time_ms: Option<i64>) -> bool {
    above_ms.zip(time_ms).is_some_and(|(above_ms, time_ms)| time_ms < above_ms)
}

impl<'a> From<&'a Values<'_>> for Checked<'a> {
    fn from(values: &'a Values<'_>) -> Self {
        Self {
            ticker: values.ticker.as_deref(),
            key: NO_KEY,
            timestamp_ms: values.timestamp_ms,
            received_ms: values.received_ms,
            with_exponent: values.with_exponent,
            with_many_decimals: values.with_many_decimals,
        }
    }
}

impl<'a> From<&OrdinaryRow<'a, usize>> for Checked<'a> {
    fn from(row: &OrdinaryRow<'a, usize>) -> Self {
        let many = |decimals: Option<usize>| u64::from(decimals > Some(MOST_DECIMALS));
        Self {
            ticker: (!row.ticker.is_empty()).then_some(row.ticker),
            key: row.ticker_key,
            timestamp_ms: row.timestamp_ms,
            received_ms: row.received_ms,
            with_exponent: 0,
            with_many_decimals: many(row.price) + many(row.volume),
        }
    }
}
