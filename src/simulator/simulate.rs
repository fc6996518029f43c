//! `simulate`: the built-in feed as a server of its own.
//!
//! Main thread, until a signal asks for the end.

use super::{Simulator, SimulatorOptions};
use crate::process::error::{Error, cannot_go_on};
use crate::process::signals;
use crate::terminal::plain_log;
use log::{info, warn};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

/// Serves a simulated market on `listen` until SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// Those of [`Simulator::start`]; when the system gives no pipe or no thread for signals; when the listening socket
/// fails.
pub fn simulate(listen: SocketAddr, options: SimulatorOptions) -> Result<(), Error> {
    // A replay shows how far it has come below the log.
    plain_log::to_standard_error();
    let mut simulator = Simulator::start(listen, options)?;
    let stop = simulator.stop_flag();
    signals::listen(move || stop.store(true, Ordering::Relaxed))?;
    let address = simulator.address();
    info!("listening on ws://{address}; Ctrl-C ends it");
    if !address.ip().is_loopback() {
        warn!("{address} can be reached by others, without encryption; never give it a real key");
    }
    simulator.join().map_err(cannot_go_on)
}
