//! What is shown on standard error: log lines, the live line under them or the table in their place, and
//! the summary.
//!
//! A thread of its own, which `screen` starts: a terminal that is stopped (Ctrl-S), slow or gone costs
//! lines, never time. It reads snapshots, and no thread ever waits for it. `progress_line` and
//! `plain_log` are for the commands that record nothing.

mod live_line;
mod log_lines;
pub(crate) mod plain_log;
mod progress_line;
mod screen;
mod state_line;
#[cfg(not(feature = "table"))]
#[path = "no_table.rs"]
mod table;
#[cfg(feature = "table")]
mod table;

pub(crate) use live_line::{ERASE, fit, one_line};
pub(crate) use progress_line::{CountedRead, ProgressLine};
pub(crate) use screen::Screen;

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";
