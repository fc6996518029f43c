//! `ship` into a real `PostgreSQL` beside a recorder at work: each row once, through kills of the
//! recorder, of `ship` and of the script. Without a recorder: `ship_engines`.
//!
//! Ignored on a machine without Debian's `postgresql` and `faketime`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use tempfile::TempDir;

use crate::harness::{Recorder, Run, Signal};
use crate::journal::Journal;
use crate::ship::{beside, ship};

/// A server that was killed has recovered within this.
const SERVER_STARTS_WITHIN: Duration = Duration::from_secs(60);

/// Debian's newest server.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL, from Debian's package");
    let versions = versions.flatten().filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    PathBuf::from(format!("/usr/lib/postgresql/{}/bin", versions.max().expect("a version")))
}

/// A server of our own, on a socket in a directory of its own.
pub(crate) struct Postgres {
    directory: TempDir,
    server: Option<Child>,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_str().expect("text").to_owned();
        let mut postgres = Self { directory, server: None };
        if rustix::process::geteuid().is_root() {
            let status = Command::new("chown").args(["postgres", &path]).status();
            assert!(status.expect("chown").success(), "the user postgres");
        }
        let data = format!("{path}/data");
        let arguments = ["-D", &data, "-A", "trust", "-U", "postgres", "--no-instructions"];
        let status = postgres.program("initdb").args(arguments).stdout(Stdio::null()).status();
        assert!(status.expect("initdb").success());
        postgres.start_again();
        postgres
    }

    /// A program of the server's, as a user that it accepts.
    fn program(&self, name: &str) -> Command {
        let program = programs().join(name);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.directory.path());
        command
    }

    /// Starts it, also after a kill: it waits until the last one's processes are gone.
    pub(crate) fn start_again(&mut self) {
        let path = self.directory.path();
        let deadline = Instant::now() + SERVER_STARTS_WITHIN;
        loop {
            let said = || fs::read_to_string(path.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "{}", said());
            let log = fs::File::options().create(true).append(true).open(path.join("log"));
            let log = log.expect("a log");
            let mut command = self.program("postgres");
            command.arg("-D").arg(path.join("data")).arg("-k").arg(path).args(["-h", ""]);
            // Its data are thrown away with the test, and a kill takes nothing from the system.
            command.args(["-c", "fsync=off", "-c", "unix_socket_permissions=0777"]);
            let log = (log.try_clone().expect("a log"), log);
            let mut server = command.stdout(log.0).stderr(log.1).spawn().expect("the server");
            // It ends by itself while the last one's other processes are still there.
            while Instant::now() < deadline && server.try_wait().expect("a state").is_none() {
                if self.query("SELECT 1").is_some() {
                    self.server = Some(server);
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// `kill -9` of the server itself; its other processes notice and end.
    pub(crate) fn kill(&mut self) {
        let file = fs::read_to_string(self.directory.path().join("data/postmaster.pid"));
        let number = file.expect("its number").lines().next().and_then(|it| it.parse().ok());
        let server = Pid::from_raw(number.expect("a number"));
        nix::sys::signal::kill(server, Signal::SIGKILL).expect("the server to be there");
        let _ = self.server.take().expect("a server").wait();
    }

    /// What it answers, without decoration; `None` when it does not.
    fn query(&self, sql: &str) -> Option<String> {
        let mut psql = Command::new("psql");
        let output = psql.args(["-qXAt", "-c", sql]).envs(self.way_to_it()).output().expect("psql");
        output.status.success().then(|| String::from_utf8(output.stdout).expect("text"))
    }

    pub(crate) fn way_to_it(&self) -> [(&'static str, PathBuf); 2] {
        [("PGHOST", self.directory.path().to_owned()), ("PGUSER", PathBuf::from("postgres"))]
    }

    /// All rows, in their order.
    pub(crate) fn rows(&self) -> String {
        const ALL: &str = "COPY (SELECT ticker, price_text, volume_text, timestamp_ms, received_ms, \
                           nullif(conditions, '') FROM trades ORDER BY n) TO STDOUT (FORMAT csv)";
        self.query(ALL).expect("the rows")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let file = self.directory.path().join("data/postmaster.pid");
            let file = fs::read_to_string(file).unwrap_or_default();
            if let Some(number) = file.lines().next().and_then(|it| it.parse().ok()) {
                // At once: nobody needs the data.
                let _ = nix::sys::signal::kill(Pid::from_raw(number), Signal::SIGQUIT);
            }
            let _ = server.wait();
        }
    }
}

/// The script, which also leaves its number.
const COMMAND: &str = "echo $$ > script.pid; exec ./script";

/// Puts the script and the way to the server into a run.
fn with_script(run: Run, postgres: &Postgres) -> Run {
    let (code, generated) =
        Run::without_key().args(&["generate", "ship-postgres"]).run_to_its_end();
    assert_eq!(code, 0, "{}", generated.seen());
    let run = run.file("script", generated.stdout()).restrict("script", 0o755);
    postgres.way_to_it().into_iter().fold(run, |run, (name, value)| run.env(name, value))
}

fn kill_script(beside: &Recorder) {
    let number = beside.text_of("script.pid").trim().to_owned();
    let name = fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
    if let Ok(number) = number.parse()
        && name.trim() == "script"
    {
        // It may have ended by itself.
        let _ = nix::sys::signal::kill(Pid::from_raw(number), Signal::SIGKILL);
    }
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |number| number.parse().expect("a number"))
}

/// The rest, without kills.
fn ship_the_rest(shipped: &Recorder, postgres: &Postgres) {
    let run = ship(with_script(Run::beside(shipped), postgres), "--once", COMMAND);
    let mut last = run.spawn();
    last.wait_until_shipped();
    assert_eq!(last.wait_exit(), 0, "{}", last.seen());
}

/// The recorder's clock runs so much faster: an hour of it is a minute.
const CLOCK: u64 = 60;
/// Where it begins: 2026-11-23T00:00:00Z.
const CLOCK_BEGINS: i64 = 1_795_392_000;

/// A recorder whose clock goes on, fast, from one start to the next; only the wall clock does.
fn fast_recorder(run: Run, url: &str, begun: Instant) -> Recorder {
    let seconds = i64::try_from(begun.elapsed().as_secs() * CLOCK).expect("a time of our age");
    let now = jiff::Timestamp::from_second(CLOCK_BEGINS + seconds).expect("a time of our age");
    let now = now.strftime("%Y-%m-%d %H:%M:%S");
    run.clock(&format!("{now} x{CLOCK}"))
        .url(url)
        .tickers("AAPL")
        .arg("--rotate")
        .arg("hourly")
        .arg("--compress")
        .spawn()
}

/// Every file of the recording, oldest first, without headers.
fn whole_recording(folder: &Path) -> (usize, String) {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder").flatten().map(|it| it.path()).collect();
    files.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("text");
        name.starts_with("op1-") && !name.contains("coverage") && !name.contains(".part")
    });
    let mut texts: Vec<String> = files
        .iter()
        .map(|path| {
            let bytes = fs::read(path).expect("the file");
            let mut text = String::new();
            let read = if path.extension().is_some_and(|it| it == "gz") {
                let mut packed = flate2::read::GzDecoder::new(bytes.as_slice());
                std::io::Read::read_to_string(&mut packed, &mut text)
            } else {
                std::io::Read::read_to_string(&mut bytes.as_slice(), &mut text)
            };
            read.expect("text");
            text
        })
        .collect();
    texts.push(fs::read_to_string(folder.join("op1.csv")).expect("the live file"));
    let mut rows: Vec<&str> =
        texts.iter().flat_map(|text| text.split_inclusive('\n').skip(1)).collect();
    // By the number in the price, as it is asked for from the table.
    rows.sort_by_key(|row| row.split(',').nth(1).and_then(|it| it.parse::<u64>().ok()));
    (texts.len(), rows.concat())
}

