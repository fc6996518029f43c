//! `simulate`: the built-in feed as a server of its own.
//!
//! Main thread, until a signal asks for the end.

use super::{Simulator, SimulatorOptions};
use crate::error::{EXIT_INTERRUPTED, Error};
use crate::logging;
use log::{info, warn};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::net::SocketAddr;

/// Serves a simulated market on `listen` until SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// When an option makes no sense, or the address cannot be listened on.
pub fn simulate(listen: SocketAddr, options: SimulatorOptions) -> Result<(), Error> {
    logging::to_standard_error("");
    let mut simulator = Simulator::start(listen, options)?;
    let served = end_by_signal(&simulator).and_then(|()| {
        let address = simulator.address();
        info!("listening on ws://{address}; Ctrl-C ends it");
        if !address.ip().is_loopback() {
            warn!(
                "{address} can be reached by others, without encryption; never give it a real key"
            );
        }
        simulator.join()
    });
    served.map_err(|error| Error::CannotGoOn(error.to_string()))
}

fn end_by_signal(simulator: &Simulator) -> io::Result<()> {
    // A second Ctrl-C leaves at once. Registered first: at the first one the flag is not set yet.
    let interrupted = i32::from(EXIT_INTERRUPTED);
    flag::register_conditional_shutdown(SIGINT, interrupted, simulator.stop_flag())?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, simulator.stop_flag())?;
    }
    Ok(())
}
