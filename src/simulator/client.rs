//! One client of the simulated server, from its connection to its end.
//!
//! Each client has a thread of its own. It waits a bounded time for what it sends, and never for what it
//! reads.

use super::encode::{PING, TOO_MANY_SYMBOLS, Trade, invalid_symbol, trade_message};
use super::faults::FaultPlan;
use super::hub::{Hub, REST};
use super::names::without_demo;
use super::options::Fault;
use super::upgrade::upgrade;
use serde::Deserialize;
use socket2::SockRef;
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tungstenite::{Error, Message, WebSocket};

/// How long a client has for its half of the closing handshake after a kick.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// The same when the simulator stops.
const CLOSE_DEADLINE_AT_STOP: Duration = Duration::from_millis(100);

/// Requests are taken in portions, so that trades go out also when requests come in a flood.
const REQUESTS_PER_PASS: usize = 256;

/// No captured message holds more trades.
const TRADES_PER_MESSAGE: usize = 10;

/// No real symbol comes near this length.
const LONGEST_SYMBOL_BYTES: usize = 128;

/// How many bytes `cut` announces in its last frame; it sends only the beginning of them.
const CUT_FRAME_BYTES: u16 = 512;

/// Serves the client of this number to its end.
pub(super) fn serve(stream: TcpStream, number: u64, hub: &Hub) {
    let plan = FaultPlan::new(&hub.options, number);
    let reason = upgrade(stream, &plan, hub).map_or_else(str::to_owned, |socket| {
        let next_ping = Instant::now() + hub.options.ping_every;
        let (symbols, asked, ending) = (HashMap::new(), 0, None);
        let mut client = Client { hub, number, socket, symbols, asked, next_ping, plan, ending };
        hub.broadcast().0.join(number);
        let reason = client.run().map_or_else(|error| error.to_string(), str::to_owned);
        let (mut broadcast, _) = hub.broadcast();
        client.symbols.keys().for_each(|symbol| broadcast.market.unsubscribe(symbol));
        broadcast.leave(number);
        reason
    });
    log::debug!("simulator: client {number} gone: {reason}");
}

/// An upgraded connection.
struct Client<'hub> {
    hub: &'hub Hub,
    number: u64,
    socket: WebSocket<TcpStream>,
    /// Its subscriptions, each with the number of the first batch for it.
    symbols: HashMap<String, usize>,
    /// Subscriptions asked for so far, refused ones included.
    asked: u64,
    next_ping: Instant,
    plan: FaultPlan<'hub>,
    /// When and how the connection ends; known after the first subscription.
    ending: Option<(Instant, Fault)>,
}

