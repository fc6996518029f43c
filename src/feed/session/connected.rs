//! One connection from the subscriptions to its end.
//!
//! Main thread.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::{info, warn};

use super::incoming::{Burst, Reader};
use super::reports::Reports;
use super::server_log::SHOWN_CHARACTERS;
use crate::feed::commands::{Command, Commands};
use crate::feed::connection::{Connection, ConnectionLost};
use crate::feed::watchdog::Timeouts;
use crate::protocol::message;
use crate::text::{counted, grouped, printable};

/// How long messages are still read after our Close frame, and from the socket of a connection that is given up.
const CLOSING: Duration = Duration::from_secs(1);

/// A server that has paused is waited for until it sends something, a command comes, or the watchdog
/// has something to do; but no longer than this: the watchdog takes a longer turn for a sleep, and a
/// clock that was set is to be noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// The same while trades are dropped, to notice soon that there is room again.
const LONGEST_WAIT_IN_LOSS: Duration = Duration::from_millis(500);

/// New symbols that are named in one line of the log.
const NAMED: usize = 5;

/// How a connection has ended.
pub(super) enum End {
    /// A stop was asked for.
    Stopped,
    /// The connection was lost after this time.
    Lost { lasted: Duration },
}

/// An open connection.
pub(super) struct Connected {
    /// Its name, for the log.
    server: String,
    reader: Reader,
    opened: Instant,
}

impl Connected {
    /// A connection to `server` that was made just now.
    pub(super) fn new(
        connection: Connection,
        server: String,
        timeouts: Timeouts,
        reports: &mut Reports,
    ) -> Self {
        let reader = Reader::new(connection, timeouts, reports.connected());
        Self { server, reader, opened: Instant::now() }
    }

    /// Serves the connection to its end, and reports that.
    pub(super) fn run(mut self, reports: &mut Reports, commands: &Commands) -> End {
        let lost = match self.serve(reports, commands) {
            Ok(ended) => ended,
            Err(lost) => Some(format!("connection lost: {lost}")),
        };
        self.reader.report_unreported(reports, true);
        if let Some(reason) = &lost {
            warn!("{reason}");
        }
        let reason = lost.as_deref().unwrap_or("stopped");
        reports.disconnected(self.reader.last_frame_ms, reason);
        match lost {
            None => End::Stopped,
            Some(_) => End::Lost { lasted: self.opened.elapsed() },
        }
    }

    /// Subscribes, then reads until the connection must be given up, which gives the reason, or until a stop
    /// is asked for.
    fn serve(
        &mut self,
        reports: &mut Reports,
        commands: &Commands,
    ) -> Result<Option<String>, ConnectionLost> {
        self.subscribe(reports)?;
        loop {
            while let Some(command) = commands.next() {
                match command {
                    Command::Stop => {
                        self.close(reports, commands);
                        return Ok(None);
                    }
                    Command::Watch(symbols) => {
                        if let Err(lost) = self.change_watch_list(reports, symbols) {
                            self.drain(reports, commands)?;
                            return Err(lost);
                        }
                    }
                }
            }
            let paused = self.reader.read_burst(reports, commands)? == Burst::Nothing;
            self.reader.report_unreported(reports, paused);
            let is_losing = reports.follow_loss();
            if paused && !reports.has_unreported() {
                let longest = if is_losing { LONGEST_WAIT_IN_LOSS } else { LONGEST_WAIT };
                let due = self.reader.watchdog.due().min(Instant::now() + longest);
                self.reader.connection.wait(due, commands);
            }
            if let Err(reason) = self.reader.check_watchdog() {
                self.drain(reports, commands)?;
                if self.reader.check_watchdog().is_err() {
                    return Ok(Some(reason));
                }
            }
        }
    }

    fn subscribe(&mut self, reports: &mut Reports) -> Result<(), ConnectionLost> {
        let symbols = reports.watch_list.connected();
        subscribe(&mut self.reader.connection, symbols)?;
        let symbols = counted(symbols.len() as u64, "symbol");
        info!("connected to {}, {symbols} subscribed", self.server);
        reports.shared().key_refused.store(false, Ordering::Relaxed);
        self.report_subscriptions(reports);
        Ok(())
    }

    fn report_subscriptions(&mut self, reports: &mut Reports) {
        reports.subscribed();
        self.reader.report_unreported(reports, false);
    }

    /// Reads what the server has sent to a connection that is about to be given up.
    fn drain(&mut self, reports: &mut Reports, commands: &Commands) -> Result<(), ConnectionLost> {
        let until = Instant::now() + CLOSING;
        while self.reader.read_burst(reports, commands)? != Burst::Nothing && Instant::now() < until
        {
        }
        Ok(())
    }

    fn change_watch_list(
        &mut self,
        reports: &mut Reports,
        symbols: Vec<String>,
    ) -> Result<(), ConnectionLost> {
        let (gone, new) = reports.watch_list.replace(symbols);
        reports.server_log.told_too_many &= new.is_empty();
        if gone.is_empty() && new.is_empty() {
            return Ok(());
        }
        let connection = &mut self.reader.connection;
        // Symbols that are gone first, because that makes room for new ones.
        for symbol in &gone {
            connection.send(&message::unsubscribe(symbol))?;
        }
        subscribe(connection, &new)?;
        if !gone.is_empty() {
            info!("unsubscribed from {}", named(&gone));
        }
        if !new.is_empty() {
            info!("subscribed to {}", named(&new));
        }
        self.report_subscriptions(reports);
        Ok(())
    }

    /// Sends the Close frame and reads the messages that were on their way. A server that does not answer is
    /// given up after [`CLOSING`].
    fn close(&mut self, reports: &mut Reports, commands: &Commands) {
        let until = Instant::now() + CLOSING;
        self.reader.connection.close();
        while self.reader.read_burst(reports, commands).is_ok() && Instant::now() < until {}
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
