//! A TCP connection to the first of several addresses that answers.
//!
//! Main thread, and the subcommand `check`. RFC 8305 ("Happy Eyeballs"): an address that
//! never answers, as IPv6 on many networks, must not delay the others.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};

use super::dial_error::DialError;
use super::socket::{Socket, TICK, timed_out};
use super::{Endpoint, io_reason};

/// When an address has not answered for this long, the next one is tried as well. A packet needs about this
/// time around the world and back; RFC 8305 recommends 250 ms.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(300);

/// A TCP connection on which nothing was sent yet.
pub(crate) struct TcpConnection {
    pub(super) socket: Socket,
    /// The address of the host that answered.
    pub(crate) address: SocketAddr,
}

/// Connects to the first of `addresses` that answers. This, TLS and the upgrade end at `deadline`, or when
/// `stopping` is set.
///
/// # Errors
/// [`DialError::Tcp`].
pub(crate) fn connect(
    endpoint: &Endpoint,
    addresses: &[SocketAddr],
    deadline: Instant,
    stopping: &Arc<AtomicBool>,
) -> Result<TcpConnection, DialError> {
    let first = first_to_answer(addresses, deadline, stopping);
    let connection = first.and_then(|(stream, address)| {
        let socket = Socket::dialling(stream, deadline, Arc::clone(stopping))?;
        Ok(TcpConnection { socket, address })
    });
    connection.map_err(|error| DialError::Tcp(endpoint.to_string(), io_reason(&error)))
}

/// Tries the addresses in this order, each one a moment after the one before. All attempts go on until one has
/// succeeded; then the others are closed. There are no more addresses than fit into the time.
///
/// # Errors
/// When none has answered in time; when all have failed, with the error of the last one.
fn first_to_answer(
    addresses: &[SocketAddr],
    deadline: Instant,
    stopping: &AtomicBool,
) -> io::Result<(TcpStream, SocketAddr)> {
    let mut untried = addresses.iter();
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut next_at = Instant::now();
    let mut failure = None;
    while Instant::now() < deadline && !stopping.load(Ordering::Relaxed) {
        if attempts.is_empty() || next_at <= Instant::now() {
            next_at = Instant::now() + NEXT_ADDRESS_AFTER;
            match untried.next().map(|address| Attempt::begin(*address)) {
                Some(Ok(attempt)) => attempts.push(attempt),
                // This machine has no route to the address. The error of another address is more useful.
                Some(Err(error)) => {
                    failure.get_or_insert(error);
                    next_at = Instant::now();
                }
                None if attempts.is_empty() => return Err(failure.unwrap_or_else(timed_out)),
                None => next_at = deadline,
            }
        }
        wait_for_any(&attempts, next_at.min(deadline));
        let mut number = 0;
        while let Some(attempt) = attempts.get(number) {
            match attempt.outcome() {
                None => number += 1,
                Some(Ok(())) => return attempts.swap_remove(number).into_stream(),
                Some(Err(error)) => {
                    attempts.remove(number);
                    failure = Some(error);
                    next_at = Instant::now();
                }
            }
        }
    }
    Err(timed_out())
}

/// Waits until an attempt has ended, or it is `until`; no longer than a [`TICK`], so that a stop is noticed.
fn wait_for_any(attempts: &[Attempt], until: Instant) {
    let left = until.saturating_duration_since(Instant::now()).min(TICK);
    let mut sockets: Vec<PollFd<'_>> =
        attempts.iter().map(|it| PollFd::new(&it.socket, PollFlags::OUT)).collect();
    // An interruption by a signal is the same as an event.
    let _ = poll(&mut sockets, Timespec::try_from(left).ok().as_ref());
}

/// A connection that is being made.
struct Attempt {
    socket: socket2::Socket,
    address: SocketAddr,
}

impl Attempt {
    fn begin(address: SocketAddr) -> io::Result<Self> {
        let socket =
            socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // The attempt goes on after an interruption by a signal.
        let goes_on = |error: &io::Error| {
            matches!(Errno::from_io_error(error), Some(Errno::INPROGRESS | Errno::INTR))
        };
        match socket.connect(&address.into()) {
            Err(error) if !goes_on(&error) => Err(error),
            _ => Ok(Self { socket, address }),
        }
    }

    /// The result of the attempt; `None` before its end.
    fn outcome(&self) -> Option<io::Result<()>> {
        match self.socket.take_error() {
            Ok(None) => self.socket.peer_addr().is_ok().then_some(Ok(())),
            Ok(Some(error)) | Err(error) => Some(Err(error)),
        }
    }

    fn into_stream(self) -> io::Result<(TcpStream, SocketAddr)> {
        self.socket.set_nonblocking(false)?;
        Ok((self.socket.into(), self.address))
    }
}

#[cfg(test)]
mod tests;
