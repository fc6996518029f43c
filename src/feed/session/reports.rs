//! The reports of the session: trades and their times to the writer, the state of the feed to the ledger, the
//! terminal and the page.
//!
//! Main thread.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::warn;

use super::server_log::ServerLog;
use crate::channel::{SharedState, TradeBatch, WriterMessage, WriterSender};
use crate::feed::api_key::ApiKey;
use crate::feed::backpressure::TradeSender;
use crate::feed::subscriptions::WatchList;
use crate::status::snapshot::FeedStatus;
use crate::text::clock::{Clocks, now_ms, show_ms};

/// Refusals that come together make one row of the ledger: the row is written when the server pauses
/// for a tick of the connection, or this long after the first of them.
const TOGETHER: Duration = Duration::from_secs(1);

/// The reason in the ledger for time that the clock has skipped.
const CLOCK_SET_FORWARD: &str = "clock set forward";

/// The part of the watch list that the ledger does not have yet.
#[derive(Clone, Copy)]
enum Unreported {
    /// The subscriptions, which have not all been sent.
    Subscriptions,
    /// Refusals since then, because more may come.
    Refusals(Instant),
}

/// The channel to the writer, and what was reported over it.
pub(super) struct Reports {
    entries: WriterSender,
    pub(super) watch_list: WatchList,
    pub(super) trades: TradeSender,
    pub(super) server_log: ServerLog,
    /// When the session began, until the ledger has a row about its first connection.
    started_ms: Option<i64>,
    /// As they were at the last look, while there is a connection.
    clocks: Clocks,
    unreported: Option<Unreported>,
}

impl Reports {
    /// Nothing is reported yet.
    pub(super) fn new(entries: WriterSender, key: ApiKey, watch_list: WatchList) -> Self {
        Self {
            server_log: ServerLog::new(key),
            watch_list,
            trades: TradeSender::new(entries.clone()),
            entries,
            started_ms: Some(now_ms()),
            clocks: Clocks::now(),
            unreported: None,
        }
    }

    /// What the session shares with the writer and others.
    pub(super) fn shared(&self) -> &SharedState {
        self.entries.shared()
    }

    /// Changes the state of the feed that the terminal and the page show.
    pub(super) fn change_feed(&self, change: impl FnOnce(&mut FeedStatus)) {
        self.shared().slot.change_feed(change);
    }

    /// Reports the watch list while there is no connection.
    pub(super) fn wanted(&self) {
        let tickers = self.watch_list.wanted().to_vec();
        self.entries.send(WriterMessage::Wanted { at_ms: now_ms(), tickers });
    }

    /// A connection begins. Gives its time, UNIX milliseconds of this machine.
    pub(super) fn connected(&mut self) -> i64 {
        self.clocks = Clocks::now();
        (self.unreported, self.server_log.told_too_many) = (None, false);
        self.clocks.wall_ms
    }

    /// From `at_ms` on nothing is recorded.
    pub(super) fn down(&mut self, at_ms: i64, reason: &str) {
        self.started_ms = None;
        // The reason may quote the server, and the server has the key.
        let reason = self.server_log.redact(reason);
        self.change_feed(|feed| feed.down(at_ms, &reason));
        self.entries.send(WriterMessage::Down { at_ms, reason });
    }

    /// No connection could be made.
    pub(super) fn not_connected(&mut self, reason: &str) {
        match self.started_ms {
            Some(started_ms) => self.down(started_ms, reason),
            // The ledger has it already since when nothing is recorded.
            None => self.change_feed(|feed| feed.not_connected(&self.server_log.redact(reason))),
        }
    }

    /// The connection has ended; nothing came after `last_frame_ms`.
    pub(super) fn disconnected(&mut self, last_frame_ms: i64, reason: &str) {
        self.trades.report_loss(last_frame_ms);
        self.down(last_frame_ms, reason);
        self.shared().clock_ahead_ms.store(0, Ordering::Relaxed);
    }

    /// What the clock shows now, UNIX milliseconds. Each time that a row or the ledger gets comes from such a
    /// look: when the clock was set forward, the time that it has skipped is reported before.
    pub(super) fn look_at_clock(&mut self) -> i64 {
        let now = Clocks::now();
        let before = std::mem::replace(&mut self.clocks, now);
        if now.was_set_forward_since(before.ahead_ms()) {
            self.clock_set_forward(before.wall_ms, now.wall_ms);
        }
        // Only after the report: before it nothing may be called recorded by the new time.
        self.shared().clock_ahead_ms.store(now.ahead_ms(), Ordering::Relaxed);
        now.wall_ms
    }

    /// Nothing can have been recorded between `before_ms` and now.
    fn clock_set_forward(&self, before_ms: i64, now_ms: i64) {
        warn!("the clock was set forward, from {} to {}", show_ms(before_ms), show_ms(now_ms));
        // While trades are dropped nothing is live; the first one that is kept again reports it.
        if self.trades.is_dropping() {
            return;
        }
        let reason = CLOCK_SET_FORWARD.to_owned();
        self.entries.send(WriterMessage::Down { at_ms: before_ms, reason });
        // Subscriptions that are not reported yet will be.
        if !matches!(self.unreported, Some(Unreported::Subscriptions)) {
            self.change_feed(|feed| feed.lost(before_ms, now_ms, CLOCK_SET_FORWARD));
            self.entries.send(live(&self.watch_list, now_ms));
        }
    }

    /// Symbols have been asked for; the ledger gets them once that has gone out.
    pub(super) fn subscribed(&mut self) {
        self.unreported = Some(Unreported::Subscriptions);
    }

    /// The server has refused `symbol` with a frame that came at `at`.
    pub(super) fn refused(&mut self, symbol: &str, at: Instant) {
        if self.watch_list.refuse(symbol) {
            self.unreported.get_or_insert(Unreported::Refusals(at));
        }
    }

    /// Whether the ledger does not have all of the watch list yet.
    pub(super) fn has_unreported(&self) -> bool {
        self.unreported.is_some()
    }

    /// Reports what is not in the ledger yet, when it is time; everything sent must have gone out.
    /// `paused` when the server is quiet.
    pub(super) fn report_unreported(&mut self, paused: bool, last_frame_ms: i64) {
        let at_ms = match self.unreported {
            Some(Unreported::Subscriptions) => self.look_at_clock(),
            // No later than the last frame, which may end the connection.
            Some(Unreported::Refusals(since)) if paused || since.elapsed() >= TOGETHER => {
                last_frame_ms
            }
            Some(Unreported::Refusals(_)) | None => return,
        };
        self.unreported = None;
        self.change_feed(|feed| feed.live(at_ms));
        // While trades are dropped nothing is live; the first one that is kept again reports it.
        if !self.trades.is_dropping() {
            self.entries.send(live(&self.watch_list, at_ms));
        }
    }

    /// Sends trades, if there are any and room for them.
    pub(super) fn send(&mut self, batch: TradeBatch) {
        if !batch.is_empty() {
            self.trades.send(batch, |at_ms| live(&self.watch_list, at_ms));
        }
    }

    /// Follows a loss, if trades are being dropped; whether they are.
    pub(super) fn follow_loss(&mut self) -> bool {
        let is_dropping = self.trades.is_dropping();
        if is_dropping {
            let now_ms = self.look_at_clock();
            self.trades.follow_loss(now_ms, |at_ms| live(&self.watch_list, at_ms));
        }
        is_dropping
    }
}

fn live(watch_list: &WatchList, at_ms: i64) -> WriterMessage {
    let (tickers, refused) = watch_list.live_and_refused();
    WriterMessage::Live { at_ms, tickers, refused }
}
