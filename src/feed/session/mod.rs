//! The session: connect, subscribe, read, send on; and when the connection is lost, again.
//!
//! Main thread. Has nothing to do with CSV, files, HTTP or threads: what it finds out goes over the
//! channel to the writer. `connected` is one connection, `incoming` what comes from it, `reports` what goes
//! to the ledger.

mod connected;
mod incoming;
mod reports;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Instant;

use log::{Level, error, warn};

use crate::channel::EntrySender;
use crate::feed::api_key::ApiKey;
use crate::feed::backoff::{Backoff, BackoffConfig, Outcome};
use crate::feed::backpressure::TradeSender;
use crate::feed::commands::{Command, Commands};
use crate::feed::connection::{Connection, DialError, Endpoint, KnownAddresses, dial};
use crate::feed::subscriptions::WatchList;
use crate::feed::watchdog::{Timeouts, Watchdog};
use crate::process::error::{Error, cannot_go_on};
use crate::status::snapshot::Feed;
use crate::text::clock::{Clocks, now_ms};
use crate::text::log_limit::LogLimit;

/// Characters of a server's text that are logged.
const SHOWN_CHARACTERS: usize = 200;

/// Everything the session needs from one connection to the next.
pub struct Session {
    endpoint: Endpoint,
    addresses: KnownAddresses,
    key: ApiKey,
    timeouts: Timeouts,
    watch_list: WatchList,
    entries: EntrySender,
    commands: Commands,
    backoff: Backoff,
    trades: TradeSender,
    logged_types: HashSet<String>,
    log_limit: LogLimit,
    /// What became of the attempt before.
    last_outcome: Option<Outcome>,
    /// When the session began, until the ledger has a row about its first connection.
    started_ms: Option<i64>,
}

/// What is known of the present connection.
struct Connected {
    connection: Connection,
    opened: Instant,
    watchdog: Watchdog,
    /// As they were at the last look.
    clocks: Clocks,
    last_frame: Instant,
    /// The same by the clock on the wall, UNIX milliseconds.
    last_frame_ms: i64,
    unreported: Option<Unreported>,
    /// Whether the server has said that it delivers no more symbols, and this was logged, since the last
    /// change of the list.
    told_too_many: bool,
}

/// What one look at the socket gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Burst {
    /// At least one message or frame.
    Something,
    /// Nothing has come.
    Nothing,
    /// It was not looked at: too much waits for the disk.
    NoRoom,
}

/// What the ledger does not have yet of the watch list.
#[derive(Clone, Copy)]
enum Unreported {
    /// What is asked for, because it has not gone out.
    Subscriptions,
    /// Refusals since then, because more may come.
    Refusals(Instant),
}

impl Session {
    /// A session that is not connected yet.
    pub fn new(
        endpoint: Endpoint,
        key: ApiKey,
        timeouts: Timeouts,
        backoff_config: BackoffConfig,
        watch_list: WatchList,
        entries: EntrySender,
        commands: Commands,
    ) -> Self {
        Self {
            endpoint,
            addresses: KnownAddresses::default(),
            key,
            timeouts,
            watch_list,
            trades: TradeSender::new(entries.clone()),
            entries,
            commands,
            backoff: Backoff::new(backoff_config),
            logged_types: HashSet::new(),
            log_limit: LogLimit::default(),
            last_outcome: None,
            started_ms: Some(now_ms()),
        }
    }

    /// Records until a stop is asked for.
    ///
    /// # Errors
    /// When the server refuses the key and has never accepted it.
    pub fn run(mut self) -> Result<(), Error> {
        self.report_wanted();
        loop {
            self.change_feed(Feed::connecting);
            let stopping = &self.entries.shared().stopping;
            let dialled = dial(&self.endpoint, &self.key, &mut self.addresses, stopping);
            let outcome = match dialled {
                Ok(connection) => match self.stay_connected(connection) {
                    ControlFlow::Break(()) => return Ok(()),
                    ControlFlow::Continue(outcome) => outcome,
                },
                // A stop interrupts a handshake; that is no failure of the connection.
                Err(_) if self.is_asked_to_stop() => {
                    self.report_down(now_ms(), "stopped");
                    return Ok(());
                }
                Err(error) => self.not_connected(&error)?,
            };
            if self.wait_for_next_try(outcome).is_break() {
                self.report_down(now_ms(), "stopped");
                return Ok(());
            }
        }
    }

    /// Serves the commands that wait; whether the end was asked for.
    fn is_asked_to_stop(&mut self) -> bool {
        while let Some(command) = self.commands.next() {
            match command {
                Command::Stop => return true,
                Command::Watch(symbols) => self.want(symbols),
            }
        }
        // It is known before the command is here.
        self.entries.shared().stopping.load(Ordering::Relaxed)
    }

    /// Takes a new list while there is no connection.
    fn want(&mut self, symbols: Vec<String>) {
        self.watch_list.replace(symbols);
        self.report_wanted();
    }

    fn not_connected(&mut self, error: &DialError) -> Result<Outcome, Error> {
        let outcome = match error {
            DialError::Http(_, 401 | 403) => Outcome::Unauthorized,
            DialError::Http(_, 429) => Outcome::TooManyRequests,
            _ => Outcome::Unreachable,
        };
        if outcome == Outcome::Unauthorized {
            self.entries.shared().key_refused.store(true, Ordering::Relaxed);
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
        let reason = format!("not connected: {error}");
        match self.started_ms {
            Some(started_ms) => self.report_down(started_ms, &reason),
            // The ledger has it already since when nothing is recorded.
            None => self.change_feed(|feed| feed.not_connected(&self.key.redact(&reason))),
        }
        Ok(outcome)
    }

    /// Waits as the back-off says, serving commands meanwhile; breaks on a stop.
    fn wait_for_next_try(&mut self, outcome: Outcome) -> ControlFlow<()> {
        let (delay, key_is_shared) = self.backoff.next(outcome, fastrand::f64());
        if key_is_shared {
            warn!(
                "the server accepts and closes at once, again and again: another process is probably using this API key (Finnhub allows one connection per key); stop that one"
            );
        }
        if self.is_asked_to_stop() {
            return ControlFlow::Break(());
        }
        // Of an outage of a night the beginning and the end are logged.
        let again = self.last_outcome.replace(outcome) == Some(outcome);
        let level = if again { Level::Debug } else { Level::Info };
        log::log!(level, "connecting again in {:.1} s", delay.as_secs_f64());
        let until = Instant::now() + delay;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.commands.next_within(left) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    return ControlFlow::Break(());
                }
                Ok(Command::Watch(symbols)) => self.want(symbols),
                Err(RecvTimeoutError::Timeout) => return ControlFlow::Continue(()),
            }
        }
    }
}
