//! The bytes that have been read and not yet accepted, cut into batches at the ends of rows.
//!
//! Main thread. No I/O, no clock. What a row is, [`crate::recording::rows`] decides; bytes behind the last line
//! end are none yet.

use memchr::{memchr, memchr2};

use super::options::Limits;
use crate::recording::rows::{LONGEST_ROW, row_length};

/// A longer line is no row; it would bring the whole file into memory.
pub(super) const LONGEST_LINE: usize = 4 * LONGEST_ROW;

/// Bytes from one file, from the position on.
#[derive(Debug)]
pub(super) struct Rows {
    limits: Limits,
    bytes: Vec<u8>,
    /// Whole rows of the next batch, and where the last of them ends.
    pub(super) count: u64,
    end: usize,
    pub(super) full: bool,
}

impl Rows {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, bytes: Vec::new(), count: 0, end: 0, full: false }
    }

    /// The rows of the next batch, up to the limits.
    pub(super) fn batch(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// All bytes that were read, also those behind the batch.
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Adds the bytes that were read next. After the `last` ones, a quote without its end is a wrong one.
    pub(super) fn push(&mut self, more: &[u8], last: bool) {
        self.bytes.extend_from_slice(more);
        self.scan(last);
    }

    fn scan(&mut self, last: bool) {
        while !self.full {
            let rest = &self.bytes[self.end..];
            let length = match memchr2(b'"', b'\n', rest) {
                Some(at) if rest[at] == b'\n' => Some(at + 1),
                Some(_) => row_length(rest).or_else(|| {
                    // Then the line alone is the row, as for all readers of recordings.
                    let odd = last || rest.len() > LONGEST_ROW;
                    odd.then(|| memchr(b'\n', rest)).flatten().map(|end| end + 1)
                }),
                None => None,
            };
            let Some(length) = length else { return };
            let fits = self.end + length <= self.limits.bytes;
            if fits || self.count == 0 {
                self.count += 1;
                self.end += length;
            }
            self.full = !fits || self.count == self.limits.rows;
        }
    }

    /// Takes these bytes as a whole batch of `count` rows: the batch that was begun before a restart.
    pub(super) fn set_batch(&mut self, bytes: Vec<u8>, count: u64) {
        *self = Self { limits: self.limits, count, end: bytes.len(), full: true, bytes };
    }

    /// The batch was accepted: the next one begins behind it.
    pub(super) fn drop_batch(&mut self) {
        self.bytes.drain(..self.end);
        (self.count, self.end, self.full) = (0, 0, false);
        self.scan(false);
    }

    /// Keeps only the batch: the bytes behind it may still change.
    pub(super) fn drop_rest(&mut self) {
        self.bytes.truncate(self.end);
    }

    /// Removes all bytes, for another file or one that has changed.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.limits);
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, Rows};

    /// All batches of `text`, which arrives in pieces of `step` bytes; then what is left.
    fn cut(text: &str, step: usize, limits: Limits) -> Vec<(String, u64)> {
        let mut rows = Rows::new(limits);
        let mut found = Vec::new();
        let mut take = |rows: &mut Rows| {
            let batch = String::from_utf8_lossy(rows.batch()).into_owned();
            found.push((batch, rows.count));
            rows.drop_batch();
        };
        for piece in text.as_bytes().chunks(step) {
            rows.push(piece, false);
            while rows.full {
                take(&mut rows);
            }
        }
        take(&mut rows);
        found
    }

    fn check(text: &str, rows: u64, bytes: usize, expected: &[(&str, u64)]) {
        for step in [1, 2, 3, 1000] {
            let found = cut(text, step, Limits { rows, bytes });
            let found: Vec<_> = found.iter().map(|(text, count)| (text.as_str(), *count)).collect();
            assert_eq!(found, expected, "{text:?} by {step}");
        }
    }

    #[test]
    fn batches_are_whole_rows_within_both_limits() {
        check("a\nb\nc\n", 2, 100, &[("a\nb\n", 2), ("c\n", 1)]);
        check("a\nb\nc\nd\n", 2, 100, &[("a\nb\n", 2), ("c\nd\n", 2), ("", 0)]);
        check("a\nbb\nc\n", 9, 4, &[("a\n", 1), ("bb\n", 1), ("c\n", 1)]);
        check("a\nbb\nc\n", 9, 5, &[("a\nbb\n", 2), ("c\n", 1)]);
        check("a\nb", 9, 100, &[("a\n", 1)]);
        check("", 9, 100, &[("", 0)]);
    }

    #[test]
    fn a_row_longer_than_a_batch_goes_alone() {
        check("a\nlong row\nb\n", 9, 4, &[("a\n", 1), ("long row\n", 1), ("b\n", 1)]);
    }

    #[test]
    fn a_line_end_inside_quotes_ends_no_row() {
        check("\"a\n\"\"b\n\",1\nc\n", 1, 100, &[("\"a\n\"\"b\n\",1\n", 1), ("c\n", 1), ("", 0)]);
        check("\"a\nb\n", 1, 100, &[("", 0)]);
    }

    #[test]
    fn an_odd_quote_costs_its_own_line_only() {
        check("a\"b,1\nc\n", 1, 100, &[("a\"b,1\n", 1), ("c\n", 1), ("", 0)]);
        let limits = Limits { rows: 9, bytes: 100 };
        let mut rows = Rows::new(limits);
        rows.push(b"\"a,1\nb,2\nc", false);
        assert_eq!(rows.count, 0, "the quote may still have its end");
        rows.push(b"", true);
        assert_eq!((rows.batch(), rows.count), (&b"\"a,1\nb,2\n"[..], 2));
    }

    #[test]
    fn a_batch_begun_before_has_other_bounds() {
        let mut rows = Rows::new(Limits { rows: 9, bytes: 4 });
        rows.set_batch(b"a\nb\nc\n".to_vec(), 3);
        assert_eq!((rows.batch(), rows.count, rows.full), (&b"a\nb\nc\n"[..], 3, true));
        rows.drop_batch();
        rows.push(b"d\n", false);
        assert_eq!((rows.batch(), rows.count, rows.full), (&b"d\n"[..], 1, false));
    }
}
