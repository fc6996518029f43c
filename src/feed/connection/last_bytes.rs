//! The last bytes that the server has sent, to read its Close frame as it came.
//!
//! Main thread. The library replaces a close code that a server must not send (RFC 6455, 7.4) by 1002; a
//! person needs the code that was sent.

use std::io::{self, Read, Write};

/// The length of the longest Close frame: two bytes, and a payload of up to 125.
const LONGEST: usize = 127;

/// The first byte of a Close frame.
const FINAL_CLOSE: u8 = 0x88;

/// A stream, and the last bytes that were read from it.
#[derive(Debug)]
pub(super) struct LastBytes<Stream> {
    pub(super) stream: Stream,
    last: Vec<u8>,
}

impl<Stream> LastBytes<Stream> {
    /// Follows a stream from which `read` was read already.
    pub(super) fn new(stream: Stream, read: &[u8]) -> Self {
        let mut new = Self { stream, last: Vec::with_capacity(LONGEST) };
        new.keep(read);
        new
    }

    /// The code and the reason of a Close frame at the very end of what was read. Nothing comes behind
    /// one from a server that keeps to the protocol.
    pub(super) fn close_frame(&self) -> Option<(u16, String)> {
        (0..self.last.len()).find_map(|start| match &self.last[start..] {
            [FINAL_CLOSE, length, payload @ ..] if usize::from(*length) == payload.len() => {
                let (code, reason) = payload.split_first_chunk()?;
                Some((u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned()))
            }
            _ => None,
        })
    }

    fn keep(&mut self, read: &[u8]) {
        let read = &read[read.len().saturating_sub(LONGEST)..];
        let excess = (self.last.len() + read.len()).saturating_sub(LONGEST);
        self.last.drain(..excess);
        self.last.extend_from_slice(read);
    }
}

impl<Stream: Read> Read for LastBytes<Stream> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(into)?;
        self.keep(&into[..count]);
        Ok(count)
    }
}

impl<Stream: Write> Write for LastBytes<Stream> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.stream.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{LONGEST, LastBytes};

    /// Reads what is sent in pieces of every length, after `before` was read.
    fn check(before: &[u8], sent: &[u8], expected: Option<(u16, &str)>) {
        for piece in 1..=sent.len() {
            let mut stream = LastBytes::new(sent, before);
            let mut into = vec![0; piece];
            while stream.read(&mut into).unwrap() > 0 {
                assert!(stream.last.len() <= LONGEST);
            }
            let expected = expected.map(|(code, reason)| (code, reason.to_owned()));
            assert_eq!(stream.close_frame(), expected, "{sent:?} by {piece}");
        }
    }

    #[test]
    fn a_close_frame_at_the_end_is_found_with_any_code() {
        let long = "x".repeat(123);
        let text = [&[0x81, 126, 1, 44][..], &[b'x'; 300]].concat();
        for (code, reason) in [(999, ""), (1006, ""), (1002, "no"), (u16::MAX, ""), (4000, &long)] {
            let mut frame = vec![0x88, 2 + u8::try_from(reason.len()).unwrap()];
            frame.extend(code.to_be_bytes());
            frame.extend(reason.as_bytes());
            let expected = Some((code, reason));
            check(&[], &frame, expected);
            check(&text, &frame, expected);
            check(&frame[..1], &frame[1..], expected);
            check(&[], &[&text[..], &frame].concat(), expected);
            check(&frame, &[0x89, 0], None);
        }
        check(&[], &[0x88, 0], None);
        check(&[], &[0x88, 1, 3], None);
        check(&[], &[0x88, 3, 3, 0xee, 0xff], Some((1006, "\u{fffd}")));
        check(&[], &text, None);
    }
}
