//! The live page's thread, from its start to its end with the program.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use log::{error, info};

use crate::channel::SharedState;
use crate::dashboard::{Dashboard, DashboardError, Stopper, Tickers};
use crate::error::Error;
use crate::status::snapshot::SnapshotSlot;
use crate::threads::spawn;

/// The page ends within this time, or is left to end with the process: it may be waiting for the
/// disk that holds the tickers file.
const GOODBYE: Duration = Duration::from_millis(200);

/// How often its end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The page, being served.
pub(crate) struct LivePage {
    stopper: Stopper,
    thread: JoinHandle<Result<(), DashboardError>>,
}

impl LivePage {
    pub(crate) fn start(
        dashboard: Dashboard,
        slot: SnapshotSlot,
        shared: Arc<SharedState>,
        tickers: Arc<dyn Tickers>,
    ) -> Result<LivePage, Error> {
        let stopper = dashboard.stopper();
        info!("dashboard at http://{}/", dashboard.local_addr());
        let thread = spawn("dashboard", move || {
            let ended = dashboard.serve(slot, shared, tickers);
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
