//! The running (or ended) program: its files, its terminal, its end.
//!
//! The test's thread calls everything here; two small threads per process collect its standard
//! output and standard error, so that a full pipe never stops it. It is ended by its own id when
//! the test is over, however the test ends.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

use super::connection::Connection;
use super::stopwatch::{Stopwatch, Waits};
use super::{DEADLINE, Signal};

/// Pause between two looks at a file or a process.
const LOOK_AGAIN: Duration = Duration::from_millis(4);

/// The running (or ended) program.
pub(crate) struct Recorder {
    child: Child,
    waits: Waits,
    status: Option<ExitStatus>,
    home: Arc<TempDir>,
    working_directory: PathBuf,
    stdout: Collected,
    stderr: Collected,
}

impl Recorder {
    /// Takes over a program that was just started. What of its output is not on a pipe is on
    /// `terminal`.
    pub(crate) fn new(
        mut child: Child,
        terminal: impl Read + Send + 'static,
        home: Arc<TempDir>,
        working_directory: PathBuf,
    ) -> Self {
        let stdout = match child.stdout.take() {
            Some(pipe) => Collected::from(pipe),
            None => Collected::from(io::empty()),
        };
        let stderr = match child.stderr.take() {
            Some(pipe) => Collected::from(pipe),
            None => Collected::from(terminal),
        };
        let waits = Waits::of(child.id());
        Self { child, waits, status: None, home, working_directory, stdout, stderr }
    }

    /// The directory that everything of this run is in, for another run beside it.
    pub(crate) fn home(&self) -> Arc<TempDir> {
        Arc::clone(&self.home)
    }

