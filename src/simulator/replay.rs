//! Playing a recording back: rows of a CSV that this program wrote, compressed or not, at their own
//! pace.
//!
//! Runs on the simulator's thread and reads the file row by row, never the whole of it. A
//! damaged row is left out, and no other, as in `verify`. It has no clock: the server passes the time since
//! the beginning of the replay.

use super::encode::{Trade, json_string, trade_element};
use super::options::Replay;
use crate::process::error::{Error, cannot_go_on};
use crate::recording::gzip::Uncompressed;
use crate::recording::rows::{Fields, RowReader};
use crate::terminal::ProgressLine;
use crate::text::{in_words, is_json_number};
use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

/// An open recording and the place reached in it.
#[derive(Debug)]
pub(super) struct Playback {
    path: PathBuf,
    speed: f64,
    rows: RowReader<Uncompressed<File>>,
    columns: Columns,
    first_instant_ms: Option<i64>,
    next: Option<Trade>,
    ended: bool,
    played: u64,
    skipped: u64,
    progress: ProgressLine,
}

impl Playback {
    /// Opens the file and finds its columns by their names.
    ///
    /// # Errors
    /// When the file cannot be read, its header lacks a column, or the speed is not above 0.
    pub(super) fn open(replay: Replay) -> Result<Self, Error> {
        let Replay { path, speed } = replay;
        if !(speed > 0.0 && speed.is_finite()) {
            return Err(Error::Usage(format!(
                "cannot replay at speed {speed}; choose one above 0, such as 1"
            )));
        }
        let failed = |why: &dyn Display| {
            cannot_go_on(format_args!(
                "cannot replay {}: {}; check --replay",
                path.display(),
                in_words(why)
            ))
        };
        let file = File::open(&path).map_err(|error| failed(&error))?;
        let bytes = file.metadata().map_err(|error| failed(&error))?.len();
        let text = Uncompressed::new(file).map_err(|error| failed(&error))?;
        // The length of a compressed text is known only at its end.
        let bytes = if matches!(text, Uncompressed::Plain(_)) { bytes } else { 0 };
        let mut rows = RowReader::new(text);
        let header = rows.next_row().map_err(|error| failed(&error))?;
        let columns = Columns::find(header.and_then(|row| row.fields.ok()));
        let columns =
            columns.map_err(|name| failed(&format_args!("its header has no column {name}")))?;
        let progress = ProgressLine::new("replay", bytes);
        Ok(Self {
            path,
            speed,
            rows,
            columns,
            first_instant_ms: None,
            next: None,
            ended: false,
            played: 0,
            skipped: 0,
            progress,
        })
    }

    /// The next row, when it is due `elapsed` after the replay began. A row that was received
    /// before the one above it (the clock had been set back) is due with that one.
    pub(super) fn next_due(&mut self, elapsed: Duration) -> Option<Trade> {
        if self.next.is_none() {
            self.next = self.read_trade();
        }
        let instant_ms = self.next.as_ref()?.instant_ms;
        let first_ms = *self.first_instant_ms.get_or_insert(instant_ms);
        #[expect(clippy::cast_precision_loss, reason = "2^53 ms are 285,000 years")]
        let after_seconds = instant_ms.saturating_sub(first_ms) as f64 / 1000.0 / self.speed;
        if after_seconds > elapsed.as_secs_f64() {
            return None;
        }
        self.played += 1;
        self.progress.advance_to(self.rows.position());
        self.next.take()
    }

    fn read_trade(&mut self) -> Option<Trade> {
        while !self.ended {
            match self.rows.next_row() {
                Ok(Some(row)) => {
                    match row.fields.ok().and_then(|fields| self.columns.trade(&fields)) {
                        Some(trade) => return Some(trade),
                        None => self.skipped += 1,
                    }
                }
                Ok(None) => {
                    self.skipped += u64::from(self.rows.unfinished_bytes() > 0);
                    self.ended = true;
                }
                Err(error) => {
                    log::error!(
                        "replay of {} ends early: {}",
                        self.path.display(),
                        in_words(&error)
                    );
                    self.ended = true;
                }
            }
            if self.ended {
                self.progress.clear();
                let Self { played, skipped, path, .. } = self;
                log::info!(
                    "replay of {} is over: {played} rows played, {skipped} bad rows skipped",
                    path.display()
                );
            }
        }
        None
    }
}

