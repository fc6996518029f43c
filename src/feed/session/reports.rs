//! What the session reports to the ledger, the terminal and the page.
//!
//! Main thread.

use std::sync::atomic::Ordering;
use std::time::Duration;

use log::warn;

use super::{Connected, Session, Unreported};
use crate::channel::Entry;
use crate::feed::subscriptions::WatchList;
use crate::status::snapshot::Feed;
use crate::text::clock::{Clocks, now_ms, show_ms};

/// Refusals that come together make one row of the ledger: the row is written when the server pauses
/// for a tick of the connection, or this long after the first of them.
const TOGETHER: Duration = Duration::from_secs(1);

/// The reason in the ledger for time that the clock has skipped.
const CLOCK_SET_FORWARD: &str = "clock set forward";

impl Session {
    /// What the clock shows now, UNIX milliseconds. Each time that a row or the ledger gets comes from such a
    /// look: when the clock was set forward, the time that it has skipped is reported before.
    pub(super) fn look_at_clock(&mut self, connected: &mut Connected) -> i64 {
        let now = Clocks::now();
        let before = std::mem::replace(&mut connected.clocks, now);
        if now.was_set_forward_since(before.ahead_ms()) {
            self.report_clock_set_forward(connected, before.wall_ms);
        }
        // Only now: until then nothing may be called recorded by the new time.
        self.entries.shared().clock_ahead_ms.store(now.ahead_ms(), Ordering::Relaxed);
        now.wall_ms
    }

    /// Nothing can have been recorded between `before_ms` and now.
    fn report_clock_set_forward(&mut self, connected: &Connected, before_ms: i64) {
        let now_ms = connected.clocks.wall_ms;
        warn!("the clock was set forward, from {} to {}", show_ms(before_ms), show_ms(now_ms));
        // While trades are dropped nothing is live; the first one that is kept again reports it.
        if self.trades.is_dropping() {
            return;
        }
        let reason = CLOCK_SET_FORWARD.to_owned();
        self.entries.send(Entry::Down { at_ms: before_ms, reason });
        // What is not reported yet will be.
        if !matches!(connected.unreported, Some(Unreported::Subscriptions)) {
            self.change_feed(|feed| feed.lost(before_ms, now_ms, CLOCK_SET_FORWARD));
            self.entries.send(live(&self.watch_list, now_ms));
        }
    }

    /// Reports what has been asked for, once it has gone out.
    pub(super) fn report_subscriptions(&mut self, connected: &mut Connected) {
        connected.unreported = Some(Unreported::Subscriptions);
        self.report_unreported(connected, false);
    }

    /// Reports what is not in the ledger yet, when it is time; `paused` when the server is quiet.
    pub(super) fn report_unreported(&mut self, connected: &mut Connected, paused: bool) {
        if connected.connection.unsent_since().is_some() {
            return;
        }
        let at_ms = match connected.unreported {
            Some(Unreported::Subscriptions) => self.look_at_clock(connected),
            // No later than the last frame, which may end the connection.
            Some(Unreported::Refusals(since)) if paused || since.elapsed() >= TOGETHER => {
                connected.last_frame_ms
            }
            Some(Unreported::Refusals(_)) | None => return,
        };
        connected.unreported = None;
        self.change_feed(|feed| feed.live(at_ms));
        // While trades are dropped nothing is live; the first one that is kept again reports it.
        if !self.trades.is_dropping() {
            self.entries.send(live(&self.watch_list, at_ms));
        }
    }

    pub(super) fn report_wanted(&self) {
        let tickers = self.watch_list.wanted().to_vec();
        self.entries.send(Entry::Wanted { at_ms: now_ms(), tickers });
    }

    /// What others are shown of the connection.
    pub(super) fn change_feed(&self, change: impl FnOnce(&mut Feed)) {
        self.entries.shared().slot.change_feed(change);
    }

    pub(super) fn report_down(&mut self, at_ms: i64, reason: &str) {
        self.started_ms = None;
        // It may quote the server, and the server has the key.
        let reason = self.key.redact(reason);
        self.change_feed(|feed| feed.down(at_ms, &reason));
        self.entries.send(Entry::Down { at_ms, reason });
    }
}

pub(super) fn live(watch_list: &WatchList, at_ms: i64) -> Entry {
    let (tickers, refused) = watch_list.live_and_refused();
    Entry::Live { at_ms, tickers, refused }
}
