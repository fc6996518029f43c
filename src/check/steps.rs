//! One line for each step of `check`: passed, failed or skipped.
//!
//! Main thread.

use std::fmt::Display;
use std::io::Write;

/// Width of the steps' names, so that what is said of them begins in one column.
const NAME_WIDTH: usize = 11;

/// The lines said so far.
pub(super) struct Steps<'a> {
    out: &'a mut dyn Write,
    pub(super) all_well: bool,
}

impl<'a> Steps<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, all_well: true }
    }

    fn line(&mut self, mark: char, name: &str, text: &dyn Display) {
        // With nobody to read the lines, the exit code still says whether all is well.
        let _ = writeln!(self.out, "{mark} {name:<NAME_WIDTH$}  {text}");
        let _ = self.out.flush();
    }

    pub(super) fn passed(&mut self, name: &str, text: impl Display) {
        self.line('✓', name, &text);
    }

    pub(super) fn failed(&mut self, name: &str, text: impl Display) {
        self.all_well = false;
        self.line('✗', name, &text);
    }

    pub(super) fn skipped(&mut self, names: &[&str], why: &str) {
        for name in names {
            self.line('-', name, &format_args!("skipped: {why}"));
        }
    }
}
