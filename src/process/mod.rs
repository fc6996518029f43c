//! The process itself: its threads and its children, the signals that end it, what it ends with, and
//! how long it waits before it tries again.
//!
//! Any thread.

pub(crate) mod backoff;
pub(crate) mod child;
pub mod error;
pub(crate) mod signals;
pub(crate) mod standard_output;
pub(crate) mod threads;
pub(crate) mod waker;
