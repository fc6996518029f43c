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
use crate::error::{EXIT_CANNOT_GO_ON, EXIT_OK};
use crate::feed::Command;
use crate::on_event::thread::Events;
use crate::recorder::{Summary, WriterHandle};
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

/// Passes the wish to stop on, from the first signal.
pub(super) fn listen(
    commands: Sender<Command>,
    entries: EntrySender,
    writer: WriterHandle,
    screen: SyncSender<Line>,
    events: Events,
) -> io::Result<()> {
    stop_signals::listen(move || {
        // Before the word of it, so that nobody says after it that he goes on.
        entries.shared().stopping.store(true, Ordering::Relaxed);
        // Before the log line, so that this ends what the live line has begun.
        let _ = screen.try_send(Line::Stopping);
        info!("stopping (Ctrl-C again leaves at once)");
        // The session has ended already when nobody listens.
        let _ = commands.send(Command::Stop);
        let deadline = move || see_through(&entries, &writer, &screen, &events);
        let started = thread::Builder::new().name("deadline".to_owned()).spawn(deadline);
        if started.is_err() {
            exit(i32::from(EXIT_CANNOT_GO_ON));
        }
    })
}

/// Ends the program in the place of a main thread that is stuck.
fn see_through(
    entries: &EntrySender,
    writer: &WriterHandle,
    screen: &SyncSender<Line>,
    events: &Events,
) {
    thread::sleep(MAIN_THREAD_TIME);
    // The ledger does not let it be earlier than its last row, should there be no later message.
    let at_ms = match entries.shared().last_message_ms.load(Ordering::Relaxed) {
        0 => now_ms(),
        last_message_ms => last_message_ms,
    };
    entries.send(Entry::Down { at_ms, reason: "stopped".to_owned() });
    entries.send(Entry::Finish);
    let (text, code) = match writer.join_until(Some(Instant::now() + WRITER_TIME)) {
        Ok(Summary { counts, failure: None }) => (counts.to_string(), EXIT_OK),
        Ok(Summary { counts, failure: Some(failure) }) => {
            (format!("{counts}\nerror: {failure}"), EXIT_CANNOT_GO_ON)
        }
        Err(error) => (format!("error: {error}"), EXIT_CANNOT_GO_ON),
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
