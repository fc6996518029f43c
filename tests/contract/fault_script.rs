//! Episode after episode of everything a server and a network do, in an order thrown by a seed:
//! every trade that was delivered is in the file, once and in order, and the ledger has each
//! episode's end, its time and its reason.
//!
//! With shorter waits than the promised ones, inside the test. The seed is printed; with it in the
//! environment the same script is played again.

use std::env;
use std::time::Duration;

use finnhub_stream::feed::Timeouts;

use crate::connection::Connection;
use crate::frames::{Opcode, whole_frame};
use crate::inside::Inside;
use crate::journal::{message, numbers_of};
use crate::recording::{FORETOLD_COLUMNS, LedgerRow, now_ms, rows_of_ledger};
use crate::server::Server;

/// How many episodes are played, and the seed; others with these variables in the environment.
const EPISODES: usize = 30;
const EPISODES_VARIABLE: &str = "FINNHUB_TEST_EPISODES";
const SEED_VARIABLE: &str = "FINNHUB_TEST_SEED";

const TICKERS: [&str; 3] = ["AAPL", "BINANCE:BTCUSDT", "IC MARKETS:1"];
const PING: &str = r#"{"type":"ping"}"#;

const TIMEOUTS: Timeouts = Timeouts {
    silence: Duration::from_millis(900),
    ping_every: Duration::from_millis(250),
    answer_within: Duration::from_millis(200),
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Reset,
    Stall,
    HalfOpen,
    CutFrame,
    Garbage,
    Unauthorized,
    TooManyRequests,
    Timeout524,
    AnswerWithoutUpgrade,
    HungUpBeforeTheAnswer,
    Kick,
    RefusedSymbol,
    TooManySymbols,
    PingsOnly,
    Close,
}
use Fault::{
    AnswerWithoutUpgrade, Close, CutFrame, Garbage, HalfOpen, HungUpBeforeTheAnswer, Kick,
    PingsOnly, RefusedSymbol, Reset, Stall, Timeout524, TooManyRequests, TooManySymbols,
    Unauthorized,
};

const ALL: [Fault; 15] = [
    Reset,
    Stall,
    HalfOpen,
    CutFrame,
    Garbage,
    Unauthorized,
    TooManyRequests,
    Timeout524,
    AnswerWithoutUpgrade,
    HungUpBeforeTheAnswer,
    Kick,
    RefusedSymbol,
    TooManySymbols,
    PingsOnly,
    Close,
];

/// What an accepted connection must leave in the ledger.
#[derive(Debug)]
struct Expected {
    fault: Fault,
    /// The rows `live`, each with these tickers.
    live: Vec<String>,
    /// A part of the reason of the row `down`.
    reason: &'static str,
    /// When the last frame of it was sent.
    last_frame_ms: i64,
}

