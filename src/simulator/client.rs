//! One upgraded connection to the simulated server: its requests, its bounded sending and its
//! end. Runs on the simulator's thread; no call here waits, and time is an argument.

use super::faults::Ending;
use super::market::SymbolId;
use super::request::Request;
use socket2::SockRef;
use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;
use tungstenite::protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode};
use tungstenite::{Error, Message, WebSocket};

/// How much may wait for a client that does not read, beside what the system's socket buffers
/// hold: a second of one symbol at the highest rate. Beyond it the client is dropped.
const OUT_BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// Text is gathered up to here before it is written, which saves system calls at high rates.
const WRITE_AT_BYTES: usize = 32 * 1024;

/// A subscription takes some 60 bytes; nothing longer than this makes sense from a client.
const LONGEST_REQUEST_BYTES: usize = 64 * 1024;

/// Requests are taken in portions, so that a client that floods us does not hold up the others.
const REQUESTS_PER_PASS: usize = 256;

/// How long a client has for its half of the closing handshake.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// How many bytes `cut` announces in its last frame; it sends only the beginning of them.
const CUT_FRAME_BYTES: u16 = 512;

/// The connection is over, and why, for the log.
#[derive(Debug)]
pub(super) struct Gone(pub(super) String);

/// The bounds of every connection.
pub(super) fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(WRITE_AT_BYTES)
        .max_write_buffer_size(OUT_BUFFER_BYTES)
        .max_message_size(Some(LONGEST_REQUEST_BYTES))
        .max_frame_size(Some(LONGEST_REQUEST_BYTES))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing is sent any more; what comes is thrown away.
    Stalled,
    /// A Close frame is out.
    Closing {
        until: Duration,
    },
}

/// An upgraded connection.
#[derive(Debug)]
pub(super) struct Client {
    socket: WebSocket<TcpStream>,
    state: State,
    symbols: HashMap<String, SymbolId>,
    ids: HashSet<SymbolId>,
    /// Subscriptions asked for so far, refused ones included.
    pub(super) asked: u64,
    pub(super) next_ping: Duration,
    /// How long after the first subscription the connection ends, and how.
    ending: Option<(Duration, Ending)>,
    ends_at: Option<Duration>,
    /// Since when the client has been taking less than it is sent.
    blocked_since: Option<Duration>,
}

