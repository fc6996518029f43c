//! `simulate`: the built-in feed as a server of its own.
//!
//! Main thread, until a signal asks for the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use log::{info, warn};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::cannot_go_on;
use crate::error::{EXIT_INTERRUPTED, Error};
use crate::log_lines;
use crate::simulator::{Simulator, SimulatorError, SimulatorOptions};

/// Serves a simulated market on `listen` until SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// When an option makes no sense, or the address cannot be listened on.
pub fn simulate(listen: SocketAddr, options: SimulatorOptions) -> Result<(), Error> {
    log_lines::to_standard_error("");
    let simulator = Simulator::bind(listen, options).map_err(|error| match error {
        SimulatorError::Rate(_) | SimulatorError::Speed(_) => Error::Usage(error.to_string()),
        SimulatorError::Bind { .. } => Error::CannotGoOn(format!(
            "{error}; give another --listen, such as 127.0.0.1:0 for any free port"
        )),
        _ => Error::CannotGoOn(format!("{error}; check --replay")),
    })?;
    let stop = Arc::new(AtomicBool::new(false));
    // A second Ctrl-C leaves at once. Registered first: at the first one the flag is not set yet.
    flag::register_conditional_shutdown(SIGINT, i32::from(EXIT_INTERRUPTED), Arc::clone(&stop))
        .map_err(cannot_go_on)?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&stop)).map_err(cannot_go_on)?;
    }
    let address = simulator.local_addr();
    info!("listening on ws://{address}; Ctrl-C ends it");
    if !address.ip().is_loopback() {
        warn!("{address} can be reached by others, without encryption; never give it a real key");
    }
    simulator.run(&stop).map_err(cannot_go_on)
}
