//! An open WebSocket connection, seen from the server: sends whatever a test likes, reads what the
//! program says.
//!
//! The test's thread (or one it makes) calls everything; every wait has a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use socket2::SockRef;

use super::DEADLINE;
use super::frames::{Frame, Opcode, append_frame, take_client_frame, whole_frame};

/// What both a TCP stream and a TLS stream are.
pub(crate) trait ReadWrite: Read + Write + Send {}
impl<Stream: Read + Write + Send> ReadWrite for Stream {}

/// An open WebSocket connection, seen from the server.
pub(crate) struct Connection {
    stream: Box<dyn ReadWrite>,
    /// The same socket below TLS, for what only a socket can do.
    socket: TcpStream,
    unread: Vec<u8>,
    /// Symbols of the subscribe messages read so far, in the order they came.
    pub(crate) subscribed: Vec<String>,
    /// Symbols of the unsubscribe messages read so far, in the order they came.
    pub(crate) unsubscribed: Vec<String>,
}

impl Connection {
    /// Takes over a stream after the answer to its upgrade, and the socket below it.
    pub(crate) fn new(stream: Box<dyn ReadWrite>, socket: TcpStream) -> Self {
        Self {
            stream,
            socket,
            unread: Vec::new(),
            subscribed: Vec::new(),
            unsubscribed: Vec::new(),
        }
    }

    /// Sends bytes as they are, in as few writes as the system allows.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.try_send_raw(bytes).expect("the program to read");
    }

    /// The same to a program that may be gone.
    pub(crate) fn try_send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends one text message.
    pub(crate) fn send_text(&mut self, text: &str) {
        self.send_raw(&whole_frame(Opcode::Text, text.as_bytes()));
    }

    /// Sends one binary message.
    pub(crate) fn send_binary(&mut self, payload: &[u8]) {
        self.send_raw(&whole_frame(Opcode::Binary, payload));
    }

    /// Sends a WebSocket ping.
    pub(crate) fn send_ping(&mut self, payload: &[u8]) {
        self.send_raw(&whole_frame(Opcode::Ping, payload));
    }

    /// Sends one text message as several frames.
    pub(crate) fn send_fragments(&mut self, fragments: &[&[u8]]) {
        for (number, fragment) in fragments.iter().enumerate() {
            let opcode = if number == 0 { Opcode::Text } else { Opcode::Continuation };
            let mut bytes = Vec::new();
            append_frame(&mut bytes, opcode, number + 1 == fragments.len(), fragment);
            self.send_raw(&bytes);
        }
    }

    /// Sends one text message with a write, and so usually a packet, for every byte of its frame.
    pub(crate) fn send_text_byte_by_byte(&mut self, text: &str) {
        for byte in whole_frame(Opcode::Text, text.as_bytes()) {
            self.send_raw(&[byte]);
        }
    }

    /// Sends a frame that never ends, a byte every few milliseconds, so that there is always something
    /// to read; until the program has gone.
    pub(crate) fn trickle(mut self) -> JoinHandle<()> {
        thread::spawn(move || {
            for byte in whole_frame(Opcode::Text, &vec![b'x'; 60_000]) {
                if self.try_send_raw(&[byte]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(5));
            }
        })
    }

    /// Sends bytes on a plain connection from a thread of their own, until the program has taken them or
    /// is gone. The test's thread may read meanwhile, and must not send.
    pub(crate) fn send_meanwhile(&self, bytes: Vec<u8>) -> JoinHandle<()> {
        let mut socket = self.socket.try_clone().expect("a second handle");
        thread::spawn(move || {
            let _ = socket.write_all(&bytes);
        })
    }

    /// Sends a Close frame.
    pub(crate) fn send_close(&mut self, code: u16, reason: &str) {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        self.send_raw(&whole_frame(Opcode::Close, &payload));
    }

    /// Reads until `count` subscribe messages have come on this connection.
    pub(crate) fn wait_for_subscriptions(&mut self, count: usize) -> &[String] {
        while self.subscribed.len() < count {
            let frame = self.read_frame().unwrap_or_else(|error| {
                panic!("waited for {count} subscriptions, saw {:?}: {error}", self.subscribed)
            });
            let closed = frame.opcode == Opcode::Close;
            assert!(!closed, "closed before {count} subscriptions: {:?}", self.subscribed);
        }
        &self.subscribed
    }

    /// Reads until a frame of this kind comes, and gives its payload.
    pub(crate) fn wait_for(&mut self, opcode: Opcode) -> Vec<u8> {
        loop {
            let frame = self.read_frame().unwrap_or_else(|error| {
                panic!("waited for a {opcode:?} frame: {error}");
            });
            if frame.opcode == opcode {
                return frame.payload;
            }
        }
    }

    /// Reads one frame, answering it when it is a ping.
    pub(crate) fn try_answer_pings(&mut self) -> io::Result<()> {
        self.read_frame().map(drop)
    }

    /// Answers pings on a plain connection for as long as this `work` takes: a program that has much to do
    /// on a slow machine would take a server that does not for a dead one.
    pub(crate) fn answering_pings<T>(&mut self, work: impl FnOnce() -> T) -> T {
        /// Said also when the work fails.
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    if self.has_something_to_read() && self.try_answer_pings().is_err() {
                        return;
                    }
                }
            });
            let _done = Done(&done);
            work()
        })
    }

    /// Waits a moment for something from the program.
    fn has_something_to_read(&self) -> bool {
        let mut look = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        poll(&mut look, 20_u8).is_ok_and(|found| found > 0)
    }

    /// Waits for the program's Close frame, answers it and closes the socket.
    pub(crate) fn answer_close(&mut self) {
        let payload = self.wait_for(Opcode::Close);
        // The program need not wait for the answer.
        let _ = self.stream.write_all(&whole_frame(Opcode::Close, &payload));
        let _ = self.stream.flush();
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Resets the connection (TCP RST) instead of closing it.
    pub(crate) fn reset(self) {
        SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).expect("an open socket");
        // Both handles of the socket go here, and with the last one the reset goes out.
    }

    /// The next frame; pings are answered and subscriptions noted on the way.
    fn read_frame(&mut self) -> io::Result<Frame> {
        let start = Instant::now();
        let mut chunk = [0; 4096];
        let frame = loop {
            if let Some(frame) = take_client_frame(&mut self.unread) {
                break frame;
            }
            if start.elapsed() > DEADLINE {
                return Err(ErrorKind::TimedOut.into());
            }
            match self.stream.read(&mut chunk)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.unread.extend_from_slice(&chunk[..count]),
            }
        };
        match frame.opcode {
            Opcode::Ping => self.try_send_raw(&whole_frame(Opcode::Pong, &frame.payload))?,
            Opcode::Text => self.note_subscription(&frame.payload),
            _ => {}
        }
        Ok(frame)
    }

    fn note_subscription(&mut self, message: &[u8]) {
        let value: serde_json::Value = serde_json::from_slice(message).expect("JSON");
        let symbol = value["symbol"].as_str().expect("a symbol").to_owned();
        match value["type"].as_str() {
            Some("subscribe") => self.subscribed.push(symbol),
            Some("unsubscribe") => self.unsubscribed.push(symbol),
            other => panic!("a message of type {other:?}"),
        }
    }
}
