//! `ship`: brings a recording, batch by batch, to a command of the user's, and loses nothing.
//!
//! Main thread alone, until everything is shipped or a signal comes. The recording is only read;
//! the files written are the position and two locks. In reading order: `options` are the options,
//! `follow` finds the next rows (`files`: in which file; `source`: one file, and how far it may
//! be read; `rows`: cut into batches), `position` remembers (`old_position`: as it was written before),
//! `locks` keep others off, `command` runs CMD (`batch_file`: its standard input; `said`: its standard
//! error), `signals` waits, `progress` reports.

mod batch_file;
mod command;
mod error;
mod files;
mod follow;
mod locks;
mod old_position;
mod options;
mod position;
mod progress;
mod rows;
mod said;
mod signals;
mod source;

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::time::Instant;

use log::{info, warn};

use crate::process::backoff::ExponentialBackoff;
use crate::process::error::{Error, cannot_go_on};
use crate::recording::paths::names_beside;
use crate::terminal::plain_log;
use crate::text::clock::now_ms;
use crate::text::counted;
use command::{Command, Outcome};
use error::ShipError;
use files::Files;
use follow::{Follower, Look};
use locks::{CommandLock, lock_name};
use old_position::OLD_FORMAT;
use options::DAMAGED;
pub use options::ShipOptions;
use position::{BEGIN, Position, Unreadable};
use progress::Progress;
use signals::Signals;

/// Ships until everything is shipped (`--once`) or a signal comes; gives the exit code.
///
/// # Errors
/// When a file is missing, in use, damaged or not what it was, or cannot be read or written; when CMD
/// cannot be run. What was accepted until then is written down.
pub fn run(options: &ShipOptions) -> Result<u8, Error> {
    plain_log::to_standard_error();
    ship(options).map_err(cannot_go_on)
}

fn ship(options: &ShipOptions) -> Result<u8, ShipError> {
    let signals = Signals::listen();
    let signals = &signals.map_err(ShipError::io("listen to signals for", &options.file))?;
    command::look_for(&options.command[0])?;
    // A refused start leaves nothing behind: only now the lock.
    let files = Files::of(options, signals)?;
    let _lock = lock_name(options)?;
    remove_unfinished(options);
    let position = load(options)?;
    let before = position.as_ref().map_or(0, |position| position.accepted);
    let mut progress = Progress::new(&options.name, before);
    let Some(command_lock) = CommandLock::take(options, signals)? else {
        progress.end(0);
        return Ok(signals.exit_code());
    };
    let command = Command::new(options, signals, command_lock)?;
    let follower = match Follower::resume(options, files, position) {
        Err(error) if error.is_stop() => {
            // A position that is only half found is not kept.
            progress.end(0);
            return Ok(signals.exit_code());
        }
        follower => follower?,
    };
    let mut shipping = Shipping { options, follower, command, signals, progress };
    shipping.follower.save()?;
    let (file, name) = (options.file.display(), &options.name);
    info!("shipping {file} as {name}; {} accepted before", counted(before, "row"));
    let ended = shipping.go_on().or_else(|error| error.is_stop().then_some(()).ok_or(error));
    // In both cases: accepted rows stay accepted.
    let ended = ended.and(shipping.follower.save());
    shipping.progress.end(shipping.follower.rows.count);
    ended.map(|()| signals.exit_code())
}

/// Removes a new position that a kill has left before it took the place of the old one. A file of the
/// user's with this name does not begin as ours do.
fn remove_unfinished(options: &ShipOptions) {
    let path = options.beside(".new");
    for ours in [BEGIN, OLD_FORMAT] {
        let mut begin = Vec::new();
        let length = ours.len() as u64;
        let read = File::open(&path).and_then(|it| it.take(length).read_to_end(&mut begin));
        if read.is_ok() && ours.as_bytes().starts_with(&begin) {
            // If this fails, the next file gets another name.
            let _ = fs::remove_file(&path);
        }
    }
}

/// The position of the last run; `None` at the first start.
fn load(options: &ShipOptions) -> Result<Option<Position>, ShipError> {
    let path = options.position_path();
    match fs::read(&path) {
        Ok(bytes) => {
            match str::from_utf8(&bytes).map_err(|_| Unreadable::Damaged).and_then(parse) {
                Ok(position) => return Ok(Some(position)),
                Err(Unreadable::Newer) => return Err(ShipError::Newer(path)),
                Err(Unreadable::Damaged) => {}
            }
            let aside = options.beside(&format!("{DAMAGED}{}", now_ms()));
            fs::rename(&path, &aside).map_err(ShipError::io("move aside", &path))?;
            Err(ShipError::Damaged { position: path, aside })
        }
        Err(error) if error.kind() != ErrorKind::NotFound => Err(ShipError::read(&path)(error)),
        Err(_) => match damaged_position(options).filter(|_| options.from.is_none()) {
            Some(aside) => Err(ShipError::StillDamaged { position: path, aside }),
            None => Ok(None),
        },
    }
}

