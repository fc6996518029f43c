//! A server that plays Finnhub for one recorder, by the test's word.

use std::net::{SocketAddr, TcpListener, TcpStream};

use tungstenite::{Message, WebSocket};

pub(crate) struct Feed {
    listener: TcpListener,
}

impl Feed {
    pub(crate) fn start() -> Feed {
        Feed { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// The same address again, after an earlier feed there has ended.
    pub(crate) fn start_at(address: SocketAddr) -> Feed {
        Feed { listener: TcpListener::bind(address).unwrap() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address())
    }

    /// Waits for the recorder and for its subscriptions.
    pub(crate) fn accept(&self, subscriptions: usize) -> Line {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut socket = tungstenite::accept(stream).unwrap();
        let mut seen = 0;
        while seen < subscriptions {
            if socket.read().unwrap().is_text() {
                seen += 1;
            }
        }
        Line { socket }
    }
}

/// An open connection to the recorder.
pub(crate) struct Line {
    socket: WebSocket<TcpStream>,
}

impl Line {
    pub(crate) fn send(&mut self, text: String) {
        self.socket.send(Message::text(text)).unwrap();
    }

    pub(crate) fn trade(&mut self, symbol: &str, price: &str) {
        let symbol = serde_json::to_string(symbol).unwrap();
        let now = finnhub_stream::clock::now_ms();
        self.send(format!(
            r#"{{"data":[{{"c":null,"p":{price},"s":{symbol},"t":{now},"v":3}}],"type":"trade"}}"#
        ));
    }
}
