//! `bars --follow`: goes on while the recording is written, through rotation, until a stop.
//!
//! Main thread; a signal ends its wait. A few times a second it looks at the name of the recording and at
//! its ledger, and reads what is new. The rows of a file that is closed meanwhile are read to their end,
//! then those of files that were begun and closed since, then the new one.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::collect::Collector;
use super::ledgers::Ledgers;
use super::live_file::LiveFile;
use super::options::BarsOptions;
use super::part::Rules;
use super::read::{Failure, Reader, bytes_of};
use super::told::Told;
use crate::process::error::{EXIT_CANNOT_GO_ON, Error};
use crate::process::signals;
use crate::process::standard_output::reader_is_gone;
use crate::process::threads::spawn;
use crate::recording::closed::{Label, closed_files};
use crate::recording::header::BARS_HEADER;
use crate::recording::names::{compressed_name, ledger_of};
use crate::recording::source::id_at;
use crate::terminal::ProgressLine;
use crate::text::clock::now_ms;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long bars are still written after a stop: a reader that takes nothing must not delay it.
const TIME_AFTER_STOP: Duration = Duration::from_secs(4);

/// A stop that a signal asks for.
pub(super) struct Stop {
    asked: Arc<AtomicBool>,
    wake_up: Receiver<()>,
}

impl Stop {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system gives no thread or no pipe for it.
    pub(super) fn listen() -> Result<Self, Error> {
        let (stop, wake_up) = mpsc::channel();
        let asked = Arc::new(AtomicBool::new(false));
        let ask = Arc::clone(&asked);
        signals::listen(move || {
            ask.store(true, Ordering::Relaxed);
            let _ = stop.send(());
            let end = || {
                thread::sleep(TIME_AFTER_STOP);
                exit(i32::from(EXIT_CANNOT_GO_ON));
            };
            if spawn("deadline", end).is_err() {
                exit(i32::from(EXIT_CANNOT_GO_ON));
            }
        })?;
        Ok(Self { asked, wake_up })
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Waits for the next look; `false` when a stop is asked for.
    fn wait(&self) -> bool {
        self.wake_up.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout)
    }
}

/// Follows the last of the files, once the others are read, until a stop; gives whether every row is
/// well-formed and every file could be read.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn follow(
    options: &BarsOptions,
    rules: &Rules,
    stop: &Stop,
    mut told: Told<'_>,
    out: &mut impl Write,
) -> io::Result<bool> {
    let Some((path, archives)) = options.files.split_last() else { return Ok(told.all_well) };
    // Opened first: files that are closed from now on come after it.
    let live = match LiveFile::open(path) {
        Ok(live) => live,
        Err(failure) => return told.file(path, Err(failure)).map(|()| false),
    };
    let known = closed_files(path).unwrap_or_default();
    if live.is_none() && known.is_empty() {
        let missing = path.metadata().err().unwrap_or(io::ErrorKind::NotFound.into());
        return told.file(path, Err(Failure::cannot_open(&missing))).map(|()| false);
    }
    let mut ledgers = Ledgers::default();
    let mut without = ledgers.add_all(archives, &mut told);
    let found = live.as_ref().map_or(Ok(false), |live| ledgers.follow(path, live.id));
    told.ledger(path, &found);
    without.push(!found.unwrap_or(false));
    told.without_ledger(&without);
    // After the header the reader knows that nothing will be missed from now on.
    out.write_all(BARS_HEADER.as_bytes())?;
    out.flush()?;
    let mut follower = Follower {
        rules,
        path,
        stop,
        collector: Collector::new(rules.clone(), options.empty),
        ledgers,
        progress: ProgressLine::new("bars", bytes_of(&options.files)),
        known,
        live: None,
        reader: Reader::new(rules, false),
        is_noted: false,
        ended_ms: i64::MIN,
        told,
        out,
    };
    let grace_ms = i64::try_from(options.grace.as_millis()).unwrap_or(i64::MAX);
    match follower.run(archives, &without, live, grace_ms) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted && stop.is_asked() => {}
        ended => ended?,
    }
    follower.told.more_rows(path, &follower.reader);
    follower.told.late(&follower.collector);
    Ok(follower.told.all_well)
}