/// A position as this version or the one before has written it.
fn parse(text: &str) -> Result<Position, Unreadable> {
    if text.starts_with(OLD_FORMAT) {
        old_position::parse(text).ok_or(Unreadable::Damaged)
    } else {
        Position::parse(text)
    }
}

/// A position that was moved aside.
fn damaged_position(options: &ShipOptions) -> Option<PathBuf> {
    let begin = options.beside(DAMAGED);
    let begin = begin.file_name()?.as_encoded_bytes();
    let mut names = names_beside(&options.file).ok()?.into_iter();
    let found = names.find(|name| name.as_encoded_bytes().starts_with(begin))?;
    Some(options.file.with_file_name(found))
}

/// After this many tries that took too long, the advice is given: the next ones will take too long as well.
const TIMEOUTS_BEFORE_ADVICE: u32 = 2;

/// A running `ship`.
struct Shipping<'o> {
    options: &'o ShipOptions,
    follower: Follower<'o>,
    command: Command<'o>,
    signals: &'o Signals,
    progress: Progress,
}

impl Shipping<'_> {
    fn go_on(&mut self) -> Result<(), ShipError> {
        while !self.signals.stopping() {
            match self.follower.look(self.options.once)? {
                Look::Batch => self.ship_batch()?,
                Look::End => break,
                Look::Nothing(next_look) => {
                    // Only when nothing is left to ship: else the position is written with the next batch.
                    self.save();
                    self.update_lag();
                    self.wait(next_look);
                }
            }
        }
        Ok(())
    }

    /// Has the batch accepted, or ends with a stop.
    fn ship_batch(&mut self) -> Result<(), ShipError> {
        const WHAT: &str = "a batch is not accepted";
        let timeout = self.options.timeout;
        self.follower.begin_batch()?;
        let mut backoff = ExponentialBackoff::default();
        let (mut going_on, mut timeouts) = (self.save(), 0);
        while going_on {
            self.update_lag();
            let outcome = self.command.deliver(&self.follower.batch(), &mut self.progress)?;
            going_on = match outcome {
                Outcome::Accepted => {
                    self.progress.accepted(self.follower.accepted());
                    break;
                }
                Outcome::Refused(why) => self.try_again(WHAT, &why, &mut backoff),
                Outcome::TookTooLong => {
                    timeouts += 1;
                    if timeouts == TIMEOUTS_BEFORE_ADVICE {
                        warn!(
                            "CMD has twice taken longer than --timeout {timeout:?} for this batch; give a longer \
                             --timeout, and smaller batches behind this one by --batch-rows"
                        );
                    }
                    let why = format!("no end within {timeout:?}; killed");
                    self.try_again(WHAT, &why, &mut backoff)
                }
            };
        }
        Ok(())
    }

    /// Writes the position, and tries again while the disk is full; `false` when a stop came before.
    fn save(&mut self) -> bool {
        let mut backoff = ExponentialBackoff::default();
        while let Err(error) = self.follower.save() {
            if !self.try_again("the position is not written", &error.to_string(), &mut backoff) {
                return false;
            }
        }
        self.progress.works_again();
        true
    }

    /// Reports a failure and waits before the next try; `false` when a stop was asked for.
    fn try_again(
        &mut self,
        what: &'static str,
        why: &str,
        backoff: &mut ExponentialBackoff,
    ) -> bool {
        if self.signals.stopping() {
            return false;
        }
        self.progress.failed(what, why);
        self.update_lag();
        let deadline = Instant::now() + backoff.next(fastrand::f64());
        while !self.signals.stopping() && Instant::now() < deadline {
            self.wait(deadline);
        }
        !self.signals.stopping()
    }

    /// Waits while no CMD runs. What one has left running may still say something.
    fn wait(&mut self, until: Instant) {
        self.command.said.pass_on();
        let until = until.min(self.progress.show());
        self.signals.wait(until, Some(self.command.said.as_fd()));
    }

    fn update_lag(&mut self) {
        if self.progress.needs_lag() {
            self.progress.lag = self.follower.lag();
        }
    }
}
