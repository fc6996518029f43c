//! How far a long task has come: one short line on a terminal, and nothing elsewhere.
//!
//! Any thread. For `verify` and `simulate --replay`, which have no live line; never beside one.

use std::io::{self, Read};
use std::sync::Once;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A task that ends before this shows nothing.
const SHOWN_AFTER: Duration = Duration::from_secs(2);

/// Often enough to look alive.
const DRAWS_A_SECOND: u8 = 4;

/// Some 40 columns: pieces of a longer line would stay when the terminal becomes narrower.
const TEMPLATE: &str = "{prefix} {percent} % of {decimal_total_bytes}, {eta} left";

/// The line. It goes away with this value.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    bar: ProgressBar,
    shown: Once,
}

impl ProgressLine {
    /// For a `task` of `bytes` bytes; 0 when that is not known, and then nothing is shown. The time of the task
    /// begins with its first byte.
    pub(crate) fn new(task: &'static str, bytes: u64) -> Self {
        let style = ProgressStyle::with_template(TEMPLATE);
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden());
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar: bar.with_prefix(task), shown: Once::new() }
    }

    /// `bytes` bytes are done.
    pub(crate) fn advance_to(&self, bytes: u64) {
        if self.bar.position() == 0 {
            self.bar.reset();
        }
        self.bar.set_position(bytes);
        if self.bar.elapsed() >= SHOWN_AFTER && self.bar.length() > Some(0) {
            let target = || ProgressDrawTarget::stderr_with_hz(DRAWS_A_SECOND);
            self.shown.call_once(|| self.bar.set_draw_target(target()));
        }
    }

    /// Takes the line away for good.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Takes the line away while `write` writes to the terminal.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }
}

/// Counts what is read from `source`.
pub(crate) struct CountedRead<'p, R> {
    pub(crate) source: R,
    pub(crate) progress: &'p ProgressLine,
}

impl<R: Read> Read for CountedRead<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.progress.advance_to(self.progress.bar.position() + count as u64);
        Ok(count)
    }
}
