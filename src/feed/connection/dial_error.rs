//! Why there is no connection, in one line for a person.
//!
//! Any thread.

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

/// What to do about an HTTP status.
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
