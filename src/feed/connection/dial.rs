//! From an endpoint to an open WebSocket: name, TCP, TLS, upgrade, each bounded, each error named.
//!
//! Main thread, and the subcommand `check`. The library's own `connect()` has no time-outs and
//! prints the URL, so each step is made here.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::dial_error::DialError;
use super::socket::{Socket, timed_out};
use super::tls::{OpenStream, start_tls};
use super::upgrade::upgrade;
use super::{Connection, Endpoint, io_reason};
use crate::feed::api_key::ApiKey;
use crate::text::in_words;

/// For TCP, TLS and upgrade together; a healthy server takes one second.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens a connection within [`DIAL_TIMEOUT`], name resolution not counted. Once `stopping` is set
/// no answer is waited for any longer.
///
/// # Errors
/// [`DialError`]: the step that failed, and why.
pub(crate) fn dial(
    endpoint: &Endpoint,
    key: &ApiKey,
    stopping: &Arc<AtomicBool>,
) -> Result<Connection, DialError> {
    let addresses = resolve(endpoint)?;
    let stream = open_stream(endpoint, &addresses, Instant::now() + DIAL_TIMEOUT, stopping)?;
    upgrade(endpoint, key, stream)
}

/// Connects, and starts TLS; this and the upgrade must be over at `deadline`, or when `stopping` is
/// set.
///
/// # Errors
/// [`DialError::Tcp`] or [`DialError::Tls`].
pub(crate) fn open_stream(
    endpoint: &Endpoint,
    addresses: &[SocketAddr],
    deadline: Instant,
    stopping: &Arc<AtomicBool>,
) -> Result<OpenStream, DialError> {
    let tcp = connect_tcp(endpoint, addresses, deadline)?;
    let socket = Socket::dialling(tcp, deadline, Arc::clone(stopping))
        .map_err(|error| DialError::Tcp(endpoint.to_string(), io_reason(&error)))?;
    start_tls(endpoint, socket)
}

/// The host's addresses; for an unencrypted connection only those of this machine.
///
/// # Errors
/// [`DialError::Name`].
pub(crate) fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, DialError> {
    let failed = |reason| DialError::Name(endpoint.host.clone(), reason);
    let mut addresses: Vec<SocketAddr> = (endpoint.host.as_str(), endpoint.port)
        .to_socket_addrs()
        .map_err(|error| failed(resolver_reason(&error)))?
        .collect();
    if !endpoint.tls {
        addresses.retain(|address| address.ip().is_loopback());
    }
    if addresses.is_empty() {
        return Err(failed("it has no address that may be used".to_owned()));
    }
    Ok(addresses)
}

/// "failed to lookup address information: Name or service not known", without the first half.
fn resolver_reason(error: &io::Error) -> String {
    let text = in_words(error);
    text.rsplit(": ").next().unwrap_or(&text).to_owned()
}

fn connect_tcp(
    endpoint: &Endpoint,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, DialError> {
    let mut failure = timed_out();
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        // A dead address must not use up the time of those behind it.
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        if share.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(DialError::Tcp(endpoint.to_string(), io_reason(&failure)))
}
