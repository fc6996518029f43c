//! `bars --follow` beside `bars` of the finished recording: a stand-in writes the files as a recorder does
//! (half rows, gaps, rotation with compression, kills and repairs, late trades), and at the end the last
//! row of each bar must be the one of the finished recording.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::bars_follow::last_rows;
use crate::bars_property::{Trade, row_of, trade};
use crate::harness::{Recorder, Run, Signal};
use crate::recording::now_ms;

const COLUMNS: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions\n";
const LEDGER_COLUMNS: &str = "time_ms,state,tickers,reason\n";

/// What the recorder does next.
#[derive(Debug, Clone)]
enum Step {
    /// Writes rows, the last of them in two pieces, with a pause between them.
    Trades(Vec<Trade>),
    /// Loses its connection, and has it again.
    Gap,
    /// Closes its file, and compresses it or not.
    Rotate { compress: bool },
    /// Is killed in the middle of a row, and started again.
    Kill,
    /// Lets time go by.
    Pause(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(trade(), 1..30).prop_map(Step::Trades),
        1 => Just(Step::Gap),
        2 => any::<bool>().prop_map(|compress| Step::Rotate { compress }),
        1 => Just(Step::Kill),
        3 => (0_u64..300).prop_map(Step::Pause),
    ]
}

/// Writes as a recorder does, in a time of its own.
struct Recording {
    folder: PathBuf,
    csv: File,
    now_ms: i64,
    closed: usize,
}

impl Recording {
    fn begin(folder: &Path, now_ms: i64) -> Self {
        let csv = Self::create(folder);
        let recording = Self { folder: folder.to_owned(), csv, now_ms, closed: 0 };
        fs::write(recording.path("op1.coverage.csv"), LEDGER_COLUMNS).expect("the disk");
        recording.note("live", "");
        recording
    }

    /// A new live file with a header, held by its recorder.
    fn create(folder: &Path) -> File {
        let (new, path) = (folder.join("op1.csv.next"), folder.join("op1.csv"));
        fs::write(&new, COLUMNS).expect("the disk");
        let csv = OpenOptions::new().append(true).open(&new).expect("the file");
        csv.try_lock().expect("a lock");
        fs::rename(new, path).expect("a rename");
        csv
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn note(&self, state: &str, reason: &str) {
        let mut ledger = OpenOptions::new().append(true).open(self.path("op1.coverage.csv"));
        let tickers = if state == "live" { "AAPL;MSFT;X:Y" } else { "" };
        let row = format!("{},{state},{tickers},{reason}\n", self.now_ms);
        ledger.as_mut().expect("the ledger").write_all(row.as_bytes()).expect("the disk");
    }

    fn write(&mut self, text: &str) {
        self.csv.write_all(text.as_bytes()).expect("the disk");
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Trades(trades) => {
                let rows: String = trades.into_iter().map(|trade| self.row(trade)).collect();
                let (front, end) = rows.split_at(rows.len() - 9);
                self.write(front);
                thread::sleep(Duration::from_millis(20));
                self.write(end);
            }
            Step::Gap => {
                self.note("down", "connection lost");
                self.now_ms += 7_000;
                self.note("live", "");
            }
            Step::Rotate { compress } => self.rotate(compress),
            Step::Kill => {
                let length = self.csv.metadata().expect("the file").len();
                self.write("AAPL,1,1,");
                self.heartbeat();
                self.csv.unlock().expect("its lock");
                thread::sleep(Duration::from_millis(300));
                self.csv.lock().expect("its lock");
                self.csv.set_len(length).expect("a cut");
                self.note("down", "killed");
                self.now_ms += 4_000;
                self.note("live", "");
            }
            Step::Pause(ms) => thread::sleep(Duration::from_millis(ms)),
        }
    }

    /// Gives a trade its times.
    fn row(&mut self, mut trade: Trade) -> String {
        let received_ms = self.now_ms + trade.received_ms;
        self.now_ms = self.now_ms.max(received_ms);
        trade.time_ms = received_ms - trade.time_ms;
        trade.received_ms = received_ms;
        row_of(&trade)
    }

