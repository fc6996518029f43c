//! The bars that are not done yet, and their printing.
//!
//! Main thread. Takes the parts in the order of their blocks. No clock; the printing is the only I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};
use std::ops::Range;

use foldhash::fast::RandomState;

use super::bar::Bar;
use super::coverage::Coverage;
use super::part::{Part, Rules};
use crate::market::hours::NewYorkDay;
use crate::market::symbol::is_us_stock;
use crate::recording::row::push_text;
use crate::text::fnv1a;

/// A bar that may still change, and the row that was printed of it.
#[derive(Debug, Default)]
struct OpenBar {
    bar: Bar,
    /// The hash of its last row.
    printed: Option<u64>,
}

/// All bars that are not done.
#[derive(Debug)]
pub(super) struct Collector {
    rules: Rules,
    /// Whether covered bars without a trade are printed as well.
    with_empty: bool,
    by_symbol: HashMap<Box<[u8]>, usize, RandomState>,
    symbols: Vec<Box<[u8]>>,
    open: BTreeMap<i64, HashMap<usize, OpenBar, RandomState>>,
    /// The beginnings of those that may have changed since they were printed.
    changed: BTreeSet<i64>,
    /// The receiving clock: the highest time so far.
    clock_ms: i64,
    /// Trades that came too late for their bars.
    pub(super) late: u64,
    /// From here on bars without a trade have not been looked for.
    empty_from_ms: i64,
    /// Bars that begin before are forgotten.
    forgotten_ms: i64,
}

impl Collector {
    pub(super) fn new(rules: Rules, with_empty: bool) -> Self {
        Self {
            rules,
            with_empty,
            by_symbol: HashMap::default(),
            symbols: Vec::new(),
            open: BTreeMap::new(),
            changed: BTreeSet::new(),
            clock_ms: i64::MIN,
            late: 0,
            empty_from_ms: i64::MIN,
            forgotten_ms: i64::MIN,
        }
    }

    /// The clock of the rows before a part that was made without them; `None` when it makes no difference. When it
    /// does, some trades of the part may have come too late.
    pub(super) fn clock_before(&self, part: &Part) -> Option<i64> {
        let (first_ms, _) = part.clock_ms?;
        (first_ms < self.clock_ms).then_some(self.clock_ms)
    }

    /// The highest receiving time so far.
    pub(super) fn clock_ms(&self) -> i64 {
        self.clock_ms
    }

    /// Adds the bars of a part.
    pub(super) fn add(&mut self, part: Part) {
        let symbols: Vec<usize> =
            part.symbols.into_iter().map(|symbol| self.place_of(symbol)).collect();
        for (symbol, bar_ms, bar) in part.bars {
            let open = self.open.entry(bar_ms).or_default();
            open.entry(symbols[symbol]).or_default().bar.merge(bar);
            self.changed.insert(bar_ms);
        }
        self.late += part.late;
        if let Some((_, clock_ms)) = part.clock_ms {
            self.clock_ms = self.clock_ms.max(clock_ms);
        }
    }

    fn place_of(&mut self, symbol: Box<[u8]>) -> usize {
        let next = self.symbols.len();
        *self.by_symbol.entry(symbol).or_insert_with_key(|symbol| {
            self.symbols.push(symbol.clone());
            next
        })
    }

    /// The symbols asked for that nothing was read of.
    pub(super) fn unseen(&self) -> impl Iterator<Item = &str> {
        let wanted = self.rules.wanted.iter().map(String::as_str);
        wanted.filter(|symbol| !self.by_symbol.contains_key(symbol.as_bytes()))
    }

    /// Whether there are bars that no trade can change any more.
    pub(super) fn has_done(&self) -> bool {
        let until_ms = self.rules.done_until(self.clock_ms);
        self.open.keys().next().is_some_and(|bar_ms| *bar_ms < until_ms)
    }

