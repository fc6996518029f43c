//! Who takes part, how each is started as a process, watched and ended. Runs on the main thread of
//! the bench.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::measure;
use crate::rows::Format;
use crate::{Outcome, floor, typical};

/// The program promises to stop within 5 s; the others have nothing to wait for.
const EXIT_WITHIN: Duration = Duration::from_secs(10);

/// Any key: the server here does not look at it.
const KEY: &str = "benchmark-key";

/// The recorders that are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorder {
    /// The real binary.
    FinnhubStream,
    /// Another build of it, named by `BENCH_BEFORE`.
    Before,
    /// See [`typical`].
    Typical,
    /// The same, its rows flushed after each message.
    TypicalFlushed,
    /// See [`floor`].
    Floor,
    /// The same, flushed after each message.
    FloorFlushed,
}

impl Recorder {
    /// In the order of the tables and of each round.
    pub(crate) const ALL: [Self; 6] = [
        Self::FinnhubStream,
        Self::Before,
        Self::Typical,
        Self::TypicalFlushed,
        Self::Floor,
        Self::FloorFlushed,
    ];

    /// Its name in the tables, and as this executable's hidden argument.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::FinnhubStream => "finnhub-stream",
            Self::Before => "before",
            Self::Typical => "typical",
            Self::TypicalFlushed => "typical-flushed",
            Self::Floor => "floor",
            Self::FloorFlushed => "floor-flushed",
        }
    }

    /// What its file looks like.
    pub(crate) const fn format(self) -> Format {
        match self {
            Self::FinnhubStream | Self::Before => Format::Digits,
            Self::Typical | Self::TypicalFlushed => Format::Floats,
            Self::Floor | Self::FloorFlushed => Format::RawMessages,
        }
    }

    /// Whether its last rows stay in a buffer until the feed ends.
    pub(crate) const fn holds_rows_back(self) -> bool {
        matches!(self, Self::Typical | Self::Floor)
    }

    /// Whether it ends by itself when the server closes; the real binary would connect again.
    pub(crate) fn ends_with_the_feed(self) -> bool {
        self.program().is_none()
    }

    /// The real binary that it is, if it is one.
    pub(crate) fn program(self) -> Option<PathBuf> {
        match self {
            Self::FinnhubStream => Some(env!("CARGO_BIN_EXE_finnhub-stream").into()),
            Self::Before => std::env::var_os("BENCH_BEFORE").map(PathBuf::from),
            _ => None,
        }
    }

    /// Records as this reference recorder, in this very process.
    ///
    /// # Errors
    /// Whatever the recorder reports.
    pub(crate) fn record(self, url: &str, out: &str) -> Outcome<()> {
        match self {
            Self::FinnhubStream | Self::Before => Err("a program of its own".into()),
            Self::Typical => typical::record(url, out, false),
            Self::TypicalFlushed => typical::record(url, out, true),
            Self::Floor => floor::record(url, out, false),
            Self::FloorFlushed => floor::record(url, out, true),
        }
    }
}

/// Recognises the hidden arguments `--floor URL OUT` with which the bench starts itself again.
pub(crate) fn reference_asked_for(arguments: &[String]) -> Option<(Recorder, &str, &str)> {
    let [name, url, out] = arguments else { return None };
    let name = name.strip_prefix("--")?;
    let recorder = Recorder::ALL.into_iter().find(|recorder| recorder.name() == name)?;
    recorder.ends_with_the_feed().then_some((recorder, url, out))
}

/// A running recorder with a directory of its own. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    recorder: Recorder,
    directory: TempDir,
    out: PathBuf,
    cpu_of_earlier_children: Duration,
    peak_memory_bytes: u64,
    started: Instant,
    /// From the start of the process until all symbols were subscribed.
    pub(crate) subscribed_after: Duration,
}

/// What a recorder had used when it ended.
pub(crate) struct Spent {
    /// User and system time of all its threads, from start to exit.
    pub(crate) cpu: Duration,
    pub(crate) peak_memory_bytes: u64,
}

