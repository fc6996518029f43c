//! One connection from the subscriptions to its end.
//!
//! Main thread.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::{info, warn};

use super::reports::live;
use super::{Burst, Connected, SHOWN_CHARACTERS, Session};
use crate::feed::backoff::Outcome;
use crate::feed::commands::Command;
use crate::feed::connection::{Connection, ConnectionLost};
use crate::feed::watchdog::Watchdog;
use crate::protocol::message;
use crate::text::clock::Clocks;
use crate::text::{counted, grouped, printable};

/// After our Close frame the server may still send what was on its way, for this long; and for no
/// longer is read what lies in the socket of a connection that is given up.
const CLOSING: Duration = Duration::from_secs(1);

/// A server that has paused is waited for until it sends something, a command comes, or the watchdog
/// has something to do; but no longer than this: the watchdog takes a longer turn for a sleep, and a
/// clock that was set is to be noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// While trades are dropped: how soon it is noticed that there is room again.
const LONGEST_WAIT_IN_LOSS: Duration = Duration::from_millis(500);

/// New symbols that are named in one line of the log.
const NAMED: usize = 5;

/// How a connection ended.
enum End {
    Stopped,
    Lost(String),
}

impl Session {
    /// Serves one connection to its end; breaks on a stop.
    pub(super) fn stay_connected(&mut self, connection: Connection) -> ControlFlow<(), Outcome> {
        let (now, clocks) = (Instant::now(), Clocks::now());
        let mut connected = Connected {
            connection,
            opened: now,
            watchdog: Watchdog::new(self.timeouts, now),
            clocks,
            last_frame: now,
            last_frame_ms: clocks.wall_ms,
            unreported: None,
            told_too_many: false,
        };
        let end = self
            .serve(&mut connected)
            .unwrap_or_else(|lost| End::Lost(format!("connection lost: {lost}")));
        self.report_unreported(&mut connected, true);
        self.trades.report_loss(connected.last_frame_ms);
        let next = match end {
            End::Stopped => {
                self.report_down(connected.last_frame_ms, "stopped");
                ControlFlow::Break(())
            }
            End::Lost(reason) => {
                warn!("{reason}");
                self.report_down(connected.last_frame_ms, &reason);
                let lasted = connected.opened.elapsed();
                ControlFlow::Continue(Outcome::Ended { lasted })
            }
        };
        self.entries.shared().clock_ahead_ms.store(0, Ordering::Relaxed);
        next
    }

    /// Subscribes, then reads until the connection ends or a stop is asked for.
    fn serve(&mut self, connected: &mut Connected) -> Result<End, ConnectionLost> {
        let symbols = self.watch_list.connected();
        subscribe(&mut connected.connection, symbols)?;
        let symbols = counted(symbols.len() as u64, "symbol");
        info!("connected to {}, {symbols} subscribed", self.endpoint);
        self.entries.shared().key_refused.store(false, Ordering::Relaxed);
        self.report_subscriptions(connected);
        loop {
            while let Some(command) = self.commands.next() {
                match command {
                    Command::Stop => {
                        self.close(connected);
                        return Ok(End::Stopped);
                    }
                    Command::Watch(symbols) => {
                        if let Err(lost) = self.change_watch_list(connected, symbols) {
                            self.drain(connected)?;
                            return Err(lost);
                        }
                    }
                }
            }
            let paused = self.read_burst(connected)? == Burst::Nothing;
            self.report_unreported(connected, paused);
            let mut longest_wait = LONGEST_WAIT;
            if self.trades.is_dropping() {
                let now_ms = self.look_at_clock(connected);
                let watch_list = &self.watch_list;
                self.trades.follow_loss(now_ms, |at_ms| live(watch_list, at_ms));
                longest_wait = LONGEST_WAIT_IN_LOSS;
            }
            if paused && connected.unreported.is_none() {
                let due = connected.watchdog.due().min(Instant::now() + longest_wait);
                connected.connection.wait(due, &self.commands);
            }
            if let Err(reason) = Self::check_watchdog(connected) {
                self.drain(connected)?;
                if Self::check_watchdog(connected).is_err() {
                    return Ok(End::Lost(reason));
                }
            }
        }
    }

    /// Fails when the connection must be given up; sends a ping when it is time for one.
    fn check_watchdog(connected: &mut Connected) -> Result<(), String> {
        let unsent_since = connected.connection.unsent_since();
        if connected.watchdog.check(Instant::now(), unsent_since)? {
            connected.connection.ping();
        }
        Ok(())
    }

    /// Reads what the server has sent to a connection that is about to be given up.
    fn drain(&mut self, connected: &mut Connected) -> Result<(), ConnectionLost> {
        let until = Instant::now() + CLOSING;
        while self.read_burst(connected)? != Burst::Nothing && Instant::now() < until {}
        Ok(())
    }

    fn change_watch_list(
        &mut self,
        connected: &mut Connected,
        symbols: Vec<String>,
    ) -> Result<(), ConnectionLost> {
        let (gone, new) = self.watch_list.replace(symbols);
        connected.told_too_many &= new.is_empty();
        if gone.is_empty() && new.is_empty() {
            return Ok(());
        }
        // First what is gone, because that makes room.
        for symbol in &gone {
            connected.connection.send(&message::unsubscribe(symbol))?;
        }
        subscribe(&mut connected.connection, &new)?;
        if !gone.is_empty() {
            info!("unsubscribed from {}", named(&gone));
        }
        if !new.is_empty() {
            info!("subscribed to {}", named(&new));
        }
        self.report_subscriptions(connected);
        Ok(())
    }

    /// Sends the Close frame and takes what was on its way. A server that does not answer is left
    /// alone after [`CLOSING`].
    fn close(&mut self, connected: &mut Connected) {
        let until = Instant::now() + CLOSING;
        connected.connection.close();
        while self.read_burst(connected).is_ok() && Instant::now() < until {}
    }
}

/// `A, B`, and `60 symbols: A, B, C, D, E and 55 more`: the ledger has the whole list.
fn named(symbols: &[String]) -> String {
    let names: Vec<String> =
        symbols.iter().take(NAMED).map(|symbol| printable(symbol, SHOWN_CHARACTERS)).collect();
    let names = names.join(", ");
    if symbols.len() <= NAMED {
        return names;
    }
    let count = symbols.len() as u64;
    format!("{}: {names} and {} more", counted(count, "symbol"), grouped(count - NAMED as u64))
}

fn subscribe(connection: &mut Connection, symbols: &[String]) -> Result<(), ConnectionLost> {
    symbols.iter().try_for_each(|symbol| connection.send(&message::subscribe(symbol)))
}
