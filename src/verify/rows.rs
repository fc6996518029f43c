//! Whole CSV rows out of a stream of any length, with their true line numbers.
//!
//! Runs on the main thread, for `verify`. Reads RFC 4180 strictly, where the `csv` crate forgives:
//! a stray quote is a fault, and a last row without its newline is not a row. It must not judge
//! what the fields say, nor hold more than one buffer of the file.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use memchr::{memchr, memchr_iter, memchr2};

/// The longest row that is looked at, in bytes, and the size of the buffer. No symbol or list of
/// conditions comes near it; without a bound one lost quote would draw the whole file into memory.
pub(super) const LONGEST_ROW: usize = 1 << 20;

/// How much is asked of the file at once: little enough to stay in the processor's cache while it
/// is looked at, much enough that the calls do not count.
const READ_AT_ONCE: usize = 256 * 1024;

/// Fields whose place is remembered: more than any header has. Those beyond are only counted.
const FIELDS_REMEMBERED: usize = 8;

/// What some programs put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a row cannot be cut into fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("a quote inside a field that does not begin with one")]
    StrayQuote,
    #[error("text after the quote that ends a field")]
    TextAfterQuote,
    #[error("a quote that is opened and never closed")]
    OpenQuote,
    #[error("longer than {LONGEST_ROW} bytes")]
    TooLong,
}

/// One row, with its line end cut off.
pub(super) struct Row<'a> {
    /// The line of the file on which it begins, from 1.
    pub(super) line: u64,
    pub(super) text: &'a [u8],
    /// The fields, unless the row is broken.
    pub(super) fields: Result<Fields<'a>, Broken>,
}

/// The fields of one row.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    text: &'a [u8],
    places: &'a Places,
}

impl<'a> Fields<'a> {
    pub(super) fn count(&self) -> usize {
        self.places.count
    }

    /// The field at `index` (below [`Self::count`]) without its quotes.
    pub(super) fn get(&self, index: usize) -> Cow<'a, [u8]> {
        let place = self.places.spans.get(index).copied().unwrap_or_default();
        let text = &self.text[place.start..place.end];
        if place.has_doubled_quotes { Cow::Owned(undouble(text)) } else { Cow::Borrowed(text) }
    }

    /// Whether the field at `index` (below [`Self::count`]) stands in quotes.
    pub(super) fn is_quoted(&self, index: usize) -> bool {
        let place = self.places.spans.get(index).copied().unwrap_or_default();
        // A bare field follows a comma or begins the row.
        place.start.checked_sub(1).is_some_and(|before| self.text[before] == b'"')
    }
}

/// Where the fields of a row lie in it.
#[derive(Default)]
struct Places {
    spans: [Span; FIELDS_REMEMBERED],
    count: usize,
}

#[derive(Clone, Copy, Default)]
struct Span {
    start: usize,
    end: usize,
    has_doubled_quotes: bool,
}

impl Places {
    fn push(&mut self, span: Span) {
        if let Some(place) = self.spans.get_mut(self.count) {
            *place = span;
        }
        self.count += 1;
    }
}

/// Reads a stream row by row.
pub(super) struct RowReader<R> {
    source: R,
    buffer: Box<[u8]>,
    /// The part of the buffer that has been read and not yet handed out.
    start: usize,
    filled: usize,
    at_end: bool,
    /// The line on which the next row begins.
    line: u64,
    /// Bytes of an unfinished last row that were too many to keep.
    discarded: u64,
    places: Places,
}

impl<R: Read> RowReader<R> {
    /// Starts to read, past a byte order mark if there is one.
    ///
    /// # Errors
    /// What the source answers.
    pub(super) fn new(source: R) -> io::Result<Self> {
        let mut reader = Self {
            source,
            buffer: vec![0; LONGEST_ROW].into_boxed_slice(),
            start: 0,
            filled: 0,
            at_end: false,
            line: 1,
            discarded: 0,
            places: Places::default(),
        };
        while reader.filled < BYTE_ORDER_MARK.len() && !reader.at_end {
            reader.refill()?;
        }
        if reader.unfinished().starts_with(BYTE_ORDER_MARK) {
            reader.start = BYTE_ORDER_MARK.len();
        }
        Ok(reader)
    }

