//! `kill -9` at any instant, against a server that keeps its own numbered journal: what was written
//! stays, byte for byte; nothing is doubled, glued or reordered; and the ledger says until when.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Recorder, Run, Signal};
use crate::journal::{Journal, Sent, numbers_of};
use crate::recording::{FORETOLD_COLUMNS, LedgerRow, ledger_rows, now_ms};
use crate::server::{ClosedPort, Server};

/// How often the program is killed; more with this variable in the environment.
const KILLS: usize = 50;
const KILLS_VARIABLE: &str = "FINNHUB_TEST_KILLS";

/// A trade that was sent so long before the kill must be in the file. The promise is milliseconds;
/// the rest is for a machine that runs many tests at once.
const WELL_BEFORE: Duration = Duration::from_millis(700);

/// The ledger's promise about the last proof of life.
const PROOF_AGE_MS: i64 = 5_000;

/// A run beside the last one, or the first.
fn start(url: &str, last: Option<&Recorder>) -> Recorder {
    let run = last.map_or_else(Run::new, Run::beside);
    run.url(url).tickers("AAPL").columns(FORETOLD_COLUMNS).spawn()
}

fn kill(recorder: &mut Recorder) {
    recorder.signal(Signal::SIGKILL);
    assert_eq!(recorder.wait_exit(), -9, "{}", recorder.seen());
}

/// The whole rows of a recording, without header and torn end.
fn whole_rows(csv: &str) -> &str {
    let whole = &csv[..csv.rfind('\n').map_or(0, |last| last + 1)];
    whole.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).unwrap_or_else(|| {
        assert_eq!(whole, "", "a file has its header before anything else");
        ""
    })
}

/// Fails unless `rows`, new in the file, are what one connection sent: from its beginning, without
/// a gap, and at least to what was sent [`WELL_BEFORE`] the kill. Gives how many there are.
fn check_new_rows(rows: &str, sent: &[Sent], known_connections: usize, killed: Instant) -> usize {
    let numbers = numbers_of(rows);
    let of_this_run = sent.iter().filter(|message| message.connection >= known_connections);
    let expected: Vec<u64> =
        of_this_run.clone().flat_map(|message| message.numbers.clone()).collect();
    // What a kill cut off was sent, but perhaps not yet in the journal.
    let known = numbers.len().min(expected.len());
    assert_eq!(numbers[..known], expected[..known], "in order, none missing, none twice");
    let late = &numbers[known..];
    assert!(late.len() <= 5 && late.is_sorted(), "rows that nobody sent: {late:?}");
    let owed = of_this_run
        .filter(|message| message.at + WELL_BEFORE < killed)
        .map(|message| message.numbers.clone().count())
        .sum::<usize>();
    assert!(numbers.len() >= owed, "{} rows of {owed} sent well before the kill", numbers.len());
    numbers.len()
}

/// A ledger that ended with `live`, and when its process was killed.
struct Unfinished {
    rows: Vec<LedgerRow>,
    killed_ms: i64,
}

/// What is known from one kill to the next.
#[derive(Default)]
struct Known {
    /// The recording's whole rows, with the header.
    kept: String,
    connections: usize,
    rows: usize,
    ledger: Vec<LedgerRow>,
    unfinished: Option<Unfinished>,
    killed_rows: usize,
}

impl Known {
    /// Looks at everything after a kill.
    fn check(&mut self, recorder: &Recorder, sent: &[Sent], killed: Instant, killed_ms: i64) {
        let csv = recorder.csv();
        assert!(csv.starts_with(&self.kept), "earlier rows are an unchanged prefix");
        let new = &whole_rows(&csv)[whole_rows(&self.kept).len()..];
        self.rows += check_new_rows(new, sent, self.connections, killed);
        self.connections = sent.last().map_or(0, |last| last.connection + 1);
        let whole = csv.rfind('\n').map_or(0, |last| last + 1);
        csv[..whole].clone_into(&mut self.kept);
        if !recorder.ledger().is_empty() {
            self.check_ledger(ledger_rows(recorder), killed_ms);
        }
    }