    /// The path of a file in the working directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.working_directory.join(name)
    }

    /// What a file in the working directory holds now; empty when there is none.
    pub(crate) fn bytes_of(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_default()
    }

    /// The same as text; what is not UTF-8 is replaced.
    pub(crate) fn text_of(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.bytes_of(name)).into_owned()
    }

    /// Whether a file ends with `text`; reads no more of it than that.
    pub(crate) fn ends_with(&self, name: &str, text: &str) -> bool {
        let Ok(mut file) = File::open(self.path(name)) else { return false };
        let mut end = Vec::new();
        let place = i64::try_from(text.len()).expect("a short text");
        file.seek(SeekFrom::End(-place)).and_then(|_| file.read_to_end(&mut end)).is_ok()
            && end == text.as_bytes()
    }

    /// The recording `op1.csv`.
    pub(crate) fn csv(&self) -> String {
        self.text_of("op1.csv")
    }

    /// The log `websocket_data.log`.
    pub(crate) fn log(&self) -> String {
        for_people(self.text_of("websocket_data.log"))
    }

    /// The coverage ledger `op1.coverage.csv`.
    pub(crate) fn ledger(&self) -> String {
        for_people(self.text_of("op1.coverage.csv"))
    }

    /// What has come on standard error.
    pub(crate) fn stderr(&self) -> String {
        for_people(self.stderr.text())
    }

    /// What has come on standard output.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Every file below the first directory with what it holds, sorted by name.
    pub(crate) fn all_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.home.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("the folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let content = fs::read(&path).unwrap_or_default();
                    found.push((path, content));
                }
            }
        }
        found.sort();
        found
    }

    /// The names in the working directory that hold `part`, sorted.
    pub(crate) fn names_with(&self, part: &str) -> Vec<String> {
        let entries = fs::read_dir(&self.working_directory).expect("the directory").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.contains(part)).collect();
        names.sort();
        names
    }

    /// Waits until `observable` is true of this process and its files.
    pub(crate) fn wait_until(&mut self, what: &str, mut observable: impl FnMut(&Self) -> bool) {
        self.wait_while_moving(what, |now| (observable(now), ()));
    }

    /// Waits for an amount of work, however long it takes: until `look` answers yes. Beside that it tells
    /// how far it is; fails when that has stood still for as long as any other wait may take.
    pub(crate) fn wait_while_moving<Far: PartialEq>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> (bool, Far),
    ) {
        let mut last = None;
        let mut moved = self.stopwatch();
        loop {
            // Asked before the look: what a process that has ended left behind is all there is.
            let ended = !self.is_running();
            let (reached, far) = look(self);
            if reached {
                return;
            }
            assert!(!ended, "the program ended before {what}\n{}", self.seen());
            if last.as_ref() != Some(&far) {
                (last, moved) = (Some(far), self.stopwatch());
            }
            let late = self.waits.exceeds(&moved, DEADLINE);
            assert!(!late, "waited {DEADLINE:?} in vain for {what}\n{}", self.seen());
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Waits until `ship` has nothing left to do, or has ended, as long as its position moves.
    pub(crate) fn wait_until_shipped(&mut self) {
        self.wait_while_moving("the rest to be shipped", |now| {
            let positions = now.all_files().into_iter().filter(|(path, _)| {
                path.file_name().is_some_and(|name| name.to_string_lossy().contains(".ship-"))
            });
            let positions = positions.collect::<Vec<_>>();
            // What an ended process has said last may still be in the pipe.
            (!now.is_running() || now.stderr().contains("waiting 0"), positions)
        });
    }

    /// Waits until the recording ends with `text`, as long as it grows.
    pub(crate) fn wait_for_end_of_recording(&mut self, text: &str) {
        self.wait_while_moving(&format!("the row {text:?}"), |now| {
            let length = fs::metadata(now.path("op1.csv")).map_or(0, |found| found.len());
            (now.ends_with("op1.csv", text), length)
        });
    }

    /// Waits until standard error or the log holds `text`.
    pub(crate) fn wait_until_it_says(&mut self, text: &str) {
        self.wait_until(&format!("it says {text:?}"), |recorder| {
            recorder.stderr().contains(text) || recorder.log().contains(text)
        });
    }

    /// Waits until the recording holds at least this many rows (line ends, the header's not
    /// counted), however long it takes, as long as more come. Reads only what is new at each look, so
    /// that it can follow a large file.
    pub(crate) fn wait_for_row_count(&mut self, rows: usize) {
        let mut line_ends = 0_usize;
        let mut file = None;
        let mut chunk = vec![0; 1 << 16];
        self.wait_while_moving(&format!("{rows} rows"), |recorder| {
            if file.is_none() {
                file = File::open(recorder.path("op1.csv")).ok();
            }
            if let Some(file) = &mut file {
                while let Ok(count @ 1..) = file.read(&mut chunk) {
                    line_ends += memchr::memchr_iter(b'\n', &chunk[..count]).count();
                }
            }
            (line_ends > rows, line_ends)
        });
    }

    /// The arguments of the process as `ps` shows them.
    pub(crate) fn arguments(&self) -> String {
        let id = self.child.id().to_string();
        // Not every machine has `ps`; where there is no such file, it is there.
        if let Ok(arguments) = std::fs::read(format!("/proc/{id}/cmdline")) {
            return String::from_utf8_lossy(&arguments).replace('\0', " ");
        }
        let output = Command::new("ps").args(["-o", "args=", "-p", &id]).output().expect("ps");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Sends a signal to this process alone.
    pub(crate) fn signal(&self, signal: Signal) {
        assert!(self.status.is_none(), "the program has ended\n{}", self.seen());
        let process = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a process id"));
        nix::sys::signal::kill(process, signal).expect("the signal to be sent");
    }

    /// Sends a second Ctrl-C, far enough from the first one, which the program has seen, to be one.
    pub(crate) fn insist(&self) {
        thread::sleep(Duration::from_millis(60));
        self.signal(Signal::SIGINT);
    }

    /// Makes room on the disk that [`super::Run::file_size_limit`] filled.
    pub(crate) fn lift_file_size_limit(&self) {
        let process = self.child.id().to_string();
        let arguments = ["--fsize=unlimited", "--pid", &process];
        let status = Command::new("prlimit").args(arguments).status().expect("prlimit");
        assert!(status.success(), "the limit to be lifted");
    }

    /// A number from `/proc/<process>/status`, such as `VmRSS` in KiB. Linux only.
    pub(crate) fn status_number(&self, name: &str) -> u64 {
        let line = self.status_line(name);
        let number = line.split_whitespace().next().and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("{name}: {line}"))
    }

    /// What follows a name in `/proc/<process>/status`, such as `T (stopped)`. Linux only.
    pub(crate) fn status_line(&self, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the state of the process");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("{name} in {status}")).trim().to_owned()
    }

    /// How often its threads have gone to sleep so far. Linux only.
    pub(crate) fn sleeps(&self) -> u64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        let statuses =
            threads.flatten().flat_map(|it| fs::read_to_string(it.path().join("status")));
        let sleeps = |status: String| {
            let line = status.lines().find_map(|it| it.strip_prefix("voluntary_ctxt_switches:"))?;
            line.trim().parse::<u64>().ok()
        };
        statuses.filter_map(sleeps).sum()
    }

    /// Hundredths of a second for which it has had a processor so far. Linux only.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = fs::read_to_string(path).expect("the state of the process");
        let after_name = text.rsplit_once(") ").expect("a name in parentheses").1;
        let fields: Vec<&str> = after_name.split(' ').collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    }

    /// Whether it has a thread with this name. Linux only.
    pub(crate) fn has_thread(&self, name: &str) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        threads.flatten().any(|thread| {
            fs::read_to_string(thread.path().join("comm")).is_ok_and(|it| it.trim_end() == name)
        })
    }

    /// The number of the thread with this name. Linux only.
    pub(crate) fn thread_id(&self, name: &str) -> u32 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        let is_named = |path: &Path| {
            fs::read_to_string(path.join("comm")).is_ok_and(|found| found.trim_end() == name)
        };
        let thread = threads.flatten().map(|it| it.path()).find(|path| is_named(path));
        let id = thread.as_ref().and_then(|path| path.file_name()?.to_str()?.parse().ok());
        id.unwrap_or_else(|| panic!("a thread {name}"))
    }

    /// The letter for the state of a thread in `/proc`, such as `t` for held by a debugger. Linux only.
    pub(crate) fn thread_state(&self, thread: u32) -> char {
        let path = format!("/proc/{}/task/{thread}/stat", self.child.id());
        let text = fs::read_to_string(path).expect("the state of the thread");
        let after_name = text.rsplit_once(") ").expect("a name in parentheses").1;
        after_name.chars().next().expect("a state")
    }

    /// How many file descriptors the process has open. Linux only.
    pub(crate) fn open_files(&self) -> usize {
        let listed = fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        listed.expect("the open files of the process").count()
    }

    /// Begins to measure how long the program takes for something.
    pub(crate) fn stopwatch(&mut self) -> Stopwatch {
        self.waits.start()
    }

    /// How long it has taken since then.
    pub(crate) fn took(&mut self, since: &Stopwatch) -> Duration {
        self.waits.since(since)
    }

    /// Whether the machine had no processor for it for a second since then.
    pub(crate) fn was_starved(&mut self, since: &Stopwatch) -> bool {
        self.waits.waited_since(since) > Duration::from_secs(1)
    }

    /// Whether the process has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        if self.status.is_none() {
            self.waits.look_now_and_then();
            self.status = self.child.try_wait().expect("the state of the process");
        }
        self.status.is_none()
    }

    /// Waits for the end. The exit code, or the signal's number below zero (`-9`).
    pub(crate) fn wait_exit(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let status = self.wait_exit_status();
        status.code().unwrap_or_else(|| -status.signal().expect("a code or a signal"))
    }

    /// The same as the system says it.
    pub(crate) fn wait_exit_status(&mut self) -> ExitStatus {
        let start = self.stopwatch();
        while self.is_running() {
            let late = self.waits.exceeds(&start, DEADLINE);
            assert!(!late, "waited {DEADLINE:?} for the program to end\n{}", self.seen());
            thread::sleep(LOOK_AGAIN);
        }
        self.stdout.finish();
        self.stderr.finish();
        self.status.expect("it has ended")
    }

    /// Ends the run as a person would: SIGTERM, and a server that answers the Close frame.
    pub(crate) fn stop(&mut self, mut connection: Connection) -> i32 {
        self.signal(Signal::SIGTERM);
        connection.answer_close();
        self.wait_exit()
    }

    /// The one line of standard error of a program that refused to start; fails when there are
    /// more lines or none, or when standard output holds anything.
    pub(crate) fn only_error_line(&self) -> String {
        let stderr = self.stderr();
        let whole_line = stderr.ends_with('\n') && stderr.lines().count() == 1;
        assert!(whole_line, "one line on standard error\n{}", self.seen());
        assert_eq!(self.stdout(), "", "standard output carries nothing but data");
        stderr.trim_end().to_owned()
    }

    /// All that was seen, for the message of a failure. Long files are cut to their end.
    pub(crate) fn seen(&self) -> String {
        format!(
            "--- exit: {:?}\n--- standard error:\n{}\n--- standard output:\n{}\n--- log:\n{}\n\
             --- op1.csv:\n{}\n--- ledger:\n{}\n---",
            self.status,
            last_part(&self.stderr()),
            last_part(&self.stdout()),
            last_part_of_file(&self.path("websocket_data.log")),
            last_part_of_file(&self.path("op1.csv")),
            last_part_of_file(&self.path("op1.coverage.csv")),
        )
    }
}

