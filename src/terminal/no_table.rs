//! Takes the place of `table` in a program that was built without it.

use super::log_lines::LogLine;

/// A table that never exists.
#[derive(Debug)]
pub(super) enum Table {}

impl Table {
    pub(super) fn begin(&self, _before: Vec<LogLine>) {
        match *self {}
    }

    pub(super) fn has_terminal(&self) -> bool {
        match *self {}
    }

    pub(super) fn push(&self, _line: LogLine) {
        match *self {}
    }

    pub(super) fn leave(&self) {
        match *self {}
    }

    pub(super) fn last_lines(&self) -> Vec<LogLine> {
        match *self {}
    }
}
