//! The TCP socket below TLS and WebSocket: deadlines while dialling, ticks while reading, writes that
//! never wait, and whether everything read so far has been used up.
//!
//! Main thread.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionread;
use rustix::net::{SendFlags, send};

/// How long one read waits for a message. A stop or a changed watch list waits for the main thread
/// no longer than two of them.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// TLS reads a record in two small steps; from a buffer they cost nothing. The WebSocket's own
/// reads are larger than this and pass by it.
const TLS_BUFFER_BYTES: usize = 32 << 10;

/// What lies in the socket is read before anything is sent, but for no longer than this. A server that
/// has closed answers our first byte with a reset, and what it had still to send is lost.
const READ_FIRST: Duration = Duration::from_millis(250);

/// How long a read may wait.
enum Waiting {
    /// While dialling: until the deadline, unless a stop is asked for. A handshake that gets
    /// `WouldBlock` would wait for a poll that never comes, so all of its reads are waited for here.
    Dialling { deadline: Instant, stopping: Arc<AtomicBool> },
    /// A tick for what comes first; nothing new is waited for after this instant.
    Until(Instant),
    /// Not at all: only what has been taken from the system already.
    Buffered,
}

/// A TCP stream, and how long it may wait.
pub(super) struct Socket {
    stream: BufReader<TcpStream>,
    waiting: Waiting,
    unsent_since: Option<Instant>,
    /// Why nothing can be sent any more; what was delivered before can still be read.
    broken: Option<io::Error>,
}

impl Socket {
    /// A socket whose every read ends at `deadline`, or soon after `stopping` is set.
    pub(super) fn dialling(
        stream: TcpStream,
        deadline: Instant,
        stopping: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        // Only for systems that cannot send without waiting.
        stream.set_write_timeout(Some(TICK))?;
        let stream = BufReader::with_capacity(TLS_BUFFER_BYTES, stream);
        let waiting = Waiting::Dialling { deadline, stopping };
        Ok(Self { stream, waiting, unsent_since: None, broken: None })
    }

    /// From now on reads wait no longer than this; however few bytes come at a time, the last of
    /// them is waited for one [`TICK`] more at most.
    pub(super) fn read_until(&mut self, deadline: Instant) {
        self.waiting = Waiting::Until(deadline);
    }

    /// From now on reads give only what has been taken from the system already.
    pub(super) fn read_buffered(&mut self) {
        self.waiting = Waiting::Buffered;
    }

    /// Since when the system takes nothing more to send, because the server does not read.
    pub(super) fn unsent_since(&self) -> Option<Instant> {
        self.unsent_since
    }

    fn reads_first(&self) -> bool {
        self.unsent_since.is_none_or(|since| since.elapsed() < READ_FIRST) && self.has_more()
    }

    /// Whether there is something to read without waiting for it.
    fn has_more(&self) -> bool {
        !self.stream.buffer().is_empty()
            || ioctl_fionread(self.stream.get_ref()).is_ok_and(|bytes| bytes > 0)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.get_ref().as_fd()
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stream.buffer().is_empty() {
                match &self.waiting {
                    Waiting::Dialling { deadline, stopping } => {
                        // An answer that is here already is taken, so that the server gets its Close.
                        let stopping = stopping.load(Ordering::Relaxed) && !self.has_more();
                        if stopping || Instant::now() >= *deadline {
                            return Err(timed_out());
                        }
                    }
                    Waiting::Until(deadline) if Instant::now() < *deadline => {}
                    Waiting::Until(_) | Waiting::Buffered => {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                }
            }
            match (self.stream.read(into), &self.waiting) {
                (Err(error), Waiting::Dialling { .. }) if nothing_yet(&error) => {}
                // TLS takes an interruption by a signal for the end.
                (Err(error), _) if nothing_yet(&error) => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                // The end of a connection that the server has broken: the first error says how.
                (Ok(0), _) => return self.broken.take().map_or(Ok(0), Err),
                (result, _) => return result,
            }
        }
    }
}

impl Write for Socket {
    /// Never waits: a server that does not read must not keep us from reading. Nor does an error end
    /// the connection, while what the server has sent before is still there to be read.
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let dialling = matches!(self.waiting, Waiting::Dialling { .. });
        while self.broken.is_none() && (dialling || !self.reads_first()) {
            match send(self.stream.get_ref(), from, SendFlags::DONTWAIT).map_err(io::Error::from) {
                Ok(sent) => {
                    self.unsent_since = None;
                    return Ok(sent);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if nothing_yet(&error) => break,
                Err(error) if dialling => return Err(error),
                Err(error) => self.broken = Some(error),
            }
        }
        self.unsent_since.get_or_insert_with(Instant::now);
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "timed out")
}

/// Whether an error only says that nothing has come.
pub(super) fn nothing_yet(error: &io::Error) -> bool {
    // A read time-out is `WouldBlock` on Unix and `TimedOut` on Windows; a signal interrupts.
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
