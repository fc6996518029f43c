//! The last log lines, which the terminal thread puts in and the table shows.
//!
//! Both threads; none waits for the other longer than a copy takes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::terminal::log_lines::LogLine;

/// Lines that are kept: what a large screen shows.
const KEPT: usize = 100;

/// The lines, the newest at the end; with each whether it is on the other screen as well.
#[derive(Debug, Clone, Default)]
pub(super) struct LastLines(Arc<Mutex<VecDeque<(LogLine, bool)>>>);

impl LastLines {
    pub(super) fn push(&self, line: LogLine, is_on_other_screen: bool) {
        let mut lines = self.lock();
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back((line, is_on_other_screen));
    }

    /// So many of the newest, or all there are.
    pub(super) fn newest(&self, count: usize) -> Vec<LogLine> {
        let lines = self.lock();
        let first = lines.len().saturating_sub(count);
        lines.iter().skip(first).map(|(line, _)| line.clone()).collect()
    }

    /// Takes so many of the newest that are only here; forgets all.
    pub(super) fn take(&self, count: usize) -> Vec<LogLine> {
        let lines = std::mem::take(&mut *self.lock());
        let only_here = lines.into_iter().filter(|(_, is_on_other_screen)| !is_on_other_screen);
        let only_here: Vec<LogLine> = only_here.map(|(line, _)| line).collect();
        let first = only_here.len().saturating_sub(count);
        only_here.into_iter().skip(first).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(LogLine, bool)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
