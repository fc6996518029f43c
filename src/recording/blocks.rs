//! A recording in blocks of whole rows, so that several threads can read it at once.
//!
//! Any thread. A block ends at a line end, which is the end of a row unless it is inside quotes. So from the
//! first quote on, or the first line without an end, the rest must be read row by row
//! ([`super::rows::RowReader`]).

use std::collections::VecDeque;
use std::io::{self, Cursor, Read};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use memchr::{memchr, memrchr};

use super::rows::LONGEST_ROW;

/// Bytes of a block: large enough that handing it over costs nothing, small enough for a processor's
/// cache.
pub(crate) const BLOCK_BYTES: usize = 512 << 10;

/// Blocks under way for each thread: one in work, one waiting.
const BLOCKS_A_THREAD: usize = 2;

/// The next piece of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Whole rows without a quote, each with its line end.
    Rows(Vec<u8>),
    /// The rest must be read row by row: see [`Blocks::into_rest`].
    Irregular,
    /// The end of the file. The number is that of the bytes behind the last line end.
    End(u64),
}

/// Cuts what is read into blocks.
#[derive(Debug)]
pub(crate) struct Blocks<R> {
    source: R,
    /// What was read and not given out yet.
    unread: Vec<u8>,
    block_bytes: usize,
    /// A block whose rows were taken, for its memory.
    spare: Vec<u8>,
    /// Why nothing more can be read; the rows before are given out first.
    failure: Option<io::Error>,
}

impl<R: Read> Blocks<R> {
    /// Blocks of about `block_bytes`. `front` was read already, and comes first; it must begin where a row
    /// does.
    pub(crate) fn new(front: Vec<u8>, source: R, block_bytes: usize) -> Self {
        Self { source, unread: front, block_bytes, spare: Vec::new(), failure: None }
    }

    /// The next piece.
    ///
    /// # Errors
    /// When the source cannot be read; the rows before that are given first.
    pub(crate) fn next(&mut self) -> io::Result<Piece> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut block = std::mem::take(&mut self.spare);
        block.clear();
        block.append(&mut self.unread);
        let mut looked_at = 0;
        loop {
            if memchr(b'"', &block[looked_at..]).is_some() {
                self.unread = block;
                return Ok(Piece::Irregular);
            }
            if block.len() >= self.block_bytes
                && let Some(last) = memrchr(b'\n', &block[looked_at..])
            {
                self.unread = block.split_off(looked_at + last + 1);
                return Ok(Piece::Rows(block));
            }
            if block.len() >= LONGEST_ROW {
                self.unread = block;
                return Ok(Piece::Irregular);
            }
            looked_at = block.len();
            // No row of it is longer than a row may be.
            let half = self.block_bytes / 2;
            block.resize(LONGEST_ROW.min(looked_at.max(half) + half), 0);
            let read = self.source.read(&mut block[looked_at..]);
            block.truncate(looked_at + read.as_ref().map_or(0, |read| *read));
            match read {
                Ok(0) => return Ok(self.end(block)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let rows = self.end(block);
                    if matches!(rows, Piece::End(_)) {
                        return Err(error);
                    }
                    self.failure = Some(error);
                    return Ok(rows);
                }
            }
        }
    }

    fn end(&mut self, mut block: Vec<u8>) -> Piece {
        if let Some(last) = memrchr(b'\n', &block) {
            self.unread = block.split_off(last + 1);
            return Piece::Rows(block);
        }
        let unfinished = block.len() as u64;
        self.unread = block;
        Piece::End(unfinished)
    }

    /// What has not been given yet.
    pub(crate) fn into_rest(self) -> impl Read {
        Cursor::new(self.unread).chain(self.source)
    }
}

/// A block that waits for a thread, and where it goes with its result.
type Job<T> = (Vec<u8>, SyncSender<(Vec<u8>, T)>);

