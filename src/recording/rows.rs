//! Where the rows and fields of a recording begin and end: one idea of it for the repair after a
//! crash, for `verify` and for the replay.
//!
//! Any thread. Reads RFC 4180 strictly, where the `csv` crate is lenient. A row ends at the first
//! line end outside quotes, and without one it is not whole. A quote that cannot be right costs
//! its own line and no other. It must not check what the fields say, nor hold more than
//! one buffer of the file.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use memchr::{memchr, memchr2, memrchr};

/// The longest row that is looked at, in bytes, and the largest buffer. No symbol or list of
/// conditions comes near it; without a bound one lost quote would draw the whole file into memory.
pub(crate) const LONGEST_ROW: usize = 1 << 20;

/// How much is asked of the file at once: little enough to stay in the processor's cache while it
/// is looked at, much enough that the calls do not count.
const READ_AT_ONCE: usize = 256 * 1024;

/// And at first: a recording's start reads only the end of its files, and what it takes from the
/// allocator for that stays with the process for weeks.
const READ_AT_FIRST: usize = 16 * 1024;

/// Fields whose place is remembered: more than any header has. Those beyond are only counted.
const FIELDS_REMEMBERED: usize = 16;

/// What some programs put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a row cannot be cut into fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
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
pub(crate) struct Row<'a> {
    /// The line of the file on which it begins, from 1.
    pub(crate) line: u64,
    pub(crate) text: &'a [u8],
    /// The fields, unless the row is broken.
    pub(crate) fields: Result<Fields<'a>, Broken>,
}

/// The fields of one row.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    text: &'a [u8],
    places: &'a Places,
}

impl<'a> Fields<'a> {
    pub(crate) fn count(&self) -> usize {
        self.places.count
    }

    /// The field at `index` without its quotes; empty when there is none.
    pub(crate) fn get(&self, index: usize) -> Cow<'a, [u8]> {
        let place = self.place(index);
        let text = &self.text[place.start..place.end];
        if place.has_doubled_quotes { Cow::Owned(undouble(text)) } else { Cow::Borrowed(text) }
    }

    /// Whether the field at `index` is in quotes.
    pub(crate) fn is_quoted(&self, index: usize) -> bool {
        // A bare field follows a comma or begins the row.
        self.place(index).start.checked_sub(1).is_some_and(|before| self.text[before] == b'"')
    }

    fn place(&self, index: usize) -> Span {
        self.places.spans.get(index).filter(|_| index < self.count()).copied().unwrap_or_default()
    }
}

/// Where the fields of a row lie in it.
#[derive(Debug, Default)]
pub(crate) struct Places {
    spans: [Span; FIELDS_REMEMBERED],
    count: usize,
}

#[derive(Clone, Copy, Debug, Default)]
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
#[derive(Debug)]
pub(crate) struct RowReader<R> {
    source: R,
    buffer: Vec<u8>,
    /// The part of the buffer that has been read and not yet given.
    start: usize,
    filled: usize,
    at_end: bool,
    /// The line on which the next row begins.
    line: u64,
    /// Where in the file the buffer begins, and the next row.
    buffer_position: u64,
    position: u64,
    /// Fields of an ordinary row; 0 until the first one is known.
    columns: usize,
    places: Places,
}

impl<R: Read> RowReader<R> {
    /// Reads from the beginning of a file, past a byte order mark if there is one. Its first row
    /// says how many columns there are.
    pub(crate) fn new(source: R) -> Self {
        Self::from_row(source, 0, 0)
    }

