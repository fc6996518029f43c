//! Signals, and the promise that a stop takes 5 s at most whatever the main thread is stuck in.
//!
//! The signal thread only passes the wish on. Should the main thread not get to it in time (name
//! resolution and handshakes cannot be interrupted), the deadline thread sees the writer through.

use std::io;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use log::info;
use signal_hook::consts::SIGXFSZ;

use crate::channel::{Entry, Gauges, Line, Outbox};
use crate::clock::now_ms;
use crate::error::{EXIT_CANNOT_GO_ON, EXIT_OK};
use crate::feed::Command;
use crate::on_event::thread::Events;
use crate::recorder::Report;
use crate::stop_signals;

/// The main thread has this long to end by itself: a close takes one second.
const MAIN_THREAD_TIME: Duration = Duration::from_secs(3);
/// From the end of the session on, the command of `--on-event` has this long to tell it while
/// somebody waits, so that systemd does not end it with us. With the writer's time still below 5 s.
pub(super) const LAST_COMMAND: Duration = Duration::from_secs(1);
/// Then the writer has this long for what is left; together below the promised 5 s.
const WRITER_TIME: Duration = Duration::from_secs(1);
/// Why a recording has stopped when nothing went wrong, for the command.
pub(super) const AS_ASKED: &str = "as asked";
/// How often the end of the writer is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The writer thread, for whoever comes to join it: the main thread, or the deadline thread in its
/// place. Both read the same report, and only one of them ends the program.
#[derive(Clone)]
pub(super) struct WriterHandle {
    state: Arc<Mutex<WriterState>>,
    ending: Arc<AtomicBool>,
}

enum WriterState {
    Running(JoinHandle<Report>),
    Ended(Result<Report, Panicked>),
}

/// The writer thread has ended by a fault of ours.
#[derive(Clone)]
struct Panicked;

impl WriterHandle {
    pub(super) fn new(thread: JoinHandle<Report>) -> WriterHandle {
        let state = Arc::new(Mutex::new(WriterState::Running(thread)));
        WriterHandle { state, ending: Arc::default() }
    }

    /// Waits for the end, and takes it upon the main thread to end the program; `None` after a
    /// panic.
    pub(super) fn join(&self) -> Option<Report> {
        loop {
            if let Some(ended) = self.ended() {
                self.take_the_end();
                return ended.ok();
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn join_until(&self, deadline: Instant) -> Option<Result<Report, Panicked>> {
        while Instant::now() < deadline {
            if let Some(ended) = self.ended() {
                return Some(ended);
            }
            thread::sleep(LOOK_EVERY);
        }
        None
    }

    /// Waits for ever when somebody else is ending the program already.
    fn take_the_end(&self) {
        while self.ending.swap(true, Ordering::Relaxed) {
            thread::park();
        }
    }

    /// What the writer said, once it has ended.
    fn ended(&self) -> Option<Result<Report, Panicked>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*state, WriterState::Running(thread) if thread.is_finished()) {
            let running = std::mem::replace(&mut *state, WriterState::Ended(Err(Panicked)));
            if let WriterState::Running(thread) = running {
                *state = WriterState::Ended(thread.join().map_err(|_| Panicked));
            }
        }
        match &*state {
            WriterState::Running(_) => None,
            WriterState::Ended(report) => Some(report.clone()),
        }
    }
}

/// Makes a file size limit an error like a full disk, instead of a death. To be called before the
/// files are opened: their repair writes, too.
pub(super) fn outlive_file_size_limits() -> io::Result<()> {
    // The flag itself is of no interest.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// What asks the session to stop.
pub(super) fn stop_session(commands: Sender<Command>, gauges: Arc<Gauges>) -> Box<dyn Fn() + Send> {
    Box::new(move || {
        gauges.stopping.store(true, Ordering::Relaxed);
        // The session has ended already when nobody listens.
        drop(commands.send(Command::Stop));
    })
}

/// Passes the wish to stop on, from the first signal.
pub(super) fn listen(
    commands: Sender<Command>,
    outbox: Outbox,
    writer: WriterHandle,
    screen: SyncSender<Line>,
    events: Events,
) -> io::Result<()> {
    stop_signals::listen(move || {
        // Before the word of it, so that nobody says after it that he goes on.
        outbox.gauges().stopping.store(true, Ordering::Relaxed);
        // Before the log line, so that this ends what the live line has begun.
        let _ = screen.try_send(Line::Stopping);
        info!("stopping (Ctrl-C again leaves at once)");
        // The session has ended already when nobody listens.
        let _ = commands.send(Command::Stop);
        let deadline = move || see_through(&outbox, &writer, &screen, &events);
        let started = thread::Builder::new().name("deadline".to_owned()).spawn(deadline);
        if started.is_err() {
            exit(i32::from(EXIT_CANNOT_GO_ON));
        }
    })
}

/// Ends the program in the place of a main thread that is stuck.
fn see_through(outbox: &Outbox, writer: &WriterHandle, screen: &SyncSender<Line>, events: &Events) {
    thread::sleep(MAIN_THREAD_TIME);
    // The ledger does not let it be earlier than its last row, should there be no later message.
    let at_ms = match outbox.gauges().last_message_ms.load(Ordering::Relaxed) {
        0 => now_ms(),
        last_message_ms => last_message_ms,
    };
    outbox.send(Entry::Down { at_ms, reason: "stopped".to_owned() });
    outbox.send(Entry::Finish);
    let ended = writer.join_until(Instant::now() + WRITER_TIME);
    writer.take_the_end();
    let (text, code) = match ended {
        Some(Ok(Report { counts, failure: None })) => (counts.to_string(), EXIT_OK),
        Some(Ok(Report { counts, failure: Some(failure) })) => {
            (format!("{counts}\nerror: {failure}"), EXIT_CANNOT_GO_ON)
        }
        Some(Err(Panicked)) => ("error: the writer thread failed".to_owned(), EXIT_CANNOT_GO_ON),
        None => ("error: the last rows could not be written in time".to_owned(), EXIT_CANNOT_GO_ON),
    };
    let reason =
        if code == EXIT_OK { AS_ASKED } else { text.rsplit("error: ").next().unwrap_or(&text) };
    // The command is started, and left alone.
    events.stopped(reason.to_owned(), Instant::now());
    let _ = screen.try_send(Line::Plain(text));
    let _ = screen.try_send(Line::End);
    thread::sleep(Duration::from_millis(100));
    exit(i32::from(code));
}
