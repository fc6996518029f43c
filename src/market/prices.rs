//! The four prices of a bar: open, high, low and close.
//!
//! Any thread. No I/O, no clock. Open is the first price and close the last by the exchange's clock, and
//! of equal times by arrival; of equal highs and lows the first to arrive stays. So trades must be added
//! in the order of their arrival, and a bar can be made in parts that are merged in that order.

use super::conditions::Limits;

/// After the end of a bar trades are waited for so long, by the receiving clock: Finnhub has been up to
/// 40 minutes late.
pub(crate) const LATE_MS: i64 = 2 * 60 * 60 * 1000;

/// A price that can be compared.
pub(crate) trait Price: Clone {
    /// Whether it is higher than the other one.
    fn exceeds(&self, other: &Self) -> bool;
}

impl Price for f64 {
    fn exceeds(&self, other: &Self) -> bool {
        self > other
    }
}

/// The prices of the trades of a bar, of which there is at least one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prices<P> {
    /// The first price.
    pub(crate) open: P,
    /// The highest price.
    pub(crate) high: P,
    /// The lowest price.
    pub(crate) low: P,
    /// The last price.
    pub(crate) close: P,
    /// The times of open and close, the exchange's clock, UNIX milliseconds.
    first_ms: i64,
    last_ms: i64,
    /// Whether open and close come from trades that set them only where no other trade does.
    pub(crate) is_late: bool,
}

impl<P: Price> Prices<P> {
    /// Adds a trade to the `prices` of a bar, if it may set any.
    #[inline]
    pub(crate) fn add(prices: &mut Option<Self>, time_ms: i64, price: &P, limits: Limits) {
        if !limits.moves_prices() {
            return;
        }
        let is_late = limits.is_late();
        if let Some(prices) = prices {
            prices.widen(price, price);
            prices.take_ends((time_ms, price), (time_ms, price), is_late);
        } else {
            let [open, high, low, close] = [(); 4].map(|()| price.clone());
            let (first_ms, last_ms) = (time_ms, time_ms);
            *prices = Some(Self { open, high, low, close, first_ms, last_ms, is_late });
        }
    }

    /// Adds the prices of trades that came `later`.
    pub(crate) fn merge(prices: &mut Option<Self>, later: Option<Self>) {
        match (prices, later) {
            (Some(prices), Some(later)) => {
                prices.widen(&later.high, &later.low);
                let (open, close) = (&later.open, &later.close);
                prices.take_ends((later.first_ms, open), (later.last_ms, close), later.is_late);
            }
            (prices, later) => *prices = prices.take().or(later),
        }
    }

    #[inline]
    fn widen(&mut self, high: &P, low: &P) {
        if high.exceeds(&self.high) {
            self.high = high.clone();
        }
        if self.low.exceeds(low) {
            self.low = low.clone();
        }
    }

    #[inline]
    fn take_ends(
        &mut self,
        (first_ms, open): (i64, &P),
        (last_ms, close): (i64, &P),
        is_late: bool,
    ) {
        if is_late && !self.is_late {
            return;
        }
        let are_first = self.is_late && !is_late;
        if are_first || first_ms < self.first_ms {
            (self.first_ms, self.open) = (first_ms, open.clone());
        }
        if are_first || last_ms >= self.last_ms {
            (self.last_ms, self.close) = (last_ms, close.clone());
        }
        self.is_late = is_late;
    }
}

#[cfg(test)]
mod tests {
    use super::Prices;
    use crate::market::conditions::limits;

    type Trade = (i64, f64, &'static str);

    fn bar(trades: &[Trade]) -> Option<Prices<f64>> {
        let mut prices = None;
        for (time_ms, price, conditions) in trades {
            Prices::add(&mut prices, *time_ms, price, limits(conditions.as_bytes()));
        }
        prices
    }

    fn check(trades: &[Trade], expected: [f64; 4]) {
        let shown = |prices: Option<Prices<f64>>| {
            prices.map(|prices| [prices.open, prices.high, prices.low, prices.close])
        };
        assert_eq!(shown(bar(trades)), Some(expected), "{trades:?}");
        // However the bar is put together.
        for split in 0..=trades.len() {
            let mut prices = bar(&trades[..split]);
            Prices::merge(&mut prices, bar(&trades[split..]));
            assert_eq!(shown(prices), Some(expected), "{trades:?} in two at {split}");
        }
    }

    #[test]
    fn open_and_close_are_by_time_and_then_by_arrival() {
        check(&[(5, 1.5, ""), (7, 1.0, ""), (6, 2.0, "")], [1.5, 2.0, 1.0, 1.0]);
        check(&[(5, 1.5, ""), (5, 1.0, ""), (4, 2.0, "1")], [2.0, 2.0, 1.0, 1.0]);
    }

    #[test]
    fn late_trades_set_open_and_close_only_where_no_other_does() {
        let (late, odd_lot) = ("30", "12");
        check(&[(5, 1.5, late), (7, 1.0, late)], [1.5, 1.5, 1.0, 1.0]);
        check(&[(4, 9.0, late), (5, 1.5, ""), (8, 0.5, late)], [1.5, 9.0, 0.5, 1.5]);
        check(&[(4, 9.0, late), (5, 8.0, odd_lot), (9, 7.0, late)], [9.0, 9.0, 7.0, 7.0]);
        assert_eq!(bar(&[(5, 8.0, odd_lot)]), None);
    }
}
