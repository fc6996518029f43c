//! A server that numbers its trades and keeps its own journal of when it sent which: the oracle for
//! everything that is done to the program meanwhile.
//!
//! A thread of its own serves one connection after the other, for as long as the test runs. The
//! number is the price, so that every row of the recording is different.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::frames::{Opcode, whole_frame};
use crate::harness::{Recorder, Run};
use crate::recording::FORETOLD_COLUMNS;
use crate::server::Server;

/// Pause between two messages: a few hundred a second, so that a kill falls between them, before
/// the first of them, and into them.
const PACE: Duration = Duration::from_millis(1);

/// How long the thread waits for a caller before it looks whether the test is over.
const LOOK_UP: Duration = Duration::from_millis(20);

/// A message that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// The connection it was sent on, counted from 0.
    pub(crate) connection: usize,
    /// The numbers of its trades.
    pub(crate) numbers: RangeInclusive<u64>,
    /// When the system had taken it.
    pub(crate) at: Instant,
}

/// The running server.
pub(crate) struct Journal {
    url: String,
    sent: Arc<Mutex<Vec<Sent>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Starts to serve.
    pub(crate) fn start() -> Self {
        Self::start_at_pace(PACE)
    }

    /// The same with a pause of its own between two messages.
    pub(crate) fn start_at_pace(pace: Duration) -> Self {
        let server = Server::plain();
        let (sent, stop) = (Arc::<Mutex<Vec<Sent>>>::default(), Arc::<AtomicBool>::default());
        let (journal, asked) = (Arc::clone(&sent), Arc::clone(&stop));
        let url = server.url();
        let thread = thread::spawn(move || serve(&server, pace, &journal, &asked));
        Self { url, sent, stop, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Everything sent so far, in its order.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().expect("the journal").clone()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A failure of the server shows in the test that waits for its trades.
            let _ = thread.join();
        }
    }
}

fn serve(server: &Server, pace: Duration, journal: &Mutex<Vec<Sent>>, stop: &AtomicBool) {
    let mut next = 1;
    let mut connection = 0;
    while !stop.load(Ordering::Relaxed) {
        let Some(handshake) = server.try_accept(LOOK_UP) else { continue };
        if let Ok(client) = handshake.try_upgrade_with(&[]) {
            send_until_gone(client, pace, connection, &mut next, journal, stop);
            connection += 1;
        }
    }
}

fn send_until_gone(
    mut client: Connection,
    pace: Duration,
    connection: usize,
    next: &mut u64,
    journal: &Mutex<Vec<Sent>>,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        let numbers = *next..=*next + *next % 5;
        *next = numbers.end() + 1;
        let frame = whole_frame(Opcode::Text, message(numbers.clone()).as_bytes());
        if client.try_send_raw(&frame).is_err() {
            return;
        }
        let at = Instant::now();
        journal.lock().expect("the journal").push(Sent { connection, numbers, at });
        thread::sleep(pace);
    }
}

/// A trade message with these numbers as prices.
pub(crate) fn message(numbers: RangeInclusive<u64>) -> String {
    let mut text = String::from(r#"{"data":["#);
    for number in numbers {
        let comma = if text.ends_with('[') { "" } else { "," };
        write!(text, r#"{comma}{{"c":["1"],"p":{number},"s":"AAPL","t":1680300000123,"v":5}}"#)
            .expect("memory");
    }
    text + r#"],"type":"trade"}"#
}

/// A program that has recorded the trades up to `last`, and its connection.
pub(crate) fn recorded_up_to(last: u64, server: &Server) -> (Recorder, Connection) {
    let run = Run::new().url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&message(1..=last));
    recorder.wait_for_row_count(usize::try_from(last).expect("a few"));
    (recorder, connection)
}

/// The numbers of rows with [`crate::recording::FORETOLD_COLUMNS`]. Fails at the first row that is
/// not exactly what a trade of [`message`] gives, such as two rows glued together.
pub(crate) fn numbers_of(rows: &str) -> Vec<u64> {
    rows.lines()
        .map(|row| {
            let number =
                row.strip_prefix("AAPL,").and_then(|row| row.strip_suffix(",5,1680300000123,1"));
            number
                .and_then(|number| number.parse().ok())
                .unwrap_or_else(|| panic!("the row {row:?}"))
        })
        .collect()
}
