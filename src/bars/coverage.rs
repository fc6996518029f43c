//! How much of a bar was recorded, by the ledgers beside the recordings.
//!
//! Main thread. Reads ledgers and locks, changes none. Times are the recording machine's clock, UNIX
//! milliseconds. Memory is one span for each row of the ledgers, and each list of symbols once.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::recording::ledger::{
    LedgerError, LedgerLine, LedgerReader, LedgerRow, State, open_beside,
};

type Symbols = Rc<HashSet<Box<str>>>;

/// A time in which some symbols were recorded.
#[derive(Debug, Clone)]
struct Span {
    time: Range<i64>,
    symbols: Symbols,
}

/// The spans of a ledger.
#[derive(Debug, Default, Clone)]
pub(super) struct Ledger {
    spans: Vec<Span>,
    /// When the ledger ends `live`: since when, and with which symbols.
    live: Option<(i64, Symbols)>,
}

impl Ledger {
    /// Reads the one beside `recording`, and says where it is; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub(super) fn beside(recording: &Path) -> Result<Option<(PathBuf, Self)>, LedgerError> {
        match open_beside(recording, |file| file) {
            None => Ok(None),
            // The recorder has just made the file.
            Some((path, Err(LedgerError::NoHeader))) => Ok(Some((path, Self::default()))),
            Some((path, reader)) => Ok(Some((path, Self::read(reader?)?))),
        }
    }

    fn read(mut reader: LedgerReader<impl Read>) -> io::Result<Self> {
        let mut lists: HashMap<String, Symbols> = HashMap::new();
        let mut ledger = Self::default();
        while let Some(line) = reader.next_line()? {
            // Damaged rows are passed over; `verify` counts them.
            let LedgerLine::Row(LedgerRow { time_ms, state }) = line else { continue };
            ledger.end(time_ms);
            if let State::Live { tickers } = state {
                let list = |tickers: &String| {
                    tickers.split(';').map(Box::from).collect::<HashSet<_>>().into()
                };
                let symbols = lists.entry(tickers).or_insert_with_key(list);
                ledger.live = Some((time_ms, Rc::clone(symbols)));
            }
        }
        Ok(ledger)
    }

    /// Whether it ends `live`.
    pub(super) fn is_open(&self) -> bool {
        self.live.is_some()
    }

    /// Ends what is live at `end_ms`.
    pub(super) fn end(&mut self, end_ms: i64) {
        if let Some((since_ms, symbols)) = self.live.take() {
            self.push(Span { time: since_ms..end_ms, symbols });
        }
    }

    /// The same with an end at `end_ms`, if it has none.
    pub(super) fn ended(&self, end_ms: i64) -> Self {
        let mut ended = self.clone();
        ended.end(end_ms);
        ended
    }

    /// Adds the spans of one that has an end.
    pub(super) fn extend(&mut self, other: Self) {
        self.spans.extend(other.spans);
    }

    /// Forgets what ended before `time_ms`.
    pub(super) fn forget(&mut self, time_ms: i64) {
        self.spans.retain(|span| span.time.end > time_ms);
    }

    fn push(&mut self, span: Span) {
        // The same list again extends the last span.
        match self.spans.last_mut() {
            _ if span.time.is_empty() => {}
            Some(last) if last.time.end == span.time.start && last.symbols == span.symbols => {
                last.time.end = span.time.end;
            }
            _ => self.spans.push(span),
        }
    }
}

/// What was recorded when.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// By their beginnings.
    spans: Vec<Span>,
    /// No span that begins before the one at this place ends later than this.
    longest_until: Vec<i64>,
}

impl Coverage {
    /// Of ledgers that have an end.
    pub(super) fn of<'l>(ledgers: impl IntoIterator<Item = &'l Ledger>) -> Self {
        let spans = ledgers.into_iter().flat_map(|ledger| ledger.spans.iter().cloned());
        let mut spans: Vec<Span> = spans.collect();
        spans.sort_by_key(|span| span.time.start);
        let mut until = i64::MIN;
        let longest_until = spans
            .iter()
            .map(|span| {
                until = until.max(span.time.end);
                until
            })
            .collect();
        Self { spans, longest_until }
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
