//! `ship`: brings a recording, batch by batch, to a command of the user's, and loses nothing.
//!
//! Main thread alone, until everything is shipped or a signal comes. The recording is only read;
//! the files written are the position and its lock. In reading order: `follow` finds the next rows
//! (`files`: in which file; `source`: one file, and how far it may be
//! read; `rows`: cut into batches), `position` remembers, `command` runs CMD, `signals` waits,
//! `progress` tells.

mod command;
mod error;
mod files;
mod follow;
mod position;
mod progress;
mod rows;
mod signals;
mod source;

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use log::info;

use crate::clock::now_ms;
use crate::config::values;
use crate::error::Error;
use crate::feed::{Backoff, Next, Outcome};
use crate::logging;
use crate::terminal::ERASE;
use crate::text::counted;
use error::ShipError;
use files::Files;
use follow::{Follower, Look};
use position::Position;
use progress::Progress;
use signals::Signals;

/// Stands in the name of a position that was moved aside, before the time.
const DAMAGED: &str = ".damaged-";

/// More rows or bytes in a batch would not be one.
const MOST_ROWS: u64 = 10_000_000;
const MOST_BYTES: usize = 1 << 30;

/// A file name has at most 255 bytes, and the recording's own name is part of it.
const LONGEST_NAME: usize = 64;

/// The largest batch.
#[derive(Debug, Clone, Copy, Args)]
pub struct Limits {
    /// Rows in a batch at most
    #[arg(long = "batch-rows", value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=MOST_ROWS))]
    pub rows: u64,

    /// Bytes in a batch at most; a longer row goes alone
    #[arg(long = "batch-bytes", value_name = "SIZE", default_value = "1MiB", value_parser = size)]
    pub bytes: usize,
}

/// Where the first start begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum From {
    /// With the first row there is.
    Start,
    /// With the rows that come from now on.
    Now,
}

/// What is asked for.
#[derive(Debug, Clone, Args)]
pub struct ShipOptions {
    /// The recording, as its --out names it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Whose place in the recording it is; others have other names
    #[arg(long, value_name = "NAME", value_parser = checked_name)]
    pub name: String,

    /// Where the first start begins: with the first row, or with those from now on
    #[arg(long, value_name = "start|now")]
    pub from: Option<From>,

    /// End with the last row that is there
    #[arg(long)]
    pub once: bool,

    /// Begin each batch with the file's header
    #[arg(long)]
    pub header: bool,

    /// Go on without files that were removed before they were shipped
    #[arg(long)]
    pub skip_missing: bool,

    /// The largest batch.
    #[command(flatten)]
    pub limits: Limits,

    /// A batch is sent at the latest this long after its first row came
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = values::interval)]
    pub batch_wait: Duration,

    /// How long CMD may take for a batch; then it is killed
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = values::interval)]
    pub timeout: Duration,

    /// The command, without a shell, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

fn checked_name(given: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    // Names of files that stand beside the position.
    let taken = [".lock", ".new"].iter().any(|ending| given.ends_with(ending));
    let fits = (1..=LONGEST_NAME).contains(&given.len()) && given.chars().all(allowed);
    if fits && !taken && !given.contains(DAMAGED) {
        return Ok(given.to_owned());
    }
    Err(format!(
        "give up to {LONGEST_NAME} letters, digits, -, _ and ., not ending with .lock or .new"
    ))
}

fn size(given: &str) -> Result<usize, String> {
    let digits = given.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &given[digits.len()..] {
        "" | "B" => Some(1),
        "kB" | "KB" => Some(1_000),
        "KiB" => Some(1 << 10),
        "MB" => Some(1_000_000),
        "MiB" => Some(1 << 20),
        _ => None,
    };
    let bytes = digits.parse::<usize>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(unit));
    bytes
        .filter(|bytes| (1..=MOST_BYTES).contains(bytes))
        .ok_or_else(|| "give a size like 1MiB, 512KiB or 100000, up to 1024MiB".to_owned())
}

impl ShipOptions {
    /// `op1.csv.ship-NAME`.
    fn position_path(&self) -> PathBuf {
        self.beside("")
    }

    /// One that was moved aside.
    fn damaged_position(&self) -> Option<PathBuf> {
        let begin = self.beside(DAMAGED);
        let begin = begin.file_name()?.as_encoded_bytes();
        let mut names = files::names_beside(&self.file).ok()?.into_iter();
        let found = names.find(|name| name.as_encoded_bytes().starts_with(begin))?;
        Some(self.file.with_file_name(found))
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.file.clone().into_os_string();
        path.push(format!(".ship-{}{ending}", self.name));
        PathBuf::from(path)
    }
}

/// Ships until everything is shipped (`--once`) or a signal comes; gives the exit code.
///
/// # Errors
/// When it cannot begin or go on; what was accepted until then is written down.
pub fn run(options: &ShipOptions) -> Result<u8, Error> {
    logging::to_standard_error(if io::stderr().is_terminal() { ERASE } else { "" });
    ship(options).map_err(|error| Error::CannotGoOn(error.to_string()))
}