/// The state of following.
struct Follower<'f, 'e, W> {
    rules: &'f Rules,
    path: &'f Path,
    stop: &'f Stop,
    collector: Collector,
    ledgers: Ledgers,
    progress: ProgressLine,
    /// Closed files that were there at the beginning, or were read since.
    known: BTreeSet<Label>,
    live: Option<LiveFile>,
    reader: Reader<'f>,
    /// Whether the notes about the live file were printed.
    is_noted: bool,
    /// Bars that begin before had ended when bars were printed last.
    ended_ms: i64,
    told: Told<'e>,
    out: &'f mut W,
}

impl<W: Write> Follower<'_, '_, W> {
    fn run(
        &mut self,
        archives: &[PathBuf],
        without_ledger: &[bool],
        live: Option<LiveFile>,
        grace_ms: i64,
    ) -> io::Result<()> {
        for (path, has_no_ledger) in archives.iter().zip(without_ledger) {
            self.read_closed(path, *has_no_ledger)?;
        }
        if let Some(live) = live {
            self.begin(live);
        }
        loop {
            match self.poll() {
                Err(Failure::Output(error)) => return Err(error),
                Err(failure) => return self.told.file(self.path, Err(failure)),
                Ok(()) => {}
            }
            // All earlier rows have been read.
            self.progress = ProgressLine::new("bars", 0);
            self.print(now_ms().saturating_sub(grace_ms))?;
            if reader_is_gone(&io::stdout()) || !self.stop.wait() {
                return Ok(());
            }
        }
    }

    /// Reads what is new.
    fn poll(&mut self) -> Result<(), Failure> {
        let id = self.live.as_ref().map(|live| live.id);
        if id_at(self.path).is_some_and(|found| Some(found) != id) {
            self.go_on_with_next()?;
        }
        self.read_live(false)
    }

    /// Reads the rows that are new in the live file, or, when it is closed, all that are left.
    fn read_live(&mut self, is_closed: bool) -> Result<(), Failure> {
        let Self { path, live, reader, progress, collector, ledgers, stop, told, out, .. } = self;
        let Some(live) = live else { return Ok(()) };
        let print =
            |collector: &mut Collector| print_done(collector, (path, ledgers, told), stop, out);
        let read = if is_closed {
            live.read_to_end(reader, progress, collector, print)
        } else {
            live.read_new(reader, progress, collector, print)
        };
        self.progress.suspend(|| self.told.rows(self.path, &mut self.reader));
        if let Some(notes) = live.notes().filter(|_| !self.is_noted) {
            self.is_noted = true;
            self.told.notes(self.path, notes);
        }
        read
    }

    /// Goes on with the file that has the name now.
    fn go_on_with_next(&mut self) -> Result<(), Failure> {
        let Some(mut next) = LiveFile::open(self.path)? else { return Ok(()) };
        let (own, others) = self.closed_since(&next)?;
        let is_beside = |label: &Label| ledger_of(&label.path(self.path)).exists();
        let has_recorder = self.ledgers.has_live() || own.as_ref().is_some_and(is_beside);
        if has_recorder && next.is_locked() && !ledger_of(self.path).exists() {
            // The recorder is in the middle of a rotation, which ends with the new ledger.
            return Ok(());
        }
        match &own {
            Some(label) => {
                let was_seen = self.ledgers.has_live();
                self.ledgers.leave();
                let is_there = self.add_ledger(&label.path(self.path));
                self.reader.has_no_ledger |= !was_seen && !is_there;
            }
            None => self.ledgers.keep(),
        }
        self.read_live(true)?;
        self.told.more_rows(self.path, &self.reader);
        if let (None, Some(live)) = (&own, &self.live) {
            next.go_on_after(live)?;
        }
        for label in &others {
            let path = label.path(self.path);
            // While the file is being compressed, one of both exists.
            let paths = [path.clone(), compressed_name(&path), path.clone()];
            let path = paths.into_iter().find(|path| path.exists()).unwrap_or(path);
            let has_ledger = self.add_ledger(&path);
            self.read_closed(&path, !has_ledger).map_err(Failure::Output)?;
        }
        self.known.extend(own.into_iter().chain(others));
        self.told.ledger(self.path, &self.ledgers.follow(self.path, next.id));
        self.begin(next);
        Ok(())
    }

