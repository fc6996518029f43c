//! The thread of `--on-event`: looks at the snapshots and runs the command.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::{Event, EventKind, EventWatch, Runner};
use crate::channel::SharedState;
use crate::clock::now_ms;
use crate::error::Error;
use crate::recorder::Destination;
use crate::threads::spawn;

/// How often it looks; [`EventWatch`] counts on it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Starting the last command takes this long at most, on a busy machine.
const STARTING: Duration = Duration::from_millis(200);

/// The end of the recording: until when its command is waited for, and who waits.
struct End {
    reason: String,
    until: Instant,
    waiting: Sender<()>,
}

/// The way to the thread, for whoever ends the program. Without `--on-event` it leads nowhere.
#[derive(Clone)]
pub(crate) struct Events(Option<Sender<End>>);

impl Events {
    pub(crate) fn start_if_wanted(
        command: Option<String>,
        out: &Destination,
        shared: &Arc<SharedState>,
    ) -> Result<Events, Error> {
        let Some(command) = command else { return Ok(Events(None)) };
        let out = match out {
            Destination::File(path) => path.clone().into_os_string(),
            Destination::StandardOutput { .. } => "-".into(),
        };
        let runner = Runner::new(command, out);
        let shared = Arc::clone(shared);
        let (sender, end) = mpsc::channel();
        spawn("events", move || run(runner, &shared, &end))?;
        Ok(Events(Some(sender)))
    }

    /// Tells that the recording has ended, and waits for the command until `until`. What it does
    /// after that it does by itself.
    pub(crate) fn stopped(&self, reason: String, until: Instant) {
        let (waiting, told) = mpsc::channel();
        if let Some(sender) = &self.0
            && sender.send(End { reason, until, waiting }).is_ok()
        {
            let left = until.saturating_duration_since(Instant::now());
            let _ = told.recv_timeout(left + STARTING);
        }
    }
}

fn run(mut runner: Runner, shared: &SharedState, end: &Receiver<End>) {
    runner.warn_if_unknown();
    let mut watch = EventWatch::default();
    loop {
        let ended = end.recv_timeout(LOOK_EVERY);
        let key_refused = shared.key_refused.load(Ordering::Relaxed);
        for event in watch.look(&shared.slot.latest(), key_refused, Instant::now(), now_ms()) {
            runner.tell(event);
        }
        match ended {
            Err(RecvTimeoutError::Timeout) => runner.tend(),
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(End { reason, until, waiting }) => {
                let kind = EventKind::Stopped;
                runner.finish(Event { kind, at_ms: now_ms(), reason }, until);
                drop(waiting);
                return;
            }
        }
    }
}
