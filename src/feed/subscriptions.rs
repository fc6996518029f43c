//! The watch list: which symbols are wanted, subscribed and refused.
//!
//! Main thread; no I/O and no clock. Subscriptions end with their connection, so all wanted symbols are asked
//! for again on each one, refused symbols too.

use std::collections::HashSet;

use crate::market::symbol::without_repeats;

/// Symbols that the free plan delivers; more get a warning at the start.
/// <https://finnhub.io/pricing>; the error came at the 52nd in 2026.
pub(crate) const FREE_PLAN_SYMBOLS: usize = 50;

/// The list, and its state on the present connection.
#[derive(Debug, Clone, Default)]
pub struct WatchList {
    wanted: Vec<String>,
    /// The same symbols, for a quick look-up.
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

    /// The symbols that are subscribed, and those that are refused on this connection.
    pub(super) fn live_and_refused(&self) -> (Vec<String>, Vec<String>) {
        self.wanted.iter().cloned().partition(|symbol| !self.refused.contains(symbol))
    }

    /// A new connection is open: gives the symbols to ask for, which are all, and none is refused yet.
    pub(super) fn connected(&mut self) -> &[String] {
        self.refused.clear();
        &self.wanted
    }

    /// The server refuses `symbol`. `true` when that is new.
    pub(super) fn refuse(&mut self, symbol: &str) -> bool {
        self.known.contains(symbol) && self.refused.insert(symbol.to_owned())
    }

    /// Takes a new list; gives the symbols that are gone and the new ones.
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
    use std::time::Duration;

    use super::WatchList;
    use crate::market::symbol::{MOST_SYMBOLS, check_count};

    fn names(symbols: &[&str]) -> Vec<String> {
        symbols.iter().map(|symbol| (*symbol).to_owned()).collect()
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

    /// For how long this thread has had a processor: however busy the machine is, work takes so long.
    fn processor_time() -> Duration {
        rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime)
            .try_into()
            .expect("a time that has passed")
    }

    #[test]
    fn the_largest_list_is_replaced_and_refused_without_a_wait() {
        let symbols = |prefix: &str| {
            (0..MOST_SYMBOLS).map(|number| format!("{prefix}{number}")).collect::<Vec<_>>()
        };
        assert!(check_count(MOST_SYMBOLS).is_ok() && check_count(MOST_SYMBOLS + 1).is_err());
        let mut list = WatchList::new(symbols("OLD"));
        list.connected();
        let started = processor_time();
        assert_eq!(list.replace(symbols("NEW")), (symbols("OLD"), symbols("NEW")));
        assert!(symbols("NEW").iter().all(|symbol| list.refuse(symbol)));
        assert_eq!(list.live_and_refused(), (vec![], symbols("NEW")));
        // Comparing each with each took seconds without optimisation.
        let took = processor_time().saturating_sub(started);
        assert!(took < Duration::from_secs(1), "{took:?}");
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
