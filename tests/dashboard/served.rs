//! The page's server alone: the test is the recorder and the watch list.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use finnhub_stream::channel::SharedState;
use finnhub_stream::dashboard::{Dashboard, DashboardError, Stopper, Tickers};
use finnhub_stream::status::snapshot::{FeedState, Snapshot, SnapshotSlot, TickerSnapshot};

/// A watch list that takes everything but `REFUSED`.
#[derive(Default)]
struct List(Mutex<Vec<String>>);

impl Tickers for List {
    fn add(&self, symbol: &str) -> Result<Vec<String>, String> {
        if symbol == "REFUSED" {
            return Err("this one is refused".to_owned());
        }
        let mut list = self.0.lock().unwrap();
        list.push(symbol.to_owned());
        Ok(list.clone())
    }

    fn remove(&self, symbol: &str) -> Result<Vec<String>, String> {
        let mut list = self.0.lock().unwrap();
        list.retain(|listed| listed != symbol);
        Ok(list.clone())
    }
}

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) stopper: Stopper,
    pub(crate) thread: Option<JoinHandle<Result<(), DashboardError>>>,
    slot: SnapshotSlot,
}

impl Served {
    pub(crate) fn start(snapshot: Snapshot) -> Served {
        let dashboard = Dashboard::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (address, stopper) = (dashboard.local_addr(), dashboard.stopper());
        let slot = SnapshotSlot::default();
        slot.publish(snapshot);
        let read = slot.clone();
        let thread = thread::spawn(move || {
            dashboard.serve(read, Arc::new(SharedState::default()), Arc::new(List::default()))
        });
        Served { address, stopper, thread: Some(thread), slot }
    }

    pub(crate) fn publish(&self, snapshot: Snapshot) {
        self.slot.publish(snapshot);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

/// Live, with one trade a symbol.
pub(crate) fn snapshot(symbols: impl IntoIterator<Item = String>) -> Snapshot {
    let tickers = symbols.into_iter().map(|symbol| TickerSnapshot {
        symbol,
        price: "1.50".to_owned(),
        first_price: "1.25".to_owned(),
        trades: 1,
        volume: 2.0,
        last_trade_ms: Some(1_000),
        last_received_ms: Some(2_000),
        ..TickerSnapshot::default()
    });
    Snapshot { state: FeedState::Live, tickers: tickers.collect(), ..Snapshot::default() }
}
