//! From trade messages to rows in memory. Elements that are no trades, and trades of the wrong market, are
//! counted and logged.
//!
//! Writer thread. Knows no files.

use log::warn;

use crate::channel::TradeBatch;
use crate::market::symbol::is_simulated;
use crate::protocol::message::{Decoder, Element, count_objects};
use crate::recorder::options::RecorderOptions;
use crate::recording::columns::Column;
use crate::recording::header::header;
use crate::recording::row;
use crate::status::totals::Totals;
use crate::text::log_limit::LogLimit;
use crate::text::printable;

/// When the rows have this many bytes they are written, even when more is waiting: enough for the system call to
/// cost little, and few enough for the processor's cache.
const BATCH_BYTES: usize = 128 << 10;

/// Characters of a malformed element that are logged: more than any trade has.
const SHOWN_CHARACTERS: usize = 300;

/// Why a trade of the wrong market is not recorded.
const REAL_TRADE: &str = "a real trade in a recording of simulated ones";
const SIMULATED_TRADE: &str = "a simulated trade in a recording of real ones; give this name to --tickers, or start `simulate` with --plain-symbols";

/// Rows that are not written yet, and how they are made.
pub(super) struct RowBuffer {
    columns: Vec<Column>,
    /// Whether trades of a simulated market are recorded; the others are refused, whichever it is.
    simulated: bool,
    /// Takes the key out of a text from the server.
    redact: Box<dyn Fn(&str) -> String + Send>,
    decoder: Decoder,
    log_limit: LogLimit,
    /// The rows as they go to the file.
    pub(super) rows: Vec<u8>,
    trades: u64,
    /// Memory of the batches that these rows were in.
    pub(super) waiting_bytes: usize,
    /// When the last row was received, UNIX milliseconds of this machine.
    pub(super) received_ms: i64,
}

impl RowBuffer {
    /// No rows yet. `redact` takes the key out of a text from the server.
    pub(super) fn new(
        options: &RecorderOptions,
        redact: impl Fn(&str) -> String + Send + 'static,
    ) -> Self {
        Self {
            columns: options.columns.clone(),
            simulated: options.simulated,
            redact: Box::new(redact),
            decoder: Decoder::default(),
            log_limit: LogLimit::default(),
            rows: Vec::new(),
            trades: 0,
            waiting_bytes: 0,
            received_ms: 0,
        }
    }

    /// Adds the header: standard output begins with it.
    pub(super) fn push_header(&mut self) {
        self.rows.extend_from_slice(header(&self.columns).as_bytes());
    }

    /// Turns a batch of messages into rows, and counts them in `totals`.
    pub(super) fn push(&mut self, batch: &TradeBatch, totals: &mut Totals) {
        let received_ms = batch.received_ms;
        let digits = received_ms.to_string();
        for message in batch.messages() {
            let Self { decoder, rows, trades, columns, simulated, log_limit, redact, .. } = self;
            let decoded = decoder.decode(message, |element| {
                totals.counts.received += 1;
                match element {
                    Element::Trade(trade) if is_simulated(&trade.ticker) != *simulated => {
                        totals.counts.rejected += 1;
                        let fault = if *simulated { REAL_TRADE } else { SIMULATED_TRADE };
                        let text = redact(&trade.ticker);
                        log_limited(log_limit, received_ms, "not recorded", fault, &text);
                    }
                    Element::Trade(trade) => {
                        row::push_row(rows, columns, &trade, &digits);
                        *trades += 1;
                        totals.trade(&trade, received_ms);
                    }
                    Element::Malformed { text, fault } => {
                        totals.counts.rejected += 1;
                        let (fault, text) = (redact(&fault), redact(text));
                        log_limited(log_limit, received_ms, "not a trade", &fault, &text);
                    }
                }
            });
            if let Err(fault) = decoded {
                totals.counts.unreadable += 1;
                let (fault, text) = (redact(&fault), redact(message));
                log_limited(log_limit, received_ms, "unreadable message", &fault, &text);
            }
        }
        self.waiting_bytes += batch.bytes();
        self.received_ms = received_ms;
    }

    /// Whether there are enough rows for one write.
    pub(super) fn is_large(&self) -> bool {
        self.rows.len() >= BATCH_BYTES
    }

    /// Removes the rows, which are written or dropped. Gives the number of their trades.
    pub(super) fn clear(&mut self) -> u64 {
        self.rows.clear();
        // One message of many megabytes must not hold its memory for weeks.
        self.rows.shrink_to(2 * BATCH_BYTES);
        std::mem::take(&mut self.trades)
    }

    /// The number of elements in the messages of a batch; with `roughly` the number of objects in their text,
    /// which is quick.
    pub(super) fn count(&mut self, batch: &TradeBatch, roughly: bool) -> u64 {
        if roughly {
            return batch.messages().map(count_objects).sum();
        }
        let mut trades = 0;
        for message in batch.messages() {
            // An unreadable message has no trades.
            let _ = self.decoder.decode(message, |_| trades += 1);
        }
        trades
    }
}

/// Logs bad input, escaped and shortened, unless there is too much of it.
fn log_limited(limit: &mut LogLimit, at_ms: i64, what: &str, fault: &str, text: &str) {
    if limit.allows(at_ms, "bad input") {
        warn!(
            "{what} ({}): {}",
            printable(fault, SHOWN_CHARACTERS),
            printable(text, SHOWN_CHARACTERS)
        );
    }
}
