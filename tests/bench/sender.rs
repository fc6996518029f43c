//! The server side of one recorder's connection: accepts it, then sends frames made beforehand.
//! Runs on a thread of its own in the throughput part, on the main thread in the paced part.

use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::{Message, WebSocket};

use crate::Outcome;
use crate::recorders::{Process, Recorder};

/// Long enough for a start on a busy machine.
const ACCEPT_WITHIN: Duration = Duration::from_secs(20);

/// No read or write of a healthy run waits this long.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(30);

/// One write: so large that the calls hardly count.
const WRITE_BYTES: usize = 1024 * 1024;

/// One recorder's connection, ready to send trades on.
pub(crate) struct Sender {
    socket: WebSocket<TcpStream>,
}

impl Sender {
    /// Starts a recorder, and waits for it to connect and to subscribe to every symbol.
    ///
    /// # Errors
    /// The recorder ended, did not come in time, or did not answer as expected.
    pub(crate) fn start(recorder: Recorder, symbols: &[&str]) -> Outcome<(Process, Self)> {
        // Closed behind the first connection: a second one would be a fault, and is to be refused.
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut process = Process::start(recorder, listener.local_addr()?.port(), symbols)?;
        let sender = Self::accept(&listener, &mut process, symbols.len())?;
        process.note_subscribed();
        Ok((process, sender))
    }

    fn accept(listener: &TcpListener, recorder: &mut Process, symbols: usize) -> Outcome<Self> {
        listener.set_nonblocking(true)?;
        let deadline = Instant::now() + ACCEPT_WITHIN;
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    recorder.must_be_running()?;
                    if Instant::now() > deadline {
                        return Err("the recorder did not connect".into());
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error.into()),
            }
        };
        Self::greet(stream, symbols)
    }

    /// Answers the handshake of a client that has connected, and hears its subscriptions.
    ///
    /// # Errors
    /// The client did not answer as expected.
    pub(crate) fn greet(stream: TcpStream, symbols: usize) -> Outcome<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SOCKET_TIMEOUT))?;
        stream.set_write_timeout(Some(SOCKET_TIMEOUT))?;
        let mut socket = tungstenite::accept(stream).map_err(|error| error.to_string())?;
        for _ in 0..symbols {
            match socket.read()? {
                Message::Text(text) if text.contains(r#""subscribe""#) => {}
                other => return Err(format!("a subscription was expected, not {other}").into()),
            }
        }
        Ok(Self { socket })
    }

    /// Sends frames as they are, past the WebSocket library.
    ///
    /// # Errors
    /// The recorder went away or stopped reading.
    pub(crate) fn send_frames(&mut self, frames: &[u8]) -> Outcome<()> {
        for part in frames.chunks(WRITE_BYTES) {
            self.socket.get_mut().write_all(part)?;
        }
        Ok(())
    }

    /// Sends one of Finnhub's pings, and for the time given only answers the client's own.
    ///
    /// # Errors
    /// The recorder went away.
    pub(crate) fn stay_idle(&mut self, time: Duration) -> Outcome<()> {
        let until = Instant::now() + time;
        self.socket.send(Message::text(r#"{"type":"ping"}"#))?;
        while let left = until.saturating_duration_since(Instant::now())
            && !left.is_zero()
        {
            self.socket.get_mut().set_read_timeout(Some(left))?;
            match self.socket.read() {
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
                read => drop(read?),
            }
        }
        Ok(self.socket.get_mut().set_read_timeout(Some(SOCKET_TIMEOUT))?)
    }

    /// Sends a Close frame.
    ///
    /// # Errors
    /// The recorder went away before.
    pub(crate) fn close(&mut self) -> Outcome<()> {
        self.socket.close(None)?;
        Ok(self.socket.flush()?)
    }

    /// Reads, and thereby answers a Close frame, until the connection has ended either way.
    pub(crate) fn answer_until_closed(mut self) {
        while self.socket.read().is_ok() {}
    }
}
