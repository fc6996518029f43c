//! Which symbols are wanted, sent and refused, and what must be asked of the server for it.
//!
//! Main thread; no I/O and no clock. Subscriptions end with their connection, so everything that
//! is wanted is asked for again each time, refused symbols too.

use std::collections::HashSet;

use crate::protocol::trade::DEMO_PREFIX;
use crate::recording::rows::LONGEST_ROW;
use crate::text::{grouped, is_hidden, printable};

/// Symbols that the free plan delivers; more get a warning at the start.
/// <https://finnhub.io/pricing>; the error came at the 52nd in 2026.
pub(crate) const FREE_PLAN_SYMBOLS: usize = 50;

/// Symbols that can be recorded at once, wherever the list comes from: twenty times what the largest
/// plan was seen to take. A file given by mistake or a fault of the page must not fill the memory.
pub(super) const MOST_SYMBOLS: usize = 5_000;

/// Bytes of a symbol; none is longer, and what is, is a file given in the wrong place. In bytes, because
/// all symbols together are one row of the ledger, which must be read back.
const LONGEST_SYMBOL: usize = 100;

/// Every character may be a quote, which is written twice; a `;` follows, and the row has other fields.
const LONGEST_LIST: usize = MOST_SYMBOLS * (DEMO_PREFIX.len() + 2 * LONGEST_SYMBOL + 1);
const _: () = assert!(LONGEST_LIST + 100 < LONGEST_ROW);

/// Characters that no symbol has, and that mean something else where lists of symbols are written:
/// the command line, the ledger, the tickers file, and an address of the page.
const RESERVED: [char; 4] = [',', ';', '#', '%'];

/// Whether a symbol can be asked for at all; the server decides whether it exists.
///
/// # Errors
/// When it is empty or too long, or has a character that no symbol has.
pub(crate) fn check_symbol(symbol: &str) -> Result<(), String> {
    if symbol.is_empty() {
        return Err(
            "a symbol is empty; give names like AAPL or BINANCE:BTCUSDT, separated by commas"
                .to_owned(),
        );
    }
    if let Some(wrong) = symbol.chars().find(|c| is_hidden(*c) || RESERVED.contains(c)) {
        let what =
            if is_hidden(wrong) { "a control character".to_owned() } else { format!("{wrong:?}") };
        return Err(format!("the symbol \"{}\" contains {what}", printable(symbol, 200)));
    }
    if symbol.len() > LONGEST_SYMBOL {
        return Err(format!(
            "a symbol has more than {LONGEST_SYMBOL} bytes: {}",
            printable(symbol, 20)
        ));
    }
    Ok(())
}

/// Whether so many different symbols can be recorded at once.
///
/// # Errors
/// When they are more than [`MOST_SYMBOLS`].
pub(crate) fn check_count(count: usize) -> Result<(), String> {
    if count > MOST_SYMBOLS {
        let most = grouped(MOST_SYMBOLS as u64);
        return Err(format!(
            "more than {most} symbols, which is the most that can be recorded at once; take some out"
        ));
    }
    Ok(())
}

/// Keeps the first of each.
pub(crate) fn without_repeats(symbols: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    symbols.into_iter().filter(|symbol| seen.insert(symbol.clone())).collect()
}

/// The state of the list on the present connection.
#[derive(Debug, Clone, Default)]
pub struct WatchList {
    wanted: Vec<String>,
    /// The same, to be found quickly.
    known: HashSet<String>,
    refused: HashSet<String>,
}

impl WatchList {
    /// A list of wanted symbols; repeats are dropped, the order is kept.
    pub fn new(symbols: impl IntoIterator<Item = String>) -> Self {
        let wanted = without_repeats(symbols);
        Self { known: wanted.iter().cloned().collect(), wanted, ..Self::default() }
    }

    /// Everything wanted, in order.
    pub(super) fn wanted(&self) -> &[String] {
        &self.wanted
    }

    /// What is being delivered as far as is known, and what is refused on this connection.
    pub(super) fn live_and_refused(&self) -> (Vec<String>, Vec<String>) {
        self.wanted.iter().cloned().partition(|symbol| !self.refused.contains(symbol))
    }

