//! One bar: what its trades say so far.
//!
//! Any thread. No I/O, no clock. Trades must come in the order of their arrival; a bar can be made in
//! parts, which are merged in that order.

use std::fmt::{self, Display};

use super::number::{Number, Sum, compare};
use crate::market::conditions::Limits;
use crate::market::prices::{Price, Prices};

impl Price for Number {
    fn exceeds(&self, other: &Self) -> bool {
        compare(self, other).is_gt()
    }
}

/// The prices, volume and count of one symbol in one span of time.
#[derive(Debug, Clone, Default)]
pub(super) struct Bar {
    prices: Option<Prices<Number>>,
    volume: Sum,
    trades: u64,
    /// Whether a trade comes from a file without a ledger.
    pub(super) has_no_ledger: bool,
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
        Prices::add(&mut self.prices, time_ms, price, limits);
        if limits.moves_volume() && !volume.is_zero() {
            self.volume.add(volume);
            self.trades += 1;
        }
    }

    /// Whether no trade has added anything.
    pub(super) fn is_empty(&self) -> bool {
        self.trades == 0 && self.prices.is_none()
    }

    /// Adds what came `later`.
    pub(super) fn merge(&mut self, later: Self) {
        Prices::merge(&mut self.prices, later.prices);
        self.volume.add_sum(&later.volume);
        self.trades += later.trades;
        self.has_no_ledger |= later.has_no_ledger;
    }
}

/// `open,high,low,close,volume,trades`; prices that no trade sets are empty.
impl Display for Bar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prices = self.prices.as_ref().map_or([None; 4], |prices| {
            [&prices.open, &prices.high, &prices.low, &prices.close].map(Some)
        });
        for price in prices {
            if let Some(price) = price {
                price.fmt(formatter)?;
            }
            formatter.write_str(",")?;
        }
        write!(formatter, "{},{}", self.volume, self.trades)
    }
}
