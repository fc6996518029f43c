//! The live page: a small web server that shows the market as it is being recorded.
//!
//! Listens from the main thread on ([`Dashboard::bind`]), so that a port in use is known before
//! anything is recorded; serves on the one thread that calls [`Dashboard::serve`], on a runtime of
//! its own. It reads snapshots and shared numbers, and nothing it does can make the writer or the
//! session wait. It opens no file and knows nothing of the API key.
//!
//! - `connections`: who may connect, for how long, and the end
//! - `guard`: which requests are answered at all, and the headers of every answer
//! - `routes`: the addresses
//! - `status`, `metrics`: the numbers as JSON and as Prometheus text
//! - `events`: the same as server-sent events
//! - `history`: the last hour and more of each symbol, for the chart
//! - `page`: the page itself
//! - `react`: the React package that goes with it

mod connections;
mod events;
mod guard;
mod history;
pub mod live_page;
mod metrics;
mod page;
mod react;
pub(crate) mod react_package;
mod routes;
mod status;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use tokio::runtime;
use tokio::sync::watch;

use crate::channel::SharedState;
use crate::status::snapshot::SnapshotSlot;
use events::Shared;
use guard::Guard;
pub use react::package_files;

/// Changes the watch list on behalf of the page. Called on the dashboard's thread.
pub trait Tickers: Send + Sync {
    /// Adds a symbol and gives the whole new list.
    ///
    /// # Errors
    /// Why it cannot be added, as one line for a person.
    fn add(&self, symbol: &str) -> Result<Vec<String>, String>;

    /// Removes a symbol and gives the whole new list.
    ///
    /// # Errors
    /// Why it cannot be removed, as one line for a person.
    fn remove(&self, symbol: &str) -> Result<Vec<String>, String>;
}

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The address cannot be listened on.
    #[error(
        "cannot serve the dashboard on {address}: {source}; choose another port, for example --dashboard=127.0.0.1:8788"
    )]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system does not give what a server needs.
    #[error("cannot start the dashboard: {0}")]
    Start(#[from] io::Error),
}

/// Ends a [`Dashboard`] from another thread.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Asks for the end; `serve` returns within 200 ms.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// The other end of a [`Stopper`].
#[derive(Debug, Clone)]
struct StopSign(watch::Receiver<bool>);

impl StopSign {
    /// Waits until the end is asked for.
    async fn shown(&mut self) {
        // An error means that every stopper is gone, and nobody could stop it later.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

/// A listening server that is not serving yet; who connects meanwhile waits.
#[derive(Debug)]
pub struct Dashboard {
    listener: TcpListener,
    address: SocketAddr,
    origins: Vec<String>,
    stopper: Stopper,
}

impl Dashboard {
    /// Listens on `address`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind(address: SocketAddr) -> Result<Dashboard, DashboardError> {
        let listen = || -> io::Result<(TcpListener, SocketAddr)> {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let bound = listener.local_addr()?;
            Ok((listener, bound))
        };
        let (listener, bound) =
            listen().map_err(|source| DashboardError::Bind { address, source })?;
        let stopper = Stopper(watch::Sender::new(false));
        Ok(Dashboard { listener, address: bound, origins: Vec::new(), stopper })
    }

    /// Lets web pages of these origins, such as `http://localhost:5173`, read what is served.
    #[must_use]
    pub fn readable_by(self, origins: Vec<String>) -> Dashboard {
        Dashboard { origins, ..self }
    }

    /// The address it listens on, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What ends it.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves the page until told to stop.
    ///
    /// # Errors
    /// When the system does not give what a server needs, at the very start.
    pub fn serve(
        self,
        slot: SnapshotSlot,
        shared: Arc<SharedState>,
        tickers: Arc<dyn Tickers>,
    ) -> Result<(), DashboardError> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let stop = StopSign(self.stopper.0.subscribe());
        let shared = Arc::new(Shared::new(slot, shared));
        let guard = Guard { bound: self.address.ip(), origins: self.origins };
        let router = routes::router(Arc::clone(&shared), tickers, stop.clone())
            .layer(from_fn_with_state(Arc::new(guard), guard::stand));
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            tokio::spawn(events::sample_for_ever(shared, stop.clone()));
            connections::accept_until_stopped(listener, router, stop).await;
            Ok(())
        })
    }
}
