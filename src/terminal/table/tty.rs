//! The terminal while the table has it: taken, written to without waiting, and given back as it was
//! found.
//!
//! Any thread may give it back: the one that shows log lines, the one that handles signals, one that
//! panics. It is opened once more by its name, because "do not wait" belongs to an open file: set on
//! standard error, it would hold for the shell as well.

use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ratatui::crossterm::Command;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::style::ResetColor;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{getpgrp, getsid};
use rustix::termios::{
    OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetpgrp, tcsetattr, ttyname,
};

/// The name of a process's own terminal. Good also where its other name is another user's, after `su`.
const OWN_TERMINAL: &str = "/dev/tty";

/// A terminal that takes nothing for so long does not get the rest of a frame.
const LAST_BYTES: Duration = Duration::from_millis(50);

/// A larger terminal has the table in its upper left corner: each character of a frame takes 40 bytes
/// of memory, twice.
const MOST_COLUMNS: u16 = 400;
const MOST_ROWS: u16 = 150;

/// The terminal.
#[derive(Debug)]
pub(super) struct Tty {
    file: OwnedFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The modes it was found with, while the table has it.
    found: Option<Termios>,
    /// It was given back for good.
    is_over: bool,
    /// What it has not taken yet, from `sent` on: one frame at most.
    unsent: Vec<u8>,
    sent: usize,
}

impl Tty {
    /// Opens the terminal that standard error is on; keys come from there, too.
    ///
    /// # Errors
    /// When it cannot be opened, in one line.
    pub(super) fn open() -> Result<Self, String> {
        let failed = |error: &dyn Display| format!("the terminal cannot be opened: {error}");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let by_name = ttyname(io::stderr(), Vec::new());
        let file = by_name.and_then(|name| open(name, flags, Mode::empty()));
        let file = file
            .or_else(|_| open(OWN_TERMINAL, flags, Mode::empty()))
            .map_err(|error| failed(&error))?;
        // The library for keys reads standard input. It must not wait there for the rest of a key,
        // and nobody else reads it.
        rustix::stdio::dup2_stdin(&file).map_err(|error| failed(&error))?;
        Ok(Self::on(file))
    }

    fn on(file: OwnedFd) -> Self {
        Self { file, state: Mutex::default() }
    }

    /// From now on a panic of any thread gives the terminal back before it is reported.
    pub(super) fn leave_at_a_panic(self: &Arc<Self>) {
        let (report, tty) = (panic::take_hook(), Arc::clone(self));
        panic::set_hook(Box::new(move |panic| {
            tty.leave();
            report(panic);
        }));
    }

    /// Takes the terminal: raw, and another screen. To be called again after somebody else had it.
    /// Gives whether that could be done.
    pub(super) fn enter(&self) -> bool {
        let mut state = self.lock();
        if state.is_over {
            return false;
        }
        let Ok(now) = tcgetattr(&self.file) else { return false };
        let mut raw = now.clone();
        raw.make_raw();
        // After a stop that could not be noticed, the modes now are not those that were found.
        state.found.get_or_insert(now);
        let _ = tcsetattr(&self.file, OptionalActions::Now, &raw);
        let mut text = String::new();
        write_ansi(&mut text, EnterAlternateScreen);
        write_ansi(&mut text, EnableBracketedPaste);
        write_ansi(&mut text, Hide);
        state.unsent = text.into_bytes();
        state.sent = 0;
        self.flush(&mut state);
        true
    }

    /// Sends a frame, as far as the terminal takes it.
    pub(super) fn send(&self, frame: Vec<u8>) {
        let mut state = self.lock();
        if state.found.is_some() {
            state.unsent = frame;
            state.sent = 0;
            self.flush(&mut state);
        }
    }

    /// Sends the rest of a frame; gives whether there is none.
    pub(super) fn is_idle(&self) -> bool {
        let mut state = self.lock();
        self.flush(&mut state);
        state.unsent.is_empty()
    }

    /// Gives it back until [`Self::enter`].
    pub(super) fn suspend(&self) {
        self.give_back(&mut self.lock());
    }

