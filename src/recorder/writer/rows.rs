//! From trade messages to rows in memory. What is no trade, or is a trade of the wrong market, is
//! counted and logged.
//!
//! Writer thread.

use log::warn;

use super::Writer;
use crate::channel::TradeBatch;
use crate::protocol::message::Element;
use crate::protocol::trade::is_simulated;
use crate::recording::row;
use crate::text::log_limit::LogLimit;
use crate::text::printable;

/// Characters of a malformed element that are logged: more than any trade has.
const SHOWN_CHARACTERS: usize = 300;

/// Why a trade of the wrong market is not recorded.
const REAL_TRADE: &str = "a real trade in a recording of simulated ones";
const SIMULATED_TRADE: &str = "a simulated trade in a recording of real ones; give this name to --tickers, or start `simulate` with --plain-symbols";

impl Writer {
    /// Turns a batch of messages into rows.
    pub(super) fn push_batch(&mut self, batch: &TradeBatch) {
        let received_ms = batch.received_ms;
        let digits = received_ms.to_string();
        for message in batch.messages() {
            let Self { decoder, buffer, totals, options, log_limit, redact, .. } = self;
            let decoded = decoder.decode(message, |element| {
                totals.counts.received += 1;
                match element {
                    Element::Trade(trade) if is_simulated(&trade.ticker) != options.simulated => {
                        totals.counts.rejected += 1;
                        let fault = if options.simulated { REAL_TRADE } else { SIMULATED_TRADE };
                        let text = redact(&trade.ticker);
                        log_limited(log_limit, received_ms, "not recorded", fault, &text);
                    }
                    Element::Trade(trade) => {
                        row::push_row(&mut buffer.rows, &options.columns, &trade, &digits);
                        buffer.trades += 1;
                        totals.trade(&trade, received_ms);
                    }
                    Element::Malformed { text, fault } => {
                        totals.counts.rejected += 1;
                        log_limited(
                            log_limit,
                            received_ms,
                            "not a trade",
                            &redact(&fault),
                            &redact(text),
                        );
                    }
                }
            });
            if let Err(fault) = decoded {
                self.totals.counts.unreadable += 1;
                let fault = redact(&fault);
                let text = redact(message);
                log_limited(log_limit, received_ms, "unreadable message", &fault, &text);
            }
        }
        self.buffer.waiting_bytes += batch.bytes();
        self.buffer.received_ms = received_ms;
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
