//! The trades on their way to the clients: made once for all of them, taken by each at its own pace.
//!
//! The clients' threads call it, under the hub's lock; a client that has taken everything makes the next
//! trades that are due. Nothing waits here, and time is an argument.

use super::encode::Trade;
use super::market::Market;
use super::options::SimulatorOptions;
use super::replay::Playback;
use crate::text::clock::now_ms;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How often the new trades are sent, together, as the real server does.
const TICK: Duration = Duration::from_millis(100);

/// The same at rates above [`FAST_RATE`], where the trades of 100 ms would be a burst.
const FAST_TICK: Duration = Duration::from_millis(10);

/// From this rate on, in trades a second for each symbol, the fast tick is used: with the slow one a message
/// would be full.
const FAST_RATE: f64 = 100.0;

/// How much may wait for clients that do not read, beside what the system's socket buffers hold:
/// two seconds of one symbol at the highest rate. Beyond it the slowest are dropped; a replay
/// waits for them instead.
const MOST_WAITING_BYTES: usize = 16 * 1024 * 1024;

/// A recording is played in portions, so that a fast replay leaves time for requests.
const REPLAY_ROWS_PER_BATCH: usize = 200;

/// How long after the first subscription a replay begins: subscriptions come one by one, and the last one
/// must not miss the first rows.
const REPLAY_DELAY: Duration = Duration::from_millis(250);

/// The trades that some client has not taken yet, and where more of them come from.
pub(super) struct Broadcast {
    pub(super) market: Market,
    /// Played instead of the market.
    playback: Option<Playback>,
    /// When the replay begins, counted from the start; known when the first client has subscribed.
    replay_begins: Option<Duration>,
    tick: Duration,
    next_tick: Duration,
    batches: VecDeque<Arc<Vec<Trade>>>,
    /// The number of the first batch.
    first: usize,
    /// The number of the batch that each client takes next.
    positions: HashMap<u64, usize>,
}

impl Broadcast {
    pub(super) fn new(options: &SimulatorOptions, playback: Option<Playback>) -> Self {
        let rate = options.trades_per_second;
        let tick = if rate > FAST_RATE { FAST_TICK } else { TICK };
        Self {
            market: Market::new(options.seed, rate),
            playback,
            replay_begins: None,
            tick,
            next_tick: tick,
            batches: VecDeque::new(),
            first: 0,
            positions: HashMap::new(),
        }
    }

    /// `client` takes part from now on.
    pub(super) fn join(&mut self, client: u64) {
        self.positions.insert(client, self.end());
    }

    /// `client` takes no more.
    pub(super) fn leave(&mut self, client: u64) {
        self.positions.remove(&client);
    }

    /// One more client wants `symbol` from `now` on, counted from the start. Gives the number of the first
    /// batch for it.
    pub(super) fn subscribe(&mut self, symbol: &str, now: Duration) -> usize {
        self.market.subscribe(symbol, now);
        self.replay_begins.get_or_insert(now + REPLAY_DELAY);
        self.end()
    }

    /// The number of the next batch for `client` and the trades in it, of all symbols; an empty batch when
    /// none are due. `None` when the client has fallen so far behind that it is to be dropped.
    pub(super) fn next(&mut self, client: u64, now: Duration) -> Option<(usize, Arc<Vec<Trade>>)> {
        let slowest = self.positions.values().min().copied().unwrap_or(self.end());
        self.batches.drain(..slowest - self.first);
        self.first = slowest;
        let position = *self.positions.get(&client)?;
        if position == self.end() {
            let trades = self.due(now);
            if trades.is_empty() {
                return Some((position, Arc::default()));
            }
            self.batches.push_back(Arc::new(trades));
        }
        let trades = Arc::clone(&self.batches[position - self.first]);
        self.positions.insert(client, position + 1);
        Some((position, trades))
    }

    fn end(&self) -> usize {
        self.first + self.batches.len()
    }