    /// Fails unless the first row after an unfinished ledger is `killed`, with a time at most 5 s
    /// before the kill and never after it.
    fn check_ledger(&mut self, rows: Vec<LedgerRow>, killed_ms: i64) {
        assert!(rows.starts_with(&self.ledger), "append-only: {rows:?}");
        let new = &rows[self.ledger.len()..];
        if let (Some(unfinished), Some(row)) = (&self.unfinished, new.first()) {
            assert_eq!((row.state.as_str(), row.reason.as_str()), ("down", "killed"), "{rows:?}");
            let age = unfinished.killed_ms - row.time_ms;
            assert!((0..=PROOF_AGE_MS).contains(&age), "{age} ms before the kill: {rows:?}");
            assert_eq!(unfinished.rows, rows[..rows.len() - new.len()]);
            self.unfinished = None;
            self.killed_rows += 1;
        }
        let told = new.iter().filter(|row| row.reason == "killed").count();
        assert!(told <= 1, "one row for one kill: {rows:?}");
        if self.unfinished.is_none() && rows.last().is_some_and(|row| row.state == "live") {
            self.unfinished = Some(Unfinished { rows: rows.clone(), killed_ms });
        }
        self.ledger = rows;
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "the counts and the seed belong into the test's record")]
fn every_row_written_survives_a_kill_at_any_instant() {
    let kills = env::var(KILLS_VARIABLE).map_or(KILLS, |number| number.parse().expect("a number"));
    let seed = fastrand::u64(..);
    let mut dice = fastrand::Rng::with_seed(seed);
    eprintln!("{kills} kills, seed {seed}");
    let journal = Journal::start();
    let mut known = Known::default();
    let mut recorder = start(&journal.url(), None);
    for number in 0..kills {
        // While it opens its files, soon after; while it records, and after a while.
        let (least, most) = [(0, 30), (0, 100), (0, 250), (0, 250), (1_000, 1_500)][number % 5];
        if number % 5 >= 3 {
            let kept = known.kept.len();
            recorder.wait_until("a new row", |now| {
                now.ledger().trim_end().ends_with(",live,AAPL,") && now.csv().len() > kept + 100
            });
        }
        thread::sleep(Duration::from_millis(dice.u64(least..most)));
        let visible = recorder.csv();
        let killed = Instant::now();
        kill(&mut recorder);
        let killed_ms = now_ms();
        assert!(recorder.csv().starts_with(&visible), "what could be seen is still there");
        known.check(&recorder, &journal.sent(), killed, killed_ms);
        recorder = start(&journal.url(), Some(&recorder));
    }
    recorder.wait_until_it_says("subscribed");
    kill(&mut recorder);
    let (rows, told) = (known.rows, known.killed_rows);
    eprintln!(
        "{kills} kills: {rows} rows, none lost, doubled or glued; {told} ledger rows `killed`"
    );
    assert!(rows > kills && told > kills / 4, "most runs come to record something");
}

/// Large enough that moving it aside takes as long as a kill needs to fall into it.
const TORN_BYTES: usize = 24 << 20;