fn ship(options: &ShipOptions) -> Result<u8, ShipError> {
    let signals = Signals::listen();
    let signals = &signals.map_err(ShipError::io("listen to signals for", &options.file))?;
    command::look_for(&options.command[0])?;
    // A refused start leaves nothing behind: only now the lock.
    let files = Files::of(options, signals)?;
    let _lock = take_lock(options)?;
    let position = load(options)?;
    let before = position.as_ref().map_or(0, |position| position.accepted);
    let mut progress = Progress::new(&options.name, before);
    let follower = match Follower::resume(options, files, position) {
        Err(error) if error.is_stop() => {
            // A place that was found by half is not kept.
            progress.end(0);
            return Ok(signals.exit_code());
        }
        follower => follower?,
    };
    let mut shipping = Shipping { options, follower, signals, progress };
    shipping.follower.save()?;
    let (file, name) = (options.file.display(), &options.name);
    info!("shipping {file} as {name}, {} accepted before", counted(before, "row"));
    let ended = shipping.go_on().or_else(|error| error.is_stop().then_some(()).ok_or(error));
    // Both ways: what was accepted stays accepted.
    let ended = ended.and(shipping.follower.save());
    shipping.progress.end(shipping.follower.rows.count);
    ended.map(|()| signals.exit_code())
}

/// Takes the lock of this NAME, which is held for as long as the file is open: the system frees it
/// however the process ends. The file stays, with the number of its last holder.
fn take_lock(options: &ShipOptions) -> Result<File, ShipError> {
    let path = options.beside(".lock");
    let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let mut lock = open.map_err(ShipError::io("lock", &path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(ShipError::io("lock", &path)(error)),
        Err(TryLockError::WouldBlock) => {
            let number = io::read_to_string(lock).ok().and_then(|text| text.trim().parse().ok());
            let holder = number.map(|number: u32| format!(" ({number})")).unwrap_or_default();
            let (file, name) = (options.file.clone(), options.name.clone());
            return Err(ShipError::InUse { file, name, holder });
        }
    }
    // Only for the next one's error message; the lock is what counts.
    let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    Ok(lock)
}

/// The position of the last run; `None` at the first start.
fn load(options: &ShipOptions) -> Result<Option<Position>, ShipError> {
    let path = options.position_path();
    match fs::read(&path) {
        Ok(bytes) => {
            if let Some(position) = str::from_utf8(&bytes).ok().and_then(Position::parse) {
                return Ok(Some(position));
            }
            let aside = options.beside(&format!("{DAMAGED}{}", now_ms()));
            fs::rename(&path, &aside).map_err(ShipError::io("move aside", &path))?;
            Err(ShipError::Damaged { position: path, aside })
        }
        Err(error) if error.kind() != ErrorKind::NotFound => Err(ShipError::read(&path)(error)),
        Err(_) => match options.damaged_position().filter(|_| options.from.is_none()) {
            Some(aside) => Err(ShipError::StillDamaged { position: path, aside }),
            None => Ok(None),
        },
    }
}

/// Everything at work.
struct Shipping<'o> {
    options: &'o ShipOptions,
    follower: Follower<'o>,
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
                    // Only now: while there is more to ship, the next bounds are written with it.
                    self.save();
                    self.show();
                    self.signals.wait(next_look.min(self.progress.draw()), None);
                }
            }
        }
        Ok(())
    }

    /// Has the batch accepted, or ends with a stop.
    fn ship_batch(&mut self) -> Result<(), ShipError> {
        self.follower.begin_batch()?;
        let mut backoff = Backoff::default();
        let mut going_on = self.save();
        while going_on {
            self.show();
            let why_not = command::deliver(
                &self.options.command,
                &self.follower.batch(),
                self.options.timeout,
                self.signals,
                &mut self.progress,
            )?;
            let Some(why_not) = why_not else {
                self.progress.accepted(self.follower.accepted());
                break;
            };
            going_on = self.try_again("a batch is not accepted", &why_not, &mut backoff);
        }
        Ok(())
    }

    /// Writes the position down, also when the disk is full for a while; `false` when it could not
    /// be written before a stop.
    fn save(&mut self) -> bool {
        let mut backoff = Backoff::default();
        while let Err(error) = self.follower.save() {
            if !self.try_again("the position is not written", &error.to_string(), &mut backoff) {
                return false;
            }
        }
        self.progress.end_of_trouble();
        true
    }

    /// Tells of a failure and waits before the next try; `false` when somebody wants the end.
    fn try_again(&mut self, what: &str, why: &str, backoff: &mut Backoff) -> bool {
        if self.signals.stopping() {
            return false;
        }
        self.progress.failed(what, why);
        let next = backoff.next(Outcome::Unreachable, fastrand::f64());
        let (Next::Wait(pause) | Next::WaitKeyShared(pause)) = next;
        let deadline = Instant::now() + pause;
        while !self.signals.stopping() && Instant::now() < deadline {
            self.signals.wait(deadline.min(self.progress.draw()), None);
        }
        !self.signals.stopping()
    }

    fn show(&mut self) {
        if self.progress.draws {
            self.progress.lag = self.follower.lag();
        }
    }
}
