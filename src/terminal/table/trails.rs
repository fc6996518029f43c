//! What each symbol's price did in the last fifteen minutes, in steps of five seconds.
//!
//! Table thread. No I/O and no clock: times are this machine's clock, UNIX milliseconds. A symbol takes
//! 720 bytes, so that 5,000 take 3.6 MB, and never more.

use std::collections::{HashMap, HashSet};

use crate::status::snapshot::{Snapshot, TickerSnapshot};

/// Steps in fifteen minutes: more than a terminal has columns for a small line, and enough for a chart.
pub(super) const STEPS: usize = 180;

/// One step.
pub(super) const STEP_MS: i64 = 5_000;

/// [`STEPS`], for the numbers of steps.
const SPAN: i64 = 180;

/// The last prices of all symbols.
#[derive(Debug, Default)]
pub(super) struct Trails {
    /// The number of the present step since 1970; 0 before the first look.
    newest: i64,
    by_symbol: HashMap<String, Trail>,
}

#[derive(Debug)]
struct Trail {
    /// Trades when it was looked at last.
    trades: u64,
    /// The last price in each step, by the step's number; not a number before the first trade. 32 bits
    /// are finer than a terminal's dots.
    prices: Box<[f32; STEPS]>,
}

impl Trails {
    /// Takes over the prices as they are at `now_ms`. To be called in every step.
    pub(super) fn look(&mut self, tickers: &[TickerSnapshot], now_ms: i64) {
        let step = now_ms.div_euclid(STEP_MS);
        if step < self.newest {
            // The clock was set back: what is known has no place any more.
            self.by_symbol.clear();
        }
        let passed = if self.by_symbol.is_empty() { 0 } else { step - self.newest };
        let before = std::mem::replace(&mut self.newest, step);
        for ticker in tickers {
            // Most are known: no new text for those.
            if !self.by_symbol.contains_key(&ticker.symbol) {
                let trail = Trail { trades: 0, prices: Box::new([f32::NAN; STEPS]) };
                self.by_symbol.insert(ticker.symbol.clone(), trail);
            }
            let Some(trail) = self.by_symbol.get_mut(&ticker.symbol) else { continue };
            trail.go_on(before, passed);
            if trail.trades != ticker.trades {
                trail.trades = ticker.trades;
                trail.prices[place(step)] = ticker.price.parse().unwrap_or(f32::NAN);
            }
        }
        if self.by_symbol.len() > tickers.len() {
            let kept: HashSet<&String> = tickers.iter().map(|ticker| &ticker.symbol).collect();
            self.by_symbol.retain(|symbol, _| kept.contains(symbol));
        }
    }

    /// The price of `symbol` in each step, the oldest first; not a number where it is not known, and where
    /// `missing` says that not everything was recorded.
    pub(super) fn prices(&self, symbol: &str, missing: &[bool; STEPS]) -> [f32; STEPS] {
        let mut prices = [f32::NAN; STEPS];
        let Some(trail) = self.by_symbol.get(symbol) else { return prices };
        let places = (self.first()..).map(place);
        for ((price, place), _) in
            prices.iter_mut().zip(places).zip(missing).filter(|(_, missing)| !**missing)
        {
            *price = trail.prices[place];
        }
        prices
    }

    /// The first step in which the price of `symbol` is known, missing or not.
    pub(super) fn known_from(&self, symbol: &str) -> usize {
        let prices = self.prices(symbol, &[false; STEPS]);
        prices.iter().position(|price| price.is_finite()).unwrap_or(STEPS)
    }

    /// In which steps, the oldest first, not everything was recorded in its time.
    pub(super) fn missing(&self, snapshot: &Snapshot, now_ms: i64) -> [bool; STEPS] {
        let going_on = snapshot.gap_now().map(|gap| (gap.from_ms, now_ms));
        let ended = snapshot.gaps.iter().map(|gap| (gap.from_ms, gap.to_ms));
        let spans: Vec<(i64, i64)> = ended
            .chain(going_on)
            .map(|(from_ms, to_ms)| (from_ms.div_euclid(STEP_MS), to_ms.div_euclid(STEP_MS)))
            .filter(|(_, last)| *last >= self.first())
            .collect();
        let mut steps = self.first()..;
        [(); STEPS].map(|()| {
            let step = steps.next().unwrap_or_default();
            spans.iter().any(|(from, last)| (*from..=*last).contains(&step))
        })
    }

