//! A wall clock that a test sets while the program runs, by Debian's `faketime`. The clock that counts
//! since the machine was started goes on as it is.

use std::fs;
use std::path::PathBuf;

use crate::harness::Run;
use crate::recording::now_ms;

/// The clock of the programs that were started with it.
pub(crate) struct WallClock {
    file: PathBuf,
    /// Of this machine's clock.
    ahead_ms: i64,
}

impl WallClock {
    /// A run by a clock that shows `time_ms` now.
    pub(crate) fn at(time_ms: i64, run: Run) -> (Self, Run) {
        let mut clock = Self { file: run.directory().join("clock"), ahead_ms: 0 };
        clock.set(time_ms);
        let run = clock.show_to(run);
        (clock, run)
    }

    /// The same clock for another run.
    pub(crate) fn show_to(&self, run: Run) -> Run {
        run.faketime()
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DISABLE_SHM", "1")
            .env("NO_FAKE_STAT", "1")
    }

    /// Sets it. It goes on from there.
    pub(crate) fn set(&mut self, time_ms: i64) {
        self.set_by(time_ms - now_ms() - self.ahead_ms);
    }

    /// Sets it forward by so much, or back.
    pub(crate) fn set_by(&mut self, ms: i64) {
        self.ahead_ms += ms;
        let ahead_ms = self.ahead_ms;
        let sign = if ahead_ms < 0 { '-' } else { '+' };
        let (seconds, rest) = (ahead_ms.abs() / 1000, ahead_ms.abs() % 1000);
        // In one step: it is read at each look at the clock.
        let next = self.file.with_extension("next");
        fs::write(&next, format!("{sign}{seconds}.{rest:03}\n")).expect("the file");
        fs::rename(&next, &self.file).expect("to be renamed");
    }
}
