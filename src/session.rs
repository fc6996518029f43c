//! The session: connect, subscribe, read, hand over; and when the connection is lost, again.
//!
//! Main thread. Knows nothing of CSV, files, HTTP or threads: what it learns goes into the outbox.

mod handover;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use log::{error, info, warn};

use crate::api_key::ApiKey;
use crate::backoff::{Backoff, Next, Outcome, Pauses};
use crate::clock::now_ms;
use crate::connection::{Connection, ConnectionLost, DialError, Endpoint, Incoming, Wait, dial};
use crate::entry::{Entry, Outbox, TradeBatch};
use crate::error::printable;
use crate::figures::counted;
use crate::log_limit::{LogLimit, Permission};
use crate::watch_list::{Request, WatchList};
use crate::watchdog::{Patience, Verdict, Watchdog};
use crate::wire::{self, Message};
use handover::Handover;

/// After our Close frame the server may still send what was on its way, for this long.
const CLOSING: Duration = Duration::from_secs(1);

/// Unknown message types that are remembered as told; Finnhub has two.
const TOLD_TYPES: usize = 32;

/// Characters of a server's text that are logged.
const SHOWN_CHARACTERS: usize = 200;

/// What others ask of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Close the connection and end.
    Stop,
    /// Record these symbols from now on.
    Watch(Vec<String>),
}

/// Why the session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The server refuses the key, and has never accepted it.
    #[error(
        "{dial}: the API key in {variable} (from {place}) is refused; compare it with the one on https://finnhub.io/dashboard"
    )]
    KeyRefused {
        /// What the server said.
        dial: DialError,
        /// The variable that holds the key.
        variable: &'static str,
        /// Where the variable was found.
        place: String,
    },
    /// Nobody writes any more.
    #[error("the writer thread has ended; nothing can be recorded")]
    WriterGone,
}

/// Everything the session needs from one connection to the next.
pub struct Session {
    endpoint: Endpoint,
    key: ApiKey,
    patience: Patience,
    watch_list: WatchList,
    outbox: Outbox,
    commands: Receiver<Command>,
    backoff: Backoff,
    handover: Handover,
    told_types: HashSet<String>,
    log_limit: LogLimit,
    /// Whether the ledger knows that nothing is recorded at present, and why.
    outage_told: bool,
}

/// What is known of the present connection.
struct Link {
    connection: Connection,
    opened: Instant,
    watchdog: Watchdog,
    last_frame: Instant,
    last_frame_ms: i64,
}

/// How a connection ended.
enum End {
    Stopped,
    Lost(String),
}

impl Session {
    /// A session that is not connected yet.
    pub fn new(
        endpoint: Endpoint,
        key: ApiKey,
        patience: Patience,
        pauses: Pauses,
        watch_list: WatchList,
        outbox: Outbox,
        commands: Receiver<Command>,
    ) -> Session {
        Session {
            endpoint,
            key,
            patience,
            watch_list,
            handover: Handover::new(outbox.clone()),
            outbox,
            commands,
            backoff: Backoff::new(pauses),
            told_types: HashSet::new(),
            log_limit: LogLimit::default(),
            outage_told: false,
        }
    }

    /// Records until told to stop.
    ///
    /// # Errors
    /// When the server refuses the key at the very first connection.
    pub fn run(mut self) -> Result<(), SessionError> {
        loop {
            self.outbox.send(Entry::Connecting);
            let outcome = match dial(&self.endpoint, &self.key) {
                Ok(connection) => match self.stay_connected(connection) {
                    ControlFlow::Break(()) => return Ok(()),
                    ControlFlow::Continue(outcome) => outcome,
                },
                // A stop interrupts a handshake; that is no failure of the connection.
                Err(_) if self.is_asked_to_stop() => {
                    self.tell_down(now_ms(), "stopped");
                    return Ok(());
                }
                Err(error) => self.not_connected(error)?,
            };
            if self.outbox.gauges().writer_gone.load(Ordering::Relaxed) {
                return Err(SessionError::WriterGone);
            }
            if self.wait_for_next_try(outcome).is_break() {
                self.tell_down(now_ms(), "stopped");
                return Ok(());
            }
        }
    }