    fn due(&mut self, now: Duration) -> Vec<Trade> {
        let waiting = self.batches.iter().flat_map(|batch| batch.iter());
        let is_full = waiting.map(|trade| trade.element.len()).sum::<usize>() > MOST_WAITING_BYTES;
        let Some(playback) = &mut self.playback else {
            if now < self.next_tick {
                return Vec::new();
            }
            self.next_tick = now + self.tick;
            if is_full {
                self.positions.retain(|_, position| *position > self.first);
            }
            return self.market.trades_until(now, now_ms());
        };
        let elapsed = self.replay_begins.and_then(|begins| now.checked_sub(begins));
        let Some(elapsed) = elapsed.filter(|_| !is_full) else { return Vec::new() };
        std::iter::from_fn(|| playback.next_due(elapsed)).take(REPLAY_ROWS_PER_BATCH).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Replay;
    use super::*;

    fn replaying(rows: &str) -> Broadcast {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("ticker,price,volume,timestamp_ms,conditions\n{rows}"))
            .unwrap();
        let replay = Replay { path: file.path().to_owned(), speed: 1.0 };
        Broadcast::new(&SimulatorOptions::default(), Some(Playback::open(replay).unwrap()))
    }

    /// How many trades come next.
    fn next(broadcast: &mut Broadcast, client: u64, now: Duration) -> Option<usize> {
        broadcast.next(client, now).map(|(_, trades)| trades.len())
    }

    #[test]
    fn a_replay_leaves_time_for_the_other_subscriptions() {
        let mut broadcast = replaying("A,1,1,1000,\n");
        broadcast.join(1);
        let due =
            |broadcast: &mut Broadcast, ms| next(broadcast, 1, Duration::from_millis(ms)).unwrap();
        assert_eq!(due(&mut broadcast, 60_000), 0, "nobody has subscribed");
        broadcast.subscribe("A", Duration::from_secs(1));
        broadcast.subscribe("B", Duration::from_millis(1200));
        assert_eq!(due(&mut broadcast, 1249), 0);
        assert_eq!(due(&mut broadcast, 1250), 1);
    }

    #[test]
    fn a_subscription_is_for_what_comes_after_it() {
        let mut broadcast = replaying("A,1,1,1000,\nA,1,1,9000,\n");
        broadcast.join(1);
        broadcast.join(2);
        broadcast.subscribe("A", Duration::ZERO);
        assert_eq!(next(&mut broadcast, 1, Duration::from_secs(1)), Some(1));
        let from = broadcast.subscribe("A", Duration::from_secs(1));
        let batches: Vec<usize> =
            [1, 9].map(|second| broadcast.next(2, Duration::from_secs(second)).unwrap().0).into();
        assert_eq!(batches, [from - 1, from]);
    }

    #[test]
    fn a_replay_waits_for_who_is_behind_and_the_market_drops_them() {
        let row = format!("A,1,1,1000,{}\n", "x".repeat(1000));
        let mut replay = replaying(&row.repeat(20_000));
        let options = SimulatorOptions { trades_per_second: 1e5, ..SimulatorOptions::default() };
        let mut market = Broadcast::new(&options, None);
        for broadcast in [&mut replay, &mut market] {
            broadcast.join(1);
            broadcast.join(2);
            broadcast.subscribe("A", Duration::ZERO);
        }
        let seconds = |number| Duration::from_secs(number);
        while next(&mut replay, 1, seconds(1)) > Some(0) {}
        assert!(next(&mut replay, 2, seconds(1)) > Some(0), "all of it is still there");
        assert!(next(&mut replay, 1, seconds(1)) > Some(0), "and it goes on");
        while next(&mut replay, 1, seconds(1)) > Some(0) {}
        replay.leave(2);
        assert!(next(&mut replay, 1, seconds(1)) > Some(0), "nobody is behind any more");
        for second in 1..5 {
            assert!(next(&mut market, 1, seconds(second)) > Some(0));
        }
        assert_eq!(next(&mut market, 2, seconds(5)), None);
        assert!(next(&mut market, 1, seconds(6)) > Some(0));
        assert_eq!(market.batches.len(), 1, "nothing waits for who was dropped");
        market.leave(1);
        assert_eq!(next(&mut market, 2, seconds(7)), None, "also when nobody else is there");
    }
}
