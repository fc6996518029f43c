//! The upgrade from HTTP to WebSocket: the request, and what must be in the answer.
//!
//! Main thread, and the subcommand `check`. The library's own handshake wants exactly
//! `Connection: Upgrade` in the answer, and no other answer before it. Both are allowed: a load
//! balancer may add a word to that header, and a proxy may send `100 Continue` or `103 Early Hints`
//! first (RFC 9110, 7.6.1 and 15.2). So the answer is read here. Everything behind it is the library's.

use std::io::{self, Read, Write};

use tungstenite::client::IntoClientRequest;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::client::{Response, generate_request};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::http::{HeaderMap, HeaderValue, StatusCode};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, WebSocket};

use super::dial_error::DialError;
use super::last_bytes::LastBytes;
use super::socket::nothing_yet;
use super::tls::OpenStream;
use super::{
    Connection, Endpoint, MAX_MESSAGE_BYTES, MAX_UNSENT_BYTES, READ_BUFFER_BYTES, io_reason,
};
use crate::feed::api_key::ApiKey;

/// The header of the answer, with those of the interim answers before it, is no longer than this:
/// servers and proxies send 8 KiB at most, as a rule.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// What is read at once of the answer.
const PIECE: usize = 4 << 10;

/// Asks for the upgrade, with the key.
///
/// # Errors
/// [`DialError::Http`] or [`DialError::Upgrade`].
pub(crate) fn upgrade(
    endpoint: &Endpoint,
    key: &ApiKey,
    OpenStream(mut stream): OpenStream,
) -> Result<Connection, DialError> {
    let url = endpoint.with_token(&key.reveal_to_server());
    let first_frames = negotiate(&mut stream, &url).map_err(|refused| match refused {
        Refused::Status(status) => DialError::Http(endpoint.to_string(), status),
        Refused::Because(reason) => DialError::Upgrade(endpoint.to_string(), reason),
    })?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        // Requests are small and go out one by one.
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_UNSENT_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let stream = LastBytes::new(stream, &first_frames);
    let websocket =
        WebSocket::from_partially_read(stream, first_frames, Role::Client, Some(config));
    let mut connection = Connection { websocket, key: key.clone() };
    connection.socket().read_buffered();
    Ok(connection)
}

/// Why the upgrade has not come about.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// An HTTP answer with this status.
    Status(u16),
    /// In words, without the URL.
    Because(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Because(if nothing_yet(&error) { "timed out".to_owned() } else { io_reason(&error) })
    }
}

impl From<ProtocolError> for Refused {
    fn from(error: ProtocolError) -> Self {
        Self::Because(error.to_string())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Protocol(error) => error.into(),
            // The remaining errors may print the URL.
            _ => Self::Because("not understood".to_owned()),
        }
    }
}

/// Sends the request and reads the answer; what came behind it are the first frames.
fn negotiate(stream: &mut (impl Read + Write), url: &str) -> Result<Vec<u8>, Refused> {
    let (request, key) = generate_request(url.into_client_request()?)?;
    stream.write_all(&request)?;
    stream.flush()?;
    let (answer, first_frames) = read_answer(stream)?;
    check_answer(&answer, &derive_accept_key(key.as_bytes()))?;
    Ok(first_frames)
}

/// The first answer that is no interim one, and the bytes behind its header.
fn read_answer(stream: &mut impl Read) -> Result<(Response, Vec<u8>), Refused> {
    let mut unparsed = Vec::new();
    let mut piece = [0; PIECE];
    let mut length = 0;
    while length <= MAX_HEADER_BYTES {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(ProtocolError::HandshakeIncomplete.into());
        }
        length += count;
        unparsed.extend_from_slice(&piece[..count]);
        // A header ends with a line end: bytes that come one by one are not parsed again at each.
        let ends_a_line = piece[..count].contains(&b'\n');
        while ends_a_line && let Some((size, answer)) = Response::try_parse(&unparsed)? {
            unparsed.drain(..size);
            let status = answer.status();
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok((answer, unparsed));
            }
        }
    }
    Err(Refused::Because(format!("a header of more than {} KiB", MAX_HEADER_BYTES >> 10)))
}

/// Fails unless an answer accepts the upgrade that was asked for, and nothing else (RFC 6455, 4.1).
fn check_answer(answer: &Response, accept_key: &str) -> Result<(), Refused> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refused::Status(answer.status().as_u16()));
    }
    let headers = answer.headers();
    let header = |name| headers.get(name).map(HeaderValue::as_bytes);
    if !header("Upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
        return Err(ProtocolError::MissingUpgradeWebSocketHeader.into());
    }
    if !words(headers, "Connection").any(|word| word.eq_ignore_ascii_case(b"upgrade")) {
        return Err(ProtocolError::MissingConnectionUpgradeHeader.into());
    }
    if header("Sec-WebSocket-Accept") != Some(accept_key.as_bytes()) {
        return Err(ProtocolError::SecWebSocketAcceptKeyMismatch.into());
    }
    // Frames that we could not read would follow.
    for unasked in ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"] {
        if words(headers, unasked).next().is_some() {
            let reason = format!("its answer has {unasked}, which nobody asked for");
            return Err(Refused::Because(reason));
        }
    }
    Ok(())
}

/// The words of a header that is a list, and that may be there several times.
fn words<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h [u8]> {
    let lists = headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    let words = lists.flat_map(|list| list.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
    words.filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests;
