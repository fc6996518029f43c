//! The bars of one block of rows, which the threads make in parallel.
//!
//! Any thread. No I/O, no clock. An ordinary row is read in one pass over its bytes; any other as
//! `verify` reads it, by the same rules.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::bar::Bar;
use super::layout::Layout;
use super::number::Number;
use crate::market::conditions::{Limits, limits};
use crate::market::hours::NewYorkDay;
use crate::market::prices::LATE_MS;
use crate::market::symbol::is_us_stock;
use crate::recording::columns::Column;
use crate::recording::ordinary_row::{Key, NO_KEY, OrdinaryRow, Recent};
use crate::recording::row_rules::{Values, check_row};
use crate::recording::rows::{FieldSpans, Row, front_row};

/// Which bars are asked for.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// The length of a bar.
    pub(super) every_ms: i64,
    /// Whether trades of US shares count in the regular session only.
    pub(super) regular_hours: bool,
    /// The symbols asked for; all when there are none.
    pub(super) wanted: Vec<String>,
}

impl Rules {
    /// The beginning of the bar that `time_ms` lies in.
    pub(super) fn bar_of(&self, time_ms: i64) -> i64 {
        time_ms.saturating_sub(time_ms.rem_euclid(self.every_ms))
    }

    /// Bars that begin before have ended at `time_ms`.
    pub(super) fn ended_until(&self, time_ms: i64) -> i64 {
        time_ms.saturating_sub(self.every_ms).saturating_add(1)
    }

    /// Bars that begin before take no more trades when the receiving clock shows `clock_ms`.
    pub(super) fn done_until(&self, clock_ms: i64) -> i64 {
        self.ended_until(clock_ms.saturating_sub(LATE_MS))
    }
}

/// The values of a row that bars need.
struct Traded<'a> {
    ticker: &'a [u8],
    /// Its bytes, if they are few.
    key: Key,
    price: Number,
    volume: Number,
    time_ms: i64,
    /// `None` when the file has no such column.
    received_ms: Option<i64>,
    limits: Limits,
}

impl<'a> Traded<'a> {
    #[inline]
    fn of(row: OrdinaryRow<'a, Number>, known_limits: &mut Recent<Limits>) -> Self {
        let zero = || Number::Small { mantissa: 0, decimals: 0 };
        let key = row.conditions_key;
        Self {
            ticker: row.ticker,
            key: row.ticker_key,
            price: row.price.unwrap_or_else(zero),
            volume: row.volume.unwrap_or_else(zero),
            time_ms: row.timestamp_ms.unwrap_or_default(),
            received_ms: row.received_ms,
            limits: known_limits.get(key).unwrap_or_else(|| {
                let limits = limits(row.conditions);
                known_limits.set(key, limits);
                limits
            }),
        }
    }
}

/// The bars of some rows, in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) symbols: Vec<Box<[u8]>>,
    /// The place of the symbol, the beginning of the bar, and the bar.
    pub(super) bars: Vec<(usize, i64, Bar)>,
    /// Lines of these rows.
    pub(super) lines: u64,
    /// Lines that are no well-formed rows, counted from the first of these rows, and why.
    pub(super) malformed: Vec<(u64, String)>,
    /// Trades that came too late for their bars.
    pub(super) late: u64,
    /// The receiving clock after the first row and after the last one; `None` without rows.
    pub(super) clock_ms: Option<(i64, i64)>,
}

/// Adds rows to a [`Part`].
pub(super) struct PartMaker<'r> {
    rules: &'r Rules,
    layout: &'r Layout,
    part: Part,
    by_symbol: HashMap<Box<[u8]>, usize, RandomState>,
    known_symbols: Recent<usize>,
    known_limits: Recent<Limits>,
    known: Vec<KnownSymbol>,
    by_bar: HashMap<(usize, i64), usize, RandomState>,
    clock_ms: i64,
    /// That after the first row.
    first_ms: Option<i64>,
    day: NewYorkDay,
    spans: FieldSpans,
}

struct KnownSymbol {
    is_share: bool,
    is_wanted: bool,
    /// The bar of its last trade, and that bar's place.
    last_bar: Option<(i64, usize)>,
}

impl<'r> PartMaker<'r> {
    /// `clock_ms` is the highest receiving time of the rows before.
    pub(super) fn new(rules: &'r Rules, layout: &'r Layout, clock_ms: i64) -> Self {
        Self {
            rules,
            layout,
            part: Part::default(),
            by_symbol: HashMap::default(),
            known_symbols: Recent::default(),
            known_limits: Recent::default(),
            known: Vec::new(),
            by_bar: HashMap::default(),
            clock_ms,
            first_ms: None,
            day: NewYorkDay::default(),
            spans: FieldSpans::default(),
        }
    }

    pub(super) fn finish(self) -> Part {
        Part { clock_ms: self.first_ms.map(|first_ms| (first_ms, self.clock_ms)), ..self.part }
    }

