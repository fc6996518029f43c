//! The live page's place in the wiring: its address before anything is recorded, its thread, its
//! end with the program.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use log::{error, info};

use super::desk::Desk;
use super::{cannot_go_on, spawn};
use crate::dashboard::{Dashboard, DashboardError, Stopper, Tickers};
use crate::entry::Gauges;
use crate::error::Error;
use crate::market::SnapshotSlot;
use crate::settings::Settings;

/// The page ends within this time, or is left to end with the process: it may be waiting for the
/// disk that holds the tickers file.
const GOODBYE: Duration = Duration::from_millis(200);

/// How often its end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(2);

impl Tickers for Desk {
    fn add(&self, symbol: &str) -> Result<Vec<String>, String> {
        Desk::add(self, symbol)
    }

    fn remove(&self, symbol: &str) -> Result<Vec<String>, String> {
        Desk::remove(self, symbol)
    }
}

/// Takes the address now, so that a port in use is known before anything is recorded.
pub(super) fn bind_if_wanted(settings: &Settings) -> Result<Option<Dashboard>, Error> {
    let dashboard = settings.dashboard.map(Dashboard::bind).transpose().map_err(cannot_go_on)?;
    Ok(dashboard.map(|dashboard| dashboard.readable_by(settings.dashboard_origins.clone())))
}

/// The page, being served.
pub(super) struct LivePage {
    stopper: Stopper,
    thread: JoinHandle<Result<(), DashboardError>>,
}

impl LivePage {
    pub(super) fn start(
        dashboard: Dashboard,
        slot: SnapshotSlot,
        gauges: Arc<Gauges>,
        desk: Arc<Desk>,
    ) -> Result<LivePage, Error> {
        let stopper = dashboard.stopper();
        info!("dashboard at http://{}/", dashboard.local_addr());
        let thread = spawn("dashboard", move || {
            let ended = dashboard.serve(slot, gauges, desk);
            if let Err(fault) = &ended {
                error!("{fault}; the recording goes on without it");
            }
            ended
        })?;
        Ok(LivePage { stopper, thread })
    }
}

impl Drop for LivePage {
    fn drop(&mut self) {
        self.stopper.stop();
        let until = Instant::now() + GOODBYE;
        while !self.thread.is_finished() && Instant::now() < until {
            thread::sleep(LOOK_EVERY);
        }
    }
}
