//! The built binary with its dashboard, in a directory of its own. Ended by its own id.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::http::get_json;
use crate::waiting::{wait_for, wait_until};

/// Odd enough to be found in any text.
pub(crate) const KEY: &str = "d4shb04rdk3y0n1yf0r7h15";

pub(crate) struct Program {
    child: Child,
    home: TempDir,
    stderr: Arc<Mutex<String>>,
}

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

    pub(crate) fn start(arguments: &[&str]) -> Program {
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_finnhub-stream"))
            .args(arguments)
            .current_dir(home.path())
            .env_clear()
            .env("FINNHUB_API_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let collected = Arc::clone(&stderr);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut text = collected.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Program { child, home, stderr }
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
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
        let csv = fs::read(self.path("op1.csv")).unwrap_or_default();
        memchr::memchr_iter(b'\n', &csv).count().saturating_sub(1)
    }

    /// SIGTERM, and the end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let process = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(process, signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the end of the program", || self.child.try_wait().unwrap().ok_or("it runs"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let _ = writeln!(std::io::stderr(), "the program said:\n{}", self.stderr());
        }
    }
}