/// The place of each column in a row, by its name.
#[derive(Debug)]
struct Columns(HashMap<Vec<u8>, usize>);

impl Columns {
    /// The columns of a header, or the name of the one that is missing.
    fn find(header: Option<Fields<'_>>) -> Result<Self, &'static str> {
        let names = header.iter().flat_map(|header| (0..header.count()).map(|at| header.get(at)));
        let columns = Self(names.zip(0..).map(|(name, at)| (name.into_owned(), at)).collect());
        let has = |name: &str| columns.0.contains_key(name.as_bytes());
        if let Some(missing) = ["ticker", "price", "volume"].into_iter().find(|name| !has(name)) {
            return Err(missing);
        }
        if !has("timestamp_ms") && !has("received_ms") {
            return Err("timestamp_ms (or received_ms)");
        }
        Ok(columns)
    }

    /// The row as a trade; `None` when it is torn, or has a value that no message can have.
    fn trade(&self, row: &Fields<'_>) -> Option<Trade> {
        if row.count() != self.0.len() {
            return None;
        }
        // An empty text where there is no such column.
        let field = |name: &str| {
            let at = self.0.get(name.as_bytes());
            at.map(|at| String::from_utf8(row.get(*at).into_owned())).transpose().ok()
        };
        let number = |name| field(name)?.filter(|text| is_json_number(text.as_bytes()));
        let time = |name| field(name)?.map(|text| text.parse::<i64>()).transpose().ok();
        let symbol = field("ticker")?.filter(|symbol| !symbol.is_empty())?;
        let (traded, received) = (time("timestamp_ms")?, time("received_ms")?);
        let element = trade_element(
            &conditions_json(&field("conditions")?.unwrap_or_default()),
            &number("price")?,
            &json_string(&symbol),
            traded.or(received)?,
            &number("volume")?,
        );
        Some(Trade { symbol: symbol.into(), element, instant_ms: received.or(traded)? })
    }
}

/// `1;12` as `["1","12"]`. Nothing becomes `null`: null and `[]` are the same in a recording.
fn conditions_json(joined: &str) -> String {
    if joined.is_empty() {
        return String::from("null");
    }
    let codes: Vec<String> = joined.split(';').map(json_string).collect();
    format!("[{}]", codes.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn playback(text: &str, speed: f64) -> Result<Playback, Error> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Playback::open(Replay { path: file.path().to_owned(), speed })
    }

    fn due(playback: &mut Playback, elapsed: Duration) -> usize {
        std::iter::from_fn(|| playback.next_due(elapsed)).count()
    }

    #[test]
    fn rows_keep_their_spacing_divided_by_the_speed() {
        let text = "received_ms,volume,price,ticker\n\
                    1000,1,1,A\n1500,2,1,A\n1400,3,1,A\n3000,4,1,A\n";
        let mut playback = playback(text, 2.0).unwrap();
        let mut due = |ms| due(&mut playback, Duration::from_millis(ms));
        assert_eq!(due(0), 1);
        assert_eq!(due(249), 0);
        assert_eq!(due(250), 2, "one that ran back comes with the one before it");
        assert_eq!(due(999), 0);
        assert_eq!(due(1000), 1);
        assert_eq!(due(u64::from(u32::MAX)), 0);
    }

    #[test]
    fn bad_rows_are_skipped_and_counted() {
        let text = "ticker,price,volume,timestamp_ms\n\
                    A,1.0,1,1000\nA,NaN,1,1000\nA,1.0,1,soon\n,1,1,1000\nA,2.0\nA,3.0,1,1001\nA,4";
        let mut playback = playback(text, 1.0).unwrap();
        assert_eq!(due(&mut playback, Duration::from_secs(1000)), 2);
        assert_eq!((playback.played, playback.skipped), (2, 5));
    }

    #[test]
    fn what_cannot_be_played_is_said_at_the_start() {
        fn check(text: &str, speed: f64, expected: &str) {
            let message = playback(text, speed).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        check("ticker,price\n", 1.0, "volume");
        check("ticker,price,volume\n", 1.0, "timestamp_ms");
        check("ticker,price,volume,timestamp_ms\n", 0.0, "speed 0");
        let path = PathBuf::from("/nonexistent/recording.csv");
        let message = Playback::open(Replay { path, speed: 1.0 }).unwrap_err().to_string();
        assert!(message.contains("/nonexistent/recording.csv"), "{message}");
    }
}
