//! The reader of standard output.
//!
//! Any thread.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether the reader of this pipe has gone away. With nothing to write, no write would find it out.
pub(crate) fn reader_is_gone(pipe: &impl AsFd) -> bool {
    let mut asked = [PollFd::new(pipe, PollFlags::empty())];
    // An interruption by a signal looks like nothing yet.
    poll(&mut asked, Some(&Timespec::default()))
        .is_ok_and(|_| asked[0].revents().contains(PollFlags::ERR))
}
