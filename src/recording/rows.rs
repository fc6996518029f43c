//! Where the rows and fields of a recording begin and end: one rule for the repair after a crash and for all
//! readers.
//!
//! Any thread. Reads RFC 4180 strictly, where the `csv` crate is lenient. A row ends at the first line end
//! outside quotes, and without one it is not whole. A wrong quote costs its own line and no other. This file
//! must not check what the fields say, nor hold more than one buffer of the file.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use memchr::{memchr, memchr2, memrchr};

/// The longest row in bytes, and the largest buffer. Real rows are far shorter; without a bound one lost quote
/// would bring the whole file into memory.
pub(crate) const LONGEST_ROW: usize = 1 << 20;

/// Bytes that one read of the file asks for: few enough for the processor's cache, and so many that the calls
/// cost little.
const READ_AT_ONCE: usize = 256 * 1024;

/// The same for the first read: the start of a recording reads only the end of its files, and the memory for
/// it stays with the process for weeks.
const READ_AT_FIRST: usize = 16 * 1024;

/// Fields whose bounds are remembered: more than any header has. Further ones are only counted.
const FIELDS_REMEMBERED: usize = 16;

/// Bytes that some programs put before UTF-8 text.
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
    spans: &'a FieldSpans,
}

impl<'a> Fields<'a> {
    pub(crate) fn count(&self) -> usize {
        self.spans.count
    }

    /// The field at `index` without its quotes; empty when there is none.
    pub(crate) fn get(&self, index: usize) -> Cow<'a, [u8]> {
        let span = self.span(index);
        let text = &self.text[span.start..span.end];
        if span.has_doubled_quotes { Cow::Owned(undouble(text)) } else { Cow::Borrowed(text) }
    }

    /// Whether the field at `index` is in quotes.
    pub(crate) fn is_quoted(&self, index: usize) -> bool {
        // A bare field follows a comma or begins the row.
        self.span(index).start.checked_sub(1).is_some_and(|before| self.text[before] == b'"')
    }

    fn span(&self, index: usize) -> FieldSpan {
        self.spans.fields.get(index).filter(|_| index < self.count()).copied().unwrap_or_default()
    }
}

/// The bounds of the fields of a row.
#[derive(Debug, Default)]
pub(crate) struct FieldSpans {
    fields: [FieldSpan; FIELDS_REMEMBERED],
    count: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct FieldSpan {
    start: usize,
    end: usize,
    has_doubled_quotes: bool,
}

impl FieldSpans {
    fn push(&mut self, span: FieldSpan) {
        if let Some(field) = self.fields.get_mut(self.count) {
            *field = span;
        }
        self.count += 1;
    }
}

/// Reads a stream row by row.
#[derive(Debug)]
pub(crate) struct RowReader<R> {
    source: R,
    buffer: Vec<u8>,
    /// The part of the buffer that was read and not given out yet.
    start: usize,
    filled: usize,
    at_end: bool,
    /// The line on which the next row begins.
    line: u64,
    /// Where in the file the buffer begins, and where the next row does.
    buffer_position: u64,
    position: u64,
    /// Fields of an ordinary row; 0 until the first one is known.
    columns: usize,
    spans: FieldSpans,
}

impl<R: Read> RowReader<R> {
    /// Reads from the beginning of a file, past a byte order mark if there is one. Its first row
    /// says how many columns there are.
    pub(crate) fn new(source: R) -> Self {
        Self::from_row(source, 0, 0)
    }

