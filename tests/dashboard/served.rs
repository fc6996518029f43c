//! The page's server alone: the test is the recorder and the watch list.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use finnhub_stream::channel::SharedState;
use finnhub_stream::dashboard::{Dashboard, Listener};
use finnhub_stream::feed::{Change, Changed};
use finnhub_stream::status::snapshot::{FeedStatus, Snapshot, TickerSnapshot};

/// A watch list that takes everything but `REFUSED`.
fn change(list: &Mutex<Vec<String>>, change: Change<'_>) -> Result<Vec<String>, String> {
    let mut list = list.lock().unwrap();
    match change {
        Change::Add("REFUSED") => return Err("this one is refused".to_owned()),
        Change::Add(symbol) => list.push(symbol.to_owned()),
        Change::Remove(symbol) => list.retain(|listed| listed != symbol),
    }
    Ok(list.clone())
}

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    recording: Arc<SharedState>,
    _dashboard: Dashboard,
}

impl Served {
    pub(crate) fn start(snapshot: Snapshot) -> Served {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Vec::new()).unwrap();
        let address = listener.local_addr();
        let recording = Arc::new(SharedState::default());
        recording.slot.change_feed(|feed: &mut FeedStatus| feed.live(0));
        recording.slot.publish(snapshot, None);
        let list = Mutex::default();
        let change = Arc::new(move |wish: Change<'_>| {
            change(&list, wish).map(|tickers| Changed { tickers, warnings: Vec::new() })
        });
        let dashboard = listener.serve(Arc::clone(&recording), change).unwrap();
        Served { address, recording, _dashboard: dashboard }
    }

    pub(crate) fn publish(&self, snapshot: Snapshot) {
        self.recording.slot.publish(snapshot, None);
    }
}

/// One trade a symbol.
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
    Snapshot { tickers: tickers.collect(), ..Snapshot::default() }
}
