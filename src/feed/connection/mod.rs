//! One WebSocket connection: dial, read, ping, close. No JSON, no policy.
//!
//! Main thread. The library's errors never leave this folder as they are: some of them print the
//! URL, and the URL holds the key.

mod addresses;
mod dial;
mod dial_error;
mod endpoint;
mod last_bytes;
mod socket;
mod tcp;
mod tls;
mod upgrade;

use std::io;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Bytes, Error, Message, Utf8Bytes, WebSocket};

pub(super) use addresses::KnownAddresses;
pub(crate) use addresses::resolve;
pub(crate) use dial::DIAL_TIMEOUT;
pub(super) use dial::dial;
pub use dial_error::DialError;
pub use endpoint::Endpoint;
use last_bytes::LastBytes;
use socket::{Socket, TICK, nothing_yet};
pub(crate) use tcp::connect;
pub(crate) use tls::start_tls;
pub(crate) use upgrade::upgrade;

use crate::feed::api_key::ApiKey;
use crate::feed::commands::Commands;
use crate::text::{in_words, printable};

/// Bytes that may wait for a server that does not read: more than all subscriptions of the longest watch list.
const MAX_UNSENT_BYTES: usize = 4 << 20;

/// The largest message that is accepted. 5,000 trades are about 0.4 MiB; no trade feed sends forty times that.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// Bytes of one read of the socket: some two hundred trade messages. With more the library would clear more
/// memory before each read, for nothing on a quiet feed.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// A connection that the server has closed.
const CLOSED: &str = "closed by the server";

/// A connection that ended without a Close frame, whichever library notices it.
const NO_CLOSE_FRAME: &str = "closed by the server without a Close frame";

/// How long [`Connection::read`] may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Up to a [`TICK`].
    Tick,
    /// Not at all: only bytes that were read from the socket before.
    Buffered,
}

/// A message or frame from the server.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message, which Finnhub does not send.
    Binary(Bytes),
    /// A text message that is not UTF-8.
    NotUtf8,
    /// The answer to a ping of ours.
    Pong,
    /// The server's ping, answered already, or another control frame.
    Control,
}

/// Why a connection has ended. Printable: the key is not in it.
pub(crate) type ConnectionLost = String;

/// An open connection.
pub(crate) struct Connection {
    websocket: WebSocket<LastBytes<MaybeTlsStream<Socket>>>,
    /// To be taken out of texts of the server.
    key: ApiKey,
}

