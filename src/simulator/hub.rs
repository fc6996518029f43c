//! What the threads of a simulated server share: its options, the trades, and the flag to stop.
//!
//! Any of these threads.

use super::broadcast::Broadcast;
use super::options::SimulatorOptions;
use super::replay::Playback;
use crate::market::symbol::simulated_name;
use crate::process::error::Error;
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a thread sleeps between two polls: too short for a person or a test to notice, and 200 wake-ups
/// a second cost next to nothing.
pub(super) const REST: Duration = Duration::from_millis(5);

/// With a ping interval of zero nothing but pings would be sent.
const SHORTEST_PING_INTERVAL: Duration = Duration::from_millis(10);

/// More trades a second and symbol than this are not made.
pub(super) const MOST_TRADES_PER_SECOND: f64 = 100_000.0;

/// What all threads of a simulated server share.
pub(super) struct Hub {
    pub(super) options: SimulatorOptions,
    started: Instant,
    pub(super) stop: Arc<AtomicBool>,
    broadcast: Mutex<Broadcast>,
}

impl Hub {
    /// Checks the options and opens the recording, if there is one.
    ///
    /// # Errors
    /// When the rate is below 0 or too high, or the recording cannot be replayed.
    pub(super) fn new(mut options: SimulatorOptions, stop: Arc<AtomicBool>) -> Result<Self, Error> {
        let rate = options.trades_per_second;
        if !(0.0..=MOST_TRADES_PER_SECOND).contains(&rate) {
            return Err(Error::Usage(format!(
                "cannot make {rate} trades a second; choose a rate from 0 to {MOST_TRADES_PER_SECOND}"
            )));
        }
        options.ping_every = options.ping_every.max(SHORTEST_PING_INTERVAL);
        let playback = options.replay.clone().map(Playback::open).transpose()?;
        let broadcast = Mutex::new(Broadcast::new(&options, playback));
        Ok(Self { options, started: Instant::now(), stop, broadcast })
    }

    /// What a symbol is called in the trades: with the prefix `DEMO:`, unless it is replayed.
    pub(super) fn listed<'s>(&self, symbol: &'s str) -> Cow<'s, str> {
        let is_plain = self.options.plain_symbols || self.options.replay.is_some();
        if is_plain { symbol.into() } else { simulated_name(symbol) }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The trades, and how much time has passed since the start.
    pub(super) fn broadcast(&self) -> (MutexGuard<'_, Broadcast>, Duration) {
        (self.broadcast.lock().unwrap_or_else(PoisonError::into_inner), self.started.elapsed())
    }
}