    /// The closed files that were not there before: the one that was the live file, if it is among them,
    /// and the others. `next` is left for the next poll.
    fn closed_since(&self, next: &LiveFile) -> io::Result<(Option<Label>, Vec<Label>)> {
        let (mut own, mut others) = (None, Vec::new());
        for label in closed_files(self.path)?.difference(&self.known) {
            let path = label.path(self.path);
            if own.is_none() && self.live.as_ref().is_some_and(|live| live.is_at(&path)) {
                own = Some(label.clone());
            } else if !next.is_at(&path) {
                others.push(label.clone());
            }
        }
        Ok((own, others))
    }

    /// Whether there is one.
    fn add_ledger(&mut self, recording: &Path) -> bool {
        let found = self.ledgers.add(recording);
        self.told.ledger(recording, &found);
        found.unwrap_or(false)
    }

    fn begin(&mut self, live: LiveFile) {
        // If it is closed already, its ledger has another name, too, and is added with it.
        let has_no_ledger =
            !self.ledgers.has_live() && !live.is_locked() && self.ledgers.is_current();
        self.reader = Reader::new(self.rules, has_no_ledger);
        self.live = Some(live);
    }

    /// Reads a file that is closed.
    fn read_closed(&mut self, path: &Path, has_no_ledger: bool) -> io::Result<()> {
        let mut reader = Reader::new(self.rules, has_no_ledger);
        let Self { progress, collector, ledgers, stop, told, out, .. } = self;
        let read = reader.read(path, progress, collector, |collector| {
            print_done(collector, (self.path, ledgers, told), stop, out)
        });
        self.progress.suspend(|| self.told.whole_file(path, &mut reader, read))
    }

    /// Prints bars that have ended by `now_ms`, if there is something new to print.
    fn print(&mut self, now_ms: i64) -> io::Result<()> {
        self.told.ledger(self.path, &self.ledgers.poll());
        let ended_ms = self.rules.bar_of(now_ms);
        let is_due = ended_ms > self.ended_ms
            || self.ledgers.have_news
            || self.collector.has_changed_before(ended_ms);
        // A file that is closed is read to its end first.
        if !is_due || !self.ledgers.is_current() {
            return Ok(());
        }
        self.ledgers.look_for_recorder();
        if std::mem::take(&mut self.ledgers.have_news) {
            self.collector.look_again(now_ms);
        }
        self.collector.print_ended(now_ms, self.ledgers.coverage(), self.out)?;
        self.ended_ms = ended_ms;
        self.ledgers.forget(self.collector.oldest_ms(now_ms));
        self.out.flush()
    }
}

/// Prints what is done of what was read, with the ledger of the recording as it is then; an error when
/// a stop is asked for.
fn print_done(
    collector: &mut Collector,
    (path, ledgers, told): (&Path, &mut Ledgers, &mut Told<'_>),
    stop: &Stop,
    out: &mut impl Write,
) -> io::Result<()> {
    if stop.is_asked() {
        return Err(io::ErrorKind::Interrupted.into());
    }
    if collector.has_done() {
        told.ledger(path, &ledgers.poll());
        if ledgers.is_current() {
            // Also what was printed before, for it is forgotten now.
            if std::mem::take(&mut ledgers.have_news) {
                collector.look_again(now_ms());
            }
            collector.print_done(ledgers.coverage(), out)?;
        }
    }
    Ok(())
}
