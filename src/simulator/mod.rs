//! A server that looks like Finnhub's WebSocket, with a market of its own.
//!
//! `--demo` streams from it over loopback, `simulate` makes it a server for any client, and tests
//! drive the recorder with it, faults included. A [`Simulator`] is a thread that listens, and a
//! thread for each of up to 64 clients.
//!
//! It must not use the recorder's reader of Finnhub's messages (`protocol::message`): `encode` spells the
//! messages by hand, so that a mistake in the reader cannot hide.
//!
//! - `simulate`: the subcommand
//! - `options`: the options of `simulate`
//! - `server`: the listening thread; `hub`: what it shares with those of its clients
//! - `upgrade`, `client`: one connection: its handshake, requests, bounded sending, end
//! - `faults`: what goes wrong on purpose, and when
//! - `broadcast`: the trades on their way to the clients
//! - `market`, `instrument`, `names`: when trades happen, at which prices
//! - `replay`: trades from a recording instead

mod broadcast;
mod client;
mod encode;
mod faults;
mod hub;
mod instrument;
mod market;
mod names;
mod options;
mod replay;
mod server;
mod simulate;
mod upgrade;

pub use faults::SLOW_UPGRADE;
pub(crate) use options::faults_help;
pub use options::{Fault, Replay, SimulatorOptions};
pub use simulate::simulate;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::process::error::{Error, cannot_go_on};
use crate::process::threads::spawn;
use crate::text::in_words;
use hub::Hub;

/// A running simulated server. It ends when this is dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Simulator {
    /// Checks the options, listens on `address` (port 0 takes any free one) and serves.
    ///
    /// # Errors
    /// When the rate or the speed is out of its range, the recording to replay cannot be read, the
    /// address cannot be listened on, or the system gives no thread.
    pub fn start(address: SocketAddr, options: SimulatorOptions) -> Result<Self, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let hub = Hub::new(options, Arc::clone(&stop))?;
        let listen = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        };
        let advice = "give another --listen, such as 127.0.0.1:0 for any free port";
        let (address, listener) = listen().map_err(|error: io::Error| {
            cannot_go_on(format_args!("cannot listen on {address}: {}; {advice}", in_words(&error)))
        })?;
        let thread = spawn("simulator", move || server::serve(&hub, &listener))?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// The market of `--demo`: different each time, for this process only.
    ///
    /// # Errors
    /// When no port of 127.0.0.1 can be listened on, or the system gives no thread.
    pub fn demo() -> Result<Self, Error> {
        let options = SimulatorOptions { seed: fastrand::u64(..), ..SimulatorOptions::default() };
        Self::start((Ipv4Addr::LOCALHOST, 0).into(), options)
    }

    /// The address that clients connect to, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The flag that ends the server when it is set, for example by a signal.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Waits until it has been stopped and has closed every connection, which takes a tenth
    /// of a second, or one when a client does not read.
    ///
    /// # Errors
    /// When the listening socket failed for good.
    pub fn join(&mut self) -> io::Result<()> {
        let ended = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        ended.unwrap_or_else(|_| Err(io::Error::other("the simulator's thread panicked")))
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Its result matters only to a caller that has joined it before.
        let _ = self.join();
    }
}
