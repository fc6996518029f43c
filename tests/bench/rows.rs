//! What must be in a recorder's file: how long it is after each message, and every row of it.
//! Runs on the main thread of the bench, outside the timed part.

use crate::Outcome;
use crate::load::{Load, Trade};

/// The first line of a CSV with all columns.
pub(crate) const HEADER: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions";

/// UNIX milliseconds have 13 digits until the year 2286, so the length of a row is known
/// although the time in it is not.
const RECEIVED_MS_DIGITS: usize = 13;

/// What a recorder writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The messages as they came, one a line.
    RawMessages,
    /// Rows with the digits as sent.
    Digits,
    /// Rows whose prices and volumes went through an `f64`.
    Floats,
}

impl Format {
    /// Bytes that are in the file before the first message's.
    pub(crate) fn length_of_header(self) -> u64 {
        if self == Self::RawMessages { 0 } else { HEADER.len() as u64 + 1 }
    }

    /// Bytes that one message adds to the file.
    pub(crate) fn length_of(self, load: &Load, message: usize) -> u64 {
        let length = match self {
            Self::RawMessages => load.text(message).len() + 1,
            _ => load.trades_of(message).iter().map(|trade| self.length_of_row(trade)).sum(),
        };
        length as u64
    }

    /// The whole file's length once the first `messages` messages are in it.
    pub(crate) fn length_after(self, load: &Load, messages: usize) -> u64 {
        let rows: u64 = (0..messages).map(|message| self.length_of(load, message)).sum();
        self.length_of_header() + rows
    }

    fn length_of_row(self, trade: &Trade) -> usize {
        let (before, after) = self.around_received_ms(trade);
        before.len() + RECEIVED_MS_DIGITS + after.len() + 1
    }

    /// What is in a row before and after the time received, the one field not known beforehand.
    fn around_received_ms(self, trade: &Trade) -> (String, String) {
        let Trade { symbol, price, volume, time_ms, .. } = trade;
        let before = match (self, price.parse::<f64>()) {
            // Rust's `{:?}` and the csv crate both give an `f64` its shortest digits and a point.
            (Self::Floats, Ok(price)) => {
                format!("{symbol},{price:?},{:?},{time_ms},", f64::from(*volume))
            }
            _ => format!("{symbol},{price},{volume},{time_ms},"),
        };
        (before, format!(",{}", trade.conditions.join(";")))
    }

    /// Compares the whole file with the first `messages` messages, row by row.
    ///
    /// # Errors
    /// The first line that is missing, wrong or too much.
    pub(crate) fn check(self, file: &[u8], load: &Load, messages: usize) -> Outcome<()> {
        let Some(body) = file.strip_suffix(b"\n") else {
            return Err("the file does not end with a whole line".into());
        };
        let mut lines = body.split(|byte| *byte == b'\n').enumerate();
        let mut next = |what: &str| {
            lines.next().ok_or_else(|| format!("the file ends where {what} was expected"))
        };
        if self == Self::RawMessages {
            for message in 0..messages {
                let (number, line) = next("a message")?;
                if line != load.text(message) {
                    return Err(unexpected(number, line, "a message as sent"));
                }
            }
        } else {
            let (number, line) = next("the header")?;
            if line != HEADER.as_bytes() {
                return Err(unexpected(number, line, HEADER));
            }
            for trade in (0..messages).flat_map(|message| load.trades_of(message)) {
                let (number, line) = next("a row")?;
                let (before, after) = self.around_received_ms(trade);
                let right = line
                    .strip_prefix(before.as_bytes())
                    .and_then(|rest| rest.strip_suffix(after.as_bytes()))
                    .is_some_and(|received_ms| {
                        received_ms.len() == RECEIVED_MS_DIGITS
                            && received_ms.iter().all(u8::is_ascii_digit)
                    });
                if !right {
                    return Err(unexpected(number, line, &format!("{before}<13 digits>{after}")));
                }
            }
        }
        match lines.next() {
            Some((number, line)) => Err(unexpected(number, line, "the end of the file")),
            None => Ok(()),
        }
    }
}

fn unexpected(
    index: usize,
    line: &[u8],
    expected: &str,
) -> Box<dyn std::error::Error + Send + Sync> {
    let line = String::from_utf8_lossy(line);
    format!("line {}: {line:?} where {expected:?} was expected", index + 1).into()
}
