//! The short way for tests of what is recorded: messages in, rows out.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::connection::Connection;
use crate::harness::{Recorder, Run};
use crate::server::Server;

/// The columns whose every byte a test can foretell: all but `received_ms`.
pub(crate) const FORETOLD_COLUMNS: &str = "ticker,price,volume,timestamp_ms,conditions";

/// The trade that is sent after everything else; its row shows that all before it was seen.
const LAST_MESSAGE: &str = r#"{"data":[{"p":1,"s":"LAST","t":1,"v":1}],"type":"trade"}"#;
const LAST_ROW: &str = "LAST,1,1,1,\n";

/// What a finished run left behind. The last message is counted in `summary`, its row is not in
/// `rows`.
pub(crate) struct Recording {
    /// The recording without its header.
    pub(crate) rows: String,
    /// The ended program, for its log and terminal.
    pub(crate) recorder: Recorder,
}

impl Recording {
    /// Fails unless the exit summary, on the terminal and in the log, has exactly these counts
    /// beside the last trade.
    pub(crate) fn assert_summary(&self, written: usize, rejected: usize) {
        let line = summary_line(written + 1, rejected);
        assert_says(&self.recorder, &line);
    }
}

/// The line of the exit summary when nothing was dropped.
pub(crate) fn summary_line(written: usize, rejected: usize) -> String {
    let received = written + rejected;
    format!("received {received} = written {written} + rejected {rejected} + dropped 0")
}

/// Fails unless standard error and the log both hold `text`.
pub(crate) fn assert_says(recorder: &Recorder, text: &str) {
    let both = recorder.stderr().contains(text) && recorder.log().contains(text);
    assert!(both, "standard error and the log say {text:?}\n{}", recorder.seen());
}

/// Records what `send` sends on one connection, with [`FORETOLD_COLUMNS`], and stops.
pub(crate) fn record(send: impl FnOnce(&mut Connection)) -> Recording {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    send(&mut connection);
    connection.send_text(LAST_MESSAGE);
    recorder.wait_until("the row of the last trade", |now| now.csv().ends_with(LAST_ROW));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(!server.has_a_caller(std::time::Duration::ZERO), "one connection was enough");
    let csv = recorder.csv();
    let rows = csv.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header");
    let rows = rows.strip_suffix(LAST_ROW).expect("nothing after the last row").to_owned();
    Recording { rows, recorder }
}

/// Records each message and fails unless the file holds exactly the rows given beside them, in
/// order. An empty string means no row.
pub(crate) fn check(cases: &[(&str, &str)]) -> Recording {
    let recording = record(|connection| {
        for (message, _) in cases {
            connection.send_text(message);
        }
    });
    let mut rest = recording.rows.as_str();
    for (message, rows) in cases {
        let expected = if rows.is_empty() { String::new() } else { format!("{rows}\n") };
        rest = rest.strip_prefix(&expected).unwrap_or_else(|| {
            panic!(
                "{message:?} gives {rows:?}, but here stand {rest:?}\n{}",
                recording.recorder.seen()
            )
        });
    }
    assert_eq!(rest, "", "no other rows\n{}", recording.recorder.seen());
    recording
}

/// A trade message around these elements.
pub(crate) fn trade_message(elements: &[&str]) -> String {
    format!(r#"{{"data":[{}],"type":"trade"}}"#, elements.join(","))
}

/// A row of the coverage ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerRow {
    /// This machine's clock, UNIX milliseconds.
    pub(crate) time_ms: i64,
    /// `live` or `down`.
    pub(crate) state: String,
    /// Joined with `;`.
    pub(crate) tickers: String,
    /// Empty when live.
    pub(crate) reason: String,
}

/// The ledger's rows. Fails when it is malformed anywhere, or its times run backwards.
pub(crate) fn ledger_rows(recorder: &Recorder) -> Vec<LedgerRow> {
    rows_of_ledger(&recorder.ledger())
}

/// The same for a ledger's text.
pub(crate) fn rows_of_ledger(ledger: &str) -> Vec<LedgerRow> {
    assert!(ledger.ends_with('\n'), "it ends with a whole row: {ledger}");
    let mut reader = csv::Reader::from_reader(ledger.as_bytes());
    let header = reader.headers().expect("a header").clone();
    assert_eq!(header, vec!["time_ms", "state", "tickers", "reason"], "{ledger}");
    let rows: Vec<LedgerRow> = reader
        .into_records()
        .map(|record| {
            let record = record.unwrap_or_else(|error| panic!("{error}: {ledger}"));
            let time_ms = record[0].parse().unwrap_or_else(|_| panic!("a time in {ledger}"));
            assert!(matches!(&record[1], "live" | "down"), "a state in {ledger}");
            let [state, tickers, reason] = [1, 2, 3].map(|field| record[field].to_owned());
            LedgerRow { time_ms, state, tickers, reason }
        })
        .collect();
    assert!(rows.is_sorted_by_key(|row| row.time_ms), "times run backwards: {ledger}");
    rows
}

/// The machine's clock, UNIX milliseconds.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a time of our age")
}
