//! Entries that wait until the disk can be written, in their order.
//!
//! Writer thread. `feed/backpressure` bounds the trades among them. Lists of symbols come with each
//! connection and each change of the watch list, perhaps for days: beyond a bound only the newest list is kept,
//! and the ledger says that nothing was recorded in the time of the others.

use std::collections::VecDeque;

use crate::channel::WriterMessage;

/// Lists of symbols that may wait: hundreds of connections with thousands of symbols.
const LISTS_BYTES: usize = 8 << 20;

/// The reason in the ledger for the time of the lists that were dropped.
const TOO_MANY_LISTS: &str = "too many changes of the list while nothing could be written";

/// Entries in their order.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    entries: VecDeque<WriterMessage>,
    /// Memory of the lists in these entries.
    lists_bytes: usize,
}

impl Deferred {
    /// Adds the newest entry.
    pub(super) fn push_back(&mut self, entry: WriterMessage) {
        self.lists_bytes += lists_bytes(&entry);
        self.entries.push_back(entry);
        if self.lists_bytes > LISTS_BYTES {
            self.keep_newest_list();
        }
    }

    /// Puts an entry back to the front.
    pub(super) fn push_front(&mut self, entry: WriterMessage) {
        self.lists_bytes += lists_bytes(&entry);
        self.entries.push_front(entry);
    }

    /// The oldest entry.
    pub(super) fn front(&self) -> Option<&WriterMessage> {
        self.entries.front()
    }

    /// Takes the oldest entry.
    pub(super) fn pop_front(&mut self) -> Option<WriterMessage> {
        let entry = self.entries.pop_front()?;
        self.lists_bytes -= lists_bytes(&entry);
        Some(entry)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Replaces all `live` entries but the newest by one outage, which begins at the first of them and includes
    /// the `down` entries of that time.
    fn keep_newest_list(&mut self) {
        let newest = |is_one: fn(&WriterMessage) -> bool| self.entries.iter().rposition(is_one);
        let newest_live = newest(|entry| matches!(entry, WriterMessage::Live { .. }));
        let newest_wanted = newest(|entry| matches!(entry, WriterMessage::Wanted { .. }));
        let entries = std::mem::take(&mut self.entries);
        let mut has_outage = false;
        for (place, entry) in entries.into_iter().enumerate() {
            let kept = match entry {
                WriterMessage::Live { at_ms, .. } if newest_live > Some(place) => {
                    let reason = TOO_MANY_LISTS.to_owned();
                    let outage = WriterMessage::Down { at_ms, reason };
                    (!std::mem::replace(&mut has_outage, true)).then_some(outage)
                }
                WriterMessage::Down { .. } if has_outage && newest_live > Some(place) => None,
                WriterMessage::Down { ref reason, .. } if reason == TOO_MANY_LISTS => {
                    has_outage = true;
                    Some(entry)
                }
                WriterMessage::Wanted { .. } if newest_wanted > Some(place) => None,
                other => Some(other),
            };
            self.entries.extend(kept);
        }
        self.lists_bytes = self.entries.iter().map(lists_bytes).sum();
    }
}

/// What is left at the end.
impl IntoIterator for Deferred {
    type Item = WriterMessage;
    type IntoIter = std::collections::vec_deque::IntoIter<WriterMessage>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// Memory of the lists of symbols in an entry.
fn lists_bytes(entry: &WriterMessage) -> usize {
    let bytes = |symbols: &[String]| -> usize {
        symbols.iter().map(|symbol| size_of::<String>() + symbol.capacity()).sum()
    };
    match entry {
        WriterMessage::Live { tickers, refused, .. } => bytes(tickers) + bytes(refused),
        WriterMessage::Wanted { tickers, .. } => bytes(tickers),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Deferred, LISTS_BYTES, TOO_MANY_LISTS};
    use crate::channel::{TradeBatch, WriterMessage};

    fn live(at_ms: i64, tickers: &[String]) -> WriterMessage {
        WriterMessage::Live { at_ms, tickers: tickers.to_vec(), refused: Vec::new() }
    }

    fn down(at_ms: i64, reason: &str) -> WriterMessage {
        WriterMessage::Down { at_ms, reason: reason.to_owned() }
    }

    /// A server that takes and loses the connection for days, with a long list.
    #[test]
    fn lists_of_days_take_little_memory_and_nothing_is_called_recorded_that_was_not() {
        let list: Vec<String> = (0..1_000).map(|number| format!("SYMBOL{number}")).collect();
        let mut deferred = Deferred::default();
        deferred.push_back(down(0, "lost"));
        for at_ms in (10..10_000).step_by(10) {
            deferred.push_back(WriterMessage::Wanted { at_ms, tickers: list.clone() });
            deferred.push_back(live(at_ms, &list));
            deferred.push_back(WriterMessage::Trades(TradeBatch::new(at_ms + 1)));
            deferred.push_back(down(at_ms + 2, "lost again"));
            assert!(deferred.lists_bytes <= LISTS_BYTES);
        }
        let mut states = deferred.into_iter().filter_map(|entry| match entry {
            WriterMessage::Live { at_ms, .. } => Some((at_ms, None)),
            WriterMessage::Down { at_ms, reason } => Some((at_ms, Some(reason))),
            _ => None,
        });
        assert_eq!(states.next(), Some((0, Some("lost".to_owned()))));
        assert_eq!(states.next(), Some((10, Some(TOO_MANY_LISTS.to_owned()))));
        // Since the bound was reached last, everything is there as it came.
        let rest: Vec<_> = states.collect();
        let since_ms = rest[0].0;
        assert!(since_ms > 8_000);
        let came = (since_ms..10_000).step_by(10);
        let came = came.flat_map(|ms| [(ms, None), (ms + 2, Some("lost again".to_owned()))]);
        assert_eq!(rest, came.collect::<Vec<_>>());
    }

    #[test]
    fn trades_and_what_was_dropped_stay_where_they_are() {
        let list = vec!["x".repeat(LISTS_BYTES / 2)];
        let mut deferred = Deferred::default();
        let trades = || WriterMessage::Trades(TradeBatch::new(7));
        let dropped = || WriterMessage::Dropped { after_ms: 8, trades: 9, disk_failed: true };
        for entry in [live(1, &list), trades(), dropped(), live(2, &list), trades()] {
            deferred.push_back(entry);
        }
        let expected = [down(1, TOO_MANY_LISTS), trades(), dropped(), live(2, &list), trades()];
        assert_eq!(deferred.entries, expected);
        assert_eq!(deferred.pop_front(), Some(down(1, TOO_MANY_LISTS)));
        deferred.push_front(live(0, &list));
        while deferred.pop_front().is_some() {}
        assert!(deferred.is_empty() && deferred.lists_bytes == 0);
    }
}
