//! How much of a bar was recorded, by the ledgers beside the recordings.
//!
//! Main thread. Reads ledgers and locks, changes none. Times are the recording machine's clock, UNIX
//! milliseconds. Memory is one span for each row of the ledgers, and each list of symbols once.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use crate::recording::ledger::{
    LedgerError, LedgerLine, LedgerReader, LedgerRow, State, open_beside,
};

type Symbols = Rc<HashSet<Box<str>>>;

/// A time in which some symbols were recorded.
#[derive(Debug)]
struct Span {
    time: Range<i64>,
    symbols: Symbols,
}

/// What was recorded when.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// By their beginnings.
    spans: Vec<Span>,
    /// No span that begins before the one at this place ends later than this.
    longest_until: Vec<i64>,
}

/// Until when a ledger counts that ends `live`.
pub(super) type End<'e> = &'e dyn Fn() -> i64;

impl Coverage {
    /// Adds the ledger beside `recording`; whether there is one. `end` says until when it counts if
    /// it ends `live`.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub(super) fn add(&mut self, recording: &Path, end: End<'_>) -> Result<bool, LedgerError> {
        match open_beside(recording, |file| file) {
            None => Ok(false),
            // Its recorder has just made it.
            Some((_, Err(LedgerError::NoHeader))) => Ok(true),
            Some((_, reader)) => Ok(self.read(reader?, end).map(|()| true)?),
        }
    }

    fn read(&mut self, mut reader: LedgerReader<impl Read>, end: End<'_>) -> io::Result<()> {
        let mut lists: HashMap<String, Symbols> = HashMap::new();
        let (mut last_ms, mut live): (i64, Option<Symbols>) = (i64::MIN, None);
        while let Some(line) = reader.next_line()? {
            // Damaged rows are passed over; `verify` counts them.
            let LedgerLine::Row(LedgerRow { time_ms, state }) = line else { continue };
            if let Some(symbols) = live.take() {
                self.push(last_ms..time_ms, symbols);
            }
            last_ms = time_ms;
            if let State::Live { tickers } = state {
                let list = |tickers: &String| {
                    tickers.split(';').map(Box::from).collect::<HashSet<_>>().into()
                };
                let symbols = lists.entry(tickers).or_insert_with_key(list);
                live = Some(Rc::clone(symbols));
            }
        }
        if let Some(symbols) = live {
            self.push(last_ms..end().max(last_ms), symbols);
        }
        Ok(())
    }

    fn push(&mut self, time: Range<i64>, symbols: Symbols) {
        // A list that only grew, or the same one said again, makes no longer list of spans.
        match self.spans.last_mut() {
            Some(last) if last.time.end == time.start && last.symbols == symbols => {
                last.time.end = time.end;
            }
            _ if time.is_empty() => {}
            _ => self.spans.push(Span { time, symbols }),
        }
    }

    /// To be called when all ledgers are added.
    pub(super) fn sort(&mut self) {
        self.spans.sort_by_key(|span| span.time.start);
        let mut until = i64::MIN;
        self.longest_until = self
            .spans
            .iter()
            .map(|span| {
                until = until.max(span.time.end);
                until
            })
            .collect();
    }

    /// The spans that touch `time`.
    fn touching(&self, time: &Range<i64>) -> impl Iterator<Item = &Span> {
        let from = self.longest_until.partition_point(|until| *until <= time.start);
        let behind = self.spans.partition_point(|span| span.time.start < time.end);
        let spans = self.spans.get(from..behind).unwrap_or_default();
        let start = time.start;
        spans.iter().filter(move |span| span.time.end > start)
    }

    /// How many milliseconds of `time` the symbol was recorded.
    pub(super) fn covered_ms(&self, symbol: &str, time: &Range<i64>) -> i64 {
        let (mut covered_ms, mut counted_to) = (0, time.start);
        for span in self.touching(time).filter(|span| span.symbols.contains(symbol)) {
            // Two recordings may cover the same time.
            let (from, to) = (span.time.start.max(counted_to), span.time.end.min(time.end));
            covered_ms += (to - from).max(0);
            counted_to = counted_to.max(to);
        }
        covered_ms
    }

    /// The symbols that were recorded at some time of it.
    pub(super) fn symbols(&self, time: &Range<i64>) -> HashSet<&str> {
        self.touching(time).flat_map(|span| span.symbols.iter().map(|symbol| &**symbol)).collect()
    }

    /// When something was recorded next, at `from_ms` or later.
    pub(super) fn next_recorded(&self, from_ms: i64) -> Option<i64> {
        let from = self.longest_until.partition_point(|until| *until <= from_ms);
        self.spans.get(from).map(|span| span.time.start.max(from_ms))
    }
}
