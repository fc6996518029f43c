//! Standard error, behind a thread of its own, and how it is to look.
//!
//! Used by the main thread. Whoever logs gets a sender and never waits; only at the very end the
//! last lines are waited for, and not for long.

use std::env;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::channel::{Gauges, Line};
use crate::error::Error;
use crate::recorder::Report;
use crate::status::snapshot::SnapshotSlot;
use crate::terminal::{self, LiveLine, Look, WAITING_LINES};
use crate::threads::spawn;

/// A terminal that has no room for the summary within this does not get it …
const SUMMARY: Duration = Duration::from_millis(200);

/// … and one that does not take the last lines within this neither: together half a second.
const LAST_LINES: Duration = Duration::from_millis(300);

/// How often it is looked whether it has taken them.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The terminal thread and the way to it.
pub(crate) struct Screen {
    sender: SyncSender<Line>,
    thread: JoinHandle<()>,
}

impl Screen {
    pub(crate) fn start(
        quiet: bool,
        rows_on_standard_output: bool,
        slot: &SnapshotSlot,
        gauges: &Arc<Gauges>,
    ) -> Result<Screen, Error> {
        let look = look(quiet, rows_on_standard_output, slot, gauges);
        let (sender, lines) = mpsc::sync_channel(WAITING_LINES);
        let thread = spawn("terminal", move || terminal::run(&lines, &mut io::stderr(), look))?;
        Ok(Screen { sender, thread })
    }

    pub(crate) fn sender(&self) -> SyncSender<Line> {
        self.sender.clone()
    }

    /// Shows the summary, for which even a slow terminal is to have room.
    pub(crate) fn sum_up(&self, report: Option<&Report>) {
        if let Some(report) = report {
            self.send_until(Instant::now() + SUMMARY, Line::Plain(report.counts.to_string()));
        }
    }

    /// Waits for the last lines to be shown, but not for ever.
    pub(crate) fn end(self) {
        let until = Instant::now() + LAST_LINES;
        self.send_until(until, Line::End);
        while !self.thread.is_finished() && Instant::now() < until {
            thread::sleep(LOOK_EVERY);
        }
    }

    fn send_until(&self, until: Instant, line: Line) {
        let mut unsent = Some(line);
        while let Some(line) = unsent.take() {
            if let Err(TrySendError::Full(line)) = self.sender.try_send(line)
                && Instant::now() < until
            {
                unsent = Some(line);
                thread::sleep(LOOK_EVERY);
            }
        }
    }
}

/// A live line and colours only where somebody sees them.
fn look(
    quiet: bool,
    rows_on_standard_output: bool,
    slot: &SnapshotSlot,
    gauges: &Arc<Gauges>,
) -> Look {
    let terminal =
        io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|name| name != "dumb");
    // https://no-color.org: any value but an empty one.
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    // Rows on the same screen would be written over the line.
    let rows_there = rows_on_standard_output && io::stdout().is_terminal();
    let live_line = (terminal && !rows_there && !quiet)
        .then(|| LiveLine::new(slot.clone(), Arc::clone(gauges)));
    Look { colours: terminal && !no_color, live_line }
}
