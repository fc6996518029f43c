//! What comes from the server: trades to the writer, everything else to where it belongs.
//!
//! Main thread.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::{info, warn};

use super::reports::live;
use super::{Burst, Connected, SHOWN_CHARACTERS, Session, Unreported};
use crate::channel::TradeBatch;
use crate::feed::connection::{ConnectionLost, Incoming, Wait};
use crate::feed::subscriptions::FREE_PLAN_SYMBOLS;
use crate::protocol::message::{self, Message};
use crate::text::clock::now_ms;
use crate::text::printable;

/// Unknown message types that are logged, each once; Finnhub has two.
const LOGGED_TYPES: usize = 32;

/// How often it is looked whether there is room again: the writer has enough to do in that time.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(10);

impl Session {
    /// Reads what one look at the socket gives, and sends its trades together; if there is room for
    /// them.
    pub(super) fn read_burst(
        &mut self,
        connected: &mut Connected,
    ) -> Result<Burst, ConnectionLost> {
        if !self.trades.may_read() {
            self.wait_for_room(connected);
            return Ok(Burst::NoRoom);
        }
        let mut batch = TradeBatch::default();
        let mut wait = Wait::Tick;
        let result = loop {
            match connected.connection.read(wait) {
                Ok(Some(incoming)) => {
                    if wait == Wait::Tick {
                        connected.last_frame = Instant::now();
                        connected.last_frame_ms = self.look_at_clock(connected);
                        batch.received_ms = connected.last_frame_ms;
                        wait = Wait::Buffered;
                    }
                    self.sort(connected, &mut batch, incoming);
                }
                Ok(None) if wait == Wait::Tick => {
                    self.look_at_clock(connected);
                    break Ok(Burst::Nothing);
                }
                Ok(None) => break Ok(Burst::Something),
                Err(lost) => break Err(lost),
            }
        };
        if !batch.is_empty() {
            let watch_list = &self.watch_list;
            self.trades.send(batch, |at_ms| live(watch_list, at_ms));
        }
        result
    }

    /// Reads nothing for a moment, or until a command comes. What is to be sent goes out.
    fn wait_for_room(&mut self, connected: &mut Connected) {
        let began = Instant::now();
        self.commands.wait(LOOK_FOR_ROOM);
        self.look_at_clock(connected);
        connected.connection.send_unsent();
        connected.watchdog.not_reading(Instant::now());
        // When all of the program was stopped meanwhile, the writer was, too.
        self.trades.has_waited(began.elapsed().min(2 * LOOK_FOR_ROOM));
    }

    /// Puts what must be recorded into the batch, and deals with the rest.
    fn sort(&mut self, connected: &mut Connected, batch: &mut TradeBatch, incoming: Incoming) {
        match incoming {
            Incoming::Text(text) => {
                connected.watchdog.text(connected.last_frame);
                self.entries
                    .shared()
                    .last_message_ms
                    .store(connected.last_frame_ms, Ordering::Relaxed);
                self.sort_text(connected, batch, &text);
            }
            // Finnhub sends none. If one held trades after all, they would count.
            Incoming::Binary(bytes) => {
                connected.watchdog.frame(false);
                self.sort_text(connected, batch, &String::from_utf8_lossy(&bytes));
            }
            Incoming::NotUtf8 => {
                connected.watchdog.frame(false);
                batch.push("(a text message that is not UTF-8)");
            }
            Incoming::Pong => connected.watchdog.frame(true),
            Incoming::Control => connected.watchdog.frame(false),
        }
    }

    fn sort_text(&mut self, connected: &mut Connected, batch: &mut TradeBatch, text: &str) {
        match message::classify(text) {
            Message::Trades | Message::Unreadable => batch.push(text),
            Message::Ping => {}
            Message::Error(message) => self.server_error(connected, &message),
            Message::Other(kind) => {
                let kind = self.shown(&kind);
                if self.logged_types.len() < LOGGED_TYPES && self.logged_types.insert(kind.clone())
                {
                    info!("messages of type {kind} are not recorded");
                }
            }
        }
    }

    /// A server's text, fit to be shown. The key goes first: half of it would not be found.
    fn shown(&self, text: &str) -> String {
        printable(&self.key.redact(text), SHOWN_CHARACTERS)
    }

    fn server_error(&mut self, connected: &mut Connected, message: &str) {
        let too_many = message::is_too_many_symbols(message);
        // One for each symbol above the server's limit; it does not say which.
        let is_told = too_many && std::mem::replace(&mut connected.told_too_many, true);
        if !is_told && self.log_limit.allows(now_ms(), "the server's errors") {
            let shown = self.shown(message);
            let advice = too_many.then(|| {
                format!("; it sends no trades of some (the free plan has {FREE_PLAN_SYMBOLS})")
            });
            warn!("the server says: {shown}{}", advice.unwrap_or_default());
        }
        if let Some(symbol) = message::refused_symbol(message)
            && self.watch_list.refuse(symbol)
        {
            connected.unreported.get_or_insert(Unreported::Refusals(connected.last_frame));
        }
    }
}
