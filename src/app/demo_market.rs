//! The simulated market of `--demo`: the server of `simulate` on a thread of this process.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::{cannot_go_on, spawn};
use crate::connection::Endpoint;
use crate::error::Error;
use crate::settings::Source;
use crate::simulator::{Simulator, SimulatorOptions};

/// The simulated market of `--demo`, running.
pub(super) struct DemoMarket {
    pub(super) endpoint: Endpoint,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl DemoMarket {
    pub(super) fn start_if_wanted(source: &Source) -> Result<Option<DemoMarket>, Error> {
        if !matches!(source, Source::Demo) {
            return Ok(None);
        }
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = SimulatorOptions { seed: fastrand::u64(..), ..SimulatorOptions::default() };
        let simulator = Simulator::bind(any_port, options).map_err(cannot_go_on)?;
        let endpoint =
            Endpoint::parse(&format!("ws://{}", simulator.local_addr())).map_err(cannot_go_on)?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = spawn("simulator", move || simulator.run(&asked))?;
        Ok(Some(DemoMarket { endpoint, stop, thread: Some(thread) }))
    }
}

impl Drop for DemoMarket {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The recording is complete; how the simulation ended changes nothing.
            let _ = thread.join();
        }
    }
}
