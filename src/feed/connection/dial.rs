//! From an endpoint to an open WebSocket: name, TCP, TLS, upgrade, each bounded, each error named.
//!
//! Main thread, and the subcommand `check`. The library's own `connect()` has no time-outs and
//! prints the URL, so each step is made here.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::addresses::{KnownAddresses, resolve};
use super::dial_error::DialError;
use super::tcp::connect;
use super::tls::start_tls;
use super::upgrade::upgrade;
use super::{Connection, Endpoint};
use crate::feed::api_key::ApiKey;

/// For TCP, TLS and upgrade together; a healthy server takes one second.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens a connection within [`DIAL_TIMEOUT`], name resolution not counted. Ends soon
/// after `stopping` is set. Begins with the address that worked before.
///
/// # Errors
/// [`DialError`]: the step that failed, and why.
pub(crate) fn dial(
    endpoint: &Endpoint,
    key: &ApiKey,
    known: &mut KnownAddresses,
    stopping: &Arc<AtomicBool>,
) -> Result<Connection, DialError> {
    let mut addresses = resolve(endpoint)?;
    known.sort(&mut addresses);
    let tcp = connect(endpoint, &addresses, Instant::now() + DIAL_TIMEOUT, stopping)?;
    let address = tcp.address;
    let opened = start_tls(endpoint, tcp).and_then(|stream| upgrade(endpoint, key, stream));
    known.note(address, &opened);
    opened
}
