//! Signals, and the promise that a stop takes 5 s at most, whatever the main thread waits for.
//!
//! The signal thread asks the session to stop. Name resolution and handshakes cannot be interrupted:
//! if the main thread has not ended in time, the deadline thread waits for the writer instead, and
//! ends the program.

use std::io;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use log::info;
use signal_hook::consts::SIGXFSZ;

use crate::channel::{Line, SharedState, WriterMessage, WriterSender};
use crate::feed::{Command, CommandSender};
use crate::on_event::OnEvent;
use crate::process::error::{EXIT_CANNOT_GO_ON, EXIT_OK, Error};
use crate::process::signals;
use crate::process::threads::spawn;
use crate::recorder::{Summary, WriterHandle};
use crate::status::snapshot::Counts;
use crate::text::clock::now_ms;
use crate::text::file_size;

/// The main thread has this long to end by itself: a close takes one second.
const MAIN_THREAD_TIME: Duration = Duration::from_secs(3);
/// How long the last command of `--on-event` is waited for after the end of the session: systemd would end
/// the command together with us. Together with the writer's time still below 5 s.
pub(super) const LAST_COMMAND: Duration = Duration::from_secs(1);
/// How long rows are written after a signal; rows that still wait then are counted and dropped. A healthy disk
/// needs less for all that can wait.
const ROWS_TIME: Duration = Duration::from_millis(2_500);
/// The writer has this long after the main thread's time to count, to close the ledger, and to force
/// everything to the disk; together below the promised 5 s.
const WRITER_TIME: Duration = Duration::from_millis(1_500);
/// The terminal has this long to show the last lines.
const LAST_LINES: Duration = Duration::from_millis(100);
/// The reason of a stop without a fault, for the command of `--on-event`.
pub(super) const AS_ASKED: &str = "as asked";

/// Makes the file size limit of the process an error like a full disk; otherwise the system would end the
/// process. To be called before the files are opened: their repair writes, too.
pub(super) fn survive_file_size_limits() -> io::Result<()> {
    // Nobody reads the flag.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// Gives a function that asks the session to stop.
pub(super) fn stop_session(commands: CommandSender, shared: Arc<SharedState>) -> impl Fn() + Send {
    move || {
        shared.stop(Instant::now() + ROWS_TIME);
        commands.send(Command::Stop);
    }
}

/// What is needed to end the program when the main thread cannot.
pub(super) struct Deadline {
    pub(super) entries: WriterSender,
    pub(super) writer: WriterHandle,
    pub(super) screen: SyncSender<Line>,
    /// Gives the terminal back, if a table has it: the program may end at any instant from the first signal
    /// on.
    pub(super) give_terminal_back: Box<dyn Fn() + Send>,
    pub(super) on_event: Option<OnEvent>,
}

/// Starts the signal thread.
///
/// # Errors
/// When the system gives no pipe for signals, or no thread.
pub(super) fn listen(commands: CommandSender, deadline: Deadline) -> Result<(), Error> {
    signals::listen(move || {
        // Before all else: after the log line no thread may report that it goes on.
        deadline.entries.shared().stop(Instant::now() + ROWS_TIME);
        (deadline.give_terminal_back)();
        // Before the log line: the live line ends with it.
        let _ = deadline.screen.try_send(Line::Stopping);
        info!("stopping (Ctrl-C again leaves at once)");
        commands.send(Command::Stop);
        if spawn("deadline", move || deadline.run()).is_err() {
            exit(i32::from(EXIT_CANNOT_GO_ON));
        }
    })
}

impl Deadline {
    /// Ends the writer and the program, unless the main thread ends the program in time.
    fn run(&self) {
        thread::sleep(MAIN_THREAD_TIME);
        // If no message came after the ledger's last row, the ledger takes that row's time.
        let at_ms = match self.entries.shared().last_message_ms.load(Ordering::Relaxed) {
            0 => now_ms(),
            last_message_ms => last_message_ms,
        };
        self.entries.send(WriterMessage::Down { at_ms, reason: "stopped".to_owned() });
        self.entries.send(WriterMessage::Finish);
        let (counts, failure) = match self.writer.join(Some(Instant::now() + WRITER_TIME)) {
            Ok(Summary { counts, failure }) => (counts, failure),
            Err(error) => self.without_summary(&error),
        };
        let code = if failure.is_none() { EXIT_OK } else { EXIT_CANNOT_GO_ON };
        // The command is started, and not waited for.
        let reason = failure.clone().unwrap_or_else(|| AS_ASKED.to_owned());
        if let Some(on_event) = &self.on_event {
            on_event.stopped(reason, Instant::now());
        }
        let lines = [Some(counts.to_string()), failure.map(|it| format!("error: {it}"))];
        for text in lines.into_iter().flatten() {
            let _ = self.screen.try_send(Line::Plain(text));
        }
        let _ = self.screen.try_send(Line::End);
        thread::sleep(LAST_LINES);
        exit(i32::from(code));
    }

    /// The sums without an answer of the writer: those that it published last, and how much was waiting for
    /// it.
    fn without_summary(&self, error: &Error) -> (Counts, Option<String>) {
        let shared = self.entries.shared();
        let waiting = shared.waiting_bytes.load(Ordering::Relaxed);
        let failure = match waiting {
            0 => error.to_string(),
            _ => format!("{error}; {} of trade messages are lost", file_size(waiting as u64)),
        };
        (shared.slot.latest().counts, Some(failure))
    }
}