impl Client {
    pub(super) fn new(
        socket: WebSocket<TcpStream>,
        next_ping: Duration,
        ending: Option<(Duration, Ending)>,
    ) -> Self {
        Self {
            socket,
            state: State::Open,
            symbols: HashMap::new(),
            ids: HashSet::new(),
            asked: 0,
            next_ping,
            ending,
            ends_at: None,
            blocked_since: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub(super) fn symbols(&self) -> usize {
        self.symbols.len()
    }

    pub(super) fn has_symbol(&self, symbol: &str) -> bool {
        self.symbols.contains_key(symbol)
    }

    pub(super) fn has_id(&self, id: SymbolId) -> bool {
        self.ids.contains(&id)
    }

    pub(super) fn all_ids(&self) -> impl Iterator<Item = SymbolId> {
        self.ids.iter().copied()
    }

    /// Notes a subscription; the first starts the time to this connection's end.
    pub(super) fn add_symbol(&mut self, symbol: String, id: SymbolId, now: Duration) {
        self.symbols.insert(symbol, id);
        self.ids.insert(id);
        if let (None, Some((after, _))) = (self.ends_at, self.ending) {
            self.ends_at = Some(now + after);
        }
    }

    pub(super) fn remove_symbol(&mut self, symbol: &str) -> Option<SymbolId> {
        let id = self.symbols.remove(symbol)?;
        self.ids.remove(&id);
        Some(id)
    }

    /// Since when the client's side of the socket has been full, if it is.
    pub(super) fn blocked_since(&self) -> Option<Duration> {
        self.blocked_since.filter(|_| self.is_open())
    }

    /// Takes what has come. WebSocket pings are answered on the way.
    pub(super) fn requests(&mut self, now: Duration) -> Result<Vec<Request>, Gone> {
        let mut requests = Vec::new();
        match self.state {
            State::Stalled => {
                drain(self.socket.get_mut())?;
                return Ok(requests);
            }
            State::Closing { until } if now >= until => {
                return Err(Gone(String::from("closed, without an answer")));
            }
            State::Open | State::Closing { .. } => {}
        }
        for _ in 0..REQUESTS_PER_PASS {
            match self.socket.read() {
                Ok(Message::Text(text)) => requests.extend(Request::parse(&text)),
                Ok(_) => {}
                Err(error) if would_block(&error) => break,
                Err(error) => return Err(Gone(error.to_string())),
            }
        }
        Ok(requests)
    }

    /// Queues a text message; nothing when the connection is stalled or closing.
    pub(super) fn send(&mut self, text: String) -> Result<(), Gone> {
        if !self.is_open() {
            return Ok(());
        }
        match self.socket.write(Message::text(text)) {
            Ok(()) => Ok(()),
            Err(error) if would_block(&error) => Ok(()), // it is in the buffer
            Err(Error::WriteBufferFull(_)) => {
                Err(Gone(format!("dropped: {OUT_BUFFER_BYTES} bytes wait that it does not read")))
            }
            Err(error) => Err(Gone(error.to_string())),
        }
    }

    /// Writes as much of what is queued as the socket takes.
    pub(super) fn flush(&mut self, now: Duration) -> Result<(), Gone> {
        if self.state == State::Stalled {
            return Ok(());
        }
        match self.socket.flush() {
            Ok(()) => {
                self.blocked_since = None;
                Ok(())
            }
            Err(error) if would_block(&error) => {
                self.blocked_since.get_or_insert(now);
                Ok(())
            }
            Err(error) => Err(Gone(error.to_string())),
        }
    }

    /// Comes to the end that was drawn for this connection, when its time has come.
    pub(super) fn end_if_due(&mut self, now: Duration) -> Result<(), Gone> {
        let (Some(at), Some((_, ending))) = (self.ends_at, self.ending) else { return Ok(()) };
        if now < at || !self.is_open() {
            return Ok(());
        }
        match ending {
            Ending::Kick => self.close(now, None),
            Ending::Stall => {
                self.state = State::Stalled;
                Ok(())
            }
            Ending::Reset => {
                // Closing with a linger of zero makes the system send RST instead of FIN.
                let lingered =
                    SockRef::from(self.socket.get_ref()).set_linger(Some(Duration::ZERO));
                Err(Gone(match lingered {
                    Ok(()) => String::from("fault: reset"),
                    Err(error) => format!("fault: reset, which failed: {error}"),
                }))
            }
            Ending::Cut => {
                self.flush(now)?;
                if self.blocked_since.is_none() {
                    let [high, low] = CUT_FRAME_BYTES.to_be_bytes();
                    // Final text frame, unmasked, 16-bit length.
                    let mut bytes = vec![0x81, 126, high, low];
                    bytes.extend_from_slice(br#"{"data":[{"c":["1","12"],"p":164.0"#);
                    // Whether it was taken or not, the connection ends inside a frame or before.
                    let _ = self.socket.get_mut().write(&bytes);
                } // else a frame is half written already
                let _ = self.socket.get_ref().shutdown(Shutdown::Write);
                Err(Gone(String::from("fault: cut")))
            }
        }
    }

    /// Starts the closing handshake, as a server that goes away.
    pub(super) fn say_goodbye(&mut self, now: Duration) -> Result<(), Gone> {
        if !self.is_open() {
            return Ok(());
        }
        let reason = "simulator stopped".into();
        self.close(now, Some(CloseFrame { code: CloseCode::Away, reason }))
    }

    fn close(&mut self, now: Duration, frame: Option<CloseFrame>) -> Result<(), Gone> {
        self.state = State::Closing { until: now + CLOSE_DEADLINE };
        match self.socket.close(frame) {
            Ok(()) => Ok(()),
            Err(error) if would_block(&error) => Ok(()),
            Err(error) => Err(Gone(error.to_string())),
        }
    }
}

fn would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Throws away what has come, so that the end of the connection is noticed.
fn drain(stream: &mut TcpStream) -> Result<(), Gone> {
    let mut bytes = [0_u8; 4096];
    for _ in 0..REQUESTS_PER_PASS {
        match stream.read(&mut bytes) {
            Ok(0) => return Err(Gone(String::from("left a stalled connection"))),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(Gone(error.to_string())),
        }
    }
    Ok(())
}
