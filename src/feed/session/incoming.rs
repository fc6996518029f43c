//! Messages of the server: sends trades to the writer, and handles all others.
//!
//! Main thread.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::reports::Reports;
use crate::channel::TradeBatch;
use crate::feed::commands::Commands;
use crate::feed::connection::{Connection, ConnectionLost, Incoming, Wait};
use crate::feed::watchdog::{Timeouts, Watchdog};
use crate::protocol::message::{self, Message};

/// How often it is checked whether there is room again: the writer has enough work for that time.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(10);

/// The result of one read of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Burst {
    /// At least one message or frame.
    Something,
    /// No message or frame.
    Nothing,
    /// The socket was not read: too much waits for the disk.
    NoRoom,
}

/// The connection, and the time of the last frame.
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) watchdog: Watchdog,
    last_frame: Instant,
    /// The same by the clock on the wall, UNIX milliseconds.
    pub(super) last_frame_ms: i64,
}

impl Reader {
    /// A connection that was made just now, at this machine's time `now_ms`.
    pub(super) fn new(connection: Connection, timeouts: Timeouts, now_ms: i64) -> Self {
        let now = Instant::now();
        let watchdog = Watchdog::new(timeouts, now);
        Self { connection, watchdog, last_frame: now, last_frame_ms: now_ms }
    }

    /// Reads the socket once, if there is room, and sends the trades of this read together.
    pub(super) fn read_burst(
        &mut self,
        reports: &mut Reports,
        commands: &Commands,
    ) -> Result<Burst, ConnectionLost> {
        if !reports.trades.may_read() {
            self.wait_for_room(reports, commands);
            return Ok(Burst::NoRoom);
        }
        let mut batch = TradeBatch::default();
        let mut wait = Wait::Tick;
        let result = loop {
            match self.connection.read(wait) {
                Ok(Some(incoming)) => {
                    if wait == Wait::Tick {
                        self.last_frame = Instant::now();
                        self.last_frame_ms = reports.look_at_clock();
                        batch.received_ms = self.last_frame_ms;
                        wait = Wait::Buffered;
                    }
                    self.dispatch(reports, &mut batch, incoming);
                }
                Ok(None) if wait == Wait::Tick => {
                    reports.look_at_clock();
                    break Ok(Burst::Nothing);
                }
                Ok(None) => break Ok(Burst::Something),
                Err(lost) => break Err(lost),
            }
        };
        reports.send(batch);
        result
    }

    /// Reads nothing for a moment, or until a command comes. Waiting output is sent.
    fn wait_for_room(&mut self, reports: &mut Reports, commands: &Commands) {
        let began = Instant::now();
        commands.wait(LOOK_FOR_ROOM);
        reports.look_at_clock();
        self.connection.send_unsent();
        self.watchdog.not_reading(Instant::now());
        // When the program was stopped meanwhile, the writer was stopped as well.
        reports.trades.has_waited(began.elapsed().min(2 * LOOK_FOR_ROOM));
    }

    /// Puts trade messages into the batch, and handles all others.
    fn dispatch(&mut self, reports: &mut Reports, batch: &mut TradeBatch, incoming: Incoming) {
        match incoming {
            Incoming::Text(text) => {
                self.watchdog.text(self.last_frame);
                reports.shared().last_message_ms.store(self.last_frame_ms, Ordering::Relaxed);
                self.dispatch_text(reports, batch, &text);
            }
            // Finnhub sends none. If one held trades after all, they would count.
            Incoming::Binary(bytes) => {
                self.watchdog.frame(false);
                self.dispatch_text(reports, batch, &String::from_utf8_lossy(&bytes));
            }
            Incoming::NotUtf8 => {
                self.watchdog.frame(false);
                batch.push("(a text message that is not UTF-8)");
            }
            Incoming::Pong => self.watchdog.frame(true),
            Incoming::Control => self.watchdog.frame(false),
        }
    }

    fn dispatch_text(&self, reports: &mut Reports, batch: &mut TradeBatch, text: &str) {
        match message::classify(text) {
            Message::Trades | Message::Unreadable => batch.push(text),
            Message::Ping => {}
            Message::Error(error) => {
                reports.server_log.error(&error);
                if let Some(symbol) = message::refused_symbol(&error) {
                    reports.refused(symbol, self.last_frame);
                }
            }
            Message::Other(kind) => reports.server_log.unknown_type(&kind),
        }
    }

    /// Reports what is not in the ledger yet, unless something has not gone out.
    pub(super) fn report_unreported(&mut self, reports: &mut Reports, paused: bool) {
        if self.connection.unsent_since().is_none() {
            reports.report_unreported(paused, self.last_frame_ms);
        }
    }

    /// Fails when the connection must be given up; sends a ping when it is time for one.
    pub(super) fn check_watchdog(&mut self) -> Result<(), String> {
        let unsent_since = self.connection.unsent_since();
        if self.watchdog.check(Instant::now(), unsent_since)? {
            self.connection.ping();
        }
        Ok(())
    }
}
