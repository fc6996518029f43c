//! The bytes that have been read and not yet accepted, cut into batches at the ends of rows.
//!
//! Main thread. No I/O, no clock. What a row is, [`crate::rows`] knows; bytes behind the last line
//! end are none yet.

use memchr::{memchr, memchr2};

use super::Limits;
use crate::rows::{LONGEST_ROW, row_length};

/// Without a line end in so many bytes it is no recording, and would draw a whole file into memory.
pub(super) const LONGEST_LINE: usize = 4 * LONGEST_ROW;

/// Bytes from one file, from the position on.
#[derive(Debug, Default)]
pub(super) struct Rows {
    bytes: Vec<u8>,
    /// Whole rows of the next batch, and where the last of them ends.
    count: u64,
    end: usize,
    /// Behind `end`, so much was looked at.
    scanned: usize,
    full: bool,
}

impl Rows {
    /// The rows of the next batch: as many as are there, up to the limits.
    pub(super) fn batch(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// How many rows these are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Whether no further row belongs to this batch.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// All bytes that were read, also those behind the batch.
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Whether a line has no end within [`LONGEST_LINE`].
    pub(super) fn is_endless(&self) -> bool {
        self.count == 0 && self.bytes.len() > LONGEST_LINE
    }

    /// Adds what was read behind the bytes that are here.
    pub(super) fn push(&mut self, more: &[u8], limits: Limits) {
        self.bytes.extend_from_slice(more);
        self.scan(limits, false);
    }

    /// Says that nothing comes behind these bytes: a quote without its end is an odd one.
    pub(super) fn finish(&mut self, limits: Limits) {
        self.scan(limits, true);
    }

    fn scan(&mut self, limits: Limits, last: bool) {
        while !self.full {
            let unseen = &self.bytes[self.end + self.scanned..];
            let Some(found) = memchr2(b'"', b'\n', unseen) else {
                self.scanned = self.bytes.len() - self.end;
                return;
            };
            let rest = &self.bytes[self.end..];
            let length = match unseen[found] {
                b'\n' => Some(self.scanned + found + 1),
                _ => row_length(rest).or_else(|| {
                    // The line alone is the row, as for everybody who reads recordings.
                    let odd = last || rest.len() > LONGEST_ROW;
                    odd.then(|| memchr(b'\n', rest)).flatten().map(|end| end + 1)
                }),
            };
            self.scanned = 0;
            let Some(length) = length else { return };
            let fits = self.end + length <= limits.bytes;
            if fits || self.count == 0 {
                self.count += 1;
                self.end += length;
            }
            self.full = !fits || self.count == limits.rows;
        }
    }

    /// Makes the first `length` bytes, which are here, the batch: the one that was begun before a
    /// restart. Gives how many rows they are; `None` when they do not end with a row.
    pub(super) fn cut_at(&mut self, length: usize) -> Option<u64> {
        let rest = self.bytes.split_off(length);
        self.forget_counts();
        self.scan(Limits { rows: u64::MAX, bytes: usize::MAX }, true);
        self.bytes.extend_from_slice(&rest);
        self.full = true;
        (self.end == length).then_some(self.count)
    }

    /// The batch was accepted: the next one begins behind it.
    pub(super) fn drop_batch(&mut self, limits: Limits) {
        self.bytes.drain(..self.end);
        self.forget_counts();
        self.scan(limits, false);
    }

    /// Keeps the batch only: what is behind it may still change.
    pub(super) fn drop_rest(&mut self) {
        self.bytes.truncate(self.end);
        self.scanned = 0;
    }

    /// Forgets everything: another file, or one that has changed.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.forget_counts();
    }

    fn forget_counts(&mut self) {
        *self = Rows { bytes: std::mem::take(&mut self.bytes), ..Rows::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, Rows};

    /// All batches of `text`, which arrives in pieces of `step` bytes; then what is left.
    fn cut(text: &str, step: usize, limits: Limits) -> Vec<(String, u64)> {
        let mut rows = Rows::default();
        let mut found = Vec::new();
        let mut take = |rows: &mut Rows| {
            let batch = String::from_utf8_lossy(rows.batch()).into_owned();
            found.push((batch, rows.count()));
            rows.drop_batch(limits);
        };
        for piece in text.as_bytes().chunks(step) {
            rows.push(piece, limits);
            while rows.is_full() {
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
        let mut rows = Rows::default();
        rows.push(b"\"a,1\nb,2\nc", limits);
        assert_eq!(rows.count(), 0, "the quote may still have its end");
        rows.finish(limits);
        assert_eq!((rows.batch(), rows.count()), (&b"\"a,1\nb,2\n"[..], 2));
    }

    #[test]
    fn a_batch_begun_before_has_the_same_bytes() {
        let limits = Limits { rows: 9, bytes: 100 };
        let mut rows = Rows::default();
        rows.push(b"a\nb\nc\n", limits);
        assert_eq!(rows.cut_at(4), Some(2));
        assert_eq!(rows.batch(), b"a\nb\n");
        rows.drop_batch(limits);
        assert_eq!((rows.batch(), rows.count()), (&b"c\n"[..], 1));
        assert_eq!(rows.cut_at(1), None);
    }
}
