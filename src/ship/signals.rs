//! Every wait of `ship`, and the signals that end it.
//!
//! Main thread, the only one of `ship`. A wait ends at its deadline, when CMD has ended or has
//! written something, and when a stop is asked for; so nothing here polls, and nothing delays a stop.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use log::info;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::SIGCHLD;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use crate::process::error::{EXIT_INTERRUPTED, EXIT_OK};
use crate::process::signals::{is_second_ctrl_c, stop_signals};

/// The signals that have come.
pub(super) struct Signals {
    delivery: RefCell<SignalDelivery<UnixStream, SignalOnly>>,
    stopped_at: Cell<Option<Instant>>,
    /// Whether a second Ctrl-C has come.
    pub(super) leaves_at_once: Cell<bool>,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system gives no pipe for it.
    pub(super) fn listen() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let signals = [stop_signals(), vec![SIGCHLD]].concat();
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, signals)?;
        let (delivery, stopped_at) = (RefCell::new(delivery), Cell::default());
        Ok(Self { delivery, stopped_at, leaves_at_once: Cell::default() })
    }

    /// When the first signal asked for the end.
    pub(super) fn stopped_at(&self) -> Option<Instant> {
        for signal in self.delivery.borrow_mut().pending() {
            match self.stopped_at.get() {
                _ if signal == SIGCHLD => {}
                None => {
                    self.stopped_at.set(Some(Instant::now()));
                    info!("stopping (Ctrl-C again leaves at once)");
                }
                Some(first) if is_second_ctrl_c(signal, first) => self.leaves_at_once.set(true),
                Some(_) => {}
            }
        }
        self.stopped_at.get()
    }

    /// Whether a stop was asked for.
    pub(super) fn stopping(&self) -> bool {
        self.stopped_at().is_some()
    }

    /// To be called in long reads and searches, which end when a stop was asked for.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupted`] when a stop was asked for.
    pub(super) fn check_stop(&self) -> io::Result<()> {
        if self.stopping() { Err(ErrorKind::Interrupted.into()) } else { Ok(()) }
    }

    /// The exit code of the process.
    pub(super) fn exit_code(&self) -> u8 {
        if self.leaves_at_once.get() { EXIT_INTERRUPTED } else { EXIT_OK }
    }

    /// Sleeps until `deadline`, a signal, or until `pipe` has bytes. Returns at once when it has
    /// to; callers look at everything again.
    pub(super) fn wait(&self, deadline: Instant, pipe: Option<BorrowedFd<'_>>) {
        let left = deadline.saturating_duration_since(Instant::now());
        // Longer than any deadline of ours when it does not fit.
        let timeout = Timespec::try_from(left).ok();
        let delivery = self.delivery.borrow();
        let mut watched = vec![PollFd::new(delivery.get_read(), PollFlags::IN)];
        watched.extend(pipe.map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)));
        // An interruption by a signal is the same as an event.
        let _ = poll(&mut watched, timeout.as_ref());
    }
}