    /// Reads from the beginning of a row on, `position` bytes into a file of so many columns.
    pub(crate) fn from_row(source: R, position: u64, columns: usize) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            at_end: false,
            line: 1,
            buffer_position: position,
            position,
            columns,
            places: Places::default(),
        }
    }

    /// The next whole row, or `None` when no whole row is left. An empty line is one only where rows
    /// have one field.
    ///
    /// # Errors
    /// When the source cannot be read; the whole rows before that are given first.
    pub(crate) fn next_row(&mut self) -> io::Result<Option<Row<'_>>> {
        let found = loop {
            if self.position == 0 && self.unread().starts_with(BYTE_ORDER_MARK) {
                self.start = BYTE_ORDER_MARK.len();
                self.position = BYTE_ORDER_MARK.len() as u64;
            }
            if let Some(found) = find_row(&self.buffer[self.start..self.filled], &mut self.places) {
                if found.text_length > 0 || self.columns < 2 {
                    break found;
                }
                self.pass(&found);
                continue;
            }
            if self.at_end && !self.hides_a_row() {
                return Ok(None);
            }
            if self.at_end || self.unread().len() == LONGEST_ROW {
                match self.give_up_row()? {
                    Some(found) => break found,
                    None => return Ok(None),
                }
            }
            self.refill()?;
        };
        let (line, start) = (self.line, self.start);
        self.pass(&found);
        let text = &self.buffer[start..start + found.text_length];
        let fields = match found.broken {
            None => Ok(Fields { text, places: &self.places }),
            Some(broken) => Err(broken),
        };
        if self.columns == 0 {
            self.columns = fields.map_or(0, |fields| fields.count());
        }
        Ok(Some(Row { line, text, fields }))
    }

    fn pass(&mut self, found: &Found) {
        self.start += found.length;
        self.line += found.lines;
        self.position = self.buffer_position + self.start as u64;
    }

    /// Passes over rows without looking at each, as far as no quote makes that doubtful. Lines are
    /// not counted from here on.
    pub(crate) fn skip_plain_rows(&mut self) {
        if memchr(b'"', self.unread()).is_none()
            && let Some(last) = memrchr(b'\n', self.unread())
        {
            self.start += last + 1;
            self.position = self.buffer_position + self.start as u64;
        }
    }

    /// Where in the file the last row ended that was given or passed over.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Once there is no whole row any more: how many bytes follow the last one.
    pub(crate) fn unfinished_bytes(&self) -> u64 {
        self.buffer_position + self.filled as u64 - self.position
    }

    /// The line on which the next row begins, or the unfinished one.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }

    /// Reads once more, behind what is still unread.
    fn refill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.filled, 0);
        self.buffer_position += self.start as u64;
        self.filled -= self.start;
        self.start = 0;
        let more = (2 * self.buffer.len()).clamp(READ_AT_FIRST, READ_AT_ONCE);
        let end = LONGEST_ROW.min(self.filled + more);
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
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

    /// Whether the unfinished end of a file, which can only have several lines by a quote that was
    /// opened and not closed, has whole rows on the later ones. Then it is no torn row: the quote
    /// is wrong, and must not hide the rows after it.
    fn hides_a_row(&mut self) -> bool {
        let mut lines = self.buffer[self.start..self.filled].split_inclusive(|&byte| byte == b'\n');
        lines.next();
        lines.any(|line| {
            let found = find_row(line, &mut self.places);
            found.is_some_and(|found| found.broken.is_none()) && self.places.count == self.columns
        })
    }

    /// What is unread holds no whole row and never will. With a line end in it, a quote was opened
    /// and never closed: that line alone is lost. Without one, the row is passed over up to its
    /// line end; `None` if the file ends first.
    fn give_up_row(&mut self) -> io::Result<Option<Found>> {
        let mut broken = Broken::OpenQuote;
        loop {
            if let Some(end) = memchr(b'\n', self.unread()) {
                return Ok(Some(Found::broken(broken, &self.unread()[..=end])));
            }
            if self.at_end {
                return Ok(None);
            }
            broken = Broken::TooLong;
            self.start = self.filled;
            self.refill()?;
        }
    }
}

/// The row at the front of `bytes`, on this `line` of its file, and how long it is with its line end;
/// `None` when that is not among them.
pub(crate) fn front_row<'a>(
    bytes: &'a [u8],
    line: u64,
    places: &'a mut Places,
) -> Option<(Row<'a>, usize)> {
    let found = find_row(bytes, places)?;
    let text = &bytes[..found.text_length];
    let fields = match found.broken {
        None => Ok(Fields { text, places }),
        Some(broken) => Err(broken),
    };
    Some((Row { line, text, fields }, found.length))
}

/// How long the row at the front of `bytes` is, with its line end; `None` when that is not among
/// them.
pub(crate) fn row_length(bytes: &[u8]) -> Option<usize> {
    find_row(bytes, &mut Places::default()).map(|found| found.length)
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

/// Where in a field a byte is.
#[derive(Clone, Copy)]
enum Place {
    First,
    Bare,
    Quoted,
    /// Behind a quote inside quotes: it ends the field, or is the first of two.
    BehindQuote,
}

/// The slow way, for a row with a quote somewhere in it.
fn find_row_with_quotes(bytes: &[u8], places: &mut Places) -> Option<Found> {
    let broken = |broken| Some(Found::broken(broken, &bytes[..=memchr(b'\n', bytes)?]));
    let mut place = Place::First;
    let mut span = Span::default();
    let mut lines = 1;
    for (at, &byte) in bytes.iter().enumerate() {
        place = match (place, byte) {
            (Place::First, b'"') => {
                span.start = at + 1;
                Place::Quoted
            }
            (Place::Quoted, b'"') => {
                span.end = at;
                Place::BehindQuote
            }
            (Place::Quoted, _) => {
                lines += u64::from(byte == b'\n');
                Place::Quoted
            }
            (Place::BehindQuote, b'"') => {
                span.has_doubled_quotes = true;
                Place::Quoted
            }
            (Place::BehindQuote, b'\r') if *bytes.get(at + 1)? == b'\n' => Place::BehindQuote,
            (Place::First | Place::Bare, b',' | b'\n') => {
                span.end = at;
                Place::First
            }
            (Place::BehindQuote, b',' | b'\n') => Place::First,
            (Place::BehindQuote, _) => return broken(Broken::TextAfterQuote),
            (Place::Bare, b'"') => return broken(Broken::StrayQuote),
            (Place::First | Place::Bare, _) => Place::Bare,
        };
        if matches!(place, Place::First) {
            let text_length =
                if byte == b'\n' { without_line_end(&bytes[..=at]).len() } else { at };
            span.end = span.end.min(text_length);
            places.push(span);
            span = Span { start: at + 1, ..Span::default() };
            if byte == b'\n' {
                return Some(Found { length: at + 1, text_length, lines, broken: None });
            }
        }
    }
    None
}

/// `line` without the newline at its end, and the carriage return of Windows before it.
fn without_line_end(line: &[u8]) -> &[u8] {
    let text = &line[..line.len() - 1];
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// Two quotes inside quotes mean one.
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
mod tests;
