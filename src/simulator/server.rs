//! The listening thread of the simulated server.

use super::client;
use super::hub::{Hub, REST};
use crate::text::in_words;
use std::io;
use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::thread;

/// A demo has one client and a test a few; each costs a thread.
const MOST_CLIENTS: usize = 64;

/// A listening socket that fails this often in a row (for 5 s, at one try every 5 ms) will not recover.
const MOST_ACCEPT_FAILURES: u32 = 1000;

/// Serves until it is asked to stop and every client has got its Close frame.
///
/// # Errors
/// When the listening socket fails for good.
pub(super) fn serve(hub: &Hub, listener: &TcpListener) -> io::Result<()> {
    thread::scope(|scope| {
        let (mut clients, mut number, mut failures) = (Vec::new(), 0, 0);
        while !hub.is_stopping() {
            clients.retain(|client: &thread::ScopedJoinHandle<'_, ()>| !client.is_finished());
            match listener.accept() {
                Ok((_, address)) if clients.len() >= MOST_CLIENTS => {
                    log::warn!(
                        "simulator: {address} is refused: {MOST_CLIENTS} clients are connected, which is the most"
                    );
                }
                Ok((stream, _)) => {
                    number += 1;
                    failures = 0;
                    let serve = move || client::serve(stream, number, hub);
                    let thread = thread::Builder::new().name("simulator-client".to_owned());
                    match thread.spawn_scoped(scope, serve) {
                        Ok(client) => clients.push(client),
                        Err(error) => {
                            log::warn!("simulator: no thread for a client: {}", in_words(&error));
                        }
                    }
                }
                // No client yet, a client that has gone again, or no free descriptor: all may pass.
                Err(error) => {
                    let nobody = error.kind() == io::ErrorKind::WouldBlock;
                    failures = if nobody { 0 } else { failures + 1 };
                    if failures >= MOST_ACCEPT_FAILURES {
                        hub.stop.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                    thread::sleep(REST);
                }
            }
        }
        Ok(())
    })
}
