//! The live page: a small web server that shows the market as it is being recorded.
//!
//! It listens from [`Listener::bind`] on, so that a port in use is known before anything is
//! recorded, and serves on one thread of its own. It reads snapshots and shared numbers, and nothing
//! it does can make the writer or the session wait. It opens no file and does not have the API key.
//!
//! - `connections`: who may connect, and for how long
//! - `guard`: which requests are answered at all, and the headers of every answer
//! - `routes`: the addresses
//! - `status`, `metrics`: the numbers as JSON and as Prometheus text
//! - `events`: the same as server-sent events
//! - `history`: the last hour and more of each symbol, for the chart; `candles` are a part of it
//! - `page`: the page's files, and those of the React package that goes with it

mod candles;
mod connections;
mod events;
mod guard;
mod history;
mod metrics;
mod page;
pub(crate) mod react_package;
mod routes;
mod status;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::middleware::from_fn_with_state;
use log::{error, info};
use tokio::runtime;
use tokio::sync::oneshot;

use crate::channel::SharedState;
use crate::feed::ChangeWatchList;
use crate::process::error::{Error, cannot_go_on};
use crate::process::threads::{join_until, spawn};
use crate::text::in_words;
use events::LiveData;
use guard::Guard;
use routes::Api;

/// The page ends within this time, or is left to end with the process: it may be waiting for the
/// disk that holds the tickers file.
const END: Duration = Duration::from_millis(200);

/// A server that listens and does not serve yet; who connects meanwhile waits.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    origins: Vec<String>,
}

impl Listener {
    /// Listens on `address`; port 0 takes any free one. Web pages of `origins`, such as
    /// `http://localhost:5173`, may read what is served.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind(address: SocketAddr, origins: Vec<String>) -> Result<Self, Error> {
        let listen = || {
            let socket = TcpListener::bind(address)?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            io::Result::Ok(Self { socket, address, origins })
        };
        listen().map_err(|error| {
            cannot_go_on(format_args!(
                "cannot serve the dashboard on {address}: {}; choose another port, for example --dashboard=127.0.0.1:8788",
                in_words(&error)
            ))
        })
    }

    /// The address it listens on, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves the page until the handle is dropped.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn serve(
        self,
        recording: Arc<SharedState>,
        change: Arc<ChangeWatchList>,
    ) -> Result<Dashboard, Error> {
        info!("dashboard at http://{}/", self.address);
        let (stop, stopped) = oneshot::channel();
        let thread = spawn("dashboard", move || {
            if let Err(fault) = self.serve_until(stopped, recording, change) {
                error!(
                    "cannot start the dashboard: {}; the recording goes on without it",
                    in_words(&fault)
                );
            }
        })?;
        Ok(Dashboard { stop: Some(stop), thread })
    }

    fn serve_until(
        self,
        stopped: oneshot::Receiver<()>,
        recording: Arc<SharedState>,
        change: Arc<ChangeWatchList>,
    ) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let data = Arc::new(LiveData::new(recording));
        let guard = Guard { bound: self.address.ip(), origins: self.origins };
        let api = Api { data: Arc::clone(&data), change };
        let router =
            routes::router(api).layer(from_fn_with_state(Arc::new(guard), guard::answer_or_refuse));
        // What is still open at the end is closed with the runtime.
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(self.socket)?;
            tokio::select! {
                // An error means that the handle is gone, which is the sign to stop.
                _ = stopped => {}
                () = data.sample_for_ever() => {}
                () = connections::accept_for_ever(listener, router) => {}
            }
            Ok(())
        })
    }
}

/// The page, being served. Ends when it is dropped.
#[derive(Debug)]
pub struct Dashboard {
    stop: Option<oneshot::Sender<()>>,
    thread: JoinHandle<()>,
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        drop(self.stop.take());
        join_until(&self.thread, Instant::now() + END);
    }
}