    /// The next whole row, or `None` when no whole row is left: see [`Self::unfinished`].
    ///
    /// # Errors
    /// What the source answers.
    pub(super) fn next_row(&mut self) -> io::Result<Option<Row<'_>>> {
        let found = loop {
            if let Some(found) = find_row(&self.buffer[self.start..self.filled], &mut self.places) {
                break found;
            }
            if self.filled - self.start == LONGEST_ROW {
                match self.give_up_long_row()? {
                    Some(found) => break found,
                    None => return Ok(None),
                }
            }
            if self.at_end {
                return Ok(None);
            }
            self.refill()?;
        };
        let text = &self.buffer[self.start..self.start + found.text_length];
        let line = self.line;
        self.start += found.length;
        self.line += found.lines;
        let fields = match found.broken {
            None => Ok(Fields { text, places: &self.places }),
            Some(broken) => Err(broken),
        };
        Ok(Some(Row { line, text, fields }))
    }

    /// What follows the last whole row, once [`Self::next_row`] has answered `None`.
    pub(super) fn unfinished(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }

    /// How many bytes follow the last whole row, also those too many to keep.
    pub(super) fn unfinished_bytes(&self) -> u64 {
        self.discarded + self.unfinished().len() as u64
    }

    /// The line on which the next row begins, or the unfinished one.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Steps over the first line of what is unfinished, to go on with the one after it.
    pub(super) fn skip_unfinished_line(&mut self) {
        if let Some(end) = memchr(b'\n', self.unfinished()) {
            self.start += end + 1;
            self.line += 1;
        }
    }

    /// Reads once more, behind what is still unread.
    fn refill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        let end = LONGEST_ROW.min(self.filled + READ_AT_ONCE);
        let count = loop {
            match self.source.read(&mut self.buffer[self.filled..end]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => break answer?,
            }
        };
        self.filled += count;
        self.at_end = count == 0;
        Ok(())
    }

    /// The full buffer holds no whole row. With a line end in it, a quote was opened and never
    /// closed: that line alone is lost. Without one, the row is passed over up to its line end;
    /// `None` if the file ends first.
    fn give_up_long_row(&mut self) -> io::Result<Option<Found>> {
        if let Some(end) = memchr(b'\n', self.unfinished()) {
            return Ok(Some(Found::broken(Broken::OpenQuote, &self.unfinished()[..=end])));
        }
        loop {
            self.discarded += self.unfinished().len() as u64;
            self.start = self.filled;
            self.refill()?;
            if let Some(end) = memchr(b'\n', self.unfinished()) {
                self.discarded = 0;
                return Ok(Some(Found::broken(Broken::TooLong, &self.unfinished()[..=end])));
            }
            if self.at_end {
                return Ok(None);
            }
        }
    }
}

/// Where a row ends.
struct Found {
    /// With its line end.
    length: usize,
    /// Without it.
    text_length: usize,
    /// Line ends in it, its own included.
    lines: u64,
    broken: Option<Broken>,
}

impl Found {
    /// A row that is given up at the end of its first line, so that a damaged quote costs one row
    /// and not those after it. `line` ends with its newline.
    fn broken(broken: Broken, line: &[u8]) -> Self {
        let text_length = without_line_end(line).len();
        Self { length: line.len(), text_length, lines: 1, broken: Some(broken) }
    }
}

