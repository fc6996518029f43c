//! Standard error, behind a thread of its own, and how it is to look.
//!
//! The handle is the main thread's. Threads that log have a sender and never wait; only at the very end the
//! last lines are waited for, for a bounded time.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::live_line::{self, ERASE};
use super::log_lines::{LogLine, LogLines};
use super::table::Table;
use crate::channel::{Line, SharedState};
#[cfg(feature = "table")]
use crate::feed::ChangeWatchList;
use crate::process::error::Error;
use crate::process::threads::{join_until, spawn};
use crate::status::snapshot::Counts;
use crate::text::clock::now_ms;

/// Lines that may wait for a slow terminal: more than a screen, and little memory.
const WAITING_LINES: usize = 1024;

/// Log lines from before the table that the table shows, too: a start has fewer.
const FIRST_LINES: usize = 20;

/// How often the live line is renewed: it shows seconds.
const RENEW_EVERY: Duration = Duration::from_secs(1);

/// A terminal that takes nothing for this long does not get the summary.
const SUMMARY: Duration = Duration::from_millis(200);

/// The same for the last lines; together half a second.
const LAST_LINES: Duration = Duration::from_millis(300);

/// How often the terminal is tried.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The terminal thread and the way to it.
pub(crate) struct Screen {
    sender: SyncSender<Line>,
    thread: JoinHandle<()>,
    // Only a table asks once more.
    #[cfg_attr(not(feature = "table"), allow(dead_code))]
    place: Place,
    table: SharedTable,
}

/// The table, once it is shown.
type SharedTable = Arc<OnceLock<Table>>;

impl Screen {
    /// Starts the thread. Whether a `table` is to be shown is asked for the lines that come before it.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start(
        quiet: bool,
        table: bool,
        rows_on_standard_output: bool,
        shared: &Arc<SharedState>,
    ) -> Result<Self, Error> {
        let before_table = table.then(Vec::new);
        let (place, table) = (Place::look(rows_on_standard_output), SharedTable::default());
        let shown = Shown {
            log: LogLines::default(),
            colours: place.colours,
            live_line: (place.trouble.is_none() && !quiet).then(|| Arc::clone(shared)),
            table: Arc::clone(&table),
            before_table,
            begins_table: false,
        };
        let (sender, lines) = mpsc::sync_channel(WAITING_LINES);
        let thread = spawn("terminal", move || shown.run(&lines, &mut io::stderr()))?;
        Ok(Self { sender, thread, place, table })
    }

    /// Shows the table in the place of the live line, or logs why not; the live line stays then.
    #[cfg(feature = "table")]
    pub(crate) fn show_table(&self, shared: Arc<SharedState>, change: Arc<ChangeWatchList>) {
        let trouble = self.place.trouble.map(str::to_owned);
        let opened = trouble.map_or_else(|| Table::open(shared, change, self.place.colours), Err);
        match opened {
            Ok(table) => {
                let _ = self.table.set(table);
                let _ = self.sender.try_send(Line::Table);
            }
            Err(why) => log::warn!("--table: {why}; there are log lines instead"),
        }
    }

    /// A function that gives the terminal back at once, if the table has it.
    pub(crate) fn give_back(&self) -> impl Fn() + Send + 'static {
        let table = Arc::clone(&self.table);
        move || {
            if let Some(table) = table.get() {
                table.leave();
            }
        }
    }

    pub(crate) fn sender(&self) -> SyncSender<Line> {
        self.sender.clone()
    }

    /// Shows the sums; waits a little for a slow terminal.
    pub(crate) fn sum_up(&self, counts: Counts) {
        self.send_until(Instant::now() + SUMMARY, Line::Plain(counts.to_string()));
    }

    /// Waits for the last lines to be shown, for a bounded time.
    pub(crate) fn end(self) {
        let until = Instant::now() + LAST_LINES;
        self.send_until(until, Line::End);
        join_until(&self.thread, until);
        // Also when the terminal thread waits for a terminal that takes nothing.
        self.give_back()();
    }

    fn send_until(&self, until: Instant, line: Line) {
        let mut unsent = Some(line);
        while let Some(line) = unsent.take() {
            if let Err(TrySendError::Full(line)) = self.sender.try_send(line)
                && Instant::now() < until
            {
                unsent = Some(line);
                thread::sleep(LOOK_EVERY);
            }
        }
    }
}

/// Where it is shown.
#[derive(Debug)]
struct Place {
    /// Why no live line or table can be shown there, if so.
    trouble: Option<&'static str>,
    colours: bool,
}