    /// Reads from the beginning of a row on, `position` bytes into a file with this number of columns.
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
            spans: FieldSpans::default(),
        }
    }

    /// The next whole row, or `None` when no whole row is left. An empty line is a row only where rows
    /// have one field.
    ///
    /// # Errors
    /// When the source cannot be read; the whole rows before that are given out first.
    pub(crate) fn next_row(&mut self) -> io::Result<Option<Row<'_>>> {
        let row_end = loop {
            if self.position == 0 && self.unread().starts_with(BYTE_ORDER_MARK) {
                self.start = BYTE_ORDER_MARK.len();
                self.position = BYTE_ORDER_MARK.len() as u64;
            }
            if let Some(row_end) = find_row(&self.buffer[self.start..self.filled], &mut self.spans)
            {
                if row_end.text_length > 0 || self.columns < 2 {
                    break row_end;
                }
                self.pass(&row_end);
                continue;
            }
            if self.at_end && !self.hides_a_row() {
                return Ok(None);
            }
            if self.at_end || self.unread().len() == LONGEST_ROW {
                match self.give_up_row()? {
                    Some(row_end) => break row_end,
                    None => return Ok(None),
                }
            }
            self.refill()?;
        };
        let (line, start) = (self.line, self.start);
        self.pass(&row_end);
        let text = &self.buffer[start..start + row_end.text_length];
        let fields = match row_end.broken {
            None => Ok(Fields { text, spans: &self.spans }),
            Some(broken) => Err(broken),
        };
        if self.columns == 0 {
            self.columns = fields.map_or(0, |fields| fields.count());
        }
        Ok(Some(Row { line, text, fields }))
    }

    fn pass(&mut self, row_end: &RowEnd) {
        self.start += row_end.length;
        self.line += row_end.lines;
        self.position = self.buffer_position + self.start as u64;
    }

    /// Skips rows quickly, up to the first quote in the buffer. Lines are not counted from here on.
    pub(crate) fn skip_plain_rows(&mut self) {
        if memchr(b'"', self.unread()).is_none()
            && let Some(last) = memrchr(b'\n', self.unread())
        {
            self.start += last + 1;
            self.position = self.buffer_position + self.start as u64;
        }
    }

    /// Where in the file the last row that was given out or skipped ends.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// How many bytes follow the last whole row. To be called when no whole row is left.
    pub(crate) fn unfinished_bytes(&self) -> u64 {
        self.buffer_position + self.filled as u64 - self.position
    }

    /// The line on which the next row begins, or the unfinished one.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// What was read and not given, and where the rest comes from.
    pub(crate) fn into_rest(mut self) -> (Vec<u8>, R) {
        self.buffer.truncate(self.filled);
        (self.buffer.split_off(self.start), self.source)
    }

    fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }

    /// Reads once more into the buffer.
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

    /// Whether there are whole rows in the unfinished end of a file. The end has several lines only because of
    /// a quote that was opened and not closed. With whole rows on the later lines it is no torn row: the
    /// quote is wrong, and must not hide them.
    fn hides_a_row(&mut self) -> bool {
        let mut lines = self.buffer[self.start..self.filled].split_inclusive(|&byte| byte == b'\n');
        lines.next();
        lines.any(|line| {
            let row_end = find_row(line, &mut self.spans);
            row_end.is_some_and(|row_end| row_end.broken.is_none())
                && self.spans.count == self.columns
        })
    }

    /// Skips a row when the unread bytes hold no whole row and never will. With a line end among them, a quote
    /// was opened and never closed: only that line is lost. Without one, the row is skipped up to its line
    /// end; `None` if the file ends first.
    fn give_up_row(&mut self) -> io::Result<Option<RowEnd>> {
        let mut broken = Broken::OpenQuote;
        loop {
            if let Some(end) = memchr(b'\n', self.unread()) {
                return Ok(Some(RowEnd::broken(broken, &self.unread()[..=end])));
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

/// The row at the front of `bytes`, on this `line` of its file, and its length with its line end; `None` when
/// `bytes` end before the row does.
pub(crate) fn front_row<'a>(
    bytes: &'a [u8],
    line: u64,
    spans: &'a mut FieldSpans,
) -> Option<(Row<'a>, usize)> {
    let row_end = find_row(bytes, spans)?;
    let text = &bytes[..row_end.text_length];
    let fields = match row_end.broken {
        None => Ok(Fields { text, spans }),
        Some(broken) => Err(broken),
    };
    Some((Row { line, text, fields }, row_end.length))
}

/// The length of the row at the front of `bytes`, with its line end; `None` when `bytes` end before the row
/// does.
pub(crate) fn row_length(bytes: &[u8]) -> Option<usize> {
    find_row(bytes, &mut FieldSpans::default()).map(|row_end| row_end.length)
}

/// Where a row ends.
struct RowEnd {
    /// Length of the row with its line end.
    length: usize,
    /// Length without the line end.
    text_length: usize,
    /// Line ends in the row, its own included.
    lines: u64,
    broken: Option<Broken>,
}

impl RowEnd {
    /// A row that is given up at the end of its first line, so that a damaged quote costs one row and no later
    /// one. `line` ends with its newline.
    fn broken(broken: Broken, line: &[u8]) -> Self {
        let text_length = without_line_end(line).len();
        Self { length: line.len(), text_length, lines: 1, broken: Some(broken) }
    }
}

/// The row at the front of `bytes`, or `None` if `bytes` end before the row does.
fn find_row(bytes: &[u8], spans: &mut FieldSpans) -> Option<RowEnd> {
    let at = memchr2(b'"', b'\n', bytes)?;
    spans.count = 0;
    if bytes[at] == b'"' {
        return find_row_with_quotes(bytes, spans);
    }
    let text = without_line_end(&bytes[..=at]);
    let mut start = 0;
    for (at, _) in text.iter().enumerate().filter(|&(_, &byte)| byte == b',') {
        spans.push(FieldSpan { start, end: at, has_doubled_quotes: false });
        start = at + 1;
    }
    spans.push(FieldSpan { start, end: text.len(), has_doubled_quotes: false });
    Some(RowEnd { length: at + 1, text_length: text.len(), lines: 1, broken: None })
}

/// Where in a field the next byte is.
#[derive(Clone, Copy)]
enum FieldState {
    First,
    Bare,
    Quoted,
    /// After a quote inside quotes, which ends the field or is the first of two.
    BehindQuote,
}

/// The slow way, for a row with a quote somewhere in it.
fn find_row_with_quotes(bytes: &[u8], spans: &mut FieldSpans) -> Option<RowEnd> {
    let broken = |broken| Some(RowEnd::broken(broken, &bytes[..=memchr(b'\n', bytes)?]));
    let mut state = FieldState::First;
    let mut span = FieldSpan::default();
    let mut lines = 1;
    for (at, &byte) in bytes.iter().enumerate() {
        state = match (state, byte) {
            (FieldState::First, b'"') => {
                span.start = at + 1;
                FieldState::Quoted
            }
            (FieldState::Quoted, b'"') => {
                span.end = at;
                FieldState::BehindQuote
            }
            (FieldState::Quoted, _) => {
                lines += u64::from(byte == b'\n');
                FieldState::Quoted
            }
            (FieldState::BehindQuote, b'"') => {
                span.has_doubled_quotes = true;
                FieldState::Quoted
            }
            (FieldState::BehindQuote, b'\r') if *bytes.get(at + 1)? == b'\n' => {
                FieldState::BehindQuote
            }
            (FieldState::First | FieldState::Bare, b',' | b'\n') => {
                span.end = at;
                FieldState::First
            }
            (FieldState::BehindQuote, b',' | b'\n') => FieldState::First,
            (FieldState::BehindQuote, _) => return broken(Broken::TextAfterQuote),
            (FieldState::Bare, b'"') => return broken(Broken::StrayQuote),
            (FieldState::First | FieldState::Bare, _) => FieldState::Bare,
        };
        if matches!(state, FieldState::First) {
            let text_length =
                if byte == b'\n' { without_line_end(&bytes[..=at]).len() } else { at };
            span.end = span.end.min(text_length);
            spans.push(span);
            span = FieldSpan { start: at + 1, ..FieldSpan::default() };
            if byte == b'\n' {
                return Some(RowEnd { length: at + 1, text_length, lines, broken: None });
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
