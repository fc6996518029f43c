//! The whole terminal as a table of the symbols: `--table`.
//!
//! A thread of its own, which begins when the terminal thread has shown what came before, and which ends
//! for good as soon as the end of the recording begins. It reads snapshots and writes without waiting: a
//! terminal that takes nothing costs the recording nothing, and keeps one frame in memory.
//!
//! - `tty`: the terminal, taken and given back as it was found, however the program ends
//! - `run`: the thread: keys, signals, when to draw
//! - `view`: what was chosen, and what a key does
//! - `rows`, `trails`, `chart`: what is shown of the symbols
//! - `draw`, `frame`: the screen, and what has changed on it
//! - `last_lines`: the log lines on it

mod chart;
mod draw;
mod frame;
mod last_lines;
mod rows;
mod run;
mod trails;
mod tty;
mod view;

use std::sync::{Arc, Mutex, PoisonError};

use log::warn;

use super::log_lines::LogLine;
use crate::channel::SharedState;
use crate::feed::ChangeWatchList;
use crate::process::threads::spawn;
use crate::process::waker::{Waker, waker};
use crate::text::in_words;
use last_lines::LastLines;
use run::TableThread;
use tty::Tty;

/// So many log lines are shown again when the terminal is given back.
const LAST_LINES: usize = 10;

/// The table, from outside.
#[derive(Debug)]
pub(super) struct Table {
    tty: Arc<Tty>,
    waker: Waker,
    log: LastLines,
    /// Until it begins.
    thread: Mutex<Option<TableThread>>,
}

impl Table {
    /// Makes everything ready; the terminal is still as it was. From here on a panic of any thread gives
    /// the terminal back before it is reported.
    ///
    /// # Errors
    /// When the terminal cannot be had, in one line.
    pub(super) fn open(
        shared: Arc<SharedState>,
        change: Arc<ChangeWatchList>,
        colours: bool,
    ) -> Result<Self, String> {
        let tty = Arc::new(Tty::open()?);
        let (waker, woken) = waker().map_err(|error| in_words(&error))?;
        let log = LastLines::default();
        let thread = TableThread::new(
            (Arc::clone(&tty), woken, waker.clone()),
            (shared, log.clone(), change),
            colours,
        )
        .map_err(|error| in_words(&error))?;
        tty.leave_at_a_panic();
        Ok(Self { tty, waker, log, thread: Mutex::new(Some(thread)) })
    }

    /// Takes the terminal. To be called when nothing else writes to it any more. `before` are the log lines
    /// that are on it.
    pub(super) fn begin(&self, before: Vec<LogLine>) {
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        for line in before {
            self.log.push(line, true);
        }
        if let Err(error) = spawn("table", move || thread.run()) {
            self.tty.leave();
            warn!("--table: {error}");
        }
    }

    /// Whether the terminal is the table's.
    pub(super) fn has_terminal(&self) -> bool {
        !self.tty.is_over()
    }

    /// Shows a log line.
    pub(super) fn push(&self, line: LogLine) {
        self.log.push(line, false);
        self.waker.wake();
    }

    /// Gives the terminal back for good, as it was found.
    pub(super) fn leave(&self) {
        self.tty.leave();
        self.waker.wake();
    }

    /// The last log lines, which went away with the table; once.
    pub(super) fn last_lines(&self) -> Vec<LogLine> {
        self.log.take(LAST_LINES)
    }
}
