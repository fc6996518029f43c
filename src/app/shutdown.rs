//! Signals, and the promise that a stop takes 5 s at most whatever the main thread is stuck in.
//!
//! The signal thread only passes the wish on. Should the main thread not get to it in time (name
//! resolution and handshakes cannot be interrupted), the deadline thread sees the writer through.

use std::io;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use log::info;
use signal_hook::consts::SIGXFSZ;

use crate::channel::{Entry, EntrySender, Line, SharedState};
use crate::clock::now_ms;
use crate::error::{EXIT_CANNOT_GO_ON, EXIT_OK, Error, cannot_go_on};
use crate::feed::Command;
use crate::on_event::thread::Events;
use crate::recorder::{Summary, WriterHandle};
use crate::stop_signals;
use crate::threads::spawn;

/// The main thread has this long to end by itself: a close takes one second.
const MAIN_THREAD_TIME: Duration = Duration::from_secs(3);
/// From the end of the session on, the command of `--on-event` has this long to tell it while
/// somebody waits, so that systemd does not end it with us. With the writer's time still below 5 s.
pub(super) const LAST_COMMAND: Duration = Duration::from_secs(1);
/// Then the writer has this long for what is left; together below the promised 5 s.
const WRITER_TIME: Duration = Duration::from_secs(1);
/// And the terminal this long to show the last lines.
const LAST_LINES: Duration = Duration::from_millis(100);
/// Why a recording has stopped when nothing went wrong, for the command.
pub(super) const AS_ASKED: &str = "as asked";

/// Makes a file size limit an error like a full disk, instead of a death. To be called before the
/// files are opened: their repair writes, too.
pub(super) fn outlive_file_size_limits() -> io::Result<()> {
    // The flag itself is of no interest.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// What asks the session to stop.
pub(super) fn stop_session(
    commands: Sender<Command>,
    shared: Arc<SharedState>,
) -> impl Fn() + Send {
    move || {
        shared.stopping.store(true, Ordering::Relaxed);
        // The session has ended already when nobody listens.
        drop(commands.send(Command::Stop));
    }
}

/// What ends the program in the place of a main thread that is stuck.
pub(super) struct Deadline {
    pub(super) entries: EntrySender,
    pub(super) writer: WriterHandle,
    pub(super) screen: SyncSender<Line>,
    pub(super) events: Events,
}

/// Starts the signal thread.
///
/// # Errors
/// When the system does not tell of signals, or has no thread to give.
pub(super) fn listen(commands: Sender<Command>, deadline: Deadline) -> Result<(), Error> {
    stop_signals::listen(move || {
        // Before the word of it, so that nobody says after it that he goes on.
        deadline.entries.shared().stopping.store(true, Ordering::Relaxed);
        // Before the log line, so that this ends what the live line has begun.
        let _ = deadline.screen.try_send(Line::Stopping);
        info!("stopping (Ctrl-C again leaves at once)");
        // The session has ended already when nobody listens.
        let _ = commands.send(Command::Stop);
        if spawn("deadline", move || deadline.see_through()).is_err() {
            exit(i32::from(EXIT_CANNOT_GO_ON));
        }
    })
    .map_err(cannot_go_on)
}

impl Deadline {
    /// Sees the writer through, should the main thread not have ended the program in time.
    fn see_through(&self) {
        thread::sleep(MAIN_THREAD_TIME);
        // The ledger does not let it be earlier than its last row, should there be no later message.
        let at_ms = match self.entries.shared().last_message_ms.load(Ordering::Relaxed) {
            0 => now_ms(),
            last_message_ms => last_message_ms,
        };
        self.entries.send(Entry::Down { at_ms, reason: "stopped".to_owned() });
        self.entries.send(Entry::Finish);
        let (counts, failure) = match self.writer.join(Some(Instant::now() + WRITER_TIME)) {
            Ok(Summary { counts, failure }) => (Some(counts), failure),
            Err(error) => (None, Some(error.to_string())),
        };
        let code = if failure.is_none() { EXIT_OK } else { EXIT_CANNOT_GO_ON };
        // The command is started, and left alone.
        let reason = failure.clone().unwrap_or_else(|| AS_ASKED.to_owned());
        self.events.stopped(reason, Instant::now());
        let lines =
            [counts.map(|counts| counts.to_string()), failure.map(|it| format!("error: {it}"))];
        for text in lines.into_iter().flatten() {
            let _ = self.screen.try_send(Line::Plain(text));
        }
        let _ = self.screen.try_send(Line::End);
        thread::sleep(LAST_LINES);
        exit(i32::from(code));
    }
}
