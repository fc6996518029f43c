//! Where connections to the simulated server come in: the listening socket, and those whose
//! upgrade is not finished. Runs on the simulator's thread and never waits.

use super::client::Gone;
use super::faults::FaultPlan;
use super::handshake::{Newcomer, Progress};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use tungstenite::WebSocket;

/// A demo has one client and a test a few. The loop looks at each in turn, which is cheap for so
/// many and would not be for thousands.
const MOST_CLIENTS: usize = 64;

/// A listening socket that fails so often in a row (5 s, at one try every 5 ms) will not recover.
const MOST_ACCEPT_FAILURES: u32 = 1000;

/// The connections that are not clients yet.
#[derive(Debug, Default)]
pub(super) struct Reception {
    newcomers: Vec<Newcomer>,
    accept_failures: u32,
}

impl Reception {
    /// Takes in who has connected, while there is room beside `clients` of them.
    ///
    /// # Errors
    /// When the listening socket fails for good.
    pub(super) fn accept(
        &mut self,
        listener: &TcpListener,
        now: Duration,
        clients: usize,
        plan: &FaultPlan,
    ) -> io::Result<()> {
        for _ in 0..MOST_CLIENTS {
            let (stream, address) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    // A client gone again, or no free descriptor: both pass.
                    self.accept_failures += 1;
                    if self.accept_failures >= MOST_ACCEPT_FAILURES {
                        return Err(error);
                    }
                    break;
                }
            };
            self.accept_failures = 0;
            if self.newcomers.len() + clients >= MOST_CLIENTS {
                log::warn!("simulator: {address} turned away, {MOST_CLIENTS} clients are here");
                continue;
            }
            if stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).is_err() {
                continue; // gone again
            }
            let begin_at = now + plan.upgrade_delay();
            self.newcomers.push(Newcomer::new(stream, begin_at, plan.handshake_refusal()));
        }
        Ok(())
    }

    /// Carries every upgrade on and hands over those that are finished.
    pub(super) fn upgraded(&mut self, now: Duration) -> Vec<WebSocket<TcpStream>> {
        let mut finished = Vec::new();
        for newcomer in std::mem::take(&mut self.newcomers) {
            match newcomer.advance(now) {
                Progress::Pending(newcomer) => self.newcomers.push(newcomer),
                Progress::Open(socket) => finished.push(*socket),
                Progress::Failed(Gone(reason)) => log::debug!("simulator: client {reason}"),
            }
        }
        finished
    }
}