/// The row at the front of `bytes`, or `None` if its end is not among them.
fn find_row(bytes: &[u8], places: &mut Places) -> Option<Found> {
    let at = memchr2(b'"', b'\n', bytes)?;
    places.count = 0;
    if bytes[at] == b'"' {
        return find_row_with_quotes(bytes, places);
    }
    let text = without_line_end(&bytes[..=at]);
    let mut start = 0;
    for (at, _) in text.iter().enumerate().filter(|&(_, &byte)| byte == b',') {
        places.push(Span { start, end: at, has_doubled_quotes: false });
        start = at + 1;
    }
    places.push(Span { start, end: text.len(), has_doubled_quotes: false });
    Some(Found { length: at + 1, text_length: text.len(), lines: 1, broken: None })
}

/// The slow way, for a row with a quote somewhere in it.
fn find_row_with_quotes(bytes: &[u8], places: &mut Places) -> Option<Found> {
    let mut start = 0;
    loop {
        let field = if *bytes.get(start)? == b'"' {
            quoted_field(bytes, start)?
        } else {
            bare_field(bytes, start)?
        };
        let (span, after) = match field {
            Ok(found) => found,
            Err(broken) => {
                let end = memchr(b'\n', bytes)?;
                return Some(Found::broken(broken, &bytes[..=end]));
            }
        };
        places.push(span);
        if bytes[after] == b',' {
            start = after + 1;
            continue;
        }
        let text_length = without_line_end(&bytes[..=after]).len();
        let lines = memchr_iter(b'\n', &bytes[..=after]).count() as u64;
        return Some(Found { length: after + 1, text_length, lines, broken: None });
    }
}

/// A field and the place of the comma or newline after it; `None` if that is not there yet.
type FoundField = Option<Result<(Span, usize), Broken>>;

fn bare_field(bytes: &[u8], start: usize) -> FoundField {
    let after = start + memchr2(b',', b'\n', &bytes[start..])?;
    let text = &bytes[start..after];
    if memchr(b'"', text).is_some() {
        return Some(Err(Broken::StrayQuote));
    }
    let carriage_return = bytes[after] == b'\n' && text.ends_with(b"\r");
    let end = after - usize::from(carriage_return);
    Some(Ok((Span { start, end, has_doubled_quotes: false }, after)))
}

fn quoted_field(bytes: &[u8], opening: usize) -> FoundField {
    let start = opening + 1;
    let mut has_doubled_quotes = false;
    let mut from = start;
    loop {
        let end = from + memchr(b'"', &bytes[from..])?;
        let after = match *bytes.get(end + 1)? {
            b'"' => {
                has_doubled_quotes = true;
                from = end + 2;
                continue;
            }
            b',' | b'\n' => end + 1,
            b'\r' if *bytes.get(end + 2)? == b'\n' => end + 2,
            _ => return Some(Err(Broken::TextAfterQuote)),
        };
        return Some(Ok((Span { start, end, has_doubled_quotes }, after)));
    }
}

