//! What is shown on standard error.
//!
//! A thread of its own: a terminal that is stopped (Ctrl-S), slow or gone costs lines, never time.

use std::io::Write;
use std::sync::mpsc::Receiver;

use log::Level;

use crate::clock::{now_ms, show_ms};

/// Lines that may wait for a slow terminal; more than a screen, less than a memory problem.
pub const WAITING_LINES: usize = 1024;

/// Something to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A log line.
    Log(Level, String),
    /// A line as it is.
    Plain(String),
    /// Nothing comes after this.
    End,
}

/// Shows lines until [`Line::End`], or until nobody can send any more.
pub fn run(lines: &Receiver<Line>, out: &mut dyn Write) {
    while let Ok(line) = lines.recv() {
        // A terminal that is gone is no reason to stop recording.
        let _ = match line {
            Line::Log(level, text) => {
                let time = show_ms(now_ms());
                let clock = time.get(11..19).unwrap_or(&time);
                writeln!(out, "{clock} {level:<5} {text}")
            }
            Line::Plain(text) => writeln!(out, "{text}"),
            Line::End => return,
        };
    }
}