impl Process {
    /// Starts the recorder on the server at `port`.
    ///
    /// # Errors
    /// The executable cannot be started.
    pub(crate) fn start(recorder: Recorder, port: u16, symbols: &[&str]) -> Outcome<Self> {
        // On the disk of the project's target directory: where people's recordings would be.
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let out = directory.path().join("recording");
        let url = format!("ws://127.0.0.1:{port}");
        let mut command = if let Some(program) = recorder.program() {
            let mut command = Command::new(program);
            command.args(["--url", &url, "--tickers", &symbols.join(",")]);
            command.arg("--out").arg(&out);
            command.arg("--log-file").arg(directory.path().join("log"));
            command
        } else {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg(format!("--{}", recorder.name())).arg(url).arg(&out);
            command
        };
        let cpu_of_earlier_children = measure::cpu_of_ended_children()?;
        let started = Instant::now();
        let child = command
            .current_dir(directory.path())
            .env("FINNHUB_API_KEY", KEY)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(directory.path().join("stderr"))?)
            .spawn()?;
        Ok(Self {
            child,
            recorder,
            directory,
            out,
            cpu_of_earlier_children,
            peak_memory_bytes: 0,
            started,
            subscribed_after: Duration::ZERO,
        })
    }

    /// The file it records into.
    pub(crate) fn out(&self) -> &Path {
        &self.out
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Remembers that all symbols have just been subscribed.
    pub(crate) fn note_subscribed(&mut self) {
        self.subscribed_after = self.started.elapsed();
    }

    /// Reads how much memory it has had in use at most; an ended process keeps the last answer.
    pub(crate) fn note_memory(&mut self) {
        if let Some(bytes) = measure::peak_memory_bytes(self.child.id()) {
            self.peak_memory_bytes = bytes;
        }
    }

    /// # Errors
    /// It has ended; with what it said about that.
    pub(crate) fn must_be_running(&mut self) -> Outcome<()> {
        match self.child.try_wait()? {
            Some(status) => Err(self.complaint(&format!("ended too early: {status}"))),
            None => Ok(()),
        }
    }

    /// An error about this recorder, with what it wrote on standard error.
    pub(crate) fn complaint(&self, what: &str) -> Box<dyn std::error::Error + Send + Sync> {
        let said = fs::read(self.directory.path().join("stderr")).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        format!("{} {what}; it said: {:?}", self.recorder.name(), said.trim_end()).into()
    }

    /// Asks the real binary to stop, as Ctrl-C does. The others stop when the feed ends.
    ///
    /// # Errors
    /// It has ended before.
    pub(crate) fn interrupt(&self) -> Outcome<()> {
        let id = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(id, Signal::SIGINT).map_err(|error| self.complaint(&format!("SIGINT: {error}")))
    }

    /// Waits until it has ended, and gives what it had used and its whole file.
    ///
    /// # Errors
    /// It does not end in time, or not with success, or left no file.
    pub(crate) fn finish(mut self) -> Outcome<(Spent, Vec<u8>)> {
        let spent = self.wait()?;
        Ok((spent, fs::read(&self.out)?))
    }

    /// Waits until it has ended, and gives what it had used.
    ///
    /// # Errors
    /// It does not end in time, or not with success.
    pub(crate) fn wait(&mut self) -> Outcome<Spent> {
        let deadline = Instant::now() + EXIT_WITHIN;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                return Err(self.complaint("did not end"));
            }
            thread::sleep(Duration::from_millis(1));
        };
        if !status.success() {
            return Err(self.complaint(&format!("failed: {status}")));
        }
        let cpu = measure::cpu_of_ended_children()?.saturating_sub(self.cpu_of_earlier_children);
        Ok(Spent { cpu, peak_memory_bytes: self.peak_memory_bytes })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both do nothing to a process that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
