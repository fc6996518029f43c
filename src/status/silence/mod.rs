//! "Closed or broken?": what is known about symbols for which no trades come.
//!
//! A pure rule: no I/O and no clock, times are arguments, all of them this machine's clock in UNIX
//! milliseconds. [`Silence::of`] looks at a snapshot; `news` decides what of it is told in the log.
//!
//! Silence is never a fault by itself. US stocks have hours and holidays (`market_hours`), which
//! explain most of it; halts are not known here, and that is said.

mod notice;

pub use notice::{News, Teller};

use crate::clock::show_ms;
use crate::status::market_hours::{MarketState, is_us_stock, us_market};
use crate::status::snapshot::{FeedState, Snapshot, TickerSnapshot};
use crate::text::{human_duration, printable};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// With the market closed, the last prints of the day come a little late; after this nothing more
/// is expected.
const LAST_PRINTS_MS: i64 = 2 * MINUTE_MS;

/// With the market closed and no trade seen yet: a moment for a feed that trades at night after all.
const FIRST_TRADE_MS: i64 = 10_000;

/// Not one trade of any US stock for this long, inside the hours: liquid ones trade every second,
/// and even before the opening bell hardly all of several are silent for so long.
const NO_US_TRADES_AFTER_MS: i64 = 10 * MINUTE_MS;

/// One symbol silent for this long while others trade is worth a word. Thin symbols do it often,
/// so it is not said sooner.
const SILENT_SYMBOL_AFTER_MS: i64 = 20 * MINUTE_MS;

/// A snapshot older than this says nothing about the present: the writer is waiting for a disk.
const STALE_AFTER_MS: i64 = 10_000;

/// Symbols that are named; of the others the number is told.
const NAMED_SYMBOLS: usize = 2;

/// What is known about the US stocks on the list as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsStocks {
    /// There are none, or they trade, or they have not been silent for long.
    NothingToSay,
    /// All are silent, and the market is closed.
    Closed {
        /// Until the next pre-market trading.
        opens_in_ms: i64,
        /// The night, the weekend, or the holiday's name.
        why: &'static str,
    },
    /// All are silent although the market should be open.
    NoTrades {
        /// Since the last trade, or since trades could have come.
        for_ms: i64,
    },
}

/// What is silent, and what explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// US stocks as a whole.
    pub us_stocks: UsStocks,
    /// Single symbols whose silence nothing explains, in the order of the list.
    pub symbols: Vec<SilentSymbol>,
    /// When this was so.
    pub at_ms: i64,
}

/// A symbol for which no trades come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentSymbol {
    /// The symbol.
    pub symbol: String,
    /// When it last traded (the hours before the market's opening do not count) or, when it has
    /// never traded, when it was subscribed.
    pub since_ms: i64,
    /// Whether a trade has ever come since it was subscribed.
    pub has_traded: bool,
}

/// A symbol from which trades are expected.
struct Expected<'a> {
    symbol: &'a str,
    last_trade_ms: Option<i64>,
    /// Since when it is subscribed.
    wanted_since_ms: i64,
    /// Since when it is silent.
    silent_since_ms: i64,
    /// Since when it is silent although a trade could have come.
    in_vain_since_ms: i64,
}

impl Silence {
    /// What can be said at `now_ms`; `None` while nothing is recorded, because then silence means
    /// nothing.
    pub fn of(snapshot: &Snapshot, now_ms: i64) -> Option<Silence> {
        let live_since_ms = snapshot.live_since_ms.filter(|_| snapshot.state == FeedState::Live)?;
        let stale = now_ms - snapshot.published_ms > STALE_AFTER_MS;
        if stale || snapshot.disk_trouble.is_some() {
            return None;
        }
        let market = us_market(now_ms);
        let opened_ms = match market {
            MarketState::Open { opened_ms } => opened_ms,
            MarketState::Closed { .. } => i64::MIN,
        };
        let expected = snapshot.tickers.iter().filter_map(|ticker| expected(ticker, live_since_ms));
        let (mut stocks, mut silent): (Vec<_>, Vec<_>) =
            expected.partition(|expected| is_us_stock(expected.symbol));
        for stock in &mut stocks {
            // The night does not count.
            stock.silent_since_ms = stock.silent_since_ms.max(opened_ms);
            stock.in_vain_since_ms = stock.in_vain_since_ms.max(opened_ms);
        }
        let us_stocks = us_stocks(&stocks, market, live_since_ms, now_ms);
        if matches!(market, MarketState::Open { .. }) && us_stocks == UsStocks::NothingToSay {
            stocks.append(&mut silent);
            silent = stocks;
        }
        let symbols = silent
            .iter()
            .filter(|symbol| now_ms - symbol.in_vain_since_ms >= SILENT_SYMBOL_AFTER_MS)
            .map(Expected::as_silent)
            .collect();
        Some(Silence { us_stocks, symbols, at_ms: now_ms })
    }

