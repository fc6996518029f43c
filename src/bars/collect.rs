//! The bars that are not done yet, and the rows that are printed of them.
//!
//! Main thread. Takes the parts in the order of their blocks. No clock; the printing is the only I/O.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::ops::Range;

use foldhash::fast::RandomState;

use super::bar::Bar;
use super::coverage::Coverage;
use super::part::{Part, Rules};
use crate::market::hours::{NewYorkDay, is_us_stock};
use crate::recording::row::push_text;

/// The first row of the output.
pub(super) const HEADER: &str = "ticker,time_ms,open,high,low,close,volume,trades,covered_ms\n";

/// All that is not done.
#[derive(Debug)]
pub(super) struct Collector {
    rules: Rules,
    /// Whether covered bars without a trade are printed as well.
    with_empty: bool,
    by_symbol: HashMap<Box<[u8]>, usize, RandomState>,
    symbols: Vec<Box<[u8]>>,
    open: BTreeMap<i64, HashMap<usize, Bar, RandomState>>,
    /// The receiving clock: the highest time so far.
    pub(super) clock_ms: i64,
    /// Trades that came too late for their bars.
    pub(super) late: u64,
    /// Where printing goes on with bars without a trade; `None` before the first bar.
    empty_from_ms: Option<i64>,
}

impl Collector {
    pub(super) fn new(rules: Rules, with_empty: bool) -> Self {
        Self {
            rules,
            with_empty,
            by_symbol: HashMap::default(),
            symbols: Vec::new(),
            open: BTreeMap::new(),
            clock_ms: i64::MIN,
            late: 0,
            empty_from_ms: None,
        }
    }

    /// Whether the clock of the rows before reaches beyond that of this part's first row, so that the
    /// part must be made again with it: some of its trades may have come too late.
    pub(super) fn is_ahead_of(&self, part: &Part) -> bool {
        part.clock_ms.is_some_and(|(first_ms, _)| first_ms < self.clock_ms)
    }

    /// Takes over what a part has.
    pub(super) fn add(&mut self, part: Part) {
        let symbols: Vec<usize> =
            part.symbols.into_iter().map(|symbol| self.place_of(symbol)).collect();
        for (symbol, bar_ms, bar) in part.bars {
            let open = self.open.entry(bar_ms).or_default();
            open.entry(symbols[symbol]).or_default().merge(bar);
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

    /// Prints bars that no trade can change any more, and forgets them.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub(super) fn print_done(
        &mut self,
        coverage: &Coverage,
        out: &mut impl Write,
    ) -> io::Result<()> {
        while let Some((&bar_ms, _)) = self.open.first_key_value()
            && self.rules.done_ms(bar_ms) <= self.clock_ms
        {
            self.print_empty_before(bar_ms, coverage, out)?;
            let bars = self.open.remove(&bar_ms).unwrap_or_default();
            self.print_bars(bar_ms, &bars, coverage, out)?;
        }
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
        while let Some((bar_ms, bars)) = self.open.pop_first() {
            self.print_empty_before(bar_ms, coverage, out)?;
            self.print_bars(bar_ms, &bars, coverage, out)?;
        }
        self.print_empty_before(i64::MAX, coverage, out)
    }

    fn print_bars(
        &mut self,
        bar_ms: i64,
        bars: &HashMap<usize, Bar, RandomState>,
        coverage: &Coverage,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let span = self.span(bar_ms);
        let mut rows: Vec<(&[u8], Option<&Bar>)> =
            bars.iter().map(|(symbol, bar)| (&*self.symbols[*symbol], Some(bar))).collect();
        let first_time = self.empty_from_ms.is_none_or(|from_ms| from_ms <= bar_ms);
        if self.with_empty && first_time {
            let recorded =
                coverage.symbols(&span).into_iter().filter(|symbol| self.shows(symbol, &span));
            let has_bar = |symbol: &str| {
                self.by_symbol.get(symbol.as_bytes()).is_some_and(|place| bars.contains_key(place))
            };
            let without = recorded.filter(|symbol| !has_bar(symbol));
            rows.extend(without.map(|symbol| (symbol.as_bytes(), None)));
        }
        if first_time {
            self.empty_from_ms = Some(span.end);
        }
        rows.sort_unstable_by_key(|(symbol, _)| *symbol);
        rows.into_iter().try_for_each(|(symbol, bar)| print(symbol, &span, bar, coverage, out))
    }

    /// Prints the covered bars without a trade between the last bar and `bar_ms`.
    fn print_empty_before(
        &mut self,
        bar_ms: i64,
        coverage: &Coverage,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let nothing = HashMap::default();
        while self.with_empty
            && let Some(recorded_ms) =
                coverage.next_recorded(self.empty_from_ms.unwrap_or(i64::MIN))
            && self.rules.bar_of(recorded_ms) < bar_ms
        {
            self.print_bars(self.rules.bar_of(recorded_ms), &nothing, coverage, out)?;
        }
        Ok(())
    }

    fn span(&self, bar_ms: i64) -> Range<i64> {
        bar_ms..bar_ms.saturating_add(self.rules.every_ms)
    }

    /// Whether bars of this symbol without a trade are asked for.
    fn shows(&self, symbol: &str, span: &Range<i64>) -> bool {
        let Rules { wanted, regular_hours, .. } = &self.rules;
        let is_wanted = wanted.is_empty() || wanted.iter().any(|wanted| wanted == symbol);
        let is_open = || NewYorkDay::default().has_regular_session(span);
        is_wanted && (!regular_hours || !is_us_stock(symbol) || is_open())
    }
}

fn print(
    symbol: &[u8],
    span: &Range<i64>,
    bar: Option<&Bar>,
    coverage: &Coverage,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut name = Vec::with_capacity(symbol.len());
    push_text(&mut name, symbol);
    out.write_all(&name)?;
    match bar {
        Some(bar) => write!(out, ",{},{bar},", span.start)?,
        None => write!(out, ",{},,,,,0,0,", span.start)?,
    }
    if bar.is_some_and(|bar| bar.has_no_ledger) {
        return out.write_all(b"\n");
    }
    let covered_ms = coverage.covered_ms(&String::from_utf8_lossy(symbol), span);
    writeln!(out, "{covered_ms}")
}
