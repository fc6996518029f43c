//! Rows per symbol, in memory that a file cannot make grow without bound.
//!
//! Runs on the main thread, for `verify`. Counts only; any text counts as a symbol here.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::misread::misread_as;

/// Symbols counted by name: all US stocks ten times over. Further ones are counted together.
const MOST_SYMBOLS: usize = 100_000;

/// Bytes of names kept, so that long names cannot take the place of many.
const MOST_NAME_BYTES: usize = 8 << 20;

/// Rows per symbol. In JSON the fields `symbols`, sorted, `other_symbols_rows` and `misread_symbols`.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    counts: HashMap<Box<[u8]>, u64, RandomState>,
    name_bytes: usize,
    /// Rows of symbols beyond the first 100,000, which have no count of their own.
    pub(super) other_rows: u64,
}

/// One symbol and its rows.
#[derive(serde::Serialize)]
pub(super) struct SymbolRows<'a> {
    /// As in the file.
    pub(super) ticker: Cow<'a, str>,
    pub(super) rows: u64,
}

/// A symbol that other programs may misread. No error.
#[derive(serde::Serialize)]
pub(super) struct MisreadSymbol<'a> {
    pub(super) ticker: &'a str,
    /// What which programs take it for.
    pub(super) read_as: &'static str,
}

impl Symbols {
    /// Counts `rows` more rows of `ticker`.
    pub(super) fn add(&mut self, ticker: &[u8], rows: u64) {
        if let Some(count) = self.counts.get_mut(ticker) {
            *count += rows;
        } else if self.counts.len() == MOST_SYMBOLS
            || self.name_bytes + ticker.len() > MOST_NAME_BYTES
        {
            self.other_rows += rows;
        } else {
            self.name_bytes += ticker.len();
            self.counts.insert(ticker.into(), rows);
        }
    }

    /// Adds what was counted in another file.
    pub(super) fn merge(&mut self, other: &Self) {
        other.counts.iter().for_each(|(ticker, rows)| self.add(ticker, *rows));
        self.other_rows += other.other_rows;
    }

    /// Most rows first, and by name where equal.
    pub(super) fn sorted(&self) -> Vec<SymbolRows<'_>> {
        let counts = self.counts.iter();
        let mut symbols: Vec<_> = counts
            .map(|(name, rows)| SymbolRows { ticker: String::from_utf8_lossy(name), rows: *rows })
            .collect();
        symbols.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.ticker.cmp(&b.ticker)));
        symbols
    }

    /// The symbols that other programs may misread, by name.
    pub(super) fn misread(&self) -> Vec<MisreadSymbol<'_>> {
        let misread = self.counts.keys().filter_map(|name| {
            let ticker = std::str::from_utf8(name).ok()?;
            Some(MisreadSymbol { ticker, read_as: misread_as(ticker)? })
        });
        let mut misread: Vec<_> = misread.collect();
        misread.sort_by_key(|symbol| symbol.ticker);
        misread
    }
}

impl Serialize for Symbols {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("symbols", &self.sorted())?;
        map.serialize_entry("other_symbols_rows", &self.other_rows)?;
        map.serialize_entry("misread_symbols", &self.misread())?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(counts: &Symbols, expected: &[(&str, u64)], other_rows: u64) {
        let sorted = counts.sorted();
        let sorted: Vec<_> = sorted.iter().map(|it| (&*it.ticker, it.rows)).collect();
        assert_eq!((&sorted[..expected.len()], counts.other_rows), (expected, other_rows));
    }

    #[test]
    fn symbols_are_sorted_by_rows_then_by_name() {
        let mut counts = Symbols::default();
        for ticker in ["B", "A", "A", "C", "B", "A"] {
            counts.add(ticker.as_bytes(), 1);
        }
        counts.add(b"D", 2);
        check(&counts, &[("A", 3), ("B", 2), ("D", 2), ("C", 1)], 0);
    }

    #[test]
    fn symbols_beyond_the_bound_are_counted_together() {
        let mut counts = Symbols::default();
        for number in 0..MOST_SYMBOLS + 7 {
            counts.add(number.to_string().as_bytes(), 1);
        }
        counts.add(b"0", 1);
        assert_eq!(counts.sorted().len(), MOST_SYMBOLS);
        check(&counts, &[("0", 2)], 7);
    }

    #[test]
    fn long_names_are_bounded_too() {
        let mut counts = Symbols::default();
        let long = "x".repeat(MOST_NAME_BYTES);
        for ticker in [&long, "A", &long] {
            counts.add(ticker.as_bytes(), 1);
        }
        assert_eq!(counts.sorted().len(), 1);
        check(&counts, &[(&long, 2)], 1);
    }
}
