//! From an endpoint to an open WebSocket: name, TCP, TLS, upgrade, each bounded, each error named.
//!
//! Main thread, and the subcommand `check`. The library's own `connect()` has no time-outs and
//! prints the URL, so each step is made here.

use std::error::Error as _;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tungstenite::client::client_with_config;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::StatusCode;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{ClientHandshake, Error};

use super::socket::{Socket, timed_out};
use super::{
    Connection, Endpoint, MAX_MESSAGE_BYTES, MAX_UNSENT_BYTES, READ_BUFFER_BYTES, io_reason,
};
use crate::feed::api_key::ApiKey;
use crate::text::{in_words, printable};

/// For TCP, TLS and upgrade together; a healthy server takes one second.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no connection: with which host or endpoint, and the reason. Printable: the key is
/// not in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The host's name has no address.
    #[error("cannot resolve the name {0}: {1}; check the network or --url")]
    Name(String, String),
    /// No TCP connection.
    #[error("cannot connect to {0}: {1}")]
    Tcp(String, String),
    /// No TLS session.
    #[error(
        "TLS to {0} failed: {1}; check the machine's clock and certificates (or SSL_CERT_FILE)"
    )]
    Tls(String, String),
    /// An HTTP answer with this status instead of the upgrade.
    #[error("{0} answered HTTP {1}{advice}", advice = advice(*.1))]
    Http(String, u16),
    /// No proper answer to the upgrade.
    #[error("{0} did not accept the WebSocket upgrade: {1}")]
    Upgrade(String, String),
}

/// What to do about an HTTP status that says it only in numbers.
fn advice(status: u16) -> &'static str {
    match status {
        429 => {
            ": Finnhub allows one connection per key, so stop the other program, or wait a minute"
        }
        200..=299 => {
            ": that is a web page and no feed of trades; check --url, and whether a proxy or a login page answers in its place"
        }
        300..=399 => {
            ": the server redirects to another address, but the key is sent to --url only; check --url"
        }
        _ => "",
    }
}

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

/// A TCP connection, with TLS on it unless the server is on this machine; nothing was said on it
/// yet.
pub(crate) struct OpenStream(MaybeTlsStream<Socket>);

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
    start_tls(endpoint, socket).map(OpenStream)
}

/// Asks for the upgrade, with the key.
///
/// # Errors
/// [`DialError::Http`] or [`DialError::Upgrade`].
pub(crate) fn upgrade(
    endpoint: &Endpoint,
    key: &ApiKey,
    OpenStream(stream): OpenStream,
) -> Result<Connection, DialError> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        // Requests are small and go out one by one.
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_UNSENT_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let url = endpoint.with_token(&key.reveal_to_server());
    let (websocket, _response) = client_with_config(url, stream, Some(config))
        .map_err(|error| upgrade_error(endpoint, &error))?;
    let mut connection = Connection { websocket, key: key.clone() };
    connection.socket().read_buffered();
    Ok(connection)
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

fn start_tls(endpoint: &Endpoint, socket: Socket) -> Result<MaybeTlsStream<Socket>, DialError> {
    let failed = |reason| DialError::Tls(endpoint.to_string(), reason);
    if !endpoint.tls {
        return Ok(MaybeTlsStream::Plain(socket));
    }
    let connector = native_tls::TlsConnector::new().map_err(|error| failed(tls_reason(&error)))?;
    match connector.connect(&endpoint.host, socket) {
        Ok(stream) => Ok(MaybeTlsStream::NativeTls(stream)),
        Err(native_tls::HandshakeError::Failure(error)) => Err(failed(tls_reason(&error))),
        Err(native_tls::HandshakeError::WouldBlock(_)) => Err(failed("timed out".to_owned())),
    }
}

/// The error and its causes on one line. TLS comes before the URL is sent, so the key is not in it.
fn tls_reason(error: &native_tls::Error) -> String {
    let mut reason = in_words(error);
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = in_words(inner);
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        cause = inner.source();
    }
    printable(&without_codes(&reason), 300)
}

/// `why (details)` of OpenSSL's `error:0A000086:SSL routines:function:why:file.c:2124: (details)`.
fn without_codes(reason: &str) -> String {
    match reason.split(':').collect::<Vec<_>>()[..] {
        ["error", _, _, _, why, _, _, ref details @ ..] => format!("{why}{}", details.join(":")),
        _ => reason.to_owned(),
    }
}

type UpgradeError = HandshakeError<ClientHandshake<MaybeTlsStream<Socket>>>;

fn upgrade_error(endpoint: &Endpoint, error: &UpgradeError) -> DialError {
    let endpoint = endpoint.to_string();
    let reason = match error {
        HandshakeError::Failure(Error::Http(response)) => {
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                return DialError::Http(endpoint, response.status().as_u16());
            }
            "a broken answer".to_owned()
        }
        HandshakeError::Failure(Error::Io(error)) => io_reason(error),
        HandshakeError::Failure(Error::Protocol(error)) => error.to_string(),
        HandshakeError::Failure(Error::ConnectionClosed | Error::AlreadyClosed) => {
            "closed by the server".to_owned()
        }
        // The remaining errors may print the URL.
        HandshakeError::Failure(_) => "not understood".to_owned(),
        HandshakeError::Interrupted(_) => "timed out".to_owned(),
    };
    DialError::Upgrade(endpoint, reason)
}