impl Drop for Recorder {
    #[expect(clippy::print_stderr, reason = "the test runner shows it with the failure")]
    fn drop(&mut self) {
        // A server that waits in vain cannot find out what the program was doing meanwhile.
        if thread::panicking() {
            eprintln!("{}", self.seen());
        }
        if self.is_running() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Bytes of a pipe, collected by a thread until the other end closes it.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Collected {
    fn from(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let thread = thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                shared.lock().expect("the bytes").extend_from_slice(&chunk[..count]);
            }
        });
        Self { bytes, thread: Some(thread) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("the bytes")).into_owned()
    }

    /// Waits for the rest. Only after the process has ended: its end closes the pipe.
    fn finish(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the collecting thread");
        }
    }
}

/// How much of a text a failure shows.
const SHOWN_BYTES: usize = 6_000;

/// What people read has no numbers of the system in it.
fn for_people(text: String) -> String {
    assert!(!text.contains("(os error "), "{text}");
    text
}

fn last_part(text: &str) -> &str {
    let mut start = text.len().saturating_sub(SHOWN_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

fn last_part_of_file(path: &Path) -> String {
    let Ok(mut file) = File::open(path) else {
        return "(no such file)".to_owned();
    };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut end = Vec::new();
    let _ = file.seek(SeekFrom::Start(length.saturating_sub(SHOWN_BYTES as u64)));
    let _ = file.read_to_end(&mut end);
    String::from_utf8_lossy(&end).into_owned()
}
