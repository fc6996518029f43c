//! The options of `ship`, and the names of its files beside the recording.
//!
//! Main thread, at the start.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::values;
use crate::recording::paths::with_suffix;

/// Part of the name of a position that was moved aside; the time follows.
pub(super) const DAMAGED: &str = ".damaged-";

/// The largest limits of a batch that make sense.
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

/// The options.
#[derive(Debug, Clone, Args)]
pub struct ShipOptions {
    /// The recording, as its --out names it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Name of the position in the recording; each name ships by itself
    #[arg(long, value_name = "NAME", value_parser = checked_name)]
    pub name: String,

    /// Where the first start begins: with the first row, or with those from now on [default: start]
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
    // Names of files that are beside the position.
    let taken = [".lock", ".new", ".running"].iter().any(|ending| given.ends_with(ending));
    let fits = (1..=LONGEST_NAME).contains(&given.len()) && given.chars().all(allowed);
    if fits && !taken && !given.contains(DAMAGED) {
        return Ok(given.to_owned());
    }
    Err(format!(
        "give up to {LONGEST_NAME} letters, digits, -, _ and ., not ending with .lock, .new or .running"
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
    pub(super) fn position_path(&self) -> PathBuf {
        self.beside("")
    }

    /// A file beside the recording with this ending.
    pub(super) fn beside(&self, ending: &str) -> PathBuf {
        with_suffix(&self.file, &format!(".ship-{}{ending}", self.name))
    }
}
