//! The session: connects, subscribes, reads, sends trades to the writer; and begins again when the connection is
//! lost.
//!
//! Main thread. No CSV, files, HTTP or other threads: everything goes over the channel to the writer. `connected`
//! is one connection, `incoming` its messages, `reports` the entries for the ledger, `server_log` the texts of the
//! server.

mod connected;
mod incoming;
mod reports;
mod server_log;

use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Instant;

use log::{Level, error, warn};

use crate::channel::WriterSender;
use crate::feed::api_key::ApiKey;
use crate::feed::backoff::{Backoff, BackoffConfig, Outcome};
use crate::feed::commands::{Command, Commands};
use crate::feed::connection::{DialError, Endpoint, KnownAddresses, dial};
use crate::feed::subscriptions::WatchList;
use crate::feed::watchdog::Timeouts;
use crate::process::error::{Error, cannot_go_on};
use crate::status::snapshot::FeedStatus;
use crate::text::clock::now_ms;
use connected::{Connected, End};
use reports::Reports;

/// The state that stays from one connection to the next.
pub struct Session {
    endpoint: Endpoint,
    addresses: KnownAddresses,
    key: ApiKey,
    timeouts: Timeouts,
    commands: Commands,
    backoff: Backoff,
    /// The outcome of the attempt before.
    last_outcome: Option<Outcome>,
    reports: Reports,
}

/// The state of the session.
enum State {
    /// It asks the server for a connection.
    Connecting,
    /// It reads from this connection.
    Live(Box<Connected>),
    /// There is no connection, and there will be no try before this time.
    Waiting {
        /// When the next try begins.
        until: Instant,
    },
    /// A stop was asked for.
    Stopped,
}

impl Session {
    /// A session that is not connected yet.
    pub fn new(
        endpoint: Endpoint,
        key: ApiKey,
        timeouts: Timeouts,
        backoff_config: BackoffConfig,
        watch_list: WatchList,
        entries: WriterSender,
        commands: Commands,
    ) -> Self {
        Self {
            reports: Reports::new(entries, key.clone(), watch_list),
            endpoint,
            addresses: KnownAddresses::default(),
            key,
            timeouts,
            commands,
            backoff: Backoff::new(backoff_config),
            last_outcome: None,
        }
    }

    /// Records until a stop is asked for.
    ///
    /// # Errors
    /// When the server refuses the key and has never accepted it.
    pub fn run(mut self) -> Result<(), Error> {
        self.reports.wanted();
        let mut state = State::Connecting;
        loop {
            state = match state {
                State::Connecting => self.connect()?,
                State::Live(connected) => match connected.run(&mut self.reports, &self.commands) {
                    End::Stopped => State::Stopped,
                    End::Lost { lasted } => self.back_off(Outcome::Ended { lasted }),
                },
                State::Waiting { until } => self.wait(until),
                State::Stopped => return Ok(()),
            };
        }
    }

    fn connect(&mut self) -> Result<State, Error> {
        self.reports.change_feed(FeedStatus::connecting);
        let stopping = &self.reports.shared().stopping;
        match dial(&self.endpoint, &self.key, &mut self.addresses, stopping) {
            Ok(connection) => {
                let (server, reports) = (self.endpoint.to_string(), &mut self.reports);
                let connected = Connected::new(connection, server, self.timeouts, reports);
                Ok(State::Live(Box::new(connected)))
            }
            // A stop interrupts a handshake; that is no failure of the connection.
            Err(_) if self.is_asked_to_stop() => Ok(self.stop()),
            Err(error) => {
                let outcome = self.not_connected(&error)?;
                Ok(self.back_off(outcome))
            }
        }
    }

    /// Ends the session while there is no connection.
    fn stop(&mut self) -> State {
        self.reports.down(now_ms(), "stopped");
        State::Stopped
    }

    /// Handles the waiting commands; gives whether a stop was asked for.
    fn is_asked_to_stop(&mut self) -> bool {
        while let Some(command) = self.commands.next() {
            match command {
                Command::Stop => return true,
                Command::Watch(symbols) => self.want(symbols),
            }
        }
        // The flag is set before the command arrives.
        self.reports.shared().stopping.load(Ordering::Relaxed)
    }

    /// Takes a new list while there is no connection.
    fn want(&mut self, symbols: Vec<String>) {
        self.reports.watch_list.replace(symbols);
        self.reports.wanted();
    }

    fn not_connected(&mut self, error: &DialError) -> Result<Outcome, Error> {
        let outcome = match error {
            DialError::Http(_, 401 | 403) => Outcome::Unauthorized,
            DialError::Http(_, 429) => Outcome::TooManyRequests,
            _ => Outcome::Unreachable,
        };
        if outcome == Outcome::Unauthorized {
            self.reports.shared().key_refused.store(true, Ordering::Relaxed);
            let variable = self.key.variable();
            if !self.backoff.was_accepted() {
                let place = self.key.source();
                return Err(cannot_go_on(format_args!(
                    "{error}: the API key in {variable} (from {place}) is refused; compare it with the one on https://finnhub.io/dashboard"
                )));
            }
            error!("{error}: the API key in {variable} is refused now");
        } else {
            warn!("{error}");
        }
        self.reports.not_connected(&format!("not connected: {error}"));
        Ok(outcome)
    }

    /// Puts the next try off, as the back-off says.
    fn back_off(&mut self, outcome: Outcome) -> State {
        let (delay, key_is_shared) = self.backoff.next(outcome, fastrand::f64());
        if key_is_shared {
            warn!(
                "the server accepts and closes at once, again and again: another process is probably using this API key (Finnhub allows one connection per key); stop that one"
            );
        }
        if self.is_asked_to_stop() {
            return self.stop();
        }
        // Of a long outage only the beginning and the end are logged.
        let again = self.last_outcome.replace(outcome) == Some(outcome);
        let level = if again { Level::Debug } else { Level::Info };
        log::log!(level, "connecting again in {:.1} s", delay.as_secs_f64());
        State::Waiting { until: Instant::now() + delay }
    }

    /// Waits for the next try, or the next command.
    fn wait(&mut self, until: Instant) -> State {
        let left = until.saturating_duration_since(Instant::now());
        match self.commands.next_within(left) {
            Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => self.stop(),
            Ok(Command::Watch(symbols)) => {
                self.want(symbols);
                State::Waiting { until }
            }
            Err(RecvTimeoutError::Timeout) => State::Connecting,
        }
    }
}
