//! The listening thread of the simulated server, and what its clients' threads share.

use super::broadcast::Broadcast;
use super::client;
use super::replay::Playback;
use super::{MOST_TRADES_PER_SECOND, SimulatorOptions};
use crate::error::Error;
use crate::protocol::trade::{DEMO_PREFIX, is_simulated};
use std::borrow::Cow;
use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a thread rests between two looks: far below what a person or a test notices, and
/// 200 wake-ups a second cost next to nothing.
pub(super) const REST: Duration = Duration::from_millis(5);

/// A demo has one client and a test a few; each costs a thread.
const MOST_CLIENTS: usize = 64;

/// A listening socket that fails so often in a row (5 s, at one try every 5 ms) will not recover.
const MOST_ACCEPT_FAILURES: u32 = 1000;

/// A ping interval of zero would send nothing else.
const SHORTEST_PING_INTERVAL: Duration = Duration::from_millis(10);

/// What all threads of a simulated server share.
pub(super) struct Hub {
    pub(super) options: SimulatorOptions,
    started: Instant,
    stop: Arc<AtomicBool>,
    broadcast: Mutex<Broadcast>,
}

impl Hub {
    /// Checks the options and opens the recording, if there is one.
    ///
    /// # Errors
    /// When the rate makes no sense, or the recording cannot be replayed.
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

    /// What a symbol is called in the trades: its own name has a mark, unless it is played back.
    pub(super) fn listed<'s>(&self, symbol: &'s str) -> Cow<'s, str> {
        if self.options.plain_symbols || self.options.replay.is_some() || is_simulated(symbol) {
            Cow::Borrowed(symbol)
        } else {
            Cow::Owned(format!("{DEMO_PREFIX}{symbol}"))
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The trades, and how much time has passed since the start.
    pub(super) fn broadcast(&self) -> (MutexGuard<'_, Broadcast>, Duration) {
        (self.broadcast.lock().unwrap_or_else(PoisonError::into_inner), self.started.elapsed())
    }

    /// Serves until it is asked to stop and every client has been told.
    ///
    /// # Errors
    /// When the listening socket fails for good.
    pub(super) fn serve(&self, listener: &TcpListener) -> io::Result<()> {
        thread::scope(|scope| {
            let (mut clients, mut number, mut failures) = (Vec::new(), 0, 0);
            while !self.is_stopping() {
                clients.retain(|client: &thread::ScopedJoinHandle<'_, ()>| !client.is_finished());
                match listener.accept() {
                    Ok((_, address)) if clients.len() >= MOST_CLIENTS => {
                        log::warn!("simulator: {address} turned away, {MOST_CLIENTS} are here");
                    }
                    Ok((stream, _)) => {
                        number += 1;
                        failures = 0;
                        let serve = move || client::serve(stream, number, self);
                        let thread = thread::Builder::new().name("simulator-client".to_owned());
                        match thread.spawn_scoped(scope, serve) {
                            Ok(client) => clients.push(client),
                            Err(error) => log::warn!("simulator: no thread for a client: {error}"),
                        }
                    }
                    // No client, one that is gone again, or no free descriptor: each may pass.
                    Err(error) => {
                        let nobody = error.kind() == io::ErrorKind::WouldBlock;
                        failures = if nobody { 0 } else { failures + 1 };
                        if failures >= MOST_ACCEPT_FAILURES {
                            self.stop.store(true, Ordering::Relaxed);
                            return Err(error);
                        }
                        thread::sleep(REST);
                    }
                }
            }
            Ok(())
        })
    }
}
