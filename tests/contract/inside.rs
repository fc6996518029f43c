//! The session and the writer of the library, run inside the test with shorter waits than the
//! promised ones: for faults that the built binary would take minutes to notice.
//!
//! Two threads, as in the program; the test's thread plays the server and looks at the files.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use finnhub_stream::channel::{self, WriterMessage, WriterReceiver, WriterSender};
use finnhub_stream::feed::{
    ApiKey, BackoffConfig, Command, CommandSender, Endpoint, KeySource, Session, Timeouts,
    WatchList, commands,
};
use finnhub_stream::process::error::Error;
use finnhub_stream::recorder::Summary;
use finnhub_stream::recorder::{Destination, Fsync, OpenError, RecorderOptions, Writer};
use finnhub_stream::recording::columns::Column;
use tempfile::TempDir;

use crate::harness::DEADLINE;

/// The columns of [`crate::recording::FORETOLD_COLUMNS`].
pub(crate) const COLUMNS: [Column; 5] =
    [Column::Ticker, Column::Price, Column::Volume, Column::TimestampMs, Column::Conditions];

/// In a text that is no trade it makes the writer of [`open_writer`] panic.
pub(crate) const POISON: &str = "poison";

/// A writer for `op1.csv` in `directory`, and the way to send it entries.
pub(crate) fn open_writer(
    directory: &Path,
    columns: &[Column],
    stop_session: impl Fn() + Send + 'static,
) -> Result<(Writer, WriterSender, WriterReceiver), OpenError> {
    let options = RecorderOptions {
        out: Destination::File(directory.join("op1.csv")),
        log_file: directory.join("log"),
        columns: columns.to_vec(),
        fsync: Fsync::Never,
        rotate: None,
        compress: false,
        simulated: false,
        candles: false,
    };
    let (entries, inbox) = channel::open();
    let shared = Arc::clone(entries.shared());
    let redact = |text: &str| {
        assert!(!text.contains(POISON), "as the test has asked for");
        text.to_owned()
    };
    let writer = Writer::open(&options, shared, redact, stop_session)?;
    Ok((writer, entries, inbox))
}

/// Waits short enough for a test, in the proportions of the promised ones.
pub(crate) fn short_waits() -> BackoffConfig {
    BackoffConfig {
        shortest: Duration::from_millis(5),
        longest: Duration::from_millis(50),
        good_connection: Duration::from_secs(30),
        kicked_within: Duration::from_millis(200),
        throttled_first: Duration::from_millis(50),
        throttled_longest: Duration::from_millis(100),
        unauthorized_again: Duration::from_millis(80),
    }
}

/// A running session and its writer.
pub(crate) struct Inside {
    directory: TempDir,
    pub(crate) commands: CommandSender,
    entries: WriterSender,
    session: JoinHandle<Result<(), Error>>,
    writer: JoinHandle<Summary>,
}

impl Inside {
    /// Streams from `url` into a directory of its own.
    pub(crate) fn start(url: &str, tickers: &[&str], timeouts: Timeouts) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (commands, commanded) = commands().expect("a pair of sockets");
        let to_session = commands.clone();
        let stop = move || to_session.send(Command::Stop);
        let (writer, entries, inbox) =
            open_writer(directory.path(), &COLUMNS, stop).expect("a new recording");
        let endpoint = Endpoint::parse(url).expect("a URL");
        let key = ApiKey::new("k3y".to_owned(), "FINNHUB_API_KEY", KeySource::Environment);
        let key = key.unwrap_or_else(|error| panic!("{error}"));
        let watch_list = WatchList::new(tickers.iter().map(|ticker| (*ticker).to_owned()));
        let sender = entries.clone();
        let session =
            Session::new(endpoint, key, timeouts, short_waits(), watch_list, sender, commanded);
        Self {
            directory,
            commands,
            entries,
            session: thread::spawn(move || session.run()),
            writer: thread::spawn(move || writer.run(&inbox)),
        }
    }

    /// What the recording holds now.
    pub(crate) fn csv(&self) -> String {
        fs::read_to_string(self.directory.path().join("op1.csv")).unwrap_or_default()
    }

    /// What the ledger holds now.
    pub(crate) fn ledger(&self) -> String {
        fs::read_to_string(self.directory.path().join("op1.coverage.csv")).unwrap_or_default()
    }

    /// Waits until `observable` is true.
    pub(crate) fn wait_until(&self, what: &str, observable: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !observable(self) {
            let (csv, ledger) = (self.csv(), self.ledger());
            assert!(start.elapsed() < DEADLINE, "waited for {what}\n{csv}\n{ledger}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the end of a session that ends by itself; fails unless its writer has panicked.
    pub(crate) fn expect_panic_of_writer(self) {
        assert_eq!(self.session.join().expect("the session's thread"), Ok(()));
        assert!(self.writer.join().is_err(), "it has panicked");
    }

    /// Whether the session has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.session.is_finished()
    }

    /// Ends the session, then the writer. The report, the recording and the ledger.
    pub(crate) fn stop(self) -> (Summary, String, String) {
        // It may have ended by itself, which shows in its result.
        self.commands.send(Command::Stop);
        let ended = self.session.join().expect("the session's thread");
        assert_eq!(ended, Ok(()));
        self.entries.send(WriterMessage::Finish);
        let summary = self.writer.join().expect("the writer's thread");
        let read = |name: &str| fs::read_to_string(self.directory.path().join(name)).expect(name);
        (summary, read("op1.csv"), read("op1.coverage.csv"))
    }
}