impl Client<'_> {
    /// Serves the client to its end; gives the reason of the end.
    fn run(&mut self) -> Result<&'static str, Error> {
        while !self.hub.is_stopping() {
            let (mut broadcast, now) = self.hub.broadcast();
            let Some((batch, trades)) = broadcast.next(self.number, now) else {
                return Ok("dropped, it reads too slowly");
            };
            drop(broadcast);
            if trades.is_empty() {
                sleep(REST);
            }
            self.send_trades(batch, &trades)?;
            self.take_requests()?;
            if self.next_ping <= Instant::now() {
                self.next_ping = Instant::now() + self.hub.options.ping_every;
                self.send(PING)?;
            }
            self.socket.flush()?;
            if let Some((_, fault)) = self.ending.filter(|(at, _)| *at <= Instant::now()) {
                return self.end(fault);
            }
        }
        let reason = "simulator stopped".into();
        self.close(Some(CloseFrame { code: CloseCode::Away, reason }), CLOSE_DEADLINE_AT_STOP)
    }

    /// Takes the requests that have arrived. WebSocket pings are answered meanwhile.
    fn take_requests(&mut self) -> Result<(), Error> {
        for _ in 0..REQUESTS_PER_PASS {
            match self.read()? {
                Some(Message::Text(text)) => self.answer(&text)?,
                Some(_) => {}
                None => break,
            }
        }
        Ok(())
    }

    /// Reads without waiting, so that a client that sends byte by byte delays nothing.
    fn read(&mut self) -> Result<Option<Message>, Error> {
        self.socket.get_ref().set_nonblocking(true)?;
        let result = self.socket.read();
        self.socket.get_ref().set_nonblocking(false)?;
        match result {
            Err(Error::Io(error)) if is_quiet(&error) => Ok(None),
            other => other.map(Some),
        }
    }

    fn answer(&mut self, text: &str) -> Result<(), Error> {
        match serde_json::from_str(text) {
            Ok(Request::Subscribe { symbol }) => {
                let listed = self.hub.listed(&symbol);
                if self.symbols.contains_key(&*listed) {
                    return Ok(());
                }
                self.asked += 1;
                if symbol.is_empty()
                    || symbol.len() > LONGEST_SYMBOL_BYTES
                    || has_only_small_letters(&symbol)
                    || self.plan.refuses(self.asked)
                {
                    return self.send(invalid_symbol(&symbol));
                }
                if self.symbols.len() >= self.hub.options.max_symbols {
                    return self.send(TOO_MANY_SYMBOLS);
                }
                let (mut broadcast, now) = self.hub.broadcast();
                let from = broadcast.subscribe(&listed, now);
                self.symbols.insert(listed.into_owned(), from);
                if self.ending.is_none() {
                    let ending = self.plan.draw_ending();
                    self.ending = ending.map(|(after, fault)| (Instant::now() + after, fault));
                }
            }
            Ok(Request::Unsubscribe { symbol }) => {
                let listed = self.hub.listed(&symbol);
                if self.symbols.remove(&*listed).is_some() {
                    self.hub.broadcast().0.market.unsubscribe(&listed);
                }
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Sends the trades of a batch that this client wants.
    fn send_trades(&mut self, batch: usize, trades: &[Trade]) -> Result<(), Error> {
        let is_wanted =
            |trade: &&Trade| self.symbols.get(&*trade.symbol).is_some_and(|from| *from <= batch);
        let wanted: Vec<&Trade> = trades.iter().filter(is_wanted).collect();
        for together in wanted.chunk_by(|a, b| a.instant_ms == b.instant_ms) {
            for part in together.chunks(TRADES_PER_MESSAGE) {
                if self.plan.has(Fault::PingsOnly) || self.hub.is_stopping() {
                    return Ok(());
                }
                let elements = part.iter().map(|trade| trade.element.as_str());
                let mut elements: Vec<&str> = elements.collect();
                if let Some(nonsense) = self.plan.spoil(&mut elements) {
                    self.send(nonsense)?;
                }
                self.send(trade_message(&elements))?;
            }
        }
        Ok(())
    }

    fn send(&mut self, text: impl Into<String>) -> Result<(), Error> {
        self.socket.write(Message::text(text.into()))
    }

    /// Ends the connection by the fault that was drawn for it.
    fn end(&mut self, fault: Fault) -> Result<&'static str, Error> {
        self.hub.broadcast().0.leave(self.number);
        let stream = self.socket.get_mut();
        match fault {
            Fault::Kick => return self.close(None, CLOSE_DEADLINE),
            // Closing with a linger of zero makes the system send RST instead of FIN.
            Fault::Reset => SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?,
            Fault::Stall => {
                while !self.hub.is_stopping() {
                    // What arrives is read and dropped, to notice the end of the connection.
                    match stream.read(&mut [0; 4096]) {
                        Ok(0) => return Ok("it left a stalled connection"),
                        Err(error) if !is_quiet(&error) => return Err(error.into()),
                        _ => {}
                    }
                }
            }
            _ => {
                let [high, low] = CUT_FRAME_BYTES.to_be_bytes();
                // Final text frame, unmasked, 16-bit length.
                stream.write_all(&[0x81, 126, high, low])?;
                stream.write_all(br#"{"data":[{"c":["1","12"],"p":164.0"#)?;
                stream.shutdown(Shutdown::Write)?;
            }
        }
        Ok("a fault asked for")
    }

    /// Sends a Close frame and gives the client a moment for its half of the handshake.
    fn close(
        &mut self,
        frame: Option<CloseFrame>,
        deadline: Duration,
    ) -> Result<&'static str, Error> {
        let until = Instant::now() + deadline;
        self.socket.close(frame)?;
        while Instant::now() < until {
            // An error is the awaited end of the connection.
            if self.read()?.is_none() {
                sleep(REST);
            }
        }
        Ok("closed, without an answer")
    }
}

/// Whether a read found nothing yet.
fn is_quiet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// What a client may ask for; other messages are ignored.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Request {
    Subscribe { symbol: String },
    Unsubscribe { symbol: String },
}

/// Finnhub refuses `aapl`. Some of its symbols have small letters behind an exchange's name, after a
/// colon; the `DEMO:` of ours is no exchange.
fn has_only_small_letters(symbol: &str) -> bool {
    let symbol = without_demo(symbol);
    symbol.contains(char::is_lowercase) && !symbol.contains(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood_and_anything_else_is_passed_over() {
        let parse = |text| serde_json::from_str::<Request>(text).ok();
        let symbol = String::from("A\"");
        assert_eq!(
            parse(r#"{ "symbol": "\u0041\"" , "type": "unsubscribe" }"#),
            Some(Request::Unsubscribe { symbol })
        );
        assert_eq!(parse(r#"{"type":"subscribe-news","symbol":"A"}"#), None);
        assert_eq!(parse(r#"{"type":"subscribe","symbol":7}"#), None);
        assert_eq!(parse("subscribe A"), None);
    }
}