/// Lets `work` see every block of rows, on as many threads as there are processors, and gives its
/// results to `take` in the order of the blocks, with the rows. Gives the piece that ends it.
///
/// # Errors
/// When the source cannot be read, or `take` fails; the results of the blocks before were taken.
pub(crate) fn in_order<R: Read, T: Send, E: From<io::Error>>(
    blocks: &mut Blocks<R>,
    work: impl Fn(&[u8]) -> T + Sync,
    mut take: impl FnMut(T, &[u8]) -> Result<(), E>,
) -> Result<Piece, E> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (jobs, waiting) = mpsc::sync_channel::<Job<T>>(BLOCKS_A_THREAD * threads);
    let waiting = Mutex::new(waiting);
    thread::scope(|scope| {
        // Ends the threads also when this fails.
        let jobs = jobs;
        let (mut started, mut under_way) = (0, VecDeque::new());
        let ended = loop {
            let block = match blocks.next() {
                Ok(Piece::Rows(block)) => block,
                other => break other,
            };
            if started < threads {
                let thread = thread::Builder::new();
                match thread.spawn_scoped(scope, || work_off(&waiting, &work)) {
                    Ok(_) => started += 1,
                    Err(error) if started == 0 => break Err(error),
                    // Fewer do as well.
                    Err(_) => {}
                }
            }
            let (result, received) = mpsc::sync_channel(1);
            under_way.push_back(received);
            if jobs.send((block, result)).is_err() {
                break Err(io::Error::other("the threads that read have ended"));
            }
            if under_way.len() > BLOCKS_A_THREAD * threads {
                blocks.spare = take_first(&mut under_way, &mut take)?;
            }
        };
        while !under_way.is_empty() {
            take_first(&mut under_way, &mut take)?;
        }
        Ok(ended?)
    })
}

fn work_off<T>(waiting: &Mutex<Receiver<Job<T>>>, work: impl Fn(&[u8]) -> T) {
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((block, result)) = job else { return };
        let done = work(&block);
        // After a failure nobody receives the result.
        let _ = result.send((block, done));
    }
}

fn take_first<T, E: From<io::Error>>(
    under_way: &mut VecDeque<Receiver<(Vec<u8>, T)>>,
    take: &mut impl FnMut(T, &[u8]) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let Some(first) = under_way.pop_front() else { return Ok(Vec::new()) };
    let first = first.recv().map_err(|_| io::Error::other("a thread that reads has failed"));
    let (block, result) = first?;
    take(result, &block)?;
    Ok(block)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use proptest::prelude::*;

    use super::{BLOCK_BYTES, Blocks, LONGEST_ROW, Piece, in_order};

    fn new<R: Read>(source: R) -> Blocks<R> {
        Blocks::new(Vec::new(), source, BLOCK_BYTES)
    }

    fn blocks(text: &str) -> (Vec<Vec<u8>>, Piece, Vec<u8>) {
        let mut blocks = new(text.as_bytes());
        let mut found = Vec::new();
        let end = loop {
            match blocks.next().unwrap() {
                Piece::Rows(rows) => found.push(rows),
                end => break end,
            }
        };
        let mut rest = Vec::new();
        blocks.into_rest().read_to_end(&mut rest).unwrap();
        (found, end, rest)
    }

    #[test]
    fn blocks_end_at_line_ends_and_nothing_is_lost() {
        let rows = "AAPL,1\n".repeat(BLOCK_BYTES / 3);
        let (found, end, rest) = blocks(&format!("{rows}AA"));
        assert!(found.len() > 1 && found.iter().all(|block| block.ends_with(b"\n")));
        assert_eq!(found.concat(), rows.as_bytes());
        assert_eq!((end, rest.as_slice()), (Piece::End(2), &b"AA"[..]));
        assert_eq!(blocks(""), (vec![], Piece::End(0), vec![]));
    }

    #[test]
    fn a_quote_or_an_endless_line_leaves_the_rest_to_others() {
        let rows = "AAPL,1\n".repeat(BLOCK_BYTES / 3);
        for rest in ["\"A\nB\",2\nC,3\n".to_owned(), "x".repeat(2 * LONGEST_ROW)] {
            let (found, end, left) = blocks(&format!("{rows}{rest}"));
            assert_eq!(end, Piece::Irregular);
            assert_eq!([found.concat(), left].concat(), format!("{rows}{rest}").as_bytes());
        }
    }

    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("cut"))
        }
    }

    #[test]
    fn the_rows_before_a_failure_are_given_first() {
        let mut blocks = new(b"A\nB\nC".chain(Broken));
        assert_eq!(blocks.next().unwrap(), Piece::Rows(b"A\nB\n".to_vec()));
        assert_eq!(blocks.next().unwrap_err().to_string(), "cut");
    }

    proptest! {
        #[test]
        fn results_come_in_the_order_of_the_rows(lengths in prop::collection::vec(1_usize..200_000, 0..40)) {
            let text: String = lengths.iter().map(|length| "x".repeat(*length) + "\n").collect();
            let mut blocks = new(text.as_bytes());
            let mut seen = Vec::new();
            let end = in_order(&mut blocks, <[u8]>::to_vec, |same, block| {
                assert_eq!(same, block);
                seen.extend_from_slice(block);
                io::Result::Ok(())
            });
            prop_assert_eq!(end.unwrap(), Piece::End(0));
            prop_assert!(seen == text.as_bytes());
        }
    }
}
