//! Wakes a thread that waits for several things with `poll`: a socket beside its channel becomes readable.
//!
//! Any thread wakes, one waits. Nobody waits to wake.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// The end that wakes.
#[derive(Debug, Clone)]
pub(crate) struct Waker(Arc<UnixStream>);

/// The end that waits: readable once it was woken.
#[derive(Debug)]
pub(crate) struct Woken(UnixStream);

/// Makes the two ends.
///
/// # Errors
/// When the system has no socket to give.
pub(crate) fn waker() -> io::Result<(Waker, Woken)> {
    let (waker, woken) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    Ok((Waker(Arc::new(waker)), Woken(woken)))
}

impl Waker {
    /// Wakes the other end; never waits.
    pub(crate) fn wake(&self) {
        // When the socket is full, the other end is woken already.
        let _ = (&*self.0).write(&[0]);
    }
}

#[cfg(feature = "table")]
impl Waker {
    /// The socket itself, for signals: each is to write a byte.
    ///
    /// # Errors
    /// When the system has no more file descriptors.
    pub(crate) fn socket(&self) -> io::Result<UnixStream> {
        self.0.try_clone()
    }
}

impl Woken {
    /// Takes note of having been woken. What came before is to be looked at after this.
    pub(crate) fn note(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.0).read(&mut bytes), Ok(read) if read == bytes.len()) {}
    }
}

impl AsFd for Woken {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