/// The server's side of the play.
struct Play {
    server: Server,
    inside: Inside,
    dice: fastrand::Rng,
    /// The number of the next trade.
    next: u64,
    expected: Vec<Expected>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let server = Server::plain();
        let inside = Inside::start(&server.url(), &TICKERS, TIMEOUTS);
        let dice = fastrand::Rng::with_seed(seed);
        Self { server, inside, dice, next: 1, expected: Vec::new() }
    }

    /// Sends a few messages of a few trades.
    fn send_trades(&mut self, connection: &mut Connection) {
        for _ in 0..self.dice.u64(1..6) {
            let last = self.next + self.dice.u64(0..5);
            connection.send_text(&message(self.next..=last));
            self.next = last + 1;
        }
    }

    /// Waits until everything sent is in the file.
    fn wait_for_rows(&self) {
        let row = format!("AAPL,{},5,1680300000123,1\n", self.next - 1);
        self.inside.wait_until("the rows", |now| now.csv().ends_with(&row));
    }

    fn play(&mut self, fault: Fault) {
        let refusal = match fault {
            Unauthorized => Some("401 Unauthorized"),
            TooManyRequests => Some("429 Too Many Requests"),
            Timeout524 => Some("524 A Timeout Occurred"),
            AnswerWithoutUpgrade => Some("200 OK"),
            _ => None,
        };
        if let Some(status) = refusal {
            self.server.accept().refuse(status, "", "");
        } else if fault == HungUpBeforeTheAnswer {
            drop(self.server.accept());
        } else {
            self.play_on_a_connection(fault);
        }
    }

    fn play_on_a_connection(&mut self, fault: Fault) {
        let mut connection = self.server.connect_and_wait_for_subscriptions(TICKERS.len());
        assert_eq!(connection.subscribed, TICKERS, "everything is asked for again: {fault:?}");
        if fault != Kick {
            self.send_trades(&mut connection);
        }
        let mut live = vec![TICKERS.join(";")];
        let mut last_frame_ms = now_ms();
        let reason = match fault {
            Reset => {
                // A reset throws away what has not been read.
                self.wait_for_rows();
                connection.reset();
                "reset by the server"
            }
            Stall => {
                self.wait_for_rows();
                assert!(self.server.has_a_caller(Duration::from_secs(5)), "it is left");
                "silent"
            }
            HalfOpen => {
                connection.wait_for(Opcode::Ping);
                last_frame_ms = now_ms();
                assert!(self.server.has_a_caller(Duration::from_secs(5)), "it is left");
                "silent: a ping was not answered"
            }
            CutFrame => {
                let frame = whole_frame(Opcode::Text, message(9_999_999..=9_999_999).as_bytes());
                connection.send_raw(&frame[..self.dice.usize(1..frame.len())]);
                "closed by the server without"
            }
            Garbage => {
                connection.send_text("{\"data\":[{\"p\":");
                // A frame with bits that mean nothing.
                connection.send_raw(&[0xf1, 1, b'x']);
                "WebSocket protocol error"
            }
            Kick => {
                connection.send_close(1000, "");
                "closed by the server"
            }
            RefusedSymbol => {
                connection.send_text(r#"{"msg":"Invalid symbol IC MARKETS:1","type":"error"}"#);
                live.push(TICKERS[..2].join(";"));
                self.send_trades(&mut connection);
                last_frame_ms = now_ms();
                connection.send_close(1000, "");
                "closed by the server"
            }
            TooManySymbols => {
                let error = r#"{"msg":"Subscribing to too many symbols","type":"error"}"#;
                connection.send_text(error);
                self.send_trades(&mut connection);
                self.wait_for_rows();
                last_frame_ms = now_ms();
                drop(connection);
                "connection lost"
            }
            PingsOnly => {
                // Twice as long as a silence would be borne.
                for _ in 0..18 {
                    connection.send_text(PING);
                    let caller = self.server.has_a_caller(Duration::from_millis(100));
                    assert!(!caller, "no trades is no fault");
                }
                last_frame_ms = now_ms();
                connection.send_close(1012, "restart");
                "closed by the server with code 1012: restart"
            }
            _ => {
                connection.send_close(1001, "");
                "closed by the server with code 1001"
            }
        };
        self.expected.push(Expected { fault, live, reason, last_frame_ms });
    }

    /// Stops, and holds the files against what was played.
    fn check(mut self) -> u64 {
        let mut connection = self.server.connect_and_wait_for_subscriptions(TICKERS.len());
        self.send_trades(&mut connection);
        self.wait_for_rows();
        let (report, csv, ledger) = self.inside.stop();
        let rows = csv.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header");
        let sent = self.next - 1;
        assert!(numbers_of(rows).into_iter().eq(1..=sent), "every trade, once, in order");
        let counts = report.counts;
        assert_eq!((report.failure, counts.written, counts.received), (None, sent, sent));
        let garbage = self.expected.iter().filter(|played| played.fault == Garbage).count();
        assert_eq!(counts.unreadable, garbage as u64);
        check_ledger(&rows_of_ledger(&ledger), &self.expected);
        sent
    }
}

fn check_ledger(rows: &[LedgerRow], expected: &[Expected]) {
    let mut rest = rows.iter();
    for played in expected {
        for tickers in &played.live {
            let row = rest.next().expect("a row for the connection");
            assert_eq!(
                (row.state.as_str(), &row.tickers),
                ("live", tickers),
                "{played:?} {rows:?}"
            );
        }
        let row = rest.next().expect("a row for its end");
        assert_eq!(row.state, "down", "{played:?} {rows:?}");
        assert!(row.reason.contains(played.reason), "{played:?} {row:?}");
        // The last frame arrived about when it was sent, long before a silence was noticed.
        let late = row.time_ms - played.last_frame_ms;
        assert!(late < 200, "{late} ms after the last frame: {played:?} {row:?}");
    }
    let end: Vec<&str> = rest.map(|row| row.reason.as_str()).collect();
    assert_eq!(end, ["", "stopped"], "{rows:?}");
}

#[test]
#[expect(clippy::print_stderr, reason = "without the seed it cannot be played again")]
fn a_script_of_faults_loses_nothing_that_was_delivered() {
    let asked = |name: &str| env::var(name).ok();
    let seed = asked(SEED_VARIABLE).map(|text| text.parse().expect("a number"));
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    let episodes = asked(EPISODES_VARIABLE).map(|text| text.parse().expect("a number"));
    let episodes = episodes.unwrap_or(EPISODES);
    eprintln!("{episodes} episodes; to play them again: {SEED_VARIABLE}={seed}");
    let mut play = Play::new(seed);
    // A key that was accepted once is not given up.
    let mut script = vec![Close];
    while script.len() < episodes {
        let mut each = ALL;
        play.dice.shuffle(&mut each);
        script.extend(each);
    }
    script.truncate(episodes);
    for fault in &script {
        play.play(*fault);
    }
    let sent = play.check();
    eprintln!("{episodes} episodes: {sent} trades, all there: {script:?}");
}
