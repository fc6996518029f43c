//! The process itself: its threads, the signals that end it, and what it ends with.
//!
//! Any thread.

pub mod error;
pub(crate) mod signals;
pub(crate) mod standard_output;
pub(crate) mod threads;