    /// When a step began.
    pub(super) fn began_ms(&self, step: usize) -> i64 {
        (self.first() + i64::try_from(step).unwrap_or(SPAN)) * STEP_MS
    }

    fn first(&self) -> i64 {
        self.newest - SPAN + 1
    }
}

impl Trail {
    /// `passed` steps after the step `before` have the same price, as long as nothing trades.
    fn go_on(&mut self, before: i64, passed: i64) {
        let price = self.prices[place(before)];
        for step in 1..=passed.min(SPAN) {
            self.prices[place(before + step)] = price;
        }
    }
}

/// Where a step's price is kept.
fn place(step: i64) -> usize {
    usize::try_from(step.rem_euclid(SPAN)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{SPAN, STEP_MS, STEPS, Trails};
    use crate::status::snapshot::{FeedState, Snapshot, SnapshotSlot, TickerSnapshot};

    fn ticker(symbol: &str, trades: u64, price: &str) -> TickerSnapshot {
        TickerSnapshot {
            symbol: symbol.to_owned(),
            price: price.to_owned(),
            trades,
            ..TickerSnapshot::default()
        }
    }

    /// The last prices, where they are known.
    fn last(trails: &Trails, symbol: &str, count: usize) -> Vec<Option<f32>> {
        let prices = trails.prices(symbol, &[false; STEPS]);
        prices[STEPS - count..].iter().map(|price| Some(*price).filter(|it| !it.is_nan())).collect()
    }

    #[test]
    fn a_price_stays_until_the_next_and_begins_with_the_first() {
        let mut trails = Trails::default();
        let begin = 1_000 * STEP_MS;
        for (step, trades, price) in [(0, 0, ""), (1, 1, "1.5"), (1, 2, "2.5"), (4, 3, "3.5")] {
            trails.look(&[ticker("A", trades, price)], begin + step * STEP_MS + 7);
        }
        assert_eq!(trails.known_from("A"), STEPS - 4);
        let expected = [None, None, Some(2.5), Some(2.5), Some(2.5), Some(3.5)];
        assert_eq!(last(&trails, "A", 6), expected);
        assert_eq!(trails.began_ms(0), begin + (4 - SPAN + 1) * STEP_MS);
        // A day later it is the same price everywhere.
        trails.look(&[ticker("A", 3, "3.5")], begin + 20_000 * STEP_MS);
        assert_eq!(last(&trails, "A", STEPS), [Some(3.5); STEPS]);
        assert_eq!(last(&trails, "B", 1), [None]);
    }

    #[test]
    fn what_left_the_list_is_forgotten_and_a_clock_set_back_begins_anew() {
        let mut trails = Trails::default();
        let begin = 1_000 * STEP_MS;
        trails.look(&[ticker("A", 1, "1"), ticker("B", 1, "1")], begin);
        trails.look(&[ticker("B", 1, "1")], begin);
        assert_eq!((last(&trails, "A", 1), last(&trails, "B", 1)), (vec![None], vec![Some(1.0)]));
        trails.look(&[ticker("B", 1, "1")], begin - 2 * STEP_MS);
        assert_eq!(last(&trails, "B", 2), [None, Some(1.0)]);
    }

    #[test]
    fn steps_with_a_gap_are_missing_also_while_it_goes_on() {
        let begin = 1_000 * STEP_MS;
        let slot = SnapshotSlot::default();
        slot.change_feed(|feed| feed.live(begin - 50 * STEP_MS));
        slot.change_feed(|feed| feed.down(begin - 4 * STEP_MS, "lost"));
        slot.change_feed(|feed| feed.live(begin - 3 * STEP_MS));
        slot.change_feed(|feed| feed.down(begin - STEP_MS + 1, "lost"));
        slot.publish(Snapshot { published_ms: begin, ..Snapshot::default() }, None);
        let mut trails = Trails::default();
        trails.look(&[], begin);
        let snapshot = slot.latest();
        assert_eq!(snapshot.state, FeedState::Down);
        let missing = trails.missing(&snapshot, begin);
        assert_eq!(missing[STEPS - 6..], [false, true, true, false, true, true]);
        assert!(!missing[..STEPS - 6].contains(&true));
    }
}
