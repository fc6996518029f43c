//! "Closed or broken?": what is known about symbols for which no trades come.
//!
//! A pure rule: no I/O and no clock, times are arguments, all of them this machine's clock in UNIX
//! milliseconds. [`Silence::of`] looks at a snapshot; `reporter` logs each change.
//!
//! Silence is never a fault by itself. US stocks have hours and holidays (`market/hours`), which
//! explain most of it. Halts are not known here, and the texts say so.

pub(crate) mod reporter;

use crate::market::hours::{MarketState, us_market};
use crate::market::symbol::is_us_stock;
use crate::status::snapshot::{FeedState, Snapshot, TickerSnapshot};
use crate::text::clock::show_ms;
use crate::text::{human_duration, printable};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// After the close, and in the night, silence is explained by the hours only after this time without a
/// trade: the last trades of a day come a little late, and a night has a trade now and then.
const LAST_PRINTS_MS: i64 = 2 * MINUTE_MS;

/// The same before the first trade: long enough for one to arrive if trades come at these hours.
const FIRST_TRADE_MS: i64 = 10_000;

/// US shares as a whole are reported when none has traded for this long in the regular session: liquid ones
/// trade every second, and several are hardly ever silent together for so long. Outside the session thin
/// shares are, every day.
const NO_US_TRADES_AFTER_MS: i64 = 10 * MINUTE_MS;

/// A symbol is reported when it is silent for this long while others trade. Not sooner, because thin symbols
/// often are.
const SILENT_SYMBOL_AFTER_MS: i64 = 20 * MINUTE_MS;

/// A snapshot older than this says nothing about the present: the writer is waiting for a disk.
const STALE_AFTER_MS: i64 = 10_000;

/// Symbols that a line names; the others are counted.
const NAMED_SYMBOLS: usize = 2;

/// What is known about the US stocks on the list as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsStocks {
    /// There are none, or they trade, or they have not been silent for long.
    NothingToSay,
    /// All are silent, and the hours explain it: night, or closed.
    OutOfHours(MarketState),
    /// All are silent in the regular session.
    NoTrades {
        /// Since the last trade, or since trades could have come.
        for_ms: i64,
    },
}

/// What is silent, and what explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence<'a> {
    /// US stocks as a whole.
    pub us_stocks: UsStocks,
    /// Single symbols whose silence nothing explains, in the order of the list.
    symbols: Vec<SilentSymbol<'a>>,
    /// When this was so.
    at_ms: i64,
}

/// A symbol from which trades are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SilentSymbol<'a> {
    symbol: &'a str,
    last_trade_ms: Option<i64>,
    /// Since when it is subscribed.
    wanted_since_ms: i64,
    /// When it last traded or else was subscribed; the hours before the market's opening do not count.
    silent_since_ms: i64,
    /// The same, but the time without a connection does not count either.
    expected_since_ms: i64,
}

impl<'a> Silence<'a> {
    /// What can be said at `now_ms`; `None` while nothing is recorded, because then silence means
    /// nothing.
    pub fn of(snapshot: &'a Snapshot, now_ms: i64) -> Option<Self> {
        let live_since_ms = snapshot.live_since_ms.filter(|_| snapshot.state == FeedState::Live)?;
        let stale = now_ms - snapshot.published_ms > STALE_AFTER_MS;
        if stale || snapshot.disk_trouble.is_some() {
            return None;
        }
        let market = us_market(now_ms);
        let opened_ms = match market {
            MarketState::Open { opened_ms, .. } => opened_ms,
            MarketState::Night { .. } | MarketState::Closed { .. } => i64::MIN,
        };
        let expected = snapshot.tickers.iter().filter_map(|ticker| {
            // The night does not count.
            let opened_ms = if is_us_stock(&ticker.symbol) { opened_ms } else { i64::MIN };
            SilentSymbol::new(ticker, opened_ms, live_since_ms)
        });
        let (mut stocks, mut others): (Vec<_>, Vec<_>) =
            expected.partition(|expected| is_us_stock(expected.symbol));
        let us_stocks = us_stocks(&stocks, market, live_since_ms, now_ms);
        let is_open = matches!(market, MarketState::Open { .. });
        if !is_open || us_stocks != UsStocks::NothingToSay {
            stocks.clear();
        }
        stocks.append(&mut others);
        stocks.retain(|symbol| now_ms - symbol.expected_since_ms >= SILENT_SYMBOL_AFTER_MS);
        Some(Self { us_stocks, symbols: stocks, at_ms: now_ms })
    }

    /// The most important part in one short line; `None` when all is well.
    pub fn notice(&self) -> Option<String> {
        about_us_stocks(self.us_stocks)
            .or_else(|| about_symbols(self.symbols.iter(), self.at_ms).next())
    }
}