    /// A new connection is open: everything that is wanted is to be asked for, and none is refused yet.
    pub(super) fn connected(&mut self) -> &[String] {
        self.refused.clear();
        &self.wanted
    }

    /// The server refuses `symbol`. `true` when that is new.
    pub(super) fn refuse(&mut self, symbol: &str) -> bool {
        self.known.contains(symbol) && self.refused.insert(symbol.to_owned())
    }

    /// Takes a new list; gives what is gone from it and what is new in it.
    pub(super) fn replace(&mut self, symbols: Vec<String>) -> (Vec<String>, Vec<String>) {
        let next = without_repeats(symbols);
        let known: HashSet<String> = next.iter().cloned().collect();
        let gone = self.wanted.iter().filter(|symbol| !known.contains(*symbol)).cloned().collect();
        let new = next.iter().filter(|symbol| !self.known.contains(*symbol)).cloned().collect();
        self.refused.retain(|symbol| known.contains(symbol));
        (self.wanted, self.known) = (next, known);
        (gone, new)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{MOST_SYMBOLS, WatchList, check_count, check_symbol, is_hidden};

    fn names(symbols: &[&str]) -> Vec<String> {
        symbols.iter().map(|symbol| (*symbol).to_owned()).collect()
    }

    #[test]
    fn what_cannot_be_a_symbol_is_refused_and_shown_safely() {
        for symbol in
            ["AAPL", "IC MARKETS:1", "Q\"uote", "BRK.B", "^GSPC", "A/B", "\u{c6}:\u{20ac}"]
        {
            assert_eq!(check_symbol(symbol), Ok(()), "{symbol}");
        }
        let (longest, long, wide) = ("A".repeat(100), "A".repeat(101), "\u{20ac}".repeat(34));
        assert_eq!(check_symbol(&longest), Ok(()));
        for symbol in
            ["", "A;B", "A,B", "#A", "%zz", "A%20B", "A\nB", "A\u{1b}", "A\u{200b}", &long, &wide]
        {
            let fault = check_symbol(symbol).expect_err(symbol);
            assert!(!fault.contains(is_hidden), "{fault:?}");
        }
    }

    #[test]
    fn repeats_are_dropped_and_the_order_is_kept() {
        let list = WatchList::new(names(&["B", "A", "B", "a"]));
        assert_eq!(list.wanted(), ["B", "A", "a"]);
    }

    #[test]
    fn every_connection_asks_for_everything_again_also_the_refused() {
        let mut list = WatchList::new(names(&["A", "B"]));
        assert_eq!(list.connected(), ["A", "B"]);
        assert!(list.refuse("B"));
        assert!(!list.refuse("B"), "no news twice");
        assert!(!list.refuse("C"), "never asked for");
        assert_eq!(list.live_and_refused(), (names(&["A"]), names(&["B"])));
        assert_eq!(list.connected(), ["A", "B"]);
        assert_eq!(list.live_and_refused(), (names(&["A", "B"]), vec![]));
    }

    #[test]
    fn the_largest_list_is_replaced_and_refused_without_a_wait() {
        let symbols = |prefix: &str| {
            (0..MOST_SYMBOLS).map(|number| format!("{prefix}{number}")).collect::<Vec<_>>()
        };
        assert!(check_count(MOST_SYMBOLS).is_ok() && check_count(MOST_SYMBOLS + 1).is_err());
        let mut list = WatchList::new(symbols("OLD"));
        list.connected();
        let started = Instant::now();
        assert_eq!(list.replace(symbols("NEW")), (symbols("OLD"), symbols("NEW")));
        assert!(symbols("NEW").iter().all(|symbol| list.refuse(symbol)));
        assert_eq!(list.live_and_refused(), (vec![], symbols("NEW")));
        // Comparing each with each took seconds without optimisation.
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }

    #[test]
    fn a_new_list_asks_only_for_the_difference() {
        let mut list = WatchList::new(names(&["A", "B"]));
        list.connected();
        list.refuse("A");
        assert_eq!(list.replace(names(&["B", "C"])), (names(&["A"]), names(&["C"])));
        assert_eq!(list.live_and_refused(), (names(&["B", "C"]), vec![]));
        list.replace(names(&["D"]));
        assert_eq!(list.connected(), ["D"]);
    }
}
