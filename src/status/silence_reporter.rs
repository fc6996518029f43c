//! Tells the log when symbols fall silent, why, and when they trade again.
//!
//! A thread of its own, for as long as the program runs: neither a stopped terminal nor a busy
//! socket keeps it from looking.

use std::thread;
use std::time::Duration;

use log::{info, warn};

use crate::clock::now_ms;
use crate::status::silence::{News, Teller};
use crate::status::snapshot::SnapshotSlot;

/// How often it looks. What it tells is counted in minutes.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks at the snapshots and logs what is news.
pub(crate) fn run(slot: &SnapshotSlot) {
    let mut teller = Teller::default();
    loop {
        thread::sleep(LOOK_EVERY);
        for news in teller.news(&slot.latest(), now_ms()) {
            match news {
                News::Note(text) => info!("{text}"),
                News::Warning(text) => warn!("{text}"),
            }
        }
    }
}