    /// Prints bars that no trade can change any more, and forgets them.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub(super) fn print_done(
        &mut self,
        coverage: &Coverage,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let until_ms = self.rules.done_until(self.clock_ms);
        self.print_before(until_ms, true, coverage, out)?;
        self.open = self.open.split_off(&until_ms);
        self.forgotten_ms = self.forgotten_ms.max(until_ms);
        Ok(())
    }

    /// Prints all bars, done or not, and forgets them.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub(super) fn print_rest(
        &mut self,
        coverage: &Coverage,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.print_before(i64::MAX, true, coverage, out)
    }

    /// Prints bars that have ended by `now_ms`, those only that were not printed yet or have changed.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub(super) fn print_ended(
        &mut self,
        now_ms: i64,
        coverage: &Coverage,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.print_before(self.rules.ended_until(now_ms), false, coverage, out)?;
        // While nothing trades, no row tells the receiving clock.
        let old_ms = self.rules.done_until(now_ms);
        for bars in self.open.range_mut(..old_ms).map(|(_, bars)| bars) {
            bars.retain(|_, open| !open.bar.is_empty());
        }
        self.open.retain(|_, bars| !bars.is_empty());
        Ok(())
    }

    /// Whether one of the bars that begin before `time_ms` is to be printed, or printed again.
    pub(super) fn has_changed_before(&self, time_ms: i64) -> bool {
        self.changed.first().is_some_and(|bar_ms| *bar_ms < time_ms)
    }

    /// Bars that begin before this time are not looked at again.
    pub(super) fn oldest_ms(&self, now_ms: i64) -> i64 {
        let old_ms = self.rules.done_until(now_ms);
        self.open.keys().next().map_or(old_ms, |bar_ms| old_ms.min(*bar_ms))
    }

    /// Checks all bars that are not forgotten again, because the ledger has changed.
    pub(super) fn look_again(&mut self, now_ms: i64) {
        self.changed.extend(self.open.keys());
        let from_ms = self.rules.done_until(now_ms).max(self.forgotten_ms);
        self.empty_from_ms = self.empty_from_ms.min(from_ms);
    }

    /// The first bar that is to be printed.
    fn next_bar(&self, coverage: &Coverage) -> Option<i64> {
        let changed = self.changed.first().copied();
        let empty = self.with_empty.then(|| coverage.next_recorded(self.empty_from_ms)).flatten();
        let empty = empty.map(|recorded_ms| self.rules.bar_of(recorded_ms));
        changed.into_iter().chain(empty).min()
    }

    /// Prints what has changed of the bars that begin before `until_ms`.
    fn print_before(
        &mut self,
        until_ms: i64,
        forget: bool,
        coverage: &Coverage,
        out: &mut impl Write,
    ) -> io::Result<()> {
        while let Some(bar_ms) = self.next_bar(coverage).filter(|bar_ms| *bar_ms < until_ms) {
            self.changed.remove(&bar_ms);
            let span = bar_ms..bar_ms.saturating_add(self.rules.every_ms);
            if self.with_empty && self.empty_from_ms < span.end {
                self.add_empty(&span, coverage);
                self.empty_from_ms = span.end;
            }
            self.print_bars(&span, coverage, out)?;
            if forget {
                self.open.remove(&bar_ms);
            }
        }
        Ok(())
    }

    /// Adds the covered bars without a trade.
    fn add_empty(&mut self, span: &Range<i64>, coverage: &Coverage) {
        for symbol in coverage.symbols(span) {
            if self.shows(symbol, span) {
                let symbol = self.place_of(symbol.as_bytes().into());
                self.open.entry(span.start).or_default().entry(symbol).or_default();
            }
        }
    }

    fn print_bars(
        &mut self,
        span: &Range<i64>,
        coverage: &Coverage,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let Some(bars) = self.open.get_mut(&span.start) else { return Ok(()) };
        let mut bars: Vec<(&[u8], &mut OpenBar)> =
            bars.iter_mut().map(|(symbol, open)| (&*self.symbols[*symbol], open)).collect();
        bars.sort_unstable_by_key(|(symbol, _)| *symbol);
        let mut row = Vec::new();
        for (symbol, open) in bars {
            row.clear();
            write_row(&mut row, symbol, span, &open.bar, coverage)?;
            let printed = Some(fnv1a(&row));
            if open.printed != printed {
                out.write_all(&row)?;
                open.printed = printed;
            }
        }
        Ok(())
    }

    /// Whether bars of this symbol without a trade are asked for.
    fn shows(&self, symbol: &str, span: &Range<i64>) -> bool {
        let Rules { wanted, regular_hours, .. } = &self.rules;
        let is_wanted = wanted.is_empty() || wanted.iter().any(|wanted| wanted == symbol);
        let is_open = || NewYorkDay::default().has_regular_session(span);
        is_wanted && (!regular_hours || !is_us_stock(symbol) || is_open())
    }
}

fn write_row(
    row: &mut Vec<u8>,
    symbol: &[u8],
    span: &Range<i64>,
    bar: &Bar,
    coverage: &Coverage,
) -> io::Result<()> {
    push_text(row, symbol);
    write!(row, ",{},{bar},", span.start)?;
    if bar.has_no_ledger {
        return row.write_all(b"\n");
    }
    let covered_ms = coverage.covered_ms(&String::from_utf8_lossy(symbol), span);
    writeln!(row, "{covered_ms}")
}
