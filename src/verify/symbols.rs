//! Rows per symbol, in memory that a file cannot make grow without bound.
//!
//! Runs on the main thread, for `verify`. Counts only; it must not judge what a symbol is.

use std::collections::HashMap;

use serde::Serialize;

/// Symbols counted by name: all US stocks ten times over. Further ones are counted together.
pub(super) const MOST_SYMBOLS: usize = 100_000;

/// Bytes of names kept, so that long names cannot take the place of many.
const MOST_NAME_BYTES: usize = 8 << 20;

/// Places of symbols remembered by [`guess`]: a few for each of the 50 of Finnhub's free plan.
const GUESSES: usize = 256;

/// Rows per symbol while they are counted.
#[derive(Debug)]
pub(super) struct SymbolCounts {
    /// Where each symbol stands in `counts`.
    places: HashMap<Box<[u8]>, usize>,
    counts: Vec<(Box<[u8]>, u64)>,
    name_bytes: usize,
    /// Where a symbol may stand, by [`guess`]: it spares most rows the sound but slower hash of the
    /// map.
    guesses: [usize; GUESSES],
    other_rows: u64,
}

/// Rows per symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Symbols {
    /// Most rows first, and by name where equal.
    pub symbols: Vec<SymbolRows>,
    /// Rows of symbols beyond the first 100,000, which have no count of their own.
    pub other_symbols_rows: u64,
}

/// One symbol and its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SymbolRows {
    /// As in the file.
    pub ticker: String,
    /// Well-formed rows of this symbol.
    pub rows: u64,
}

impl Default for SymbolCounts {
    fn default() -> Self {
        Self {
            places: HashMap::new(),
            counts: Vec::new(),
            name_bytes: 0,
            guesses: [0; GUESSES],
            other_rows: 0,
        }
    }
}

impl SymbolCounts {
    /// Counts `rows` more rows of `ticker`.
    pub(super) fn add(&mut self, ticker: &[u8], rows: u64) {
        let guess = guess(ticker);
        if let Some((name, count)) = self.counts.get_mut(self.guesses[guess])
            && **name == *ticker
        {
            *count += rows;
            return;
        }
        if let Some(&place) = self.places.get(ticker) {
            self.counts[place].1 += rows;
            self.guesses[guess] = place;
            return;
        }
        let name_bytes = self.name_bytes + ticker.len();
        if self.counts.len() == MOST_SYMBOLS || name_bytes > MOST_NAME_BYTES {
            self.other_rows += rows;
            return;
        }
        self.name_bytes = name_bytes;
        self.guesses[guess] = self.counts.len();
        self.places.insert(ticker.into(), self.counts.len());
        self.counts.push((ticker.into(), rows));
    }

    /// Adds what was counted in another file.
    pub(super) fn merge(&mut self, other: &Symbols) {
        for symbol in &other.symbols {
            self.add(symbol.ticker.as_bytes(), symbol.rows);
        }
        self.other_rows += other.other_symbols_rows;
    }

    /// The symbols in their order.
    pub(super) fn into_sorted(self) -> Symbols {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let counts = self.counts.into_iter();
        let mut symbols: Vec<SymbolRows> =
            counts.map(|(name, rows)| SymbolRows { ticker: text(&name), rows }).collect();
        symbols.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.ticker.cmp(&b.ticker)));
        Symbols { symbols, other_symbols_rows: self.other_rows }
    }
}

/// A cheap number below [`GUESSES`], different for most symbols that come together.
fn guess(ticker: &[u8]) -> usize {
    ticker.iter().fold(0, |sum: usize, &byte| sum.wrapping_mul(31) ^ usize::from(byte)) % GUESSES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_sorted_by_rows_then_by_name() {
        let mut counts = SymbolCounts::default();
        for ticker in ["B", "A", "A", "C", "B", "A"] {
            counts.add(ticker.as_bytes(), 1);
        }
        counts.add(b"D", 2);
        let Symbols { symbols: sorted, other_symbols_rows: other } = counts.into_sorted();
        let sorted: Vec<_> = sorted.iter().map(|s| (s.ticker.as_str(), s.rows)).collect();
        assert_eq!(sorted, [("A", 3), ("B", 2), ("D", 2), ("C", 1)]);
        assert_eq!(other, 0);
    }

    #[test]
    fn symbols_beyond_the_bound_are_counted_together() {
        let mut counts = SymbolCounts::default();
        for number in 0..MOST_SYMBOLS + 7 {
            counts.add(number.to_string().as_bytes(), 1);
        }
        counts.add(b"0", 1);
        let Symbols { symbols: sorted, other_symbols_rows: other } = counts.into_sorted();
        assert_eq!(sorted.len(), MOST_SYMBOLS);
        assert_eq!((sorted[0].ticker.as_str(), sorted[0].rows, other), ("0", 2, 7));
    }

    #[test]
    fn long_names_are_bounded_too() {
        let mut counts = SymbolCounts::default();
        let long = vec![b'x'; MOST_NAME_BYTES];
        counts.add(&long, 1);
        counts.add(b"A", 1);
        counts.add(&long, 1);
        let Symbols { symbols: sorted, other_symbols_rows: other } = counts.into_sorted();
        assert_eq!((sorted.len(), sorted[0].rows, other), (1, 2, 1));
    }
}