impl Connection {
    /// The next message; `Ok(None)` when there is none yet.
    ///
    /// # Errors
    /// When the server has closed the connection or it was lost, or a message is too large or no WebSocket
    /// frame.
    pub(crate) fn read(&mut self, wait: Wait) -> Result<Option<Incoming>, ConnectionLost> {
        match wait {
            Wait::Buffered => self.socket().read_buffered(),
            Wait::Tick => {
                self.socket().read_until(Instant::now() + TICK);
                self.send_unsent();
            }
        }
        match self.websocket.read() {
            Ok(Message::Text(text)) => Ok(Some(Incoming::Text(text))),
            Ok(Message::Binary(bytes)) => Ok(Some(Incoming::Binary(bytes))),
            Ok(Message::Pong(_)) => Ok(Some(Incoming::Pong)),
            Ok(Message::Ping(_) | Message::Frame(_)) => Ok(Some(Incoming::Control)),
            Ok(Message::Close(frame)) => {
                // Sends the answer to the Close frame. An error does not matter: the connection has ended.
                let _ = self.websocket.flush();
                Err(self.closed_by_server(frame, CLOSED))
            }
            Err(Error::Utf8(_)) => Ok(Some(Incoming::NotUtf8)),
            Err(Error::Io(error)) if nothing_yet(&error) => Ok(None),
            // The library does not count a Close frame whose reason is not UTF-8.
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                Err(self.closed_by_server(None, NO_CLOSE_FRAME))
            }
            Err(error) => Err(lost(&error)),
        }
    }

    /// The end of the connection with the code that the server has sent, also where the library gives another
    /// one, or none.
    fn closed_by_server(&self, frame: Option<CloseFrame>, without_any: &str) -> ConnectionLost {
        let read = || frame.map(|it| (it.code.into(), it.reason.to_string()));
        match self.websocket.get_ref().close_frame().or_else(read) {
            None => without_any.to_owned(),
            Some((code, reason)) if reason.is_empty() => format!("{CLOSED} with code {code}"),
            Some((code, reason)) => {
                let reason = printable(&self.key.redact(&reason), 100);
                format!("{CLOSED} with code {code}: {reason}")
            }
        }
    }

    /// Waits until the server has sent something, a command has come, or it is `until`. It does not wait while
    /// there is something to be sent, because it would not notice when the server takes more.
    pub(crate) fn wait(&mut self, until: Instant, commands: &Commands) {
        let left = until.saturating_duration_since(Instant::now());
        if self.unsent_since().is_some() {
            return;
        }
        let mut both =
            [PollFd::new(self.socket(), PollFlags::IN), PollFd::new(commands, PollFlags::IN)];
        let timeout = Timespec::try_from(left).ok();
        // After an interruption by a signal the caller finds nothing, and waits again.
        if poll(&mut both, timeout.as_ref()).is_ok() && !both[1].revents().is_empty() {
            commands.note_woken();
        }
    }

    /// Sends one text message. Never waits: the part that the system does not take at once goes out with the
    /// next reads.
    ///
    /// # Errors
    /// When too much is waiting already. The end of a connection is found by reading.
    pub(crate) fn send(&mut self, text: &str) -> Result<(), ConnectionLost> {
        match self.websocket.send(Message::text(text)) {
            Err(Error::WriteBufferFull(_)) => {
                Err(format!("the server does not read; {} MiB wait for it", MAX_UNSENT_BYTES >> 20))
            }
            _ => Ok(()),
        }
    }

    /// Tries again to send the rest that the system did not take before; never waits. To be called now and
    /// then while nothing is read.
    pub(crate) fn send_unsent(&mut self) {
        if self.unsent_since().is_some() {
            // Should it fail, reading gives the reason.
            let _ = self.websocket.flush();
        }
    }

    /// Sends a WebSocket ping, and the waiting answers to the server's pings. A ping without room is left out.
    pub(crate) fn ping(&mut self) {
        let _ = self.websocket.send(Message::Ping(Bytes::new()));
    }

    /// Sends the Close frame. What the server sends before its own can still be read.
    pub(crate) fn close(&mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
        let _ = self.websocket.close(Some(frame));
    }

    /// Since when the server has taken nothing of what is to be sent; `None` when all is sent.
    pub(crate) fn unsent_since(&mut self) -> Option<Instant> {
        self.socket().unsent_since()
    }

    fn socket(&mut self) -> &mut Socket {
        match &mut self.websocket.get_mut().stream {
            MaybeTlsStream::Plain(socket) => socket,
            MaybeTlsStream::NativeTls(stream) => stream.get_mut(),
            _ => unreachable!("dial makes no other streams"),
        }
    }
}

/// The words of an error of the library, without the texts that may hold the URL.
fn lost(error: &Error) -> ConnectionLost {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => CLOSED.to_owned(),
        Error::Io(error) => io_reason(error),
        Error::Tls(_) => "broken TLS record".to_owned(),
        Error::Capacity(_) => format!("a message of more than {} MiB", MAX_MESSAGE_BYTES >> 20),
        Error::Protocol(error) => format!("WebSocket protocol error: {error}"),
        _ => "WebSocket error".to_owned(),
    }
}

/// An I/O error in a few words, without the number that `Display` puts behind it.
fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionReset => "reset by the server".to_owned(),
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => NO_CLOSE_FRAME.to_owned(),
        _ => in_words(error),
    }
}
