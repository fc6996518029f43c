//! Signals, and the promise that a stop takes 5 s at most whatever the main thread is stuck in.
//!
//! The signal thread only passes the wish on. Should the main thread not get to it in time (name
//! resolution and handshakes cannot be interrupted), the deadline thread sees the writer through.

use std::io;
use std::process::exit;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use log::info;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::clock::now_ms;
use crate::entry::{Entry, Line, Outbox};
use crate::error::{EXIT_CANNOT_GO_ON, EXIT_INTERRUPTED, EXIT_OK};
use crate::recorder::Report;
use crate::session::Command;

/// The main thread has this long to end by itself: a close takes one second.
const MAIN_THREAD_TIME: Duration = Duration::from_millis(3500);
/// Then the writer has this long for what is left; together below the promised 5 s.
const WRITER_TIME: Duration = Duration::from_secs(1);
/// How often the end of the writer is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The writer thread, for whoever comes to join it.
#[derive(Clone)]
pub(super) struct WriterHandle(Arc<Mutex<Option<JoinHandle<Report>>>>);

impl WriterHandle {
    pub(super) fn new(thread: JoinHandle<Report>) -> WriterHandle {
        WriterHandle(Arc::new(Mutex::new(Some(thread))))
    }

    fn take(&self) -> Option<JoinHandle<Report>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits for the end; `None` after a panic.
    pub(super) fn join(&self) -> Option<Report> {
        self.wait_until_finished(None);
        self.take()?.join().ok()
    }

    fn join_until(&self, deadline: Instant) -> Option<Report> {
        self.wait_until_finished(Some(deadline)).then(|| self.take()?.join().ok())?
    }

    /// Looks rather than joins, so that the handle stays where both threads can find it.
    fn wait_until_finished(&self, deadline: Option<Instant>) -> bool {
        loop {
            let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.as_ref().is_none_or(JoinHandle::is_finished) {
                return true;
            }
            drop(slot);
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return false;
            }
            thread::sleep(LOOK_EVERY);
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
pub(super) fn stop_session(commands: Sender<Command>) -> Box<dyn Fn() + Send> {
    // The session has ended already when nobody listens.
    Box::new(move || drop(commands.send(Command::Stop)))
}

/// Starts the signal thread.
pub(super) fn listen(
    commands: Sender<Command>,
    outbox: Outbox,
    writer: WriterHandle,
    screen: SyncSender<Line>,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut stopping = false;
        for signal in signals.forever() {
            // A closing terminal sends SIGHUP more than once; only a person insists with Ctrl-C.
            if stopping && signal == SIGINT {
                exit(i32::from(EXIT_INTERRUPTED));
            }
            if !stopping {
                stopping = true;
                // First, so that the log line ends what the live line has begun.
                let _ = screen.try_send(Line::Stopping);
                info!("stopping (Ctrl-C again leaves at once)");
                // The session has ended already when nobody listens.
                let _ = commands.send(Command::Stop);
                let (outbox, writer, screen) = (outbox.clone(), writer.clone(), screen.clone());
                let deadline = move || see_through(&outbox, &writer, &screen);
                let started = thread::Builder::new().name("deadline".to_owned()).spawn(deadline);
                if started.is_err() {
                    exit(i32::from(EXIT_CANNOT_GO_ON));
                }
            }
        }
    })?;
    Ok(())
}

/// Ends the program in the place of a main thread that is stuck.
fn see_through(outbox: &Outbox, writer: &WriterHandle, screen: &SyncSender<Line>) {
    thread::sleep(MAIN_THREAD_TIME);
    // The ledger does not let it be earlier than its last row, should there be no later message.
    let at_ms = match outbox.gauges().last_message_ms.load(Ordering::Relaxed) {
        0 => now_ms(),
        last_message_ms => last_message_ms,
    };
    outbox.send(Entry::Down { at_ms, reason: "stopped".to_owned() });
    outbox.send(Entry::Finish);
    let report = writer.join_until(Instant::now() + WRITER_TIME);
    let (text, code) = match report {
        Some(Report { counts, failure: None }) => (counts.to_string(), EXIT_OK),
        Some(Report { counts, failure: Some(failure) }) => {
            (format!("{counts}\nerror: {failure}"), EXIT_CANNOT_GO_ON)
        }
        None => {
            ("error: the disk did not take the last rows in time".to_owned(), EXIT_CANNOT_GO_ON)
        }
    };
    let _ = screen.try_send(Line::Plain(text));
    let _ = screen.try_send(Line::End);
    thread::sleep(Duration::from_millis(100));
    exit(i32::from(code));
}
