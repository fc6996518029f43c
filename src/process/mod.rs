//! The process itself: its threads, the signals that end it, what it ends with, and
//! how long it waits before it tries again.
//!
//! Any thread.

pub(crate) mod backoff;
pub mod error;
pub(crate) mod signals;
pub(crate) mod standard_output;
pub(crate) mod threads;