impl Place {
    fn look(rows_on_standard_output: bool) -> Self {
        let is_dumb = env::var_os("TERM").is_some_and(|name| name == "dumb");
        // https://no-color.org: any value but an empty one.
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let trouble = if !io::stderr().is_terminal() {
            Some("standard error is no terminal")
        } else if is_dumb {
            Some("the terminal is a dumb one")
        } else {
            None
        };
        let colours = trouble.is_none() && !no_color;
        // Rows on the same terminal would be written into it.
        let rows_there = rows_on_standard_output && io::stdout().is_terminal();
        let trouble = trouble.or(rows_there.then_some("the rows are on the same terminal"));
        Self { trouble, colours }
    }
}

/// What the terminal thread shows: a live line and colours only on a terminal.
#[derive(Debug)]
struct Shown {
    log: LogLines,
    /// Whether warnings and errors are coloured, and the state in the live line.
    colours: bool,
    /// Where the live line takes its numbers from, while there is one.
    live_line: Option<Arc<SharedState>>,
    table: SharedTable,
    /// The first log lines, until the table begins.
    before_table: Option<Vec<LogLine>>,
    /// Whether the table begins when all waiting lines are written.
    begins_table: bool,
}

impl Shown {
    /// Shows lines until [`Line::End`], or until all senders are gone.
    fn run(mut self, lines: &Receiver<Line>, out: &mut dyn Write) {
        let mut drawn = false;
        let mut ended = false;
        while !ended {
            let mut text = String::new();
            for line in wait_for_lines(lines, self.live_line.is_some()) {
                ended = line == Line::End;
                self.push(&mut text, line);
            }
            if drawn && (!text.is_empty() || self.live_line.is_none()) {
                text.insert_str(0, ERASE);
                drawn = false;
            }
            let draw = |shared: &Arc<SharedState>| live_line::draw(shared, self.colours);
            if let Some(line) = self.live_line.as_ref().and_then(draw) {
                text.push_str(&line);
                drawn = true;
            }
            // In one write, so that nothing flickers. Recording goes on without a terminal.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            if let (true, Some(table)) = (std::mem::take(&mut self.begins_table), self.table.get())
            {
                table.begin(self.before_table.take().unwrap_or_default());
            }
        }
    }

    fn push(&mut self, text: &mut String, line: Line) {
        let mut log_lines = Vec::new();
        match &line {
            Line::Log(level, line) => self.log.push(&mut log_lines, now_ms(), *level, line),
            Line::Table => {
                self.live_line = None;
                self.begins_table = true;
            }
            // These lines belong to the end.
            Line::Stopping | Line::Plain(_) | Line::End => {
                self.live_line = None;
                self.begins_table = false;
                if let Some(table) = self.table.get() {
                    table.leave();
                }
                self.log.push_repeats(&mut log_lines, now_ms());
            }
        }
        self.show(text, log_lines);
        if let Line::Plain(line) = line {
            text.push_str(&line);
            text.push('\n');
        }
    }

    /// Where log lines go: to the table while it has the terminal.
    fn show(&mut self, text: &mut String, mut log_lines: Vec<LogLine>) {
        if let Some(table) = self.table.get() {
            if table.has_terminal() && !self.begins_table {
                for line in log_lines {
                    table.push(line);
                }
                return;
            }
            // The lines of the table went away with it.
            log_lines.splice(..0, table.last_lines());
        }
        for line in log_lines {
            line.write(text, self.colours);
            if let Some(before) = self.before_table.as_mut().filter(|it| it.len() < FIRST_LINES) {
                before.push(line);
            }
        }
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use log::Level;

    use super::{LogLines, SharedTable, Shown};
    use crate::channel::Line;

    fn shown(lines: Vec<Line>, colours: bool) -> String {
        let (sender, receiver) = mpsc::channel();
        for line in lines {
            sender.send(line).unwrap();
        }
        drop(sender);
        let mut out = Vec::new();
        let table = SharedTable::default();
        let (log, live_line, before_table) = (LogLines::default(), None, None);
        let begins_table = false;
        Shown { log, colours, live_line, table, before_table, begins_table }
            .run(&receiver, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_warnings_and_errors_have_a_colour_and_only_where_wanted() {
        let lines = || {
            [Level::Info, Level::Warn, Level::Error].map(|level| Line::Log(level, "x".to_owned()))
        };
        assert!(!shown(lines().into(), false).contains('\x1b'));
        let coloured = shown(lines().into(), true);
        // Behind the clock, which has a date in front of it in the first line.
        let coloured: Vec<&str> =
            coloured.lines().map(|line| &line[line.find(':').unwrap() + 7..]).collect();
        assert_eq!(coloured, ["INFO  x", "\x1b[33mWARN \x1b[0m x", "\x1b[31mERROR\x1b[0m x"]);
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let lines = vec![Line::Plain("a".into()), Line::End, Line::Plain("b".into())];
        assert_eq!(shown(lines, false), "a\n");
    }
}
