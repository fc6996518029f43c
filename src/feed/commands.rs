//! Commands of other threads to the session: sent over a channel; a socket beside it wakes the session while
//! it waits for the server.
//!
//! Sent from any thread, received on the main one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::process::waker::{Waker, Woken, waker};

/// A command to the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Close the connection and end.
    Stop,
    /// Record these symbols from now on.
    Watch(Vec<String>),
}

/// A change of the watch list.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// Record this symbol.
    Add(&'a str),
    /// Do not record it any more.
    Remove(&'a str),
}

/// A change that was made.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// The whole list, as it is now.
    pub tickers: Vec<String>,
    /// What is odd about the symbol, one line each; not in the answer when there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Changes the watch list, or says in one line why not. May wait for the disk that holds the tickers file.
pub type ChangeWatchList = dyn Fn(Change<'_>) -> Result<Changed, String> + Send + Sync;

/// The sending end.
#[derive(Debug, Clone)]
pub struct CommandSender {
    sender: Sender<Command>,
    waker: Waker,
}

/// The session's end.
#[derive(Debug)]
pub struct Commands {
    receiver: Receiver<Command>,
    woken: Woken,
}

/// Opens the channel for commands to the session.
///
/// # Errors
/// When the system has no socket to give.
pub fn commands() -> io::Result<(CommandSender, Commands)> {
    let (sender, receiver) = mpsc::channel();
    let (waker, woken) = waker()?;
    Ok((CommandSender { sender, waker }, Commands { receiver, woken }))
}

impl CommandSender {
    /// Sends a command; never waits. A session that has ended does not get it.
    pub fn send(&self, command: Command) {
        let _ = self.sender.send(command);
        self.waker.wake();
    }
}

impl Commands {
    /// The next command, if there is one.
    pub fn next(&self) -> Option<Command> {
        self.receiver.try_recv().ok()
    }

    /// Waits for the next command, but no longer than this.
    pub(super) fn next_within(&self, time: Duration) -> Result<Command, RecvTimeoutError> {
        self.receiver.recv_timeout(time)
    }

    /// Waits until [`Self::next`] may have a command, but no longer than this.
    pub(super) fn wait(&self, time: Duration) {
        let mut woken = [PollFd::new(&self.woken, PollFlags::IN)];
        let timeout = Timespec::try_from(time).ok();
        if poll(&mut woken, timeout.as_ref()).is_ok_and(|ready| ready > 0) {
            self.note_woken();
        }
    }

    /// Empties the socket. [`Self::next`] then has all commands that came before this.
    pub(super) fn note_woken(&self) {
        self.woken.note();
    }
}

/// The socket, which becomes readable when a command comes.
impl AsFd for Commands {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }
}
