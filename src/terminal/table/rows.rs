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
            Self::Change => {
                change(ticker).map(|percent| format!("{percent:+.2} %")).unwrap_or_default()
            }
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
mod tests {
    use super::{Column, Sort, change, short, small_line, state};
    use crate::market::hours::{MarketState, us_market};
    use crate::status::snapshot::{SILENT_AFTER_MS, TickerSnapshot};

    /// A Monday noon in New York.
    const NOON: i64 = 1_795_453_200_000;
    const OPEN: MarketState = MarketState::Open { opened_ms: 0, session_began_ms: None };

    fn ticker(symbol: &str, first: &str, last: &str, trades: u64) -> TickerSnapshot {
        TickerSnapshot {
            symbol: symbol.to_owned(),
            first_price: first.to_owned(),
            price: last.to_owned(),
            trades,
            last_received_ms: (trades > 0).then_some(NOON),
            wanted_since_ms: Some(NOON),
            ..TickerSnapshot::default()
        }
    }

    #[test]
    fn the_price_has_its_digits_and_the_change_is_since_the_start() {
        let one = ticker("A", "100", "101.50", 3);
        let texts = [Column::Symbol, Column::Last, Column::Change, Column::Trades, Column::Age]
            .map(|column| column.text(&one, OPEN, NOON + 65_000));
        assert_eq!(texts, ["A", "101.50", "+1.50 %", "3", "1 m 5 s"]);
        let unknown = ticker("A", "", "", 0);
        assert_eq!((change(&unknown), change(&ticker("A", "0", "1", 1))), (None, None));
        assert_eq!(Column::Change.text(&unknown, OPEN, NOON), "");
        assert_eq!(Column::Symbol.text(&ticker("\u{1b}[2J", "", "", 0), OPEN, 0), "\\u{1b}[2J");
    }

    #[test]
    fn the_hours_explain_the_silence_of_us_shares_only() {
        let late = NOON + SILENT_AFTER_MS;
        let weekend = us_market(NOON - 2 * 86_400_000);
        let night = MarketState::Night { began_ms: 0, opens_in_ms: 1 };
        let us = ticker("A", "1", "1", 1);
        let other = ticker("OANDA:A", "1", "1", 1);
        for (ticker, market, now_ms, expected) in [
            (&us, OPEN, NOON, "live"),
            (&us, weekend, NOON, "live"),
            (&us, OPEN, late, "silent"),
            (&us, weekend, late, "closed"),
            (&us, night, late, "night"),
            (&other, weekend, late, "silent"),
            (&TickerSnapshot { refused: true, ..us.clone() }, weekend, late, "refused"),
            (&TickerSnapshot { wanted_since_ms: None, ..us.clone() }, OPEN, NOON, "extra"),
        ] {
            assert_eq!(state(ticker, market, now_ms), expected);
        }
    }

    #[test]
    fn rows_are_sorted_by_each_column_and_found_by_a_part_of_their_symbol() {
        let mut tickers = [
            ticker("MSFT", "100", "90", 7),
            ticker("AAPL", "1", "1.1", 9),
            ticker("NEW", "", "", 0),
        ];
        tickers[0].refused = true;
        let order = |sort: Sort, find| sort.order(&tickers, find, OPEN, NOON);
        let mut sort = Sort::default();
        let mut orders = Vec::new();
        loop {
            orders.push(order(sort, ""));
            sort = sort.next();
            if sort == Sort::List {
                break;
            }
        }
        let expected: [[usize; 3]; 8] = [
            [0, 1, 2], // as listed
            [1, 0, 2], // symbol
            [0, 1, 2], // last
            [1, 0, 2], // change
            [1, 0, 2], // trades
            [0, 1, 2], // volume, all alike
            [0, 1, 2], // age
            [0, 2, 1], // state
        ];
        assert_eq!(orders, expected);
        assert_eq!(order(Sort::List, "s"), [0]);
        assert_eq!(order(Sort::List, "P"), [1]);
        assert!(order(Sort::List, "x").is_empty());
    }

    #[test]
    fn volumes_are_short() {
        for (volume, expected) in [
            (0.0, "0"),
            (0.02134, "0.0213"),
            (12.5, "12.5"),
            (12_345.6, "12,345"),
            (1_234_567.0, "1.23 M"),
            (5e12, "5.00 T"),
        ] {
            assert_eq!(short(volume), expected);
        }
    }

    #[test]
    fn a_small_line_has_gaps_where_something_is_missing() {
        let prices = [f32::NAN, f32::NAN, 1.0, 2.0, 3.0, 3.0, 2.0, 1.0];
        let mut missing = [false; 8];
        assert_eq!(small_line(&prices, &missing, 8), "  ▁▅██▅▁");
        assert_eq!(small_line(&prices, &missing, 4), " ▅█▁");
        missing[4] = true;
        assert_eq!(small_line(&prices, &missing, 4), " ▅·▁");
        assert_eq!(small_line(&[5.0; 4], &[false; 4], 2), "▄▄");
    }
}
