//! A connection to the simulated server until it is upgraded or refused.
//!
//! Runs on the simulator's thread; no call here waits, and time is an argument. It must not log
//! or keep the request's URL: it holds a client's token, which may be somebody's real key.

use super::client::{Gone, socket_config};
use std::net::TcpStream;
use std::time::Duration;
use tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response, ServerHandshake};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::{HeaderValue, StatusCode, Uri};
use tungstenite::{Error, WebSocket};

/// Who has not finished the upgrade by then is not a WebSocket client; its place is needed.
const UPGRADE_DEADLINE: Duration = Duration::from_secs(10);

/// A connection whose upgrade is not finished.
#[derive(Debug)]
pub(super) struct Newcomer {
    stage: Upgrade,
    begin_at: Duration,
    refusal: Option<StatusCode>,
}

#[derive(Debug)]
enum Upgrade {
    /// Not begun: `slow` lets the client wait.
    Waiting(TcpStream),
    Running(Box<MidHandshake<ServerHandshake<TcpStream, Gate>>>),
}

/// What became of a [`Newcomer`].
#[derive(Debug)]
pub(super) enum Progress {
    Pending(Newcomer),
    Open(Box<WebSocket<TcpStream>>),
    Failed(Gone),
}

impl Newcomer {
    /// A fresh non-blocking connection, whose upgrade is looked at from `begin_at` on and refused
    /// with the HTTP status `refusal`, if there is one.
    pub(super) fn new(stream: TcpStream, begin_at: Duration, refusal: Option<u16>) -> Self {
        let refusal = refusal.and_then(|status| StatusCode::from_u16(status).ok());
        Self { stage: Upgrade::Waiting(stream), begin_at, refusal }
    }

    /// Goes as far as it can without waiting.
    pub(super) fn advance(self, now: Duration) -> Progress {
        let Self { stage, begin_at, refusal } = self;
        if now < begin_at {
            return Progress::Pending(Self { stage, begin_at, refusal });
        }
        let result = match stage {
            Upgrade::Waiting(stream) => {
                ServerHandshake::start(stream, Gate { refusal }, Some(socket_config())).handshake()
            }
            Upgrade::Running(handshake) => handshake.handshake(),
        };
        match result {
            Ok(socket) => Progress::Open(Box::new(socket)),
            Err(HandshakeError::Failure(error)) => {
                // The error's own text could hold the URL, and with it a key.
                let reason = match error {
                    Error::Http(response) => format!("refused with HTTP {}", response.status()),
                    _ => String::from("no WebSocket upgrade"),
                };
                Progress::Failed(Gone(reason))
            }
            Err(HandshakeError::Interrupted(_)) if now >= begin_at + UPGRADE_DEADLINE => {
                Progress::Failed(Gone(String::from("no upgrade in time")))
            }
            Err(HandshakeError::Interrupted(handshake)) => Progress::Pending(Self {
                stage: Upgrade::Running(Box::new(handshake)),
                begin_at,
                refusal,
            }),
        }
    }
}

/// Lets in whom the real server would let in: anyone with a token.
#[derive(Debug)]
struct Gate {
    refusal: Option<StatusCode>,
}

impl Callback for Gate {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        let missing = (!has_token(request.uri())).then_some(StatusCode::UNAUTHORIZED);
        let Some(status) = self.refusal.or(missing) else {
            return Ok(response);
        };
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = status;
        for (name, value) in [("content-length", "0"), ("connection", "close")] {
            let value = HeaderValue::from_static(value);
            refusal.headers_mut().insert(name, value);
        }
        Err(refusal)
    }
}

fn has_token(uri: &Uri) -> bool {
    let mut pairs = uri.query().unwrap_or("").split('&');
    pairs.any(|pair| pair.strip_prefix("token=").is_some_and(|token| !token.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_that_is_not_empty_lets_in() {
        fn check(uri: &str, expected: bool) {
            assert_eq!(has_token(&uri.parse().unwrap()), expected, "{uri}");
        }
        check("/?token=abc", true);
        check("/?x=1&token=abc", true);
        check("/", false);
        check("/?token=", false);
        check("/?mytoken=abc", false);
    }
}
