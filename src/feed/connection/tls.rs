//! TLS on a TCP connection, with the system's library and its trusted certificates.
//!
//! Main thread, and the subcommand `check`.

use std::error::Error as _;

use tungstenite::stream::MaybeTlsStream;

use super::Endpoint;
use super::dial_error::DialError;
use super::socket::Socket;
use super::tcp::TcpConnection;
use crate::text::{in_words, printable};

/// A TCP connection, with TLS on it unless the server is on this machine; nothing was said on it
/// yet.
pub(crate) struct OpenStream(pub(super) MaybeTlsStream<Socket>);

/// Starts TLS; certificates are always verified.
///
/// # Errors
/// [`DialError::Tls`].
pub(crate) fn start_tls(
    endpoint: &Endpoint,
    TcpConnection { socket, .. }: TcpConnection,
) -> Result<OpenStream, DialError> {
    let failed = |reason| DialError::Tls(endpoint.to_string(), reason);
    if !endpoint.tls {
        return Ok(OpenStream(MaybeTlsStream::Plain(socket)));
    }
    let connector = native_tls::TlsConnector::new().map_err(|error| failed(tls_reason(&error)))?;
    match connector.connect(&endpoint.host, socket) {
        Ok(stream) => Ok(OpenStream(MaybeTlsStream::NativeTls(stream))),
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