#[test]
#[expect(clippy::print_stderr, reason = "how many kills fell into the repair is chance")]
fn a_kill_during_the_repair_loses_neither_rows_nor_the_torn_bytes() {
    let whole = format!("{FORETOLD_COLUMNS}\nAAPL,1,5,1680300000123,1\n");
    // Every part of it is different from every other.
    let mut torn = String::with_capacity(TORN_BYTES);
    while torn.len() < TORN_BYTES {
        write!(torn, "{:08}", torn.len()).expect("memory");
    }
    let port = ClosedPort::new();
    let (mut kills, mut before_the_cut) = (0, 0);
    for round in 0..4_u64 {
        let run = Run::new().file("op1.csv", format!("{whole}{torn}"));
        let run = run.url(&port.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
        let mut recorder = run.spawn();
        for kills_here in 1..=3 {
            recorder.wait_until("another copy has been begun, or it is done", |now| {
                let length = fs::metadata(now.path("op1.csv")).expect("the file").len();
                torn_names(now).len() >= kills_here || length == whole.len() as u64
            });
            // Rounds differ in how far it gets.
            thread::sleep(Duration::from_millis(round));
            kill(&mut recorder);
            kills += 1;
            let csv = recorder.csv();
            assert!(csv == whole || csv == format!("{whole}{torn}"), "cut at once or not at all");
            let copies = torn_files(&recorder);
            assert!(copies.iter().all(|copy| torn.starts_with(copy)), "beginnings of it");
            assert!(csv != whole || copies.contains(&torn), "the torn bytes are somewhere");
            before_the_cut += usize::from(csv != whole);
            recorder = start(&port.url(), Some(&recorder));
        }
        recorder.wait_until_it_says("refused");
        assert_eq!(recorder.csv(), whole);
        assert!(torn_files(&recorder).contains(&torn), "the torn bytes are kept");
    }
    eprintln!("{kills} kills, {before_the_cut} of them before the repair was done");
    assert!(before_the_cut > 0, "of so many kills, one falls into a repair");
}

fn torn_names(recorder: &Recorder) -> Vec<PathBuf> {
    let names = fs::read_dir(recorder.path("")).expect("the directory").flatten();
    let paths = names.map(|entry| entry.path());
    paths.filter(|path| path.to_string_lossy().contains("op1.csv.torn-")).collect()
}

fn torn_files(recorder: &Recorder) -> Vec<String> {
    torn_names(recorder).iter().map(|path| fs::read_to_string(path).expect("text")).collect()
}

#[test]
fn a_second_kill_before_the_first_connection_adds_no_row() {
    let server = Server::plain();
    let mut recorder = start(&server.url(), None);
    let _connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until("it is live", |now| now.ledger().contains("live"));
    kill(&mut recorder);
    let port = ClosedPort::new();
    let mut states = Vec::new();
    for _ in 0..3 {
        recorder = start(&port.url(), Some(&recorder));
        recorder.wait_until("it knows of the kill", |now| now.ledger().contains("killed"));
        kill(&mut recorder);
        states = ledger_rows(&recorder);
    }
    let killed = states.iter().filter(|row| row.reason == "killed").count();
    assert_eq!(killed, 1, "{states:?}");
}

#[test]
fn a_kill_on_a_quiet_connection_is_dated_by_the_last_proof_of_life() {
    let server = Server::plain();
    let mut recorder = start(&server.url(), None);
    let _connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until("it is live", |now| now.ledger().contains("live"));
    let live_ms = ledger_rows(&recorder)[0].time_ms;
    // No trade comes; the proof is renewed all the same.
    let lock = |now: &Recorder| fs::read_to_string(now.path("op1.csv.lock")).unwrap_or_default();
    recorder.wait_until("a proof of life after it went live", |now| {
        let proof = lock(now).split_whitespace().next().and_then(|time| time.parse().ok());
        proof.is_some_and(|time_ms: i64| time_ms > live_ms + 1_000)
    });
    kill(&mut recorder);
    let killed_ms = now_ms();
    assert_eq!(lock(&recorder).len(), 142, "it does not grow");
    let mut recorder = start(&server.url(), Some(&recorder));
    recorder.wait_until_it_says("killed");
    let row = ledger_rows(&recorder)[1].clone();
    assert_eq!(row.reason, "killed");
    assert!(row.time_ms > live_ms + 1_000, "{row:?} after live at {live_ms}");
    assert!((0..=PROOF_AGE_MS).contains(&(killed_ms - row.time_ms)), "{row:?} by {killed_ms}");
}
