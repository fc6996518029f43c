//! One line for each step of `check`: passed, failed, skipped, or a warning.
//!
//! Main thread.

use std::fmt::Display;
use std::io::{self, Write};

use crate::process::error::{Error, answer_not_written};

/// Width of the steps' names, so that the texts after them begin in one column.
const NAME_WIDTH: usize = 11;

/// The steps so far, and where their lines go.
pub(super) struct Steps<'a> {
    out: &'a mut dyn Write,
    all_well: bool,
    /// Why a line could not be written.
    not_written: Option<io::Error>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, all_well: true, not_written: None }
    }

    fn line(&mut self, mark: char, name: &str, text: &dyn Display) {
        let line = writeln!(self.out, "{mark} {name:<NAME_WIDTH$}  {text}");
        if let Err(error) = line.and_then(|()| self.out.flush()) {
            self.not_written = Some(error);
        }
    }

    /// Whether all steps have passed; also when the reader of the lines has gone away.
    ///
    /// # Errors
    /// When the lines could not be written for another reason.
    pub(super) fn end(self) -> Result<bool, Error> {
        self.not_written.map_or(Ok(()), |error| answer_not_written(&error))?;
        Ok(self.all_well)
    }

    pub(super) fn passed(&mut self, name: &str, text: impl Display) {
        self.line('✓', name, &text);
    }

    pub(super) fn failed(&mut self, name: &str, text: impl Display) {
        self.all_well = false;
        self.line('✗', name, &text);
    }

    /// Something odd that stops no recording.
    pub(super) fn warned(&mut self, name: &str, text: impl Display) {
        self.line('!', name, &text);
    }

    pub(super) fn skipped(&mut self, names: &[&str], why: &str) {
        for name in names {
            self.line('-', name, &format_args!("skipped: {why}"));
        }
    }
}