    /// Adds whole rows, none of which has a quote.
    pub(super) fn add_block(&mut self, mut rows: &[u8]) {
        while !rows.is_empty() {
            let columns = &self.layout.columns;
            let length = match OrdinaryRow::read(columns, rows, Number::small_prefix) {
                Some(row) => {
                    let length = row.text.len() + 1;
                    let traded = Traded::of(row, &mut self.known_limits);
                    self.add(&traded);
                    length
                }
                None => self.add_other(rows),
            };
            self.part.lines += 1;
            rows = &rows[length..];
        }
    }

    /// Adds the row at the front of `rows`; gives its length.
    fn add_other(&mut self, rows: &[u8]) -> usize {
        let mut spans = std::mem::take(&mut self.spans);
        let length = match front_row(rows, 0, &mut spans) {
            Some((row, length)) => {
                self.add_row(&row, self.part.lines);
                length
            }
            None => rows.len(),
        };
        self.spans = spans;
        length
    }

    /// Adds a row that begins on this `line`.
    pub(super) fn add_row(&mut self, row: &Row<'_>, line: u64) {
        // An empty line is no row.
        if row.text.is_empty() {
            return;
        }
        let values = check_row(row, &self.layout.columns, &self.layout.header);
        let added = values.and_then(|values| self.add_values(&values));
        if let Err(reason) = added {
            self.part.malformed.push((line, reason));
        }
    }

    fn add_values(&mut self, values: &Values<'_>) -> Result<(), String> {
        let number = |column: Column, digits: &Option<std::borrow::Cow<'_, [u8]>>| {
            let digits = digits.as_deref().unwrap_or_default();
            let number = Number::parse(&String::from_utf8_lossy(digits));
            number.map_err(|fault| format!("{column} {fault}"))
        };
        let traded = Traded {
            ticker: values.ticker.as_deref().unwrap_or_default(),
            key: NO_KEY,
            price: number(Column::Price, &values.price)?,
            volume: number(Column::Volume, &values.volume)?,
            time_ms: values.timestamp_ms.unwrap_or_default(),
            received_ms: values.received_ms,
            limits: limits(values.conditions.as_deref().unwrap_or_default()),
        };
        self.add(&traded);
        Ok(())
    }

    fn add(&mut self, traded: &Traded<'_>) {
        let Traded { time_ms, volume, .. } = traded;
        self.clock_ms = self.clock_ms.max(traded.received_ms.unwrap_or(*time_ms));
        self.first_ms.get_or_insert(self.clock_ms);
        let symbol = match self.known_symbols.get(traded.key) {
            Some(symbol) => symbol,
            None => self.find_symbol(traded),
        };
        let KnownSymbol { is_share, is_wanted, last_bar } = &mut self.known[symbol];
        if !*is_wanted {
            return;
        }
        let mut limits = Limits::NONE;
        if *is_share {
            let day = &mut self.day;
            if self.rules.regular_hours && !day.is_in_regular_session(*time_ms) {
                return;
            }
            let in_session = || day.is_in_session_hours(*time_ms);
            limits = traded.limits.of_share(!volume.is_zero(), in_session);
        }
        if !limits.moves_something() {
            return;
        }
        // Nearly always the bar of its last trade, which costs no division.
        let bar_ms = match last_bar {
            Some((last_ms, _))
                if (0..self.rules.every_ms).contains(&time_ms.wrapping_sub(*last_ms)) =>
            {
                *last_ms
            }
            _ => self.rules.bar_of(*time_ms),
        };
        if bar_ms < self.rules.done_until(self.clock_ms) {
            self.part.late += 1;
            return;
        }
        let place = match last_bar {
            Some((last_ms, place)) if *last_ms == bar_ms => *place,
            _ => {
                let bars = &mut self.part.bars;
                let place = *self.by_bar.entry((symbol, bar_ms)).or_insert_with(|| {
                    let has_no_ledger = self.layout.has_no_ledger;
                    bars.push((symbol, bar_ms, Bar::new(has_no_ledger)));
                    bars.len() - 1
                });
                *last_bar = Some((bar_ms, place));
                place
            }
        };
        self.part.bars[place].2.add(*time_ms, &traded.price, volume, limits);
    }

    fn find_symbol(&mut self, traded: &Traded<'_>) -> usize {
        let symbol = match self.by_symbol.get(traded.ticker) {
            Some(symbol) => *symbol,
            None => self.add_symbol(traded.ticker),
        };
        self.known_symbols.set(traded.key, symbol);
        symbol
    }

    fn add_symbol(&mut self, ticker: &[u8]) -> usize {
        let text = String::from_utf8_lossy(ticker);
        let wanted = &self.rules.wanted;
        self.known.push(KnownSymbol {
            is_share: is_us_stock(&text),
            is_wanted: wanted.is_empty() || wanted.iter().any(|wanted| **wanted == *text),
            last_bar: None,
        });
        let symbol = self.part.symbols.len();
        self.part.symbols.push(ticker.into());
        self.by_symbol.insert(ticker.into(), symbol);
        symbol
    }
}