    /// Gives it back for good. Never waits long.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        state.is_over = true;
        self.give_back(&mut state);
    }

    /// Whether it was given back for good.
    pub(super) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// Whether keys come to this process, and not to a shell that has put it into the background. There,
    /// reading would stop the whole process, and so would changing the modes.
    pub(super) fn is_ours(&self) -> bool {
        tcgetpgrp(&self.file).map_or(true, |group| group == getpgrp())
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (u16, u16) {
        let (columns, rows) = terminal_size::terminal_size_of(&self.file)
            .map_or((80, 24), |(columns, rows)| (columns.0, rows.0));
        (columns.min(MOST_COLUMNS), rows.min(MOST_ROWS))
    }

    fn give_back(&self, state: &mut State) {
        let Some(found) = state.found.take() else { return };
        let mut text = String::new();
        write_ansi(&mut text, ResetColor);
        write_ansi(&mut text, DisableBracketedPaste);
        write_ansi(&mut text, Show);
        write_ansi(&mut text, LeaveAlternateScreen);
        state.unsent = text.into_bytes();
        state.sent = 0;
        if !self.is_ours() {
            return state.unsent.clear();
        }
        self.flush(state);
        if !state.unsent.is_empty() {
            let mut room = [PollFd::new(&self.file, PollFlags::OUT)];
            let _ = poll(&mut room, Timespec::try_from(LAST_BYTES).ok().as_ref());
            self.flush(state);
        }
        if !state.unsent.is_empty() {
            // Whoever reads it has fallen behind: in the place of the frames that wait, this alone.
            let _ = tcflush(&self.file, QueueSelector::OFlush);
            self.flush(state);
            state.unsent.clear();
        }
        let _ = tcsetattr(&self.file, OptionalActions::Now, &found);
    }

    /// Writes what it takes now.
    fn flush(&self, state: &mut State) {
        while state.sent < state.unsent.len() {
            match rustix::io::write(&self.file, &state.unsent[state.sent..]) {
                Ok(written) if written > 0 => state.sent += written,
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) | Err(rustix::io::Errno::AGAIN) => return,
                // It is gone; whoever reads the keys notices, too.
                Err(_) => break,
            }
        }
        state.unsent.clear();
        state.sent = 0;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whether a shell could continue this process after a stop. One that tmux has started is the first of
/// its session: nobody would ever continue it.
pub(super) fn can_be_continued() -> bool {
    getsid(None).is_ok_and(|first| first != getpgrp())
}

pub(super) fn write_ansi(out: &mut String, command: impl Command) {
    // Text takes everything.
    let _ = command.write_ansi(out);
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::sync::Arc;
    use std::thread;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{Mode, OFlags, open};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::tcgetattr;

    use super::Tty;

    /// A terminal, and its other end.
    fn terminal() -> (Arc<Tty>, File) {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
        (Arc::new(Tty::on(open(name, flags, Mode::empty()).unwrap())), master.into())
    }

    fn modes(tty: &Tty) -> String {
        format!("{:?}", tcgetattr(tty).unwrap())
    }

    fn read(other_end: &mut File) -> String {
        let mut bytes = vec![0; 1 << 20];
        let count = other_end.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    /// What the other end gets, up to `end`: it may come in pieces.
    fn read_up_to(other_end: &mut File, end: &str) -> String {
        let mut text = String::new();
        let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
        while !text.ends_with(end) {
            let ready = poll(&mut [PollFd::new(&*other_end, PollFlags::IN)], Some(&patience));
            assert_eq!(ready, Ok(1), "no more than {text:?}");
            text += &read(other_end);
        }
        text
    }

    #[test]
    fn what_nobody_reads_is_left_out_and_the_terminal_given_back() {
        let (tty, mut other_end) = terminal();
        let found = modes(&tty);
        assert!(tty.enter() && tty.is_idle());
        assert_ne!(modes(&tty), found);
        tty.send(vec![b'x'; 1 << 20]);
        assert!(!tty.is_idle());
        tty.leave();
        assert_eq!((modes(&tty), tty.is_over()), (found, true));
        assert!(!tty.enter(), "it was given back for good");
        // Without this end, the other one can be read to its end.
        drop(tty);
        let mut taken = Vec::new();
        let _ = other_end.read_to_end(&mut taken);
        assert!(taken.len() < 100_000 && taken.ends_with(b"\x1b[?1049l"), "{}", taken.len());
    }

    #[test]
    fn a_panic_of_any_thread_gives_the_terminal_back() {
        let (tty, mut other_end) = terminal();
        let found = modes(&tty);
        tty.leave_at_a_panic();
        assert!(tty.enter());
        thread::spawn(|| panic!("for the test")).join().unwrap_err();
        assert_eq!((modes(&tty), tty.is_over()), (found, true));
        read_up_to(&mut other_end, "\x1b[?1049l");
    }

    #[test]
    fn it_can_be_given_back_for_a_while() {
        let (tty, mut other_end) = terminal();
        let found = modes(&tty);
        assert!(tty.enter());
        tty.suspend();
        assert_eq!(modes(&tty), found);
        read_up_to(&mut other_end, "\x1b[?1049l");
        tty.send(b"x".to_vec());
        assert!(tty.enter());
        assert!(read(&mut other_end).starts_with("\x1b[?1049h"), "nothing was sent meanwhile");
        tty.leave();
        assert_eq!(modes(&tty), found);
    }
}
