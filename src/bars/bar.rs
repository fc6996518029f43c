//! One bar: what its trades say so far.
//!
//! Any thread. No I/O, no clock. Trades must come in the order of their arrival; a bar can be made in
//! parts, which are merged in that order.

use std::cmp::Ordering;
use std::fmt::{self, Display};

use super::number::{Number, Sum, compare};
use crate::market::conditions::Limits;

/// The prices, volume and count of one symbol in one span of time.
#[derive(Debug, Clone, Default)]
pub(super) struct Bar {
    ends: Option<Ends>,
    /// Of trades that count only where no other trade sets an end.
    late_ends: Option<Ends>,
    high: Option<Number>,
    low: Option<Number>,
    volume: Sum,
    trades: u64,
    /// Whether a trade comes from a file without a ledger.
    pub(super) has_no_ledger: bool,
}

/// The first and the last trade by the exchange's clock, and of equal times by arrival.
#[derive(Debug, Clone)]
struct Ends {
    first_ms: i64,
    open: Number,
    last_ms: i64,
    close: Number,
}

impl Ends {
    fn of(time_ms: i64, price: &Number) -> Self {
        let (open, close) = (price.clone(), price.clone());
        Self { first_ms: time_ms, open, last_ms: time_ms, close }
    }

    fn add(&mut self, time_ms: i64, price: &Number) {
        if time_ms < self.first_ms {
            (self.first_ms, self.open) = (time_ms, price.clone());
        }
        if time_ms >= self.last_ms {
            (self.last_ms, self.close) = (time_ms, price.clone());
        }
    }

    fn merge(&mut self, later: Self) {
        if later.first_ms < self.first_ms {
            (self.first_ms, self.open) = (later.first_ms, later.open);
        }
        if later.last_ms >= self.last_ms {
            (self.last_ms, self.close) = (later.last_ms, later.close);
        }
    }
}

/// Takes `price` where there is none yet, or where it compares so with the one there: of equal
/// prices the first stays.
fn keep(extreme: &mut Option<Number>, price: &Number, wanted: Ordering) {
    if extreme.as_ref().is_none_or(|kept| compare(price, kept) == wanted) {
        *extreme = Some(price.clone());
    }
}

impl Bar {
    /// A bar without trades.
    pub(super) fn new(has_no_ledger: bool) -> Self {
        Self { has_no_ledger, ..Self::default() }
    }

    /// Adds a trade of the exchange's time `time_ms`. A trade without volume is a price, and no trade
    /// that counts.
    #[inline]
    pub(super) fn add(&mut self, time_ms: i64, price: &Number, volume: &Number, limits: Limits) {
        if limits.moves_range() {
            keep(&mut self.high, price, Ordering::Greater);
            keep(&mut self.low, price, Ordering::Less);
        }
        if limits.moves_ends() {
            let ends = if limits.is_late() { &mut self.late_ends } else { &mut self.ends };
            match ends {
                Some(ends) => ends.add(time_ms, price),
                None => *ends = Some(Ends::of(time_ms, price)),
            }
        }
        if limits.moves_volume() && !volume.is_zero() {
            self.volume.add(volume);
            self.trades += 1;
        }
    }

    /// Adds what came `later`.
    pub(super) fn merge(&mut self, later: Self) {
        for (own, later) in [(&mut self.ends, later.ends), (&mut self.late_ends, later.late_ends)] {
            match (own, later) {
                (Some(own), Some(later)) => own.merge(later),
                (own, later) => *own = own.take().or(later),
            }
        }
        if let Some(high) = &later.high {
            keep(&mut self.high, high, Ordering::Greater);
        }
        if let Some(low) = &later.low {
            keep(&mut self.low, low, Ordering::Less);
        }
        self.volume.add_sum(&later.volume);
        self.trades += later.trades;
        self.has_no_ledger |= later.has_no_ledger;
    }
}

/// `open,high,low,close,volume,trades`; prices that no trade sets are empty.
impl Display for Bar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = self.ends.as_ref().or(self.late_ends.as_ref());
        let prices = [
            ends.map(|ends| &ends.open),
            self.high.as_ref(),
            self.low.as_ref(),
            ends.map(|ends| &ends.close),
        ];
        for price in prices {
            if let Some(price) = price {
                price.fmt(formatter)?;
            }
            formatter.write_str(",")?;
        }
        write!(formatter, "{},{}", self.volume, self.trades)
    }
}
