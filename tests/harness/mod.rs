//! Runs the built binary in a directory and an environment of its own, and watches what it does.
//!
//! [`Run`] says how to start it; what it starts is a [`Recorder`] (in `recorder`), whose files and
//! terminal can be read at any time. `server`, `connection` and `frames` play Finnhub, and
//! `pseudo_terminal` a terminal, and `faulty_disk` a broken disk. The test's thread calls everything.
//!
//! Nothing here sleeps to be right: every wait is for something that can be seen, has a deadline,
//! and says on failure what was seen instead. What is promised in seconds is measured with a
//! [`stopwatch`], which leaves out the time in which the machine had no processor for the program. A
//! process is ended by its own id, also when a test fails.
//!
//! ```text
//! let server = Server::plain();
//! let mut recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
//! let mut connection = server.connect();
//! connection.wait_for_subscriptions(1);
//! connection.send_text(r#"{"data":[{"p":1.5,"s":"AAPL","t":1680286537580,"v":5}],"type":"trade"}"#);
//! recorder.wait_for_row_count(1);
//! assert_eq!(recorder.stop(connection), 0);
//! ```

pub(crate) mod connection;
#[cfg(target_os = "linux")]
pub(crate) mod faulty_disk;
pub(crate) mod frames;
pub(crate) mod pseudo_terminal;
mod recorder;
pub(crate) mod server;
pub(crate) mod stopwatch;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Once};
use std::time::Duration;

pub(crate) use nix::sys::signal::Signal;
use tempfile::TempDir;

use pseudo_terminal::PseudoTerminal;
pub(crate) use recorder::Recorder;

/// The key every run has unless another is given: long and odd enough to be found in any text.
pub(crate) const KEY: &str = "c0ntr4ct7estk3y0n1yf0r7h15";

/// How long any wait may take, or may see nothing move, before the test fails. Far more than needed, so
/// that a slow and busy machine does not fail a test; only a program that hangs waits so long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How the binary is to be started. Every method that takes `self` gives it back.
pub(crate) struct Run {
    home: Arc<TempDir>,
    working_directory: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    /// A program that takes the place of itself by ours, and its arguments.
    through: Vec<OsString>,
}

impl Run {
    /// A run in a new empty directory, with [`KEY`] in `FINNHUB_API_KEY` and no other setting.
    pub(crate) fn new() -> Self {
        Self::without_key().env("FINNHUB_API_KEY", KEY)
    }

    /// A run in a new empty directory, with no key anywhere.
    pub(crate) fn without_key() -> Self {
        Self::inside(Arc::new(tempfile::tempdir().expect("a temporary directory")))
    }

    /// A run in the directory of another one, which may still be going on or have been killed.
    pub(crate) fn beside(other: &Recorder) -> Self {
        Self::inside(other.home()).env("FINNHUB_API_KEY", KEY)
    }

    fn inside(home: Arc<TempDir>) -> Self {
        let working_directory = home.path().to_owned();
        let (arguments, environment) = (Vec::new(), Vec::new());
        Self { home, working_directory, arguments, environment, through: Vec::new() }
    }

    /// Streams from the server at `url`.
    pub(crate) fn url(self, url: &str) -> Self {
        self.arg("--url").arg(url)
    }

    /// Asks for these comma-separated symbols.
    pub(crate) fn tickers(self, tickers: &str) -> Self {
        self.arg("--tickers").arg(tickers)
    }

    /// Records these columns only.
    pub(crate) fn columns(self, columns: &str) -> Self {
        self.arg("--columns").arg(columns)
    }

