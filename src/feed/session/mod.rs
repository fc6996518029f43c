//! The session: connect, subscribe, read, hand over; and when the connection is lost, again.
//!
//! Main thread. Knows nothing of CSV, files, HTTP or threads: what it learns goes into the outbox.

mod incoming;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use log::{error, info, warn};

use crate::channel::{Entry, Outbox};
use crate::clock::now_ms;
use crate::error::printable;
use crate::feed::api_key::ApiKey;
use crate::feed::backoff::{Backoff, Next, Outcome, Pauses};
use crate::feed::backpressure::TradeSender;
use crate::feed::connection::{Connection, ConnectionLost, DialError, Endpoint, dial};
use crate::feed::subscriptions::{Request, WatchList};
use crate::feed::watchdog::{Patience, Verdict, Watchdog};
use crate::log_limit::LogLimit;
use crate::protocol::message;
use crate::status::snapshot::Feed;
use crate::text::counted;

/// After our Close frame the server may still send what was on its way, for this long; and for no
/// longer is read what lies in the socket of a connection that is given up.
const CLOSING: Duration = Duration::from_secs(1);

/// Refusals that come together make one row of the ledger: the row is written when the server pauses
/// for a [`TICK`](crate::feed::connection::TICK), or this long after the first of them.
const TOGETHER: Duration = Duration::from_secs(1);

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
    trades: TradeSender,
    told_types: HashSet<String>,
    log_limit: LogLimit,
    /// Whether the ledger knows that nothing is recorded at present, and why.
    outage_told: bool,
    started_ms: i64,
}

/// What is known of the present connection.
struct Link {
    connection: Connection,
    opened: Instant,
    watchdog: Watchdog,
    last_frame: Instant,
    last_frame_ms: i64,
    untold: Option<Untold>,
}