    /// In the order of a recorder's steps.
    fn rotate(&mut self, compress: bool) {
        self.closed += 1;
        let name = |ending: &str| format!("op1-2026-11-23-{}{ending}", self.closed + 1);
        let closed = self.path(&name(".csv"));
        let closed_ledger = self.path(&name(".coverage.csv"));
        fs::rename(self.path("op1.coverage.csv"), &closed_ledger).expect("a rename");
        fs::rename(self.path("op1.csv"), &closed).expect("a rename");
        self.csv = Self::create(&self.folder);
        let mut ledger = OpenOptions::new().append(true).open(closed_ledger).expect("the ledger");
        writeln!(ledger, "{},down,,rotated", self.now_ms).expect("the disk");
        let new = self.path("op1.coverage.csv.next");
        fs::write(&new, LEDGER_COLUMNS).expect("the disk");
        fs::rename(new, self.path("op1.coverage.csv")).expect("a rename");
        self.note("live", "");
        if compress {
            let packed = self.path(&name(".csv.gz"));
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(&fs::read(&closed).expect("the file")).expect("memory");
            fs::write(self.path("part"), gzip.finish().expect("memory")).expect("the disk");
            fs::rename(self.path("part"), packed).expect("a rename");
            fs::remove_file(closed).expect("the file");
        }
    }

    fn heartbeat(&self) {
        let time_ms = self.now_ms;
        let line = format!(
            "{time_ms:>15} {:>20} {:>10} {:>36} {:>20} {:>15} {time_ms:>15} yes\n",
            0, 1, "-", 0, 0
        );
        fs::write(self.path("op1.csv.lock"), line).expect("the disk");
    }

    /// After one more trade: when its bar is there, all rows before it have been read.
    fn stop(mut self) {
        let last = format!("LAST,1,1,{0},{0},\n", self.now_ms);
        self.write(&last);
        self.heartbeat();
        self.note("down", "stopped");
    }
}

/// All files, in the order in which they were made.
fn files(bars: &Recorder) -> Vec<String> {
    let number = |name: &String| name.split(['-', '.']).nth(4).and_then(|n| n.parse::<u32>().ok());
    let mut closed = bars.names_with("op1-");
    closed.retain(|name| !name.contains("coverage"));
    closed.sort_by_key(number);
    closed.push("op1.csv".to_owned());
    closed
}

#[test]
fn the_last_row_of_each_bar_is_that_of_the_finished_recording() {
    let cases =
        std::env::var("FINNHUB_TEST_FOLLOW").map_or(8, |cases| cases.parse().expect("a number"));
    let every = prop::sample::select(vec!["1s", "1m", "1h"]);
    let input = (prop::collection::vec(step(), 1..20), every);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    });
    let result = runner.run(&input, |(steps, every)| {
        let run = Run::without_key();
        // Old enough for the hours that trades take.
        let mut recording = Recording::begin(run.directory(), now_ms() - 30 * 86_400_000);
        let arguments = ["bars", "op1.csv", "--every", every, "--follow", "--grace", "1ms"];
        let mut bars = run.args(&arguments).spawn();
        // What is closed before is not followed.
        bars.wait_until("the header", |now| now.stdout().ends_with('\n'));
        for step in steps {
            recording.play(step);
        }
        recording.stop();
        let finished = files(&bars).iter().fold(Run::beside(&bars).arg("bars"), Run::arg);
        let (code, finished) = finished.arg("--every").arg(every).run_to_its_end();
        prop_assert_eq!(code, 0, "{}", finished.seen());
        let expected = last_rows(&finished.stdout());
        let ledgers = bars.names_with("coverage").into_iter();
        let ledgers = ledgers.map(|name| format!("{name}\n{}", bars.text_of(&name)));
        let ledgers = ledgers.collect::<Vec<_>>().concat();
        let what = format!("{expected:#?}\n{ledgers}");
        bars.wait_until(&what, |now| last_rows(&now.stdout()) == expected);
        bars.signal(Signal::SIGTERM);
        prop_assert_eq!(bars.wait_exit(), 0, "{}", bars.seen());
        let late = |recorder: &Recorder| recorder.stderr();
        prop_assert_eq!(late(&bars), late(&finished));
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
