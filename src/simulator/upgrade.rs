//! The upgrade of a connection to a WebSocket: granted to a client with a token, or refused by a fault.
//!
//! Runs on the client's thread, for a bounded time. It must not log or keep the request's URL, which has the
//! client's token: it may be a real key.

use super::faults::{FaultPlan, SLOW_UPGRADE};
use super::hub::{Hub, REST};
use super::options::Fault;
use std::io;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::{StatusCode, Uri};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{HandshakeError, WebSocket, accept_hdr_with_config};

/// A client that has not finished the upgrade by then is no WebSocket client, and its place is needed.
const UPGRADE_DEADLINE: Duration = Duration::from_secs(10);

/// A client that takes nothing for this long, with all buffers full, is dropped.
const WRITE_DEADLINE: Duration = Duration::from_secs(1);

/// A subscription takes some 60 bytes; nothing longer than this makes sense from a client.
const LONGEST_REQUEST_BYTES: usize = 64 * 1024;

/// Text is gathered up to here before it is written, which saves system calls at high rates.
const WRITE_AT_BYTES: usize = 32 * 1024;

/// Waits for the upgrade to a WebSocket, and answers it.
pub(super) fn upgrade(
    stream: TcpStream,
    plan: &FaultPlan<'_>,
    hub: &Hub,
) -> Result<WebSocket<TcpStream>, &'static str> {
    let connected = Instant::now();
    let delay = if plan.has(Fault::Slow) { SLOW_UPGRADE } else { Duration::ZERO };
    while connected.elapsed() < delay && !hub.is_stopping() {
        sleep(REST);
    }
    let prepare = || {
        stream.set_nonblocking(false)?; // on some systems it comes as the listening socket is
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REST))?;
        stream.set_write_timeout(Some(WRITE_DEADLINE))
    };
    prepare().map_err(|_: io::Error| "gone at once")?;
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(WRITE_AT_BYTES)
        .max_message_size(Some(LONGEST_REQUEST_BYTES))
        .max_frame_size(Some(LONGEST_REQUEST_BYTES));
    let refusal = plan.handshake_refusal();
    // As the real server does: every client with a token is accepted.
    #[expect(clippy::result_large_err, reason = "the library's own callback")]
    let gate = move |request: &Request, response: Response| {
        let missing = (!has_token(request.uri())).then_some(StatusCode::UNAUTHORIZED);
        let Some(status) = refusal.or(missing) else { return Ok(response) };
        let refusal = Response::builder().status(status);
        let refusal = refusal.header("content-length", "0").header("connection", "close");
        Err(refusal.body(None).expect("a status and two plain headers"))
    };
    let mut result = accept_hdr_with_config(stream, gate, Some(config));
    let is_late = || connected.elapsed() >= delay + UPGRADE_DEADLINE || hub.is_stopping();
    loop {
        match result {
            Ok(socket) => return Ok(socket),
            Err(HandshakeError::Interrupted(handshake)) if !is_late() => {
                result = handshake.handshake();
            }
            // The text of the error could have the URL in it, and so a key.
            Err(_) => return Err("not upgraded to a WebSocket"),
        }
    }
}

fn has_token(uri: &Uri) -> bool {
    let mut pairs = uri.query().unwrap_or("").split('&');
    pairs.any(|pair| pair.strip_prefix("token=").is_some_and(|token| !token.is_empty()))
}
