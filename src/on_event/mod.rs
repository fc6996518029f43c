//! `--on-event`: what somebody should hear of who does not look, and the command that says it.
//!
//! `watch` finds events in the snapshots, `runner` runs the command for each. Both belong to one
//! thread, which the wiring starts; recording and stopping never wait for it.

mod runner;
pub mod thread;
mod watch;

pub use runner::Runner;
pub use watch::EventWatch;

/// Something that happened, for the command's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// When, this machine's clock, UNIX milliseconds.
    pub at_ms: i64,
    /// Why, as one line.
    pub reason: String,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Nothing has been recorded for a minute.
    Down,
    /// After that: recording again.
    Live,
    /// The disk takes nothing; trades wait in memory.
    DiskFull,
    /// After that: it takes them again.
    DiskOk,
    /// The server refuses the key.
    KeyRefused,
    /// No US stock has traded for long, in the middle of the day.
    Silent,
    /// The recording has ended.
    Stopped,
}

impl EventKind {
    /// The word for it in the command's environment.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Down => "down",
            EventKind::Live => "live",
            EventKind::DiskFull => "disk-full",
            EventKind::DiskOk => "disk-ok",
            EventKind::KeyRefused => "key-refused",
            EventKind::Silent => "silent",
            EventKind::Stopped => "stopped",
        }
    }
}
