//! The table's columns: what stands in them, and how rows are sorted by them.
//!
//! Table thread. No I/O and no clock: times are this machine's clock, UNIX milliseconds.

use std::cmp::Ordering;

use crate::market::hours::MarketState;
use crate::market::symbol::is_us_stock;
use crate::status::snapshot::TickerSnapshot;
use crate::text::{grouped, human_duration, printable};

/// Characters of a symbol that are shown; hardly any has more.
const SYMBOL_CHARACTERS: usize = 24;

/// Characters of a price that are shown. No price has more that means anything.
const PRICE_CHARACTERS: usize = 16;

/// Levels of the small line.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// In the small line: not everything was recorded then.
pub(super) const GAP: char = '·';

/// A column, in their order from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    Symbol,
    Last,
    Change,
    Line,
    Trades,
    Volume,
    Age,
    State,
}

impl Column {
    /// All of them; in a narrow terminal the first have room, and the last have not.
    pub(super) const BY_WEIGHT: [Self; 8] = [
        Self::Symbol,
        Self::Last,
        Self::Change,
        Self::State,
        Self::Line,
        Self::Age,
        Self::Trades,
        Self::Volume,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Symbol => "symbol",
            Self::Last => "last",
            Self::Change => "change",
            Self::Line => "15 minutes",
            Self::Trades => "trades",
            Self::Volume => "volume",
            Self::Age => "age",
            Self::State => "state",
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Last | Self::Change | Self::Trades | Self::Volume | Self::Age)
    }

    /// What stands there; not for the small line.
    pub(super) fn text(self, ticker: &TickerSnapshot, market: MarketState, now_ms: i64) -> String {
        match self {
            Self::Symbol => printable(&ticker.symbol, SYMBOL_CHARACTERS),
            Self::Last => printable(&ticker.price, PRICE_CHARACTERS),
            Self::Change => change(ticker).map(percent).unwrap_or_default(),
            Self::Line => String::new(),
            Self::Trades => grouped(ticker.trades),
            Self::Volume => short(ticker.volume),
            Self::Age => ticker
                .last_received_ms
                .map(|at_ms| human_duration(now_ms - at_ms))
                .unwrap_or_default(),
            Self::State => state(ticker, market, now_ms).to_owned(),
        }
    }
}

/// `live`, `silent`, `refused`; `closed` or `night` where the hours explain that it is silent; `extra` when
/// nobody asked for it.
pub(super) fn state(ticker: &TickerSnapshot, market: MarketState, now_ms: i64) -> &'static str {
    match (ticker.state(now_ms), market) {
        ("silent", MarketState::Closed { .. }) if is_us_stock(&ticker.symbol) => "closed",
        ("silent", MarketState::Night { .. }) if is_us_stock(&ticker.symbol) => "night",
        (state, _) if ticker.wanted_since_ms.is_some() || state == "refused" => state,
        _ => "extra",
    }
}

/// A change with two decimals; one that they do not show has no sign.
fn percent(change: f64) -> String {
    match direction(change) {
        Ordering::Equal => "0.00 %".to_owned(),
        _ => format!("{change:+.2} %"),
    }
}

/// Whether a change is below or above nothing, as far as its two decimals show it; the page says the same.
pub(super) fn direction(change: f64) -> Ordering {
    let is_shown = change.abs() >= 0.005;
    if is_shown { change.total_cmp(&0.0) } else { Ordering::Equal }
}

/// How much the price has changed since the start, in per cent.
pub(super) fn change(ticker: &TickerSnapshot) -> Option<f64> {
    let [first, last] = [&ticker.first_price, &ticker.price].map(|price| price.parse::<f64>());
    let percent = (last.ok()? / first.ok()? - 1.0) * 100.0;
    percent.is_finite().then_some(percent)
}

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// The order of the list.
    #[default]
    List,
    By(Column),
}

