//! What of a silence is news, so that the log tells each change once and is never flooded.
//!
//! A pure rule like its parent: no I/O, no clock.

use std::collections::HashMap;

use super::{MINUTE_MS, Silence, SilentSymbol, UsStocks, about_symbols, about_us_stocks, named};
use crate::status::market_hours::{MarketState, is_us_stock, us_market};
use crate::status::snapshot::Snapshot;

/// Lines about single symbols come at most this often; what happens in between goes into one.
const SYMBOL_LINES_APART_MS: i64 = 10 * MINUTE_MS;

/// The same is not said again of a symbol for this long: thin ones fall silent many times a day.
const SYMBOL_AGAIN_AFTER_MS: i64 = 120 * MINUTE_MS;

/// Nor of the US stocks as a whole for this long.
const US_AGAIN_AFTER_MS: i64 = 60 * MINUTE_MS;

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Silence that is explained or small, or its end.
    Note(String),
    /// Silence that somebody should look at.
    Warning(String),
}

/// Remembers what has been said.
#[derive(Debug, Default)]
pub struct Teller {
    last_said_of_us: Option<(UsWord, i64)>,
    us_words: HashMap<UsWord, i64>,
    symbols: HashMap<String, Said>,
    last_symbol_line_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum UsWord {
    Closed,
    NoTrades,
    TradesAgain,
}

/// That a symbol is silent was said then; it stands until it trades again.
#[derive(Debug, Clone, Copy)]
struct Said {
    at_ms: i64,
    stands: bool,
}

impl Teller {
    /// What is news at `now_ms`. To be asked every few seconds.
    pub fn news(&mut self, snapshot: &Snapshot, now_ms: i64) -> Vec<News> {
        let Some(silence) = Silence::of(snapshot, now_ms) else { return Vec::new() };
        let mut news = Vec::from_iter(self.us_news(silence.us_stocks, snapshot, now_ms));
        let too_soon =
            self.last_symbol_line_ms.is_some_and(|at| is_within(at, SYMBOL_LINES_APART_MS, now_ms));
        if !too_soon {
            let lines = self.symbol_news(&silence.symbols, snapshot, now_ms);
            if !lines.is_empty() {
                self.last_symbol_line_ms = Some(now_ms);
                news.extend(lines);
            }
        }
        news
    }

    fn us_news(&mut self, stocks: UsStocks, snapshot: &Snapshot, now_ms: i64) -> Option<News> {
        let said = self.last_said_of_us;
        let word = match stocks {
            UsStocks::Closed { .. } => UsWord::Closed,
            UsStocks::NoTrades { .. } => UsWord::NoTrades,
            // A few late trades after the close are no end of it, nor is a new connection.
            UsStocks::NothingToSay => {
                let since_ms = said.filter(|(word, _)| *word != UsWord::TradesAgain)?.1;
                let open = matches!(us_market(now_ms), MarketState::Open { .. });
                if !open || !a_us_stock_traded_after(since_ms, snapshot) {
                    return None;
                }
                UsWord::TradesAgain
            }
        };
        let said_ms = self.us_words.get(&word);
        let too_soon = said_ms.is_some_and(|at_ms| is_within(*at_ms, US_AGAIN_AFTER_MS, now_ms));
        if said.is_some_and(|(last, _)| last == word) || too_soon {
            return None;
        }
        self.last_said_of_us = Some((word, now_ms));
        self.us_words.insert(word, now_ms);
        match word {
            UsWord::TradesAgain => Some(News::Note("US stocks trade again".to_owned())),
            UsWord::Closed => about_us_stocks(stocks).map(News::Note),
            UsWord::NoTrades => about_us_stocks(stocks).map(News::Warning),
        }
    }

    fn symbol_news(
        &mut self,
        silent: &[SilentSymbol],
        snapshot: &Snapshot,
        now_ms: i64,
    ) -> Vec<News> {
        let traded = self.end_silences(snapshot, now_ms);
        let is_new = |silent: &&SilentSymbol| !self.symbols.contains_key(&silent.symbol);
        let fresh: Vec<&SilentSymbol> = silent.iter().filter(is_new).collect();
        for silent in &fresh {
            self.symbols.insert(silent.symbol.clone(), Said { at_ms: now_ms, stands: true });
        }
        let mut news: Vec<News> =
            about_symbols(fresh.into_iter(), now_ms).map(News::Note).collect();
        if !traded.is_empty() {
            let names = named(traded.iter().map(String::as_str));
            news.push(News::Note(format!("trades now: {names}")));
        }
        news
    }

    /// The symbols said to be silent that have traded since, in the order of the list. What is no
    /// longer on the list is forgotten.
    fn end_silences(&mut self, snapshot: &Snapshot, now_ms: i64) -> Vec<String> {
        let mut known = std::mem::take(&mut self.symbols);
        let mut traded = Vec::new();
        for ticker in snapshot.tickers.iter().filter(|ticker| ticker.wanted_since_ms.is_some()) {
            let Some(mut said) = known.remove(&ticker.symbol) else { continue };
            if said.stands && ticker.last_received_ms.is_some_and(|at_ms| at_ms > said.at_ms) {
                said.stands = false;
                traded.push(ticker.symbol.clone());
            }
            if said.stands || is_within(said.at_ms, SYMBOL_AGAIN_AFTER_MS, now_ms) {
                self.symbols.insert(ticker.symbol.clone(), said);
            }
        }
        traded
    }
}

/// Whether `now_ms` is less than `span_ms` after `at_ms`. A clock that was set back is not: it must
/// not silence us for long.
fn is_within(at_ms: i64, span_ms: i64, now_ms: i64) -> bool {
    (0..span_ms).contains(&(now_ms - at_ms))
}

fn a_us_stock_traded_after(since_ms: i64, snapshot: &Snapshot) -> bool {
    snapshot.tickers.iter().any(|ticker| {
        is_us_stock(&ticker.symbol) && ticker.last_received_ms.is_some_and(|at_ms| at_ms > since_ms)
    })
}
