//! A terminal without a window: the program writes to one end, the test reads at the other, and
//! sees what a person would see.
//!
//! The test's thread calls everything here.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, Winsize, tcflow, tcgetattr, tcsetwinsize};

/// Rows of every terminal here, until it is given others.
pub(crate) const ROWS: u16 = 20;

/// What the program draws the live line between, see `terminal/live_line.rs`.
const LINE_STARTS: &str = "\x1b[?7l";
const LINE_ENDS: &str = "\x1b[?7h";

/// The test's end of a terminal.
pub(crate) struct PseudoTerminal {
    master: File,
}

impl PseudoTerminal {
    /// A terminal so many columns wide.
    pub(crate) fn new(columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master: OwnedFd = openpt(flags).expect("a pseudo-terminal");
        grantpt(&master).expect("a pseudo-terminal");
        unlockpt(&master).expect("a pseudo-terminal");
        let terminal = Self { master: master.into() };
        terminal.resize(columns);
        terminal
    }

    /// Makes it wider or narrower.
    pub(crate) fn resize(&self, columns: u16) {
        self.resize_to(columns, ROWS);
    }

    /// Gives it so many columns and rows.
    pub(crate) fn resize_to(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).expect("a new size");
    }

    /// Presses these keys.
    pub(crate) fn press(&self, keys: &str) {
        (&self.master).write_all(keys.as_bytes()).expect("keys");
    }

    /// Its modes, such as echo, as text to compare.
    pub(crate) fn modes(&self) -> String {
        format!("{:?}", tcgetattr(self.open()).expect("its modes"))
    }

    /// Lets it take nothing from now on, as Ctrl-S does.
    pub(crate) fn stop(&self) {
        tcflow(self.open(), Action::OOff).expect("the terminal to stop");
    }

    /// The program's end.
    pub(crate) fn for_program(&self) -> Stdio {
        self.open().into()
    }

    fn open(&self) -> File {
        let name = ptsname(&self.master, Vec::new()).expect("its name");
        let path = OsStr::from_bytes(name.to_bytes());
        let mut options = OpenOptions::new();
        // It must not become the terminal of the tests themselves.
        options.read(true).write(true).custom_flags(nix::libc::O_NOCTTY);
        options.open(path).expect("its other end")
    }

    /// Where what the program writes can be read.
    pub(crate) fn for_reader(&self) -> File {
        self.master.try_clone().expect("a second handle")
    }
}

/// The rows of a screen so many columns wide after `bytes`, without the empty ones.
pub(crate) fn screen(bytes: &str, columns: u16) -> Vec<String> {
    rows(&screen_after(bytes, columns))
}

/// The same when the screen was made narrower or wider after the first `before` bytes.
pub(crate) fn screen_resized(bytes: &str, columns: u16, before: usize, then: u16) -> Vec<String> {
    let mut parser = screen_after(&bytes[..before], columns);
    parser.screen_mut().set_size(size(ROWS), size(then));
    parser.process(&bytes.as_bytes()[before..]);
    rows(&parser)
}

fn screen_after(bytes: &str, columns: u16) -> vt100::Parser {
    let mut parser = vt100::Parser::new(size(ROWS), size(columns), 0);
    parser.process(bytes.as_bytes());
    parser
}

fn size(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("not zero")
}

fn rows(parser: &vt100::Parser) -> Vec<String> {
    let contents = parser.screen().contents();
    contents.lines().map(str::trim_end).filter(|row| !row.is_empty()).map(str::to_owned).collect()
}

/// Every live line drawn in `bytes`, with where in them it starts.
pub(crate) fn live_lines(bytes: &str) -> Vec<(usize, &str)> {
    bytes
        .match_indices(LINE_STARTS)
        .filter_map(|(start, _)| {
            let line = bytes[start..].split_once(LINE_ENDS)?.0;
            Some((start, &line[LINE_STARTS.len()..]))
        })
        .collect()
}
