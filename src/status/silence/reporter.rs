//! Logs when symbols fall silent, why, and when they trade again: each change once, so that
//! the log is never flooded.
//!
//! A thread of its own, which neither a stopped terminal nor a busy socket holds up. The rule for what is
//! new has no I/O and no clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use log::{Level, log};

use super::{MINUTE_MS, Silence, SilentSymbol, UsStocks, about_symbols, about_us_stocks, named};
use crate::market::hours::{MarketState, us_market};
use crate::market::symbol::is_us_stock;
use crate::process::error::Error;
use crate::process::threads::{Repeating, spawn_every};
use crate::status::snapshot::Snapshot;
use crate::text::clock::now_ms;

/// How often the snapshot is looked at. The times in a notice are minutes.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Notices about single symbols come at most this often; one has all that happened in between.
const SYMBOL_LINES_APART_MS: i64 = 10 * MINUTE_MS;

/// A symbol is not reported as silent again for this long: thin ones fall silent many times a day.
const SYMBOL_AGAIN_AFTER_MS: i64 = 120 * MINUTE_MS;

/// US shares as a whole are not reported in the same state again for this long.
const US_AGAIN_AFTER_MS: i64 = 60 * MINUTE_MS;

/// Starts the thread that looks at the `latest` snapshot and logs each change.
///
/// # Errors
/// When the system has no thread to give.
pub(crate) fn start(
    latest: impl Fn() -> Arc<Snapshot> + Send + 'static,
) -> Result<Repeating, Error> {
    let mut notified = Notified::default();
    spawn_every("silence", LOOK_EVERY, move || {
        for (level, text) in notified.notices(&latest(), now_ms()) {
            log!(level, "{text}");
        }
        LOOK_EVERY
    })
}

/// A line for the log. A warning is for a person to look at.
pub(super) type Notice = (Level, String);

/// What has been reported so far.
#[derive(Debug, Default)]
pub(super) struct Notified {
    last_of_us_stocks: Option<(UsNotice, i64)>,
    us_stocks: HashMap<UsNotice, i64>,
    symbols: HashMap<String, NotifiedSymbol>,
    last_symbol_line_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum UsNotice {
    Closed,
    Night,
    NoTrades,
    TradesAgain,
}

/// A symbol that was reported as silent.
#[derive(Debug, Clone, Copy)]
struct NotifiedSymbol {
    at_ms: i64,
    /// Until it trades again.
    is_silent: bool,
}

impl Notified {
    /// What is to be reported at `now_ms`. To be called every few seconds.
    pub(super) fn notices(&mut self, snapshot: &Snapshot, now_ms: i64) -> Vec<Notice> {
        let Some(silence) = Silence::of(snapshot, now_ms) else { return Vec::new() };
        let mut notices = Vec::from_iter(self.us_notice(silence.us_stocks, snapshot, now_ms));
        let too_soon =
            self.last_symbol_line_ms.is_some_and(|at| is_within(at, SYMBOL_LINES_APART_MS, now_ms));
        if !too_soon {
            let lines = self.symbol_notices(&silence.symbols, snapshot, now_ms);
            if !lines.is_empty() {
                self.last_symbol_line_ms = Some(now_ms);
                notices.extend(lines.into_iter().map(|line| (Level::Info, line)));
            }
        }
        notices
    }

    fn us_notice(&mut self, stocks: UsStocks, snapshot: &Snapshot, now_ms: i64) -> Option<Notice> {
        let last = self.last_of_us_stocks;
        let new = match stocks {
            UsStocks::OutOfHours(MarketState::Night { .. }) => UsNotice::Night,
            UsStocks::OutOfHours(_) => UsNotice::Closed,
            UsStocks::NoTrades { .. } => UsNotice::NoTrades,
            UsStocks::NothingToSay => {
                let (last, said_ms) = last?;
                if last == UsNotice::TradesAgain || !trade_again(last, said_ms, snapshot, now_ms) {
                    return None;
                }
                UsNotice::TradesAgain
            }
        };
        let before_ms = self.us_stocks.get(&new);
        let too_soon = before_ms.is_some_and(|at_ms| is_within(*at_ms, US_AGAIN_AFTER_MS, now_ms));
        if last.is_some_and(|(last, _)| last == new) || too_soon {
            return None;
        }
        self.last_of_us_stocks = Some((new, now_ms));
        self.us_stocks.insert(new, now_ms);
        let level = if new == UsNotice::NoTrades { Level::Warn } else { Level::Info };
        let text = about_us_stocks(stocks).unwrap_or_else(|| "US stocks trade again".to_owned());
        Some((level, text))
    }

    fn symbol_notices(
        &mut self,
        silent: &[SilentSymbol<'_>],
        snapshot: &Snapshot,
        now_ms: i64,
    ) -> Vec<String> {
        let traded = self.end_silences(snapshot, now_ms);
        let is_new = |silent: &&SilentSymbol<'_>| !self.symbols.contains_key(silent.symbol);
        let new: Vec<&SilentSymbol<'_>> = silent.iter().filter(is_new).collect();
        for silent in &new {
            let reported = NotifiedSymbol { at_ms: now_ms, is_silent: true };
            self.symbols.insert(silent.symbol.to_owned(), reported);
        }
        let mut notices: Vec<String> = about_symbols(new.into_iter(), now_ms).collect();
        if !traded.is_empty() {
            notices.push(format!("trades now: {}", named(traded.into_iter())));
        }
        notices
    }

    /// The symbols reported as silent that have traded since, in the order of the list. Symbols that are no
    /// longer on the list are forgotten.
    fn end_silences<'a>(&mut self, snapshot: &'a Snapshot, now_ms: i64) -> Vec<&'a str> {
        let mut known = std::mem::take(&mut self.symbols);
        let mut traded = Vec::new();
        for ticker in snapshot.tickers.iter().filter(|ticker| ticker.wanted_since_ms.is_some()) {
            let Some(mut reported) = known.remove(&ticker.symbol) else { continue };
            let has_traded = ticker.last_received_ms.is_some_and(|at_ms| at_ms > reported.at_ms);
            if reported.is_silent && has_traded {
                reported.is_silent = false;
                traded.push(ticker.symbol.as_str());
            }
            if reported.is_silent || is_within(reported.at_ms, SYMBOL_AGAIN_AFTER_MS, now_ms) {
                self.symbols.insert(ticker.symbol.clone(), reported);
            }
        }
        traded
    }
}

/// Whether `now_ms` is less than `span_ms` after `at_ms`. After the clock was set back it is not, or
/// nothing would be reported for long.
fn is_within(at_ms: i64, span_ms: i64, now_ms: i64) -> bool {
    (0..span_ms).contains(&(now_ms - at_ms))
}

/// Whether a US stock has traded after `last` was said at `said_ms`, at hours in which more may follow.
fn trade_again(last: UsNotice, said_ms: i64, snapshot: &Snapshot, now_ms: i64) -> bool {
    let since_ms = match (last, us_market(now_ms)) {
        (_, MarketState::Open { opened_ms, .. }) => opened_ms,
        // A trade in a quiet night is followed by silence again, and neither is news.
        (UsNotice::Closed | UsNotice::NoTrades, MarketState::Night { began_ms, .. }) => began_ms,
        // A few late trades after the close are no end of it, nor is a new connection.
        (_, MarketState::Night { .. } | MarketState::Closed { .. }) => return false,
    };
    let since_ms = since_ms.max(said_ms);
    snapshot.tickers.iter().any(|ticker| {
        is_us_stock(&ticker.symbol) && ticker.last_received_ms.is_some_and(|at_ms| at_ms > since_ms)
    })
}
