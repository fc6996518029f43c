//! The candles of one symbol: the last minutes second by second, the last hours minute by minute, and
//! so on. What is older is thinned out; nothing but detail is forgotten.
//!
//! The dashboard's thread. No I/O and no clock. Memory: a candle takes 80 bytes.

use std::collections::VecDeque;

use serde::{Serialize, Serializer};

use crate::market::prices::Prices;
use crate::status::candles::Candle;

/// Candles of a symbol: more than [`TIERS`] leave, so that there is room before they are thinned out
/// again.
pub(super) const MOST_CANDLES: usize = 2048;

/// How long candles are in seconds, and how many of them are kept before they become longer ones. Each
/// length is a part of the next one and of a day, as `bars --every` has it. For a chart of fifteen minutes,
/// a session, a day and a half, five days, two weeks, ten weeks.
const TIERS: [(u32, u32); 7] = [
    (1, 960),
    (60, 400),
    (900, 128),
    (3_600, 120),
    (14_400, 84),
    (86_400, 70),
    (604_800, u32::MAX),
];

/// The candles, by their times. None overlaps another.
#[derive(Debug, Default)]
pub(super) struct Candles(VecDeque<Candle>);

impl Candles {
    /// Adds what trades have moved. Of `most` candles none is more.
    pub(super) fn add(&mut self, candle: Candle, most: usize) {
        self.make_room(most);
        // Nearly always the last one, or behind it.
        let at = self.0.partition_point(|known| known.end() <= candle.start);
        match self.0.get_mut(at) {
            Some(known) if known.start <= candle.start && candle.end() <= known.end() => {
                known.merge(&candle);
            }
            Some(known) if known.start < candle.end() => self.replace_shorter(at, candle),
            _ => self.0.insert(at, candle),
        }
    }

    /// Puts a longer candle in the place of those from `at` on that lie in it: it comes when this thread was
    /// held up.
    fn replace_shorter(&mut self, at: usize, candle: Candle) {
        let behind = self.0.partition_point(|known| known.start < candle.end());
        let parts = self.0.drain(at..behind).chain([candle]);
        let whole = parts.map(|part| part.within(candle.seconds)).reduce(|mut whole, part| {
            whole.merge(&part);
            whole
        });
        if let Some(whole) = whole {
            self.0.insert(at, whole);
        }
    }

    /// The candles in which a trade was received later than the second `after`.
    pub(super) fn changed_after(&self, after: u32) -> Vec<Candle> {
        self.0.iter().filter(|candle| candle.received > after).copied().collect()
    }

    /// For how many candles there is memory.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.0.capacity()
    }

    fn make_room(&mut self, most: usize) {
        let count = self.0.len();
        if count >= most {
            for finest in 0..TIERS.len() {
                self.thin_out(finest, most);
                if self.0.len() <= most * 15 / 16 {
                    break;
                }
            }
        } else if count == self.0.capacity() {
            // By itself it would take room for more than that.
            self.0.reserve_exact((2 * count).clamp(4, most) - count);
        }
    }

    /// Makes one candle of all that lie in a longer one for their age. The newest are of this tier.
    fn thin_out(&mut self, finest: usize, most: usize) {
        let mut from = self.0.back().map_or(0, Candle::end);
        let nexts = TIERS[finest + 1..].iter().map(|(seconds, _)| *seconds).chain([1]);
        let tiers = TIERS[finest..].iter().zip(nexts).map(|(&(seconds, kept), next)| {
            let kept = (kept as usize * most / MOST_CANDLES).max(1);
            let span = u32::try_from(kept).unwrap_or(u32::MAX).saturating_mul(seconds);
            from = from.saturating_sub(span);
            from -= from % next;
            (from, seconds)
        });
        // From which second on candles are so long, the latest first; the last from 0 on.
        let tiers: Vec<(u32, u32)> = tiers.collect();
        let mut thinned: VecDeque<Candle> =
            VecDeque::with_capacity(self.0.capacity().min(most).max(self.0.len().min(most)));
        for candle in self.0.drain(..) {
            let tier = tiers.iter().find(|(from, _)| *from <= candle.start);
            let candle = candle.within(tier.map_or(1, |(_, seconds)| *seconds));
            match thinned.back_mut() {
                Some(last) if last.start == candle.start => last.merge(&candle),
                _ => thinned.push_back(candle),
            }
        }
        self.0 = thinned;
    }
}

