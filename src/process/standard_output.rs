//! Who reads standard output.
//!
//! Any thread.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether nobody reads from this pipe any more, which a write would find out too late when there is
/// nothing to write.
pub(crate) fn reader_is_gone(pipe: &impl AsFd) -> bool {
    let mut asked = [PollFd::new(pipe, PollFlags::empty())];
    // An interruption by a signal looks like nothing yet.
    poll(&mut asked, Some(&Timespec::default()))
        .is_ok_and(|_| asked[0].revents().contains(PollFlags::ERR))
}