    /// Serves the commands that wait; whether one of them was to stop.
    fn is_asked_to_stop(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop => return true,
                Command::Watch(symbols) => drop(self.watch_list.replace(symbols)),
            }
        }
        false
    }

    fn not_connected(&mut self, error: DialError) -> Result<Outcome, SessionError> {
        let outcome = if error.is_unauthorized() {
            Outcome::Unauthorized
        } else if error.is_too_many_requests() {
            Outcome::TooManyRequests
        } else {
            Outcome::Unreachable
        };
        if outcome == Outcome::Unauthorized {
            self.outbox.gauges().key_refused.store(true, Ordering::Relaxed);
        }
        if outcome == Outcome::Unauthorized && !self.backoff.was_accepted() {
            return Err(SessionError::KeyRefused {
                dial: error,
                variable: self.key.variable(),
                place: self.key.source().to_string(),
            });
        }
        if outcome == Outcome::Unauthorized {
            error!("{error}: the API key in {} is refused now", self.key.variable());
        } else {
            warn!("{error}");
        }
        let reason = format!("not connected: {error}");
        if self.outage_told {
            let reason = self.key.redact(&reason);
            self.outbox.send(Entry::NotConnected { reason });
        } else {
            self.tell_down(now_ms(), &reason);
        }
        Ok(outcome)
    }

    /// Waits as the back-off says, serving commands meanwhile; breaks on a stop.
    fn wait_for_next_try(&mut self, outcome: Outcome) -> ControlFlow<()> {
        let delay = match self.backoff.next(outcome, fastrand::f64()) {
            Next::Wait(delay) => delay,
            Next::WaitKeyShared(delay) => {
                warn!(
                    "the server accepts and closes at once, again and again: another process is probably using this API key (Finnhub allows one connection per key); stop that one"
                );
                delay
            }
        };
        info!("connecting again in {:.1} s", delay.as_secs_f64());
        let until = Instant::now() + delay;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.commands.recv_timeout(left) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    return ControlFlow::Break(());
                }
                Ok(Command::Watch(symbols)) => drop(self.watch_list.replace(symbols)),
                Err(RecvTimeoutError::Timeout) => return ControlFlow::Continue(()),
            }
        }
    }

    /// Serves one connection to its end; breaks on a stop.
    fn stay_connected(&mut self, connection: Connection) -> ControlFlow<(), Outcome> {
        let now = Instant::now();
        let mut link = Link {
            connection,
            opened: now,
            watchdog: Watchdog::new(self.patience, now),
            last_frame: now,
            last_frame_ms: now_ms(),
        };
        let end = self
            .serve(&mut link)
            .unwrap_or_else(|lost| End::Lost(format!("connection lost: {lost}")));
        self.watch_list.disconnected();
        self.handover.tell_loss();
        match end {
            End::Stopped => {
                self.tell_down(link.last_frame_ms, "stopped");
                ControlFlow::Break(())
            }
            End::Lost(reason) => {
                warn!("{reason}");
                self.tell_down(link.last_frame_ms, &reason);
                let lasted = link.opened.elapsed();
                ControlFlow::Continue(Outcome::Ended { lasted })
            }
        }
    }

    /// Subscribes, then reads until the connection ends or a stop is asked for.
    fn serve(&mut self, link: &mut Link) -> Result<End, ConnectionLost> {
        let requests = self.watch_list.connected();
        send_all(&mut link.connection, &requests)?;
        let symbols = counted(requests.len() as u64, "symbol");
        info!("connected to {}, {symbols} subscribed", self.endpoint);
        self.outbox.gauges().key_refused.store(false, Ordering::Relaxed);
        self.tell_live();
        loop {
            while let Ok(command) = self.commands.try_recv() {
                match command {
                    Command::Stop => {
                        self.close(link);
                        return Ok(End::Stopped);
                    }
                    Command::Watch(symbols) => self.change_watch_list(link, symbols)?,
                }
            }
            self.read_burst(link)?;
            if self.outbox.gauges().writer_gone.load(Ordering::Relaxed) {
                return Ok(End::Lost("the writer thread has ended".to_owned()));
            }
            match link.watchdog.check(Instant::now()) {
                Verdict::Fine => {}
                Verdict::Ping => link.connection.ping()?,
                Verdict::Silent => return Ok(End::Lost("silent".to_owned())),
                Verdict::Unanswered => {
                    return Ok(End::Lost("silent: a ping was not answered".to_owned()));
                }
            }
        }
    }

    fn change_watch_list(
        &mut self,
        link: &mut Link,
        symbols: Vec<String>,
    ) -> Result<(), ConnectionLost> {
        let requests = self.watch_list.replace(symbols);
        if requests.is_empty() {
            return Ok(());
        }
        send_all(&mut link.connection, &requests)?;
        for request in &requests {
            match request {
                Request::Subscribe(symbol) => {
                    info!("subscribed to {}", printable(symbol, SHOWN_CHARACTERS));
                }
                Request::Unsubscribe(symbol) => {
                    info!("unsubscribed from {}", printable(symbol, SHOWN_CHARACTERS));
                }
            }
        }
        self.tell_live();
        Ok(())
    }

    /// Sends the Close frame and takes what was on its way. A server that does not answer is left
    /// alone after [`CLOSING`].
    fn close(&mut self, link: &mut Link) {
        let until = Instant::now() + CLOSING;
        let mut open = link.connection.close().is_ok();
        while open && Instant::now() < until {
            open = self.read_burst(link).is_ok();
        }
    }

    /// Reads what one look at the socket gives, and hands its trades over together.
    fn read_burst(&mut self, link: &mut Link) -> Result<(), ConnectionLost> {
        let mut batch = TradeBatch::default();
        let mut wait = Wait::Tick;
        let result = loop {
            match link.connection.read(wait) {
                Ok(Some(incoming)) => {
                    if wait == Wait::Tick {
                        link.last_frame = Instant::now();
                        link.last_frame_ms = now_ms();
                        batch.received_ms = link.last_frame_ms;
                        wait = Wait::Buffered;
                    }
                    self.sort(link, &mut batch, incoming);
                }
                Ok(None) => break Ok(()),
                Err(lost) => break Err(lost),
            }
        };
        if !batch.is_empty() {
            let watch_list = &self.watch_list;
            self.handover.trades(batch, |at_ms| live(watch_list, at_ms));
        }
        result
    }

    /// Puts what must be recorded into the batch, and deals with the rest.
    fn sort(&mut self, link: &mut Link, batch: &mut TradeBatch, incoming: Incoming) {
        match incoming {
            Incoming::Text(text) => {
                link.watchdog.text(link.last_frame);
                self.outbox.gauges().last_message_ms.store(link.last_frame_ms, Ordering::Relaxed);
                self.sort_text(batch, &text);
            }
            // Finnhub sends none. If one held trades after all, they would count.
            Incoming::Binary(bytes) => {
                link.watchdog.frame(false);
                self.sort_text(batch, &String::from_utf8_lossy(&bytes));
            }
            Incoming::NotUtf8 => {
                link.watchdog.frame(false);
                batch.push("(a text message that is not UTF-8)");
            }
            Incoming::Pong => link.watchdog.frame(true),
            Incoming::Control => link.watchdog.frame(false),
        }
    }

    fn sort_text(&mut self, batch: &mut TradeBatch, text: &str) {
        match wire::classify(text) {
            Message::Trades | Message::Unreadable => batch.push(text),
            Message::Ping => {}
            Message::Error(message) => self.server_error(&message),
            Message::Other(kind) => {
                let kind = self.shown(&kind);
                if self.told_types.len() < TOLD_TYPES && self.told_types.insert(kind.clone()) {
                    info!("messages of type {kind} are not recorded");
                }
            }
        }
    }

    /// A server's text, fit to be shown. The key goes first: half of it would not be found.
    fn shown(&self, text: &str) -> String {
        printable(&self.key.redact(text), SHOWN_CHARACTERS)
    }

    fn server_error(&mut self, message: &str) {
        let permission = self.log_limit.ask(now_ms());
        if let Permission::YesAfterHidden(hidden) = permission {
            warn!("({hidden} more lines about the server's errors were left out)");
        }
        if permission != Permission::No {
            self.say_server_error(message);
        }
        if let Some(symbol) = wire::refused_symbol(message)
            && self.watch_list.refuse(symbol)
        {
            self.tell_live();
        }
    }

    fn say_server_error(&self, message: &str) {
        let shown = self.shown(message);
        if wire::is_too_many_symbols(message) {
            warn!(
                "the server says: {shown}; the others are recorded (the free plan has {} symbols)",
                crate::watch_list::FREE_PLAN_SYMBOLS
            );
            return;
        }
        warn!("the server says: {shown}");
    }

    fn tell_live(&mut self) {
        self.outage_told = false;
        // While trades are dropped nothing is live; the first one that is kept again tells it.
        if !self.handover.is_open() {
            return;
        }
        self.outbox.send(live(&self.watch_list, now_ms()));
    }

    fn tell_down(&mut self, at_ms: i64, reason: &str) {
        self.outage_told = true;
        // It may quote the server, and the server knows the key.
        let reason = self.key.redact(reason);
        self.outbox.send(Entry::Down { at_ms, reason });
    }
}

fn live(watch_list: &WatchList, at_ms: i64) -> Entry {
    Entry::Live { at_ms, tickers: watch_list.live(), refused: watch_list.refused() }
}

fn send_all(connection: &mut Connection, requests: &[Request]) -> Result<(), ConnectionLost> {
    for request in requests {
        connection.send(&match request {
            Request::Subscribe(symbol) => wire::subscribe(symbol),
            Request::Unsubscribe(symbol) => wire::unsubscribe(symbol),
        })?;
    }
    Ok(())
}