/// What the ledger does not know yet of the watch list.
#[derive(Clone, Copy)]
enum Untold {
    /// What is asked for, because it has not gone out.
    Asked,
    /// Refusals since then, because more may come.
    Refused(Instant),
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
            trades: TradeSender::new(outbox.clone()),
            outbox,
            commands,
            backoff: Backoff::new(pauses),
            told_types: HashSet::new(),
            log_limit: LogLimit::default(),
            outage_told: false,
            started_ms: now_ms(),
        }
    }

    /// Records until told to stop.
    ///
    /// # Errors
    /// When the server refuses the key at the very first connection.
    pub fn run(mut self) -> Result<(), SessionError> {
        self.tell_wanted();
        loop {
            self.feed().connecting();
            let outcome = match dial(&self.endpoint, &self.key, &self.outbox.gauges().stopping) {
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

    /// Serves the commands that wait; whether the end was asked for.
    fn is_asked_to_stop(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop => return true,
                Command::Watch(symbols) => self.want(symbols),
            }
        }
        // It is known before the command is here.
        self.outbox.gauges().stopping.load(Ordering::Relaxed)
    }

    /// Takes a new list while there is no connection.
    fn want(&mut self, symbols: Vec<String>) {
        self.watch_list.replace(symbols);
        self.tell_wanted();
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
            self.feed().not_connected(&self.key.redact(&reason));
        } else {
            // The first one: nothing has been recorded since the start.
            self.tell_down(self.started_ms, &reason);
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
        if self.is_asked_to_stop() {
            return ControlFlow::Break(());
        }
        info!("connecting again in {:.1} s", delay.as_secs_f64());
        let until = Instant::now() + delay;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.commands.recv_timeout(left) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    return ControlFlow::Break(());
                }
                Ok(Command::Watch(symbols)) => self.want(symbols),
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
            untold: None,
        };
        let end = self
            .serve(&mut link)
            .unwrap_or_else(|lost| End::Lost(format!("connection lost: {lost}")));
        self.tell_untold(&mut link, true);
        self.watch_list.disconnected();
        self.trades.report_loss(link.last_frame_ms);
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
        self.tell_asked(link);
        loop {
            while let Ok(command) = self.commands.try_recv() {
                match command {
                    Command::Stop => {
                        self.close(link);
                        return Ok(End::Stopped);
                    }
                    Command::Watch(symbols) => {
                        if let Err(lost) = self.change_watch_list(link, symbols) {
                            self.drain(link)?;
                            return Err(lost);
                        }
                    }
                }
            }
            let paused = !self.read_burst(link)?;
            self.tell_untold(link, paused);
            if self.outbox.gauges().writer_gone.load(Ordering::Relaxed) {
                return Ok(End::Lost("the writer thread has ended".to_owned()));
            }
            if let Some(reason) = self.ask_watchdog(link) {
                self.drain(link)?;
                if self.ask_watchdog(link).is_some() {
                    return Ok(End::Lost(reason));
                }
            }
        }
    }

    /// Why the connection must be given up, if it must.
    fn ask_watchdog(&self, link: &mut Link) -> Option<String> {
        let unsent_since = link.connection.unsent_since();
        match link.watchdog.check(Instant::now(), unsent_since) {
            Verdict::Fine => None,
            Verdict::Ping => {
                link.connection.ping();
                None
            }
            Verdict::Silent => Some("silent".to_owned()),
            Verdict::Unanswered => Some("silent: a ping was not answered".to_owned()),
            Verdict::NotReading => {
                let seconds = self.patience.silence.as_secs();
                Some(format!("connection lost: the server has read nothing for {seconds} s"))
            }
        }
    }

    /// Reads what the server has sent to a connection that is about to be given up.
    fn drain(&mut self, link: &mut Link) -> Result<(), ConnectionLost> {
        let until = Instant::now() + CLOSING;
        while self.read_burst(link)? && Instant::now() < until {}
        Ok(())
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
        self.tell_asked(link);
        Ok(())
    }

    /// Sends the Close frame and takes what was on its way. A server that does not answer is left
    /// alone after [`CLOSING`].
    fn close(&mut self, link: &mut Link) {
        let until = Instant::now() + CLOSING;
        link.connection.close();
        while self.read_burst(link).is_ok() && Instant::now() < until {}
    }

    /// Tells of what has been asked for, once it has gone out.
    fn tell_asked(&mut self, link: &mut Link) {
        link.untold = Some(Untold::Asked);
        self.tell_untold(link, false);
    }

    /// Tells of what the ledger does not know yet, when it is time; `paused` when the server is quiet.
    fn tell_untold(&mut self, link: &mut Link, paused: bool) {
        if link.connection.unsent_since().is_some() {
            return;
        }
        match link.untold {
            Some(Untold::Asked) => self.tell_live(link, now_ms()),
            // No later than the last frame, which may end the connection.
            Some(Untold::Refused(since)) if paused || since.elapsed() >= TOGETHER => {
                self.tell_live(link, link.last_frame_ms);
            }
            Some(Untold::Refused(_)) | None => {}
        }
    }

    fn tell_live(&mut self, link: &mut Link, at_ms: i64) {
        link.untold = None;
        self.outage_told = false;
        self.feed().live(at_ms);
        // While trades are dropped nothing is live; the first one that is kept again tells it.
        if !self.trades.is_dropping() {
            self.outbox.send(live(&self.watch_list, at_ms));
        }
    }

    fn tell_wanted(&self) {
        let tickers = self.watch_list.wanted().to_vec();
        self.outbox.send(Entry::Wanted { at_ms: now_ms(), tickers });
    }

    /// What others are shown of the connection.
    fn feed(&self) -> MutexGuard<'_, Feed> {
        self.outbox.gauges().slot.feed()
    }

    fn tell_down(&mut self, at_ms: i64, reason: &str) {
        self.outage_told = true;
        // It may quote the server, and the server knows the key.
        let reason = self.key.redact(reason);
        self.feed().down(at_ms, &reason);
        self.outbox.send(Entry::Down { at_ms, reason });
    }
}

fn live(watch_list: &WatchList, at_ms: i64) -> Entry {
    Entry::Live { at_ms, tickers: watch_list.live(), refused: watch_list.refused() }
}

fn send_all(connection: &mut Connection, requests: &[Request]) -> Result<(), ConnectionLost> {
    for request in requests {
        connection.send(&match request {
            Request::Subscribe(symbol) => message::subscribe(symbol),
            Request::Unsubscribe(symbol) => message::unsubscribe(symbol),
        })?;
    }
    Ok(())
}
