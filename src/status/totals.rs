//! The running numbers: sums, the last trade of each symbol, and the rate.
//!
//! Kept by the writer thread, which makes a snapshot of them. No I/O and no clock: times are
//! arguments, this machine's clock in UNIX milliseconds.

use std::collections::{HashMap, HashSet, VecDeque};

use foldhash::fast::RandomState;

use super::candles::RecentCandles;
use super::snapshot::{Counts, Snapshot, TickerSnapshot};
use crate::protocol::trade::Trade;
use crate::text::parse_integer;

/// Symbols that are not on the list and have totals of their own all the same. A server can send any
/// number of them; the trades of further ones are recorded and counted, but have no totals by symbol.
const OTHER_SYMBOLS: usize = 1_000;

/// Symbols taken off the list that are remembered: the longest list, twice.
const GONE_SYMBOLS: usize = 10_000;

/// A trade with a longer symbol, price or time is recorded and counted, but not remembered: no such symbol
/// can be subscribed to, and memory must be bounded.
const LONGEST_TEXT: usize = 400;

/// The rate is taken over this span: long enough to be steady, short enough to follow a burst.
const RATE_SPAN_MS: i64 = 5_000;

/// The running numbers.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// The sums.
    pub(crate) counts: Counts,
    started_ms: i64,
    tickers: Vec<TickerSnapshot>,
    /// How many of them are on the watch list; they come first.
    wanted: usize,
    by_symbol: HashMap<String, usize, RandomState>,
    /// Symbols that were taken off the list. Their last trades may still come and are recorded,
    /// but do not bring them back.
    gone: HashSet<String>,
    rate: VecDeque<(i64, u64)>,
    /// What has been added to candles, if somebody is to have them.
    pub(crate) candles: Option<RecentCandles>,
}

impl Totals {
    /// Nothing recorded yet, at the machine's time `now_ms`.
    pub(crate) fn new(now_ms: i64) -> Self {
        Self { started_ms: now_ms, ..Self::default() }
    }

    /// When the program started, UNIX milliseconds of this machine.
    pub(crate) fn started_ms(&self) -> i64 {
        self.started_ms
    }

    /// A trade was put into a row.
    pub(crate) fn trade(&mut self, trade: &Trade<'_>, received_ms: i64) {
        let texts = [trade.ticker.len(), trade.price.len(), trade.timestamp_ms.len()];
        if texts.iter().any(|length| *length > LONGEST_TEXT) {
            return;
        }
        let Some(position) = self.position(&trade.ticker) else { return };
        let ticker = &mut self.tickers[position];
        ticker.trades += 1;
        ticker.price.clear();
        ticker.price.push_str(trade.price);
        if ticker.first_price.is_empty() {
            ticker.first_price.push_str(trade.price);
        }
        #[allow(clippy::cast_precision_loss)]
        let volume = parse_integer(trade.volume.as_bytes()).map(|whole| whole as f64);
        let volume = volume.or_else(|| trade.volume.parse().ok()).unwrap_or(0.0);
        ticker.volume += volume;
        ticker.last_trade_ms = parse_integer(trade.timestamp_ms.as_bytes());
        ticker.last_received_ms = Some(received_ms);
        if let Some(candles) = &mut self.candles
            && let Some(time_ms) = ticker.last_trade_ms
        {
            candles.trade(position, trade, volume, time_ms, received_ms);
        }
    }

    fn position(&mut self, symbol: &str) -> Option<usize> {
        self.by_symbol.get(symbol).copied().or_else(|| {
            let has_room = self.tickers.len() < self.wanted + OTHER_SYMBOLS;
            let is_new = has_room && !self.gone.contains(symbol);
            is_new.then(|| self.add(symbol))
        })
    }

    fn add(&mut self, symbol: &str) -> usize {
        let position = self.tickers.len();
        self.tickers
            .push(TickerSnapshot { symbol: symbol.to_owned(), ..TickerSnapshot::default() });
        self.by_symbol.insert(symbol.to_owned(), position);
        if let Some(candles) = &mut self.candles {
            candles.push_symbol(symbol);
        }
        position
    }

    /// Puts the watch list first, in its order, and forgets symbols that are no longer on it.
    pub(crate) fn set_watch_list(&mut self, tickers: &[String], refused: &[String], at_ms: i64) {
        let old = std::mem::take(&mut self.tickers).into_iter();
        let mut old: HashMap<_, _> = old.map(|ticker| (ticker.symbol.clone(), ticker)).collect();
        self.by_symbol.clear();
        let refused = refused.iter().map(|symbol| (symbol, true));
        for (symbol, refused) in tickers.iter().map(|symbol| (symbol, false)).chain(refused) {
            let mut ticker = old.remove(symbol).unwrap_or_default();
            symbol.clone_into(&mut ticker.symbol);
            ticker.refused = refused;
            ticker.wanted_since_ms.get_or_insert(at_ms);
            self.by_symbol.insert(symbol.clone(), self.tickers.len());
            self.tickers.push(ticker);
            self.gone.remove(symbol);
        }
        self.wanted = self.tickers.len();
        if let Some(candles) = &mut self.candles {
            candles.follow(self.tickers.iter().map(|ticker| ticker.symbol.as_str()));
        }
        if self.gone.len() + old.len() > GONE_SYMBOLS {
            self.gone.clear();
        }
        let gone = old.into_values().filter(|ticker| ticker.wanted_since_ms.is_some());
        self.gone.extend(gone.map(|ticker| ticker.symbol));
    }

    /// Everything as of the machine's time `now_ms`. `out` and its size come from the file.
    pub(crate) fn snapshot(
        &mut self,
        now_ms: i64,
        out: &str,
        out_bytes: u64,
        disk_trouble: Option<String>,
    ) -> Snapshot {
        Snapshot {
            started_ms: self.started_ms,
            published_ms: now_ms,
            disk_trouble,
            counts: self.counts,
            trades_per_second: self.trades_per_second(now_ms),
            out: out.to_owned(),
            out_bytes,
            tickers: self.tickers.clone(),
            // The slot puts the state of the feed in.
            ..Snapshot::default()
        }
    }

    fn trades_per_second(&mut self, now_ms: i64) -> f64 {
        // A clock that was set back would keep old points for ever.
        if self.rate.back().is_some_and(|(at, _)| *at > now_ms) {
            self.rate.clear();
        }
        self.rate.push_back((now_ms, self.counts.written));
        while self.rate.len() > 2 && self.rate[1].0 <= now_ms - RATE_SPAN_MS {
            self.rate.pop_front();
        }
        let (from_ms, from) = self.rate[0];
        let span_ms = now_ms - from_ms;
        if span_ms <= 0 {
            return 0.0;
        }
        #[allow(clippy::cast_precision_loss)]
        // Rows of a removed file do not count any more, until they are written again.
        let (trades, seconds) =
            (self.counts.written.saturating_sub(from) as f64, span_ms as f64 / 1000.0);
        // More decimals say nothing, and double the JSON of the page.
        (trades / seconds * 10.0).round() / 10.0
    }
}

#[cfg(test)]
mod tests;
