//! A server that looks like Finnhub's WebSocket, with a market of its own.
//!
//! `--demo` streams from it over loopback, `simulate` makes it a server for any client, and tests
//! drive the recorder with it, faults included. It runs on the one thread that calls
//! [`Simulator::run`], starts none, and serves up to 64 clients from a polling loop.
//!
//! It must not use the recorder's own reading of Finnhub's messages (the room `wire`): what it
//! sends is spelled by hand in `spelling`, so that a shared mistake cannot hide.
//!
//! - `server`: the loop, and the only part that looks at a clock
//! - `reception`, `handshake`: connections until they are upgraded
//! - `client`, `request`: one connection, what it asks for, bounded sending
//! - `market`, `instrument`, `names`: when trades happen and what they are
//! - `replay`: trades from a recording instead
//! - `faults`, `garbage`: what goes wrong on purpose, and when

mod client;
mod faults;
mod garbage;
mod handshake;
mod instrument;
mod market;
mod names;
mod reception;
mod replay;
mod request;
mod server;
mod spelling;

pub use faults::{
    ENDING_AFTER, Fault, GARBAGE_PER_CENT, KICK_AFTER, REFUSE_EVERY, SLOW_UPGRADE, UnknownFault,
};

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// More trades a second and symbol than this are not made.
pub const MOST_TRADES_PER_SECOND: f64 = 100_000.0;

/// What the simulated server does.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// Trades a second for each subscribed symbol, on average; 0 for none.
    pub trades_per_second: f64,
    /// Decides prices, arrivals and faults; the same seed makes the same market.
    pub seed: u64,
    /// How many symbols a connection may be subscribed to.
    pub max_symbols: usize,
    /// Whether simulated symbols are sent as they were asked for; else `AAPL` comes as `DEMO:AAPL`.
    pub plain_symbols: bool,
    /// How often `{"type":"ping"}` is sent on each connection.
    pub ping_every: Duration,
    /// What goes wrong on purpose.
    pub faults: Vec<Fault>,
    /// How long after its first subscription a connection ends by `reset`, `stall` or `cut`.
    pub ending_after: Range<Duration>,
    /// Trades from a recording instead of the simulated market.
    pub replay: Option<Replay>,
}

impl Default for SimulatorOptions {
    /// Ten trades a second a symbol, and the numbers of Finnhub's free plan.
    fn default() -> Self {
        Self {
            trades_per_second: 10.0,
            seed: 0,
            max_symbols: 50,
            plain_symbols: true,
            ping_every: Duration::from_secs(60),
            faults: Vec::new(),
            ending_after: ENDING_AFTER,
            replay: None,
        }
    }
}

/// A recording to play back. It begins when the first client subscribes; after its end only pings
/// are sent.
#[derive(Clone, Debug)]
pub struct Replay {
    /// A CSV with at least the columns `ticker`, `price`, `volume` and one of `timestamp_ms` and
    /// `received_ms`.
    pub path: PathBuf,
    /// How many times faster than it was recorded; above 0.
    pub speed: f64,
}

/// Why the simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The rate is negative, too high or not a number.
    #[error("cannot make {0} trades a second; choose a rate from 0 to {MOST_TRADES_PER_SECOND}")]
    Rate(f64),
    /// The replay's speed is not above 0.
    #[error("cannot replay at speed {0}; choose one above 0, such as 1")]
    Speed(f64),
    /// The recording cannot be opened or read.
    #[error("cannot replay {}: {source}", path.display())]
    ReplayFile {
        /// The recording.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The recording's header lacks a column.
    #[error("cannot replay {}: its header has no column {missing}", path.display())]
    ReplayColumn {
        /// The recording.
        path: PathBuf,
        /// The missing column's name.
        missing: &'static str,
    },
}

/// A listening server that is not yet serving.
#[derive(Debug)]
pub struct Simulator {
    listener: TcpListener,
    address: SocketAddr,
    server: server::Server,
}

impl Simulator {
    /// Checks the options and listens on `address`; port 0 takes any free one. Connections that
    /// come before [`run`](Self::run) wait.
    ///
    /// # Errors
    /// When the address cannot be listened on, an option makes no sense, or the recording to
    /// replay cannot be read.
    pub fn bind(address: SocketAddr, options: SimulatorOptions) -> Result<Self, SimulatorError> {
        let server = server::Server::new(options)?;
        let listen = || -> io::Result<(TcpListener, SocketAddr)> {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let bound = listener.local_addr()?;
            Ok((listener, bound))
        };
        let (listener, bound) =
            listen().map_err(|source| SimulatorError::Bind { address, source })?;
        Ok(Self { listener, address: bound, server })
    }

    /// The address that clients connect to, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is set; then sends every client a Close frame and returns within about
    /// 200 ms.
    ///
    /// # Errors
    /// When the listening socket fails for good.
    pub fn run(self, stop: &AtomicBool) -> io::Result<()> {
        self.server.run(&self.listener, stop)
    }
}