    /// Adds one argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    pub(crate) fn args(self, arguments: &[&str]) -> Self {
        arguments.iter().fold(self, Self::arg)
    }

    /// Sets a variable of the environment; the last value given for a name counts.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Writes `content` as `.env` into the first directory, readable by its owner alone.
    pub(crate) fn dotenv(self, content: &str) -> Self {
        let run = self.file(".env", content);
        run.restrict(".env", 0o600)
    }

    /// Writes a file into the first directory before the start. Folders in its name are created.
    pub(crate) fn file(self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder for the file");
        fs::write(path, content).expect("the file to be written");
        self
    }

    /// Sets the permission bits of a file in the first directory.
    pub(crate) fn restrict(self, name: &str, mode: u32) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.home.path().join(name), permissions).expect("permissions");
        self
    }

    /// Creates a folder inside the first directory.
    pub(crate) fn folder(self, name: &str) -> Self {
        fs::create_dir_all(self.home.path().join(name)).expect("a folder");
        self
    }

    /// Starts inside this folder of the first directory (created when missing).
    pub(crate) fn working_directory(self, name: &str) -> Self {
        let mut run = self.folder(name);
        run.working_directory = run.home.path().join(name);
        run
    }

    /// Lets the program make no file longer than this, as a full disk would, until
    /// [`Recorder::lift_file_size_limit`]. Linux only.
    pub(crate) fn file_size_limit(self, bytes: u64) -> Self {
        self.through(&["prlimit", &format!("--fsize={bytes}:unlimited")])
    }

    /// Starts by way of another program, which must take the place of itself by ours.
    pub(crate) fn through(mut self, program: &[&str]) -> Self {
        self.through = program.iter().map(OsString::from).collect();
        self
    }

    /// Starts with the machine's clock at this UTC time, such as `2026-12-08 03:30:00`; from there it
    /// goes on, ` x60` behind it makes it faster. Only the wall clock is another one: time-outs last as
    /// long as ever. Needs Debian's `faketime`.
    pub(crate) fn clock(self, utc: &str) -> Self {
        self.faketime().env("FAKETIME", format!("@{utc}"))
    }

    /// Starts with `faketime` between the program and the wall clock; which time it shows is to be set.
    pub(crate) fn faketime(self) -> Self {
        let libraries = fs::read_dir("/usr/lib").expect("the libraries").flatten();
        let mut libraries = libraries.map(|it| it.path().join("faketime/libfaketime.so.1"));
        let library = libraries.find(|it| it.exists()).expect("apt-get install faketime");
        self.env("LD_PRELOAD", library).env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("TZ", "UTC")
    }

    /// The directory it will be started in.
    pub(crate) fn directory(&self) -> &Path {
        &self.working_directory
    }

    /// Starts the program.
    pub(crate) fn spawn(self) -> Recorder {
        self.start(Stdio::piped(), Stdio::piped(), io::empty())
    }

    /// Starts the program with its standard error on a terminal; what it writes there is read.
    pub(crate) fn spawn_on(self, terminal: &PseudoTerminal) -> Recorder {
        self.start(Stdio::piped(), terminal.for_program(), terminal.for_reader())
    }

    /// The same with its standard output there, too.
    pub(crate) fn spawn_all_on(self, terminal: &PseudoTerminal) -> Recorder {
        self.start(terminal.for_program(), terminal.for_program(), terminal.for_reader())
    }

    /// The same after Ctrl-S: the terminal takes nothing.
    pub(crate) fn spawn_on_stopped(self, terminal: &PseudoTerminal) -> Recorder {
        terminal.stop();
        self.start(Stdio::piped(), terminal.for_program(), io::empty())
    }

    /// The same with nobody to read: the terminal takes some kilobytes, and nothing more.
    pub(crate) fn spawn_on_unread(self, terminal: &PseudoTerminal) -> Recorder {
        self.start(Stdio::piped(), terminal.for_program(), io::empty())
    }

    /// Starts the program with nobody to read its standard output, and waits for its end.
    pub(crate) fn run_with_closed_stdout(self) -> (i32, Recorder) {
        let (_, stdout) = io::pipe().expect("a pipe");
        let mut recorder = self.start(stdout.into(), Stdio::piped(), io::empty());
        (recorder.wait_exit(), recorder)
    }

    /// Starts the program with its standard output to this file, and waits for its end.
    pub(crate) fn run_with_stdout_to(self, path: &str) -> (i32, Recorder) {
        let stdout = fs::OpenOptions::new().write(true).open(path).expect("a file");
        let mut recorder = self.start(stdout.into(), Stdio::piped(), io::empty());
        (recorder.wait_exit(), recorder)
    }

    fn start(self, stdout: Stdio, stderr: Stdio, terminal: impl Read + Send + 'static) -> Recorder {
        let child = self.command().stdout(stdout).stderr(stderr).spawn();
        let child = child.expect("the binary to start");
        Recorder::new(child, terminal, self.home, self.working_directory)
    }

    fn command(&self) -> Command {
        let_no_signal_be_ignored();
        let binary = env!("CARGO_BIN_EXE_finnhub-stream");
        let mut command = match self.through.split_first() {
            None => Command::new(binary),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary);
                command
            }
        };
        command
            .args(&self.arguments)
            .current_dir(&self.working_directory)
            .env_clear()
            // A name that cannot be resolved is to fail at once, not to wait for a far-away server.
            .env("RES_OPTIONS", "timeout:1 attempts:1")
            .stdin(Stdio::null());
        // Coverage tools leave word in the environment of where to write.
        for kept in ["PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the program, waits for its end and gives what is left.
    pub(crate) fn run_to_its_end(self) -> (i32, Recorder) {
        let mut recorder = self.spawn();
        let code = recorder.wait_exit();
        (code, recorder)
    }
}

/// Who runs the tests may have these ignored, as a script does for its background jobs, and programs
/// would inherit that. They do not inherit that a signal is noted.
fn let_no_signal_be_ignored() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        for signal in [Signal::SIGHUP as i32, Signal::SIGINT as i32] {
            if ignored.is_some_and(|mask| mask >> (signal - 1) & 1 == 1) {
                signal_hook::flag::register(signal, Arc::default()).expect("a signal");
            }
        }
    });
}
