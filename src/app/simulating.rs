//! `simulate`: the built-in feed as a server of its own.
//!
//! Main thread, until a signal asks for the end.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use log::{LevelFilter, info, warn};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::cannot_go_on;
use crate::clock::{now_ms, show_ms};
use crate::error::{EXIT_INTERRUPTED, Error};
use crate::log_lines::is_ours;
use crate::simulator::{Simulator, SimulatorError, SimulatorOptions};

/// Serves a simulated market on `listen` until SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// When an option makes no sense, or the address cannot be listened on.
pub fn simulate(listen: SocketAddr, options: SimulatorOptions) -> Result<(), Error> {
    start_log();
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

/// Our own log lines on standard error. Those of libraries are left out: they show clients' keys.
fn start_log() {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Info);
    if let Ok(wanted) = std::env::var("RUST_LOG") {
        builder.parse_filters(&wanted);
    }
    builder.format(|out, record| {
        if !is_ours(record.metadata()) {
            return io::Result::Ok(());
        }
        let time = show_ms(now_ms());
        let clock = time.get(11..19).unwrap_or(&time);
        writeln!(out, "{clock} {:<5} {}", record.level(), record.args())
    });
    // Another logger is there only in tests.
    let _ = builder.try_init();
}