impl<'a> SilentSymbol<'a> {
    fn new(ticker: &'a TickerSnapshot, opened_ms: i64, live_since_ms: i64) -> Option<Self> {
        let wanted_since_ms = ticker.wanted_since_ms.filter(|_| !ticker.refused)?;
        let last_trade_ms = ticker.last_received_ms;
        let silent_since_ms = last_trade_ms.unwrap_or(wanted_since_ms).max(opened_ms);
        let expected_since_ms = silent_since_ms.max(live_since_ms);
        let symbol = &ticker.symbol;
        Some(Self { symbol, last_trade_ms, wanted_since_ms, silent_since_ms, expected_since_ms })
    }
}

fn us_stocks(
    stocks: &[SilentSymbol<'_>],
    market: MarketState,
    live_since_ms: i64,
    now_ms: i64,
) -> UsStocks {
    let Some(since_ms) = stocks.iter().map(|stock| stock.expected_since_ms).max() else {
        return UsStocks::NothingToSay;
    };
    match market {
        MarketState::Night { .. } | MarketState::Closed { .. } => {
            let is_over = |stock: &SilentSymbol<'_>| match stock.last_trade_ms {
                Some(last_ms) => now_ms - last_ms >= LAST_PRINTS_MS,
                None => now_ms - live_since_ms >= FIRST_TRADE_MS,
            };
            if stocks.iter().all(is_over) {
                return UsStocks::OutOfHours(market);
            }
        }
        MarketState::Open { session_began_ms: Some(session_began_ms), .. }
            if now_ms - since_ms.max(session_began_ms) >= NO_US_TRADES_AFTER_MS =>
        {
            let silent_since_ms = stocks.iter().map(|stock| stock.silent_since_ms).max();
            let silent_since_ms = silent_since_ms.unwrap_or(since_ms).max(session_began_ms);
            return UsStocks::NoTrades { for_ms: now_ms - silent_since_ms };
        }
        MarketState::Open { .. } => {}
    }
    UsStocks::NothingToSay
}

fn about_us_stocks(us_stocks: UsStocks) -> Option<String> {
    match us_stocks {
        UsStocks::NothingToSay => None,
        UsStocks::OutOfHours(market) => about_market(market),
        UsStocks::NoTrades { for_ms } => Some(format!(
            "no US trades for {}; a halt, a special closing, or a server fault",
            to_the_minute(for_ms)
        )),
    }
}

/// How the hours explain that all US shares are silent; `None` while the market is open, when they do not.
pub fn about_market(market: MarketState) -> Option<String> {
    match market {
        MarketState::Open { .. } => None,
        MarketState::Night { opens_in_ms, .. } => {
            Some(format!("US shares quiet (night), pre-market in {}", to_the_minute(opens_in_ms)))
        }
        MarketState::Closed { opens_in_ms, why } => {
            Some(format!("US market closed ({why}), opens in {}", to_the_minute(opens_in_ms)))
        }
    }
}

/// `no trades for AAPL, MSFT and 12 others for 20 m` and `AAPL and MSFT never traded since 14:30 UTC`. The
/// time is the shortest silence, and the latest subscription, so that the line is true of all of them.
fn about_symbols<'a>(
    symbols: impl Iterator<Item = &'a SilentSymbol<'a>>,
    now_ms: i64,
) -> impl Iterator<Item = String> {
    let (silent, never): (Vec<_>, Vec<_>) =
        symbols.partition(|symbol| symbol.last_trade_ms.is_some());
    let names = |symbols: &[&SilentSymbol<'_>]| named(symbols.iter().map(|symbol| symbol.symbol));
    let silent = silent.iter().map(|symbol| symbol.silent_since_ms).max().map(|since_ms| {
        format!("no trades for {} for {}", names(&silent), to_the_minute(now_ms - since_ms))
    });
    let never = never.iter().map(|symbol| symbol.wanted_since_ms).max().map(|since_ms| {
        format!("{} never traded since {}", names(&never), time_of_day(since_ms, now_ms))
    });
    silent.into_iter().chain(never)
}

/// `14:30 UTC`, with the date when that is not clear.
fn time_of_day(at_ms: i64, now_ms: i64) -> String {
    let time = show_ms(at_ms).replace('T', " ");
    let shown = if now_ms - at_ms < DAY_MS { time.get(11..16) } else { time.get(..16) };
    format!("{} UTC", shown.unwrap_or(&time))
}

fn named<'a>(symbols: impl ExactSizeIterator<Item = &'a str>) -> String {
    let others = symbols.len().saturating_sub(NAMED_SYMBOLS);
    let shown: Vec<String> =
        symbols.take(NAMED_SYMBOLS).map(|symbol| printable(symbol, 40)).collect();
    match others {
        0 => shown.join(" and "),
        1 => format!("{} and 1 other", shown.join(", ")),
        _ => format!("{} and {others} others", shown.join(", ")),
    }
}

/// Without seconds, with which the line would change all the time.
fn to_the_minute(ms: i64) -> String {
    human_duration((ms / MINUTE_MS).max(1) * MINUTE_MS)
}

#[cfg(test)]
mod tests;
