//! `ship`: brings a recording, batch by batch, to a command of the user's, and loses nothing.
//!
//! Main thread alone, until everything is shipped or a signal comes. The recording is only read;
//! the one file written is the position. In reading order: `follow` finds the next rows (`files`:
//! in which file; `source`: one file; `reach`: how far it may be read; `rows`: cut into batches),
//! `position` remembers, `command` runs CMD, `signals` waits, `progress` tells.

mod closed_files;
mod command;
mod error;
mod files;
mod follow;
mod name_lock;
mod position;
mod progress;
mod reach;
mod rows;
mod signals;
mod source;

use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use log::info;

use crate::clock::now_ms;
use crate::config::values;
use crate::error::{EXIT_INTERRUPTED, EXIT_OK, Error};
use crate::feed::{Backoff, Next, Outcome as Attempt};
use crate::logging;
use crate::terminal::ERASE;
use crate::text::counted;
use command::{Delivery, Outcome};
use error::ShipError;
use follow::{Follower, Look};
use name_lock::{LockError, NameLock};
use position::{LoadError, Position};
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
    fn begins_now(&self) -> bool {
        self.from == Some(From::Now)
    }

    /// `op1.csv.ship-NAME`.
    fn position_path(&self) -> PathBuf {
        self.beside("")
    }

    /// One that was moved aside.
    fn damaged_position(&self) -> Option<PathBuf> {
        let stem = self.beside(DAMAGED);
        let stem = stem.file_name()?.as_encoded_bytes();
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut entries = fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?.flatten();
        let found = entries.find(|it| it.file_name().as_encoded_bytes().starts_with(stem))?;
        Some(self.file.with_file_name(found.file_name()))
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
    let mut signals = signals.map_err(ShipError::io("listen to signals for", &options.file))?;
    command::look_for(&options.command[0])?;
    let _lock = take_lock(options)?;
    let position = load(options)?;
    let mut follower = Follower::resume(options, position, &mut || signals.stopping())?;
    follower.save()?;
    let before = follower.position().accepted;
    let (file, name) = (options.file.display(), &options.name);
    info!("shipping {file} as {name}, {} accepted before", counted(before, "row"));
    let progress = Progress::new(name, before);
    let mut shipping = Shipping { options, follower, signals, progress };
    let ended = shipping.go_on();
    // Both ways: what was accepted stays accepted.
    let ended = ended.and(shipping.follower.save());
    let sums = shipping.progress.sums(shipping.follower.rows().count());
    shipping.progress.last_line(&sums);
    ended?;
    Ok(if shipping.signals.insisted() { EXIT_INTERRUPTED } else { EXIT_OK })
}

fn take_lock(options: &ShipOptions) -> Result<NameLock, ShipError> {
    // A refused start leaves nothing behind.
    files::Files::of(options)?;
    let path = options.beside(".lock");
    NameLock::take(&path).map_err(|error| match error {
        LockError::Held(process) => ShipError::InUse {
            file: options.file.display().to_string(),
            name: options.name.clone(),
            process,
        },
        LockError::Io(error) => ShipError::io("lock", &path)(error),
    })
}

/// The position of the last run; `None` at the first start.
fn load(options: &ShipOptions) -> Result<Option<Position>, ShipError> {
    let path = options.position_path();
    match Position::load(&path) {
        Ok(None) if options.from.is_none() => match options.damaged_position() {
            None => Ok(None),
            Some(aside) => Err(ShipError::StillDamaged { position: path, aside }),
        },
        Ok(position) => Ok(position),
        Err(LoadError::Io(error)) => Err(ShipError::read(&path)(error)),
        Err(LoadError::Damaged) => {
            let aside = options.beside(&format!("{DAMAGED}{}", now_ms()));
            fs::rename(&path, &aside).map_err(ShipError::io("move aside", &path))?;
            Err(ShipError::Damaged { position: path, aside })
        }
    }
}

/// Everything at work.
struct Shipping<'o> {
    options: &'o ShipOptions,
    follower: Follower<'o>,
    signals: Signals,
    progress: Progress,
}

impl Shipping<'_> {
    fn go_on(&mut self) -> Result<(), ShipError> {
        while !self.signals.stopping() {
            let signals = &mut self.signals;
            match self.follower.look(&mut || signals.stopping())? {
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
        let batch = self.follower.begin_batch()?;
        if !self.save() {
            return Ok(());
        }
        let mut backoff = Backoff::default();
        loop {
            self.show();
            let delivery = Delivery {
                id: self.follower.position().batch_id(batch),
                rows: batch.rows,
                file: self.follower.path(),
                header: if self.options.header { self.follower.header() } else { b"" },
                bytes: self.follower.rows().batch(),
            };
            let (command, timeout) = (&self.options.command, self.options.timeout);
            let outcome = command::deliver(
                command,
                &delivery,
                timeout,
                &mut self.signals,
                &mut self.progress,
            );
            match outcome? {
                Outcome::Accepted => {
                    self.follower.accepted();
                    self.progress.accepted(batch.rows);
                    return Ok(());
                }
                Outcome::NotAccepted(_) if self.signals.stopping() => return Ok(()),
                Outcome::NotAccepted(why) => self.progress.failed("a batch is not accepted", &why),
            }
            if !self.pause(&mut backoff) {
                return Ok(());
            }
        }
    }

    /// Writes the position down, also when the disk is full for a while; `false` when it could not
    /// be written before a stop.
    fn save(&mut self) -> bool {
        let mut backoff = Backoff::default();
        while let Err(error) = self.follower.save() {
            self.progress.failed("the position is not written", &error.to_string());
            if !self.pause(&mut backoff) {
                return false;
            }
        }
        self.progress.end_of_trouble();
        true
    }

    /// Waits before the next try; `false` when somebody wants the end.
    fn pause(&mut self, backoff: &mut Backoff) -> bool {
        let next = backoff.next(Attempt::Unreachable, fastrand::f64());
        let (Next::Wait(pause) | Next::WaitKeyShared(pause)) = next;
        let deadline = Instant::now() + pause;
        while !self.signals.stopping() && Instant::now() < deadline {
            self.signals.wait(deadline.min(self.progress.draw()), None);
        }
        !self.signals.stopping()
    }

    fn show(&mut self) {
        if self.progress.draws() {
            self.progress.lag = self.follower.lag();
        }
    }
}