#[test]
#[ignore = "needs PostgreSQL, faketime and FINNHUB_TEST_SHIP_SECONDS, else 75 of them"]
#[expect(clippy::print_stderr, reason = "the counts and the seed belong into the test's record")]
fn recorder_and_ship_for_an_hour_under_kills_of_both() {
    let lasts = Duration::from_secs(number("FINNHUB_TEST_SHIP_SECONDS", 75));
    let seed = fastrand::u64(..);
    eprintln!("{lasts:?}, seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let postgres = Postgres::start();
    let journal = Journal::start_at_pace(Duration::from_millis(15));
    let begun = Instant::now();
    let mut recorder = fast_recorder(Run::new(), &journal.url(), begun);
    recorder.wait_for_row_count(1);
    let follow = |run| ship(with_script(run, &postgres), "", COMMAND).spawn();
    let mut shipped = follow(Run::beside(&recorder));
    let mut killed = [0; 3];
    while begun.elapsed() < lasts {
        thread::sleep(Duration::from_millis(dice.u64(0..12_000)));
        let victim = dice.usize(0..3);
        killed[victim] += 1;
        match victim {
            0 => {
                recorder.signal(Signal::SIGKILL);
                recorder.wait_exit();
                recorder = fast_recorder(Run::beside(&shipped), &journal.url(), begun);
            }
            1 => {
                shipped.signal(Signal::SIGKILL);
                shipped.wait_exit();
                shipped = follow(Run::beside(&recorder));
            }
            _ => kill_script(&shipped),
        }
        assert!(
            recorder.is_running() && shipped.is_running(),
            "{}\n{}",
            recorder.seen(),
            shipped.seen()
        );
    }
    recorder.wait_until_it_says("connected");
    recorder.signal(Signal::SIGTERM);
    recorder.wait_exit();
    shipped.wait_until_it_says("accepted before");
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    ship_the_rest(&shipped, &postgres);
    let (files, expected) = whole_recording(&shipped.path(""));
    let found = postgres.rows();
    let [of_recorder, of_ship, of_script] = killed;
    eprintln!(
        "killed the recorder {of_recorder}, ship {of_ship}, the script {of_script} times; {} rows in {files} \
         files, {} in the table",
        expected.lines().count(),
        found.lines().count()
    );
    assert!(found == expected, "the table holds what the files hold, row for row");
    assert!(files > 1 || lasts < Duration::from_secs(CLOCK), "it was rotated");
    // Nothing else waits for it any more.
    assert_eq!(beside(&shipped, "--once", "false").wait_exit(), 0);
}
