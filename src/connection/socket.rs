//! The TCP socket below TLS and WebSocket: deadlines while dialling, ticks while reading, and the
//! knowledge of when everything read so far has been used up.
//!
//! Main thread.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{SEND_TIMEOUT, TICK};

/// TLS reads a record in two small steps; from a buffer they cost nothing. The WebSocket's own
/// reads are larger than this and pass by it.
const TLS_BUFFER_BYTES: usize = 32 << 10;

/// A TCP stream with a memory of how long it may wait.
pub(super) struct Socket {
    stream: BufReader<TcpStream>,
    deadline: Option<Instant>,
    only_buffered: bool,
}

impl Socket {
    /// A socket whose every read and write ends at `deadline`.
    pub(super) fn dialling(stream: TcpStream, deadline: Instant) -> io::Result<Socket> {
        stream.set_nodelay(true)?;
        let stream = BufReader::with_capacity(TLS_BUFFER_BYTES, stream);
        Ok(Socket { stream, deadline: Some(deadline), only_buffered: false })
    }

    /// From now on reads wait for a tick.
    pub(super) fn connected(&mut self) -> io::Result<()> {
        self.deadline = None;
        self.stream.get_ref().set_read_timeout(Some(TICK))?;
        self.stream.get_ref().set_write_timeout(Some(SEND_TIMEOUT))
    }

    /// Whether reads give only what has been taken from the system already.
    pub(super) fn only_buffered(&mut self, only: bool) {
        self.only_buffered = only;
    }

    fn time_left(&self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.deadline else { return Ok(None) };
        match deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ => Err(timed_out()),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.only_buffered && self.stream.buffer().is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some(left) = self.time_left()? {
            self.stream.get_ref().set_read_timeout(Some(left))?;
            // A handshake that is told `WouldBlock` would wait for a poll that never comes.
            return self.stream.read(into).map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => timed_out(),
                _ => error,
            });
        }
        self.stream.read(into)
    }
}

impl Write for Socket {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        if let Some(left) = self.time_left()? {
            self.stream.get_ref().set_write_timeout(Some(left))?;
        }
        self.stream.get_mut().write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.get_mut().flush()
    }
}

pub(super) fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "timed out")
}