impl Sort {
    /// The next one.
    pub(super) fn next(self) -> Self {
        match self {
            Self::List => Self::By(Column::Symbol),
            Self::By(Column::Symbol) => Self::By(Column::Last),
            Self::By(Column::Last) => Self::By(Column::Change),
            Self::By(Column::Change | Column::Line) => Self::By(Column::Trades),
            Self::By(Column::Trades) => Self::By(Column::Volume),
            Self::By(Column::Volume) => Self::By(Column::Age),
            Self::By(Column::Age) => Self::By(Column::State),
            Self::By(Column::State) => Self::List,
        }
    }

    /// The places of those rows whose symbol has `find` in it, sorted: texts from A, numbers from the
    /// largest, states from those that need a person.
    pub(super) fn order(
        self,
        tickers: &[TickerSnapshot],
        find: &str,
        market: MarketState,
        now_ms: i64,
    ) -> Vec<usize> {
        let find = find.to_lowercase();
        let found = |at: &usize| {
            find.is_empty() || tickers[*at].symbol.to_lowercase().contains(find.as_str())
        };
        let mut order: Vec<usize> = (0..tickers.len()).filter(found).collect();
        match self {
            Self::List => {}
            Self::By(Column::Symbol) => {
                order.sort_by(|one, other| tickers[*one].symbol.cmp(&tickers[*other].symbol));
            }
            Self::By(column) => {
                let key = |at: usize| number(column, &tickers[at], market, now_ms);
                let mut keyed: Vec<(f64, usize)> = order.iter().map(|at| (key(*at), *at)).collect();
                keyed.sort_by(|(one, _), (other, _)| largest_first(*one, *other));
                order = keyed.into_iter().map(|(_, at)| at).collect();
            }
        }
        order
    }
}

/// The number by which a column sorts; not a number where there is none.
#[allow(clippy::cast_precision_loss)]
fn number(column: Column, ticker: &TickerSnapshot, market: MarketState, now_ms: i64) -> f64 {
    match column {
        Column::Symbol | Column::Line => f64::NAN,
        Column::Last => ticker.price.parse().unwrap_or(f64::NAN),
        Column::Change => change(ticker).unwrap_or(f64::NAN),
        Column::Trades => ticker.trades as f64,
        Column::Volume => ticker.volume,
        Column::Age => ticker.last_received_ms.map_or(f64::NAN, |at_ms| (now_ms - at_ms) as f64),
        Column::State => match state(ticker, market, now_ms) {
            "refused" => 5.0,
            "silent" => 4.0,
            "closed" => 3.0,
            "night" => 2.0,
            "extra" => 1.0,
            _ => 0.0,
        },
    }
}

/// What is no number comes last.
fn largest_first(one: f64, other: f64) -> Ordering {
    other.partial_cmp(&one).unwrap_or_else(|| one.is_nan().cmp(&other.is_nan()))
}

/// A volume in a few characters: `0.0213`, `12,345`, `1.23 M`.
fn short(volume: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e12, "T"), (1e9, "G"), (1e6, "M")];
    if let Some((size, unit)) = UNITS.into_iter().find(|(size, _)| volume >= *size) {
        return format!("{:.2} {unit}", volume / size);
    }
    if volume >= 1000.0 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        return grouped(volume as u64);
    }
    let text = format!("{volume:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Prices as a small line of so many characters, which must divide their number. A character is a gap
/// when not everything was recorded in its time.
pub(super) fn small_line(prices: &[f32], missing: &[bool], width: usize) -> String {
    let known = || prices.iter().copied().filter(|price| price.is_finite());
    let (low, high) = (known().fold(f32::INFINITY, f32::min), known().fold(0.0, f32::max));
    let level = |price: f32| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        match (price - low) / (high - low) {
            share if share.is_finite() => LEVELS[((share * 8.0) as usize).min(7)],
            // It never moved.
            _ => LEVELS[3],
        }
    };
    let group = prices.len() / width;
    let character = |(prices, missing): (&[f32], &[bool])| {
        if missing.contains(&true) {
            return GAP;
        }
        prices.last().filter(|price| price.is_finite()).map_or(' ', |price| level(*price))
    };
    prices.chunks(group).zip(missing.chunks(group)).map(character).collect()
}

#[cfg(test)]
mod tests;