/// `line`, which ends with a newline, without it and the carriage return of Windows before it.
fn without_line_end(line: &[u8]) -> &[u8] {
    let text = &line[..line.len() - 1];
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// Two quotes inside quotes stand for one.
fn undouble(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(byte);
        if byte == b'"' {
            bytes.next();
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Hands out a few bytes at a time, as a pipe may.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len());
            (&self.0[..self.0.len().min(count)]).read(buffer).inspect(|&count| {
                self.0 = &self.0[count..];
            })
        }
    }

    /// Every row as its line and its fields joined with `|`, or what is broken; then the number
    /// of unfinished bytes.
    fn read_all(source: impl Read) -> (Vec<(u64, String)>, u64) {
        let mut reader = RowReader::new(source).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = reader.next_row().unwrap() {
            let told = match row.fields {
                Err(broken) => format!("{broken:?}"),
                Ok(fields) => (0..fields.count())
                    .map(|at| String::from_utf8_lossy(&fields.get(at)).into_owned())
                    .collect::<Vec<_>>()
                    .join("|"),
            };
            rows.push((row.line, told));
        }
        (rows, reader.unfinished_bytes())
    }

    fn check(text: &str, expected: &[(u64, &str)], unfinished: u64) {
        for step in [1, 2, 1000] {
            let (rows, rest) = read_all(Dribble(text.as_bytes(), step));
            let rows: Vec<_> = rows.iter().map(|(line, told)| (*line, told.as_str())).collect();
            assert_eq!(rows, expected, "{text:?} by {step}");
            assert_eq!(rest, unfinished, "{text:?} by {step}");
        }
    }

    #[test]
    fn rows_end_at_newlines_outside_quotes() {
        check("", &[], 0);
        check("a,b\nc,d\n", &[(1, "a|b"), (2, "c|d")], 0);
        check("a,b\r\nc,d\r\n", &[(1, "a|b"), (2, "c|d")], 0);
        check("\u{feff}a,b\nc", &[(1, "a|b")], 1);
        check("\u{feff}\"a\"\n", &[(1, "a")], 0);
        check("\n,\n", &[(1, ""), (2, "|")], 0);
        check("a,b", &[], 3);
        check("\"a,\nb\",\"\"\nc\n", &[(1, "a,\nb|"), (3, "c")], 0);
        check("x,\"say \"\"a\"\"\"\r\ny\n", &[(1, "x|say \"a\""), (2, "y")], 0);
        check("x,\"a\"", &[], 5);
        check("x\n\"a\r", &[(1, "x")], 3);
    }

    #[test]
    fn a_damaged_quote_costs_its_own_line_only() {
        check("A\"B,1\nc\n", &[(1, "StrayQuote"), (2, "c")], 0);
        check("\"A\"B,1\nc\n", &[(1, "TextAfterQuote"), (2, "c")], 0);
        check("\"A,1\nc,2\n\"d\",3\n", &[(1, "TextAfterQuote"), (2, "c|2"), (3, "d|3")], 0);
        check("x,\"a\" \n\"b\n\"\n", &[(1, "TextAfterQuote"), (2, "b\n")], 0);
    }

    #[test]
    fn memory_is_bounded_whatever_the_row() {
        let long = "x".repeat(3 * LONGEST_ROW);
        let row = |line, told: &str| (line, told.to_owned());
        let (found, rest) = read_all(format!("a\n{long}\nb\n").as_bytes());
        assert_eq!(found, [row(1, "a"), row(2, "TooLong"), row(3, "b")]);
        assert_eq!(rest, 0);
        let (found, rest) = read_all(format!("a\n{long}").as_bytes());
        assert_eq!(found, [row(1, "a")]);
        assert_eq!(rest, 3 * LONGEST_ROW as u64);
        let rows = "c\n".repeat(LONGEST_ROW);
        let (found, rest) = read_all(format!("a\n\"{rows}").as_bytes());
        assert_eq!(found[1], row(2, "OpenQuote"));
        assert_eq!(found[2], row(3, "c"));
        assert_eq!((found.len(), rest), (LONGEST_ROW + 1, 0));
    }

    proptest! {
        #[test]
        fn how_the_bytes_arrive_changes_nothing(text in "[a\",\r\n]{0,40}", step in 1_usize..9) {
            let whole = read_all(text.as_bytes());
            prop_assert_eq!(read_all(Dribble(text.as_bytes(), step)), whole);
        }

        #[test]
        fn what_a_csv_writer_writes_is_read_back(
            rows in proptest::collection::vec(proptest::collection::vec("\\PC{0,4}|[\",\r\na]{0,4}", 3), 0..6)
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = writer.into_inner().unwrap();
            let mut reader = RowReader::new(text.as_slice()).unwrap();
            for row in &rows {
                let found = reader.next_row().unwrap().unwrap();
                let fields = found.fields.unwrap();
                prop_assert_eq!(fields.count(), row.len());
                for (at, field) in row.iter().enumerate() {
                    prop_assert_eq!(&*fields.get(at), field.as_bytes());
                }
            }
            prop_assert!(reader.next_row().unwrap().is_none());
            prop_assert_eq!(reader.unfinished_bytes(), 0);
        }
    }
}
