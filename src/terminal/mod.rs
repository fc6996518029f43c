//! What is shown on standard error: log lines, the live line under them, and the summary.
//!
//! A thread of its own: a terminal that is stopped (Ctrl-S), slow or gone costs lines, never time.
//! It reads snapshots and never makes anybody wait.

mod live_line;
pub mod screen;

use std::fmt::Write as _;
use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use log::Level;

pub use live_line::LiveLine;
pub(crate) use live_line::{ERASE, fit, one_line};

use crate::channel::Line;
use crate::clock::{now_ms, show_ms};

/// Lines that may wait for a slow terminal; more than a screen, less than a memory problem.
pub const WAITING_LINES: usize = 1024;

/// How often the live line is renewed: its ages are in seconds.
const RENEW_EVERY: Duration = Duration::from_millis(500);

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

/// How it is shown.
#[derive(Debug, Default)]
pub struct Look {
    /// Whether warnings and errors are coloured, and the state in the live line.
    pub colours: bool,
    /// The live line, on a terminal.
    pub live_line: Option<LiveLine>,
}

/// Shows lines until [`Line::End`], or until nobody can send any more.
pub fn run(lines: &Receiver<Line>, out: &mut dyn Write, mut look: Look) {
    let mut drawn = false;
    let mut ended = false;
    while !ended {
        let mut text = String::new();
        for line in wait_for_lines(lines, look.live_line.is_some()) {
            match line {
                Line::Log(level, line) => push_log_line(&mut text, level, &line, look.colours),
                Line::Stopping => look.live_line = None,
                Line::Plain(line) => {
                    look.live_line = None;
                    text.push_str(&line);
                    text.push('\n');
                }
                Line::End => {
                    look.live_line = None;
                    ended = true;
                }
            }
        }
        if drawn && (!text.is_empty() || look.live_line.is_none()) {
            text.insert_str(0, ERASE);
            drawn = false;
        }
        if let Some(live_line) = look.live_line.as_ref().and_then(|line| line.draw(look.colours)) {
            text.push_str(&live_line);
            drawn = true;
        }
        // In one write, so that nothing flickers. A terminal that is gone is no reason to stop
        // recording.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// The lines that wait, up to the end; none when it is time to renew the live line.
fn wait_for_lines(lines: &Receiver<Line>, renew: bool) -> Vec<Line> {
    let first = if renew {
        lines.recv_timeout(RENEW_EVERY)
    } else {
        lines.recv().map_err(|_| RecvTimeoutError::Disconnected)
    };
    match first {
        Err(RecvTimeoutError::Timeout) => Vec::new(),
        Err(RecvTimeoutError::Disconnected) => vec![Line::End],
        Ok(line) => {
            let mut waiting = vec![line];
            while waiting.len() <= WAITING_LINES && waiting.last() != Some(&Line::End) {
                let Ok(line) = lines.try_recv() else { break };
                waiting.push(line);
            }
            waiting
        }
    }
}

fn push_log_line(text: &mut String, level: Level, line: &str, colours: bool) {
    let time = show_ms(now_ms());
    let clock = time.get(11..19).unwrap_or(&time);
    let (colour, plain) = match level {
        Level::Error if colours => (RED, PLAIN),
        Level::Warn if colours => (YELLOW, PLAIN),
        _ => ("", ""),
    };
    let _ = writeln!(text, "{clock} {colour}{level:<5}{plain} {line}");
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use log::Level;

    use super::{Look, run};
    use crate::channel::Line;

    fn shown(lines: Vec<Line>, look: Look) -> String {
        let (sender, receiver) = mpsc::channel();
        for line in lines {
            sender.send(line).unwrap();
        }
        drop(sender);
        let mut out = Vec::new();
        run(&receiver, &mut out, look);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_warnings_and_errors_have_a_colour_and_only_where_wanted() {
        let lines = || {
            [Level::Info, Level::Warn, Level::Error].map(|level| Line::Log(level, "x".to_owned()))
        };
        let look = |colours| Look { colours, live_line: None };
        assert!(!shown(lines().into(), look(false)).contains('\x1b'));
        let coloured = shown(lines().into(), look(true));
        let coloured: Vec<&str> = coloured.lines().map(|line| &line[9..]).collect();
        assert_eq!(coloured, ["INFO  x", "\x1b[33mWARN \x1b[0m x", "\x1b[31mERROR\x1b[0m x"]);
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let lines = vec![Line::Plain("a".into()), Line::End, Line::Plain("b".into())];
        assert_eq!(shown(lines, Look::default()), "a\n");
    }
}