/// As `[second, seconds, open, high, low, close, volume, trades]`, the prices `null` where no trade has
/// set them; and behind that `true` where open and close are those of late trades, which give way to all
/// others when candles are put together.
impl Serialize for Candle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { start, seconds, volume, trades, .. } = self;
        match &self.prices {
            None => (start, seconds, (), (), (), (), volume, trades).serialize(serializer),
            Some(Prices { open, high, low, close, is_late: false, .. }) => {
                (start, seconds, open, high, low, close, volume, trades).serialize(serializer)
            }
            Some(Prices { open, high, low, close, is_late: true, .. }) => {
                (start, seconds, open, high, low, close, volume, trades, true).serialize(serializer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Candles, MOST_CANDLES, TIERS};
    use crate::market::conditions::limits;
    use crate::market::prices::Prices;
    use crate::status::candles::Candle;

    /// A trade of one share in a candle of its own.
    fn candle(start: u32, seconds: u32, price: f64, conditions: &str) -> Candle {
        let mut prices = None;
        let (time_ms, limits) = (i64::from(start) * 1000, limits(conditions.as_bytes()));
        Prices::add(&mut prices, time_ms, &price, limits);
        Candle { start, seconds, received: start + 1, trades: 1, volume: 1.0, prices }
    }

    fn json(candles: &Candles, after: u32) -> String {
        serde_json::to_string(&candles.changed_after(after)).unwrap()
    }

    #[test]
    fn trades_of_one_second_are_a_candle_and_late_ones_find_theirs() {
        let mut candles = Candles::default();
        for (start, price, conditions) in
            [(10, 1.5, ""), (12, 2.0, "30"), (10, 1.25, ""), (13, 9.0, "12"), (11, 3.0, "")]
        {
            candles.add(candle(start, 1, price, conditions), MOST_CANDLES);
        }
        let expected = "[[10,1,1.5,1.5,1.25,1.25,2.0,2],[11,1,3.0,3.0,3.0,3.0,1.0,1],\
            [12,1,2.0,2.0,2.0,2.0,1.0,1,true],[13,1,null,null,null,null,1.0,1]]";
        assert_eq!(json(&candles, 0), expected);
        assert_eq!(json(&candles, 13), "[[13,1,null,null,null,null,1.0,1]]");
    }

    #[test]
    fn a_longer_candle_takes_the_place_of_those_in_it() {
        let mut candles = Candles::default();
        for start in [59, 60, 119, 120] {
            candles.add(candle(start, 1, f64::from(start), ""), MOST_CANDLES);
        }
        candles.add(candle(60, 60, 7.0, ""), MOST_CANDLES);
        let one = |at: u32, price: &str| format!("[{at},1,{price},{price},{price},{price},1.0,1]");
        let expected = format!(
            "[{},[60,60,60.0,119.0,7.0,119.0,3.0,3],{}]",
            one(59, "59.0"),
            one(120, "120.0")
        );
        assert_eq!(json(&candles, 0), expected);
    }

    /// A trade in each of so many seconds.
    fn after_seconds(seconds: u32, most: usize) -> Vec<Candle> {
        let mut candles = Candles::default();
        for second in 0..seconds {
            candles.add(candle(1_000_000 + second, 1, f64::from(second % 7), ""), most);
            assert!(candles.0.len() <= most && candles.0.capacity() <= most);
        }
        candles.0.into()
    }

    fn check(candles: &[Candle], seconds: u32) {
        assert!(candles.is_sorted_by(|one, next| one.end() <= next.start), "none overlaps another");
        let known = |candle: &Candle| TIERS.iter().any(|(seconds, _)| *seconds == candle.seconds);
        assert!(candles.iter().all(|it| known(it) && it.start % it.seconds == 0));
        assert_eq!(candles.iter().map(|candle| candle.trades).sum::<u32>(), seconds);
    }

    #[test]
    fn weeks_stay_within_their_candles_and_lose_no_trade() {
        let seconds = 20 * 86_400;
        let candles = after_seconds(seconds, MOST_CANDLES);
        check(&candles, seconds);
        let last = 1_000_000 + seconds;
        let longest = |age: u32| {
            let young = candles.iter().filter(|candle| candle.end() > last - age);
            young.map(|candle| candle.seconds).max()
        };
        assert_eq!(longest(900), Some(1), "fifteen minutes second by second");
        assert_eq!(longest(6 * 3_600), Some(60), "hours minute by minute");
        assert_eq!(longest(86_400), Some(900));
    }

    #[test]
    fn many_symbols_have_a_few_candles_each() {
        for (most, longest) in [(24, 900), (100, 60)] {
            let candles = after_seconds(100_000, most);
            check(&candles, 100_000);
            assert!(candles.last().unwrap().seconds <= longest, "{:?}", candles.last());
        }
    }
}