    /// The most important of it in one short line; `None` when all is well.
    pub fn notice(&self) -> Option<String> {
        about_us_stocks(self.us_stocks)
            .or_else(|| about_symbols(self.symbols.iter(), self.at_ms).next())
    }
}

impl Expected<'_> {
    fn as_silent(&self) -> SilentSymbol {
        let has_traded = self.last_trade_ms.is_some();
        let since_ms = if has_traded { self.silent_since_ms } else { self.wanted_since_ms };
        SilentSymbol { symbol: self.symbol.to_owned(), since_ms, has_traded }
    }
}

fn expected(ticker: &TickerSnapshot, live_since_ms: i64) -> Option<Expected<'_>> {
    let wanted_since_ms = ticker.wanted_since_ms.filter(|_| !ticker.refused)?;
    let silent_since_ms = ticker.last_received_ms.unwrap_or(wanted_since_ms);
    Some(Expected {
        symbol: &ticker.symbol,
        last_trade_ms: ticker.last_received_ms,
        wanted_since_ms,
        silent_since_ms,
        // While the connection was down nothing could come.
        in_vain_since_ms: silent_since_ms.max(live_since_ms),
    })
}

fn us_stocks(
    stocks: &[Expected<'_>],
    market: MarketState,
    live_since_ms: i64,
    now_ms: i64,
) -> UsStocks {
    let Some(in_vain_since_ms) = stocks.iter().map(|stock| stock.in_vain_since_ms).max() else {
        return UsStocks::NothingToSay;
    };
    match market {
        MarketState::Closed { opens_in_ms, why } => {
            let is_over = |stock: &Expected<'_>| match stock.last_trade_ms {
                Some(last_ms) => now_ms - last_ms >= LAST_PRINTS_MS,
                None => now_ms - live_since_ms >= FIRST_TRADE_MS,
            };
            if stocks.iter().all(is_over) {
                return UsStocks::Closed { opens_in_ms, why };
            }
        }
        MarketState::Open { .. } if now_ms - in_vain_since_ms >= NO_US_TRADES_AFTER_MS => {
            let since_ms = stocks.iter().map(|stock| stock.silent_since_ms).max();
            return UsStocks::NoTrades { for_ms: now_ms - since_ms.unwrap_or(in_vain_since_ms) };
        }
        MarketState::Open { .. } => {}
    }
    UsStocks::NothingToSay
}

fn about_us_stocks(us_stocks: UsStocks) -> Option<String> {
    match us_stocks {
        UsStocks::NothingToSay => None,
        UsStocks::Closed { opens_in_ms, why } => {
            Some(format!("US market closed ({why}), opens in {}", to_the_minute(opens_in_ms)))
        }
        UsStocks::NoTrades { for_ms } => Some(format!(
            "no US trades for {}; a halt, a special closing, or a server fault",
            to_the_minute(for_ms)
        )),
    }
}

/// `no trades for AAPL, MSFT and 12 others for 20 m`, the shortest of their times, and `AAPL and
/// MSFT never traded since 14:30 UTC`, the latest of their subscriptions: so that it is true of all.
fn about_symbols<'a>(
    symbols: impl Iterator<Item = &'a SilentSymbol>,
    now_ms: i64,
) -> impl Iterator<Item = String> {
    let (silent, never): (Vec<_>, Vec<_>) = symbols.partition(|symbol| symbol.has_traded);
    let told = |symbols: Vec<&SilentSymbol>| {
        let since_ms = symbols.iter().map(|symbol| symbol.since_ms).max()?;
        Some((named(symbols.iter().map(|symbol| symbol.symbol.as_str())), since_ms))
    };
    let silent = told(silent).map(|(names, since_ms)| {
        format!("no trades for {names} for {}", to_the_minute(now_ms - since_ms))
    });
    let never = told(never).map(|(names, since_ms)| {
        format!("{names} never traded since {}", time_of_day(since_ms, now_ms))
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

/// Seconds would make a line that changes all the time and says no more.
fn to_the_minute(ms: i64) -> String {
    human_duration((ms / MINUTE_MS).max(1) * MINUTE_MS)
}

#[cfg(test)]
mod tests;
