//! What the session reports to the ledger, the terminal and the page.
//!
//! Main thread.

use std::time::Duration;

use super::{Connected, Session, Unreported};
use crate::channel::Entry;
use crate::clock::now_ms;
use crate::feed::subscriptions::WatchList;
use crate::status::snapshot::Feed;

/// Refusals that come together make one row of the ledger: the row is written when the server pauses
/// for a tick of the connection, or this long after the first of them.
const TOGETHER: Duration = Duration::from_secs(1);

impl Session {
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
            Some(Unreported::Subscriptions) => now_ms(),
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
