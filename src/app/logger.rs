//! The logger of a recording: log records made into lines, on their way to the writer thread and to the
//! terminal.
//!
//! Any thread that logs. It never waits: lines for which there is no room are counted and left out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use env_logger::Logger;
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::channel::{Line, WriterMessage, WriterSender};
use crate::feed::ApiKey;
use crate::recorder::log_line;
use crate::terminal::plain_log::{builder, is_ours};
use crate::text::clock::now_ms;
use crate::text::printable;

/// Bytes of log lines that may wait for the log file: ten thousand lines. Far fewer are enough to understand a
/// stuck or full disk.
const WAITING_BYTES: usize = 2 << 20;

/// Sends lines to the log file and to the terminal.
struct RecordingLogger {
    filter: Logger,
    terminal_level: LevelFilter,
    key: ApiKey,
    entries: WriterSender,
    terminal: SyncSender<Line>,
    left_out: AtomicU64,
}

/// Makes the logger of a recording the logger of the process: lines go to the log file and, up to
/// `terminal_level`, to the terminal. The `key` is taken out of a line, should the server have repeated it.
/// Only in tests there is another logger.
pub(super) fn to_log_and_terminal(
    level: LevelFilter,
    terminal_level: LevelFilter,
    key: ApiKey,
    entries: WriterSender,
    terminal: SyncSender<Line>,
) {
    let (filter, left_out) = (builder(level).build(), AtomicU64::new(0));
    log::set_max_level(filter.filter());
    let logger = RecordingLogger { filter, terminal_level, key, entries, terminal, left_out };
    let _ = log::set_boxed_logger(Box::new(logger));
}

impl RecordingLogger {
    fn to_log_file(&self, text: String) {
        let waiting = &self.entries.shared().log_bytes;
        if waiting.load(Ordering::Relaxed) + text.len() > WAITING_BYTES {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let send = |text: String| {
            waiting.fetch_add(text.len(), Ordering::Relaxed);
            self.entries.send(WriterMessage::Log(text));
        };
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            send(format!("({left_out} lines were left out here: the disk did not take them)\n"));
        }
        send(text);
    }
}

impl Log for RecordingLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours(metadata) && self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) || !self.filter.matches(record) {
            return;
        }
        // The name of a file may have a line end in it.
        let text = printable(&self.key.redact(&record.args().to_string()), usize::MAX);
        let level: Level = record.level();
        self.to_log_file(log_line(now_ms(), level, &text));
        if level <= self.terminal_level {
            // A terminal that is stopped with Ctrl-S must not stop the recording.
            let _ = self.terminal.try_send(Line::Log(level, text));
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::sync::mpsc;

    use super::{
        ApiKey, AtomicU64, LevelFilter, Ordering, RecordingLogger, WAITING_BYTES, WriterMessage,
    };
    use crate::channel;

    #[test]
    fn lines_beyond_the_bound_are_counted_and_reported() {
        let (entries, inbox) = channel::open();
        let shared = entries.shared().clone();
        let logger = RecordingLogger {
            filter: super::builder(LevelFilter::Info).build(),
            terminal_level: LevelFilter::Info,
            key: ApiKey::demo(),
            entries,
            terminal: mpsc::sync_channel(1).0,
            left_out: AtomicU64::new(0),
        };
        logger.to_log_file("x".repeat(WAITING_BYTES));
        logger.to_log_file("lost\n".to_owned());
        logger.to_log_file("lost too\n".to_owned());
        assert!(inbox.try_recv().is_ok() && inbox.try_recv().is_err());
        // The writer has written it.
        shared.log_bytes.store(0, Ordering::Relaxed);
        logger.to_log_file("kept\n".to_owned());
        let sent: Vec<WriterMessage> = iter::from_fn(|| inbox.try_recv().ok()).collect();
        let lines = ["(2 lines were left out here: the disk did not take them)\n", "kept\n"];
        assert_eq!(sent, lines.map(|line| WriterMessage::Log(line.to_owned())));
    }
}
