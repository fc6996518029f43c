//! The built binary with its dashboard: the harness's recorder, asked over HTTP.

use std::net::SocketAddr;
use std::ops::Deref;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

use crate::harness::stopwatch::Stopwatch;
use crate::harness::{Recorder, Run, Signal};
use crate::http::get_json;
use crate::waiting::{wait_for, wait_until};

pub(crate) use crate::harness::KEY;

pub(crate) struct Program(Recorder);

impl Program {
    /// Records the simulated market, and serves the page at `dashboard`.
    pub(crate) fn demo(tickers: &str, dashboard: &str) -> Program {
        let dashboard = format!("--dashboard={dashboard}");
        Program::start(&["--demo", "--out", "op1.csv", "--tickers", tickers, &dashboard])
    }

    /// Records from `url`, and serves the page on any port.
    pub(crate) fn recording(url: &str, tickers: &str) -> Program {
        Program::start(&["--url", url, "--tickers", tickers, "--dashboard=127.0.0.1:0"])
    }

    /// The same with the machine's clock set, see [`Run::clock`].
    pub(crate) fn recording_at(utc: &str, url: &str, tickers: &str) -> Program {
        let run = Run::new().clock(utc).url(url).tickers(tickers);
        Program(run.arg("--dashboard=127.0.0.1:0").spawn())
    }

    pub(crate) fn start(arguments: &[&str]) -> Program {
        Program::of(arguments.iter().fold(Run::new(), Run::arg))
    }

    pub(crate) fn of(run: Run) -> Program {
        Program(run.spawn())
    }

    /// Where the page is, as the program says itself.
    pub(crate) fn address(&self) -> SocketAddr {
        wait_for("the dashboard's address", || {
            let stderr = self.stderr();
            let after = stderr.split_once("dashboard at http://").map(|(_, after)| after);
            let address = after.and_then(|after| after.split_once('/'));
            address.and_then(|(address, _)| address.parse().ok()).ok_or(stderr)
        })
    }

    /// Waits until the status is as wanted.
    pub(crate) fn wait_for_status(&self, what: &str, is_right: impl Fn(&Value) -> bool) -> Value {
        let address = self.address();
        wait_until(what, || get_json(address, "/api/status"), is_right)
    }

    pub(crate) fn rows(&self) -> usize {
        memchr::memchr_iter(b'\n', &self.bytes_of("op1.csv")).count().saturating_sub(1)
    }

    /// Begins to measure how long the program takes for something.
    pub(crate) fn stopwatch(&mut self) -> Stopwatch {
        self.0.stopwatch()
    }

    /// How long it has taken since then.
    pub(crate) fn took(&mut self, since: &Stopwatch) -> Duration {
        self.0.took(since)
    }

    /// SIGTERM, and the end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.0.wait_exit_status()
    }
}

impl Deref for Program {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.0
    }
}
