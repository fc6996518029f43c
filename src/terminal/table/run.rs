//! The table's thread: waits for keys, signals, log lines and the time to look again, and draws.
//!
//! It waits for nothing else: not for the terminal to take what was sent, not for the disk that holds the
//! tickers file.

use std::fmt;
use std::io;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use ratatui::crossterm::event;
use ratatui::layout::Rect;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, kill_current_process_group};
use signal_hook::consts::{SIGCONT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::low_level::{emulate_default_handler, raise};

use super::draw::{Layout, Scene};
use super::frame::Frame;
use super::last_lines::LastLines;
use super::trails::Trails;
use super::tty::{Tty, can_be_continued};
use super::view::{Action, Answer, Rows, View};
use crate::channel::SharedState;
use crate::feed::{Change, ChangeWatchList};
use crate::market::hours::us_market;
use crate::process::error::EXIT_INTERRUPTED;
use crate::process::signals::stays_ignored;
use crate::process::threads::spawn;
use crate::process::waker::{Waker, Woken};
use crate::status::snapshot::Snapshot;
use crate::text::clock::now_ms;
use crate::text::printable;

/// How often the numbers are looked at: prices move, and a person can read them.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Log lines that come one after the other are drawn together.
const DRAW_AGAIN_AFTER: Duration = Duration::from_millis(40);

/// How soon bytes that make no key yet are looked at again. The library is told of new bytes only.
const REST_OF_A_KEY: Duration = Duration::from_millis(100);

/// Keys that are taken before the next look at everything else.
const KEYS_AT_ONCE: usize = 100;

/// The signals that matter to who has the terminal, besides those that ask for the end.
#[derive(Debug, Default)]
struct Signals {
    stop: Arc<AtomicBool>,
    go_on: Arc<AtomicBool>,
    quit: Arc<AtomicBool>,
}

impl Signals {
    fn new(waker: &Waker) -> io::Result<Self> {
        let signals = Self::default();
        for (signal, flag) in
            [(SIGTSTP, &signals.stop), (SIGCONT, &signals.go_on), (SIGQUIT, &signals.quit)]
        {
            if stays_ignored(signal) {
                continue;
            }
            signal_hook::flag::register(signal, Arc::clone(flag))?;
            signal_hook::low_level::pipe::register(signal, waker.socket()?)?;
        }
        signal_hook::low_level::pipe::register(SIGWINCH, waker.socket()?)?;
        Ok(signals)
    }
}

/// What the thread has.
pub(super) struct TableThread {
    tty: Arc<Tty>,
    woken: Woken,
    waker: Waker,
    signals: Signals,
    shared: Arc<SharedState>,
    log: LastLines,
    change: Arc<ChangeWatchList>,
    /// What came of changes of the list.
    answers: (Sender<Answer>, Receiver<Answer>),
    view: View,
    trails: Trails,
    frame: Frame,
    colours: bool,
    /// Whether the screen is the table's at the moment.
    is_shown: bool,
    /// Something has changed that the next look would show too late.
    is_due: bool,
    drawn: Instant,
    looks_again: Instant,
    reads_again: Instant,
}

impl TableThread {
    pub(super) fn new(
        (tty, woken, waker): (Arc<Tty>, Woken, Waker),
        (shared, log, change): (Arc<SharedState>, LastLines, Arc<ChangeWatchList>),
        colours: bool,
    ) -> io::Result<Self> {
        let signals = Signals::new(&waker)?;
        let now = Instant::now();
        Ok(Self {
            tty,
            woken,
            waker,
            signals,
            shared,
            log,
            change,
            answers: mpsc::channel(),
            view: View::default(),
            trails: Trails::default(),
            frame: Frame::default(),
            colours,
            is_shown: false,
            is_due: true,
            drawn: now,
            looks_again: now,
            reads_again: now,
        })
    }

    /// Shows the table until the terminal is given back for good.
    pub(super) fn run(mut self) {
        while !self.tty.is_over() {
            self.follow_signals();
            let is_ours = self.tty.is_ours();
            if is_ours && !self.is_shown {
                if !self.tty.enter() {
                    break;
                }
                self.frame.forget();
                self.is_due = true;
            }
            self.is_shown = is_ours;
            let Some(has_keys) = self.wait() else { break };
            self.woken.note();
            self.is_due |= has_keys && self.take_keys();
            while let Ok(answer) = self.answers.1.try_recv() {
                self.view.answer = Some(answer);
            }
            self.draw_when_due();
        }
        self.tty.leave();
    }

    fn follow_signals(&mut self) {
        let came = |flag: &AtomicBool| flag.swap(false, Ordering::Relaxed);
        if came(&self.signals.quit) {
            self.tty.leave();
            let _ = emulate_default_handler(SIGQUIT);
        }
        if came(&self.signals.stop) {
            if can_be_continued() {
                self.tty.suspend();
                self.is_shown = false;
                // The whole process stands still in here.
                let _ = emulate_default_handler(SIGTSTP);
            } else {
                self.view.answer = Some(("no shell is there to go on with".to_owned(), true));
            }
        }
        if came(&self.signals.go_on) {
            // Whatever stopped it, the shell had the terminal meanwhile.
            self.is_shown = false;
        }
    }

    /// Waits until there is something to do; gives whether keys have come, and nothing when the terminal is
    /// gone.
    fn wait(&mut self) -> Option<bool> {
        let now = Instant::now();
        let reads = self.is_shown && now >= self.reads_again;
        let sends = self.is_shown && !self.tty.is_idle();
        let mut until = self.looks_again;
        if self.is_due && self.is_shown && !sends {
            until = until.min(self.drawn + DRAW_AGAIN_AFTER);
        }
        if self.is_shown && !reads {
            until = until.min(self.reads_again);
        }
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, reads);
        flags.set(PollFlags::OUT, sends);
        let mut polled = [PollFd::new(&self.woken, PollFlags::IN), PollFd::new(&self.tty, flags)];
        // In the background the terminal is somebody else's.
        let count = if self.is_shown { 2 } else { 1 };
        let time = Timespec::try_from(until.saturating_duration_since(now)).ok();
        let _ = poll(&mut polled[..count], time.as_ref());
        let [of_waker, of_tty] = polled.map(|fd| fd.revents());
        if of_tty.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) && self.is_shown {
            return None;
        }
        self.is_due |= of_waker.contains(PollFlags::IN);
        Some(reads && of_tty.contains(PollFlags::IN) && self.tty.is_ours())
    }

    /// Takes the keys that have come; gives whether there were any.
    fn take_keys(&mut self) -> bool {
        let mut taken = 0;
        while taken < KEYS_AT_ONCE && event::poll(Duration::ZERO).unwrap_or(false) {
            let Ok(event) = event::read() else { break };
            taken += 1;
            let snapshot = self.shared.slot.latest();
            let order = self.order(&snapshot);
            let rows = rows(&snapshot, &order);
            self.view.place(&rows, self.view.page_rows);
            let action = self.view.event(event, &rows);
            self.act(action);
        }
        if taken == 0 {
            self.reads_again = Instant::now() + REST_OF_A_KEY;
        }
        taken > 0
    }

    fn order(&self, snapshot: &Snapshot) -> Vec<usize> {
        let now_ms = now_ms();
        self.view.sort.order(&snapshot.tickers, &self.view.find, us_market(now_ms), now_ms)
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Nothing => {}
            Action::Add(symbol) => self.change(symbol, true),
            Action::Remove(symbol) => self.change(symbol, false),
            // As any other signal that asks for the end; that thread gives the terminal back.
            Action::Stop => drop(raise(SIGTERM)),
            Action::Leave => {
                self.tty.leave();
                exit(i32::from(EXIT_INTERRUPTED));
            }
            // To all of a pipe, as the terminal would have done; it comes back to `follow_signals`.
            Action::Suspend => drop(kill_current_process_group(Signal::TSTP)),
            Action::Redraw => self.frame.forget(),
        }
    }

    /// Changes the list. On a thread of its own: the disk that holds the tickers file may not answer.
    fn change(&mut self, symbol: String, add: bool) {
        let (change, answers) = (Arc::clone(&self.change), self.answers.0.clone());
        let waker = self.waker.clone();
        let changing = spawn("table-change", move || {
            let (change_it, done) = if add {
                (Change::Add(&symbol), "on the list")
            } else {
                (Change::Remove(&symbol), "removed")
            };
            let answer = match change(change_it) {
                // What is odd about a symbol is more than that it is there.
                Ok(changed) => {
                    let done = format!("{}: {done}", printable(&symbol, 100));
                    (changed.warnings.into_iter().next().unwrap_or(done), false)
                }
                Err(why) => (why, true),
            };
            let _ = answers.send(answer);
            waker.wake();
        });
        if let Err(error) = changing {
            self.view.answer = Some((error.to_string(), true));
        }
    }

    fn draw_when_due(&mut self) {
        let now = Instant::now();
        let is_time = now >= self.looks_again;
        let is_due = self.is_due && now >= self.drawn + DRAW_AGAIN_AFTER;
        if !is_time && !is_due {
            return;
        }
        if is_time {
            self.looks_again = now + LOOK_EVERY;
        }
        let snapshot = self.shared.slot.latest();
        // Before the writer has begun, nothing is known.
        if snapshot.started_ms > 0 {
            self.trails.look(&snapshot.tickers, now_ms());
        }
        // What it has not taken yet comes first: no frame waits behind another.
        if self.is_shown && self.tty.is_idle() {
            self.draw(&snapshot);
            (self.drawn, self.is_due) = (now, false);
        }
    }

    fn draw(&mut self, snapshot: &Snapshot) {
        let (columns, lines) = self.tty.size();
        let area = Rect::new(0, 0, columns, lines);
        let order = self.order(snapshot);
        let layout = Layout::of(area, order.len(), self.view.page);
        self.view.place(&rows(snapshot, &order), layout.page_rows());
        let log = self.log.newest(usize::from(lines));
        let scene = Scene {
            snapshot,
            last_message_ms: self.shared.last_message_ms.load(Ordering::Relaxed),
            now_ms: now_ms(),
            trails: &self.trails,
            log: &log,
            order: &order,
            view: &self.view,
            colours: self.colours,
        };
        let bytes = self.frame.draw(area, |buffer| scene.draw(&layout, buffer));
        if !bytes.is_empty() {
            self.tty.send(bytes);
        }
    }
}

fn rows<'a>(snapshot: &'a Snapshot, order: &[usize]) -> Rows<'a> {
    Rows { symbols: order.iter().map(|at| snapshot.tickers[*at].symbol.as_str()).collect() }
}

impl fmt::Debug for TableThread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TableThread").finish_non_exhaustive()
    }
}
