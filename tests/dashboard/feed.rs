//! A server that plays Finnhub for one recorder, by the test's word.

use std::net::SocketAddr;

use crate::harness::connection::Connection;
use crate::harness::frames::{Opcode, whole_frame};
use crate::harness::server::Server;

pub(crate) struct Feed(Server);

impl Feed {
    pub(crate) fn start() -> Feed {
        Feed(Server::plain())
    }

    /// The same address again, after an earlier feed there has ended.
    pub(crate) fn start_at(address: SocketAddr) -> Feed {
        Feed(Server::on(address))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// Waits for the recorder and for its subscriptions.
    pub(crate) fn accept(&self, subscriptions: usize) -> Line {
        Line(self.0.connect_and_wait_for_subscriptions(subscriptions))
    }
}

/// An open connection to the recorder.
pub(crate) struct Line(Connection);

impl Line {
    pub(crate) fn send(&mut self, text: String) {
        self.0.send_raw(&whole_frame(Opcode::Text, &text.into_bytes()));
    }

    pub(crate) fn trade(&mut self, symbol: &str, price: &str) {
        let symbol = serde_json::to_string(symbol).unwrap();
        let now = finnhub_stream::text::clock::now_ms();
        self.send(format!(
            r#"{{"data":[{{"c":null,"p":{price},"s":{symbol},"t":{now},"v":3}}],"type":"trade"}}"#
        ));
    }
}
