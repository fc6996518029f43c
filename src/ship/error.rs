//! Why `ship` cannot go on: what, which file, what to do.
//!
//! Main thread.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::recording::gzip::OtherFormat;
use crate::text::in_words;

#[derive(Debug, thiserror::Error)]
pub(super) enum ShipError {
    #[error("there is no recording {}; name the CSV that is being recorded (its --out)", .0.display())]
    NoRecording(PathBuf),
    #[error("{} has no header of a recording in its first line; name a CSV that finnhub-stream has written", .0.display())]
    NoHeader(PathBuf),
    #[error("cannot ship {}: {format}", .file.display())]
    Packed { file: PathBuf, format: OtherFormat },
    #[error("cannot ship {} as {name}: another process{holder} does so; stop that one, or give another --name", .file.display())]
    InUse { file: PathBuf, name: String, holder: String },
    #[error(
        "cannot ship as {name}: of the command of an earlier run {who}, or give a longer --timeout than {timeout:?}"
    )]
    StillRuns { name: String, who: String, timeout: Duration },
    #[error("the position {} was written by a newer finnhub-stream; run that one", .0.display())]
    Newer(PathBuf),
    #[error("the position {} is damaged and was moved to {}; put a good copy back, or give --from start to ship every row again, or --from now", .position.display(), .aside.display())]
    Damaged { position: PathBuf, aside: PathBuf },
    #[error("there is no position {}, only a damaged one, {}; put a good copy in its place, or give --from start to ship every row again, or --from now", .position.display(), .aside.display())]
    StillDamaged { position: PathBuf, aside: PathBuf },
    #[error("{} is only {length} bytes long, but {offset} were shipped of it; put the whole file back, or give another --name to ship it anew", .file.display())]
    Shorter { file: PathBuf, length: u64, offset: u64 },
    #[error("{} has changed before byte {offset}, in rows that are shipped; put the file back, or give another --name to ship it anew", .file.display())]
    Changed { file: PathBuf, offset: u64 },
    #[error("the position {1} is in a file that is not among those of {0}: it belongs to another recording, or the file was moved away before all of it was shipped; put it back, give --skip-missing to go on without it, or another --name", .out.display(), .position.display())]
    Lost { out: PathBuf, position: PathBuf },
    #[error("the position {} fits two files, {} and {}; move the later files away until the first is shipped, or give another --name to ship all rows anew", .position.display(), .files[0].display(), .files[1].display())]
    TwoFit { position: PathBuf, files: [PathBuf; 2] },
    #[error("{} was removed before it was shipped; {}put it back, or give --skip-missing to go on without it", .0.display(), archived(.0))]
    Removed(PathBuf),
    #[error("{} has no end of a row within {longest} bytes after byte {offset}, probably because of a stray quote; finnhub-stream verify finds it", .file.display(), longest = super::rows::LONGEST_LINE)]
    EndlessRow { file: PathBuf, offset: u64 },
    #[error("cannot run {}: {reason}; check the name, its permissions and PATH", .program.display())]
    CannotStart { program: PathBuf, reason: String },
    #[error("cannot {action} {}: {}; check the file, its folder and their permissions", .path.display(), in_words(reason))]
    Io { action: &'static str, path: PathBuf, reason: io::Error },
}

/// Says that the file at `path` is there in a format that is not read.
fn archived(path: &Path) -> String {
    let archive = OtherFormat::in_place_of(path);
    let named = |(archive, format): (PathBuf, OtherFormat)| {
        format!("there is {}: {format}; else ", archive.display())
    };
    archive.map_or_else(String::new, named)
}

impl ShipError {
    /// Maps a system's error, naming what was tried with which file.
    pub(super) fn io(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |reason| Self::Io { action, path: path.to_owned(), reason }
    }

    /// Whether it only says that a stop came while a file was read.
    pub(super) fn is_stop(&self) -> bool {
        matches!(self, Self::Io { reason, .. } if reason.kind() == ErrorKind::Interrupted)
    }

    pub(super) fn read(path: &Path) -> impl Fn(io::Error) -> Self {
        Self::io("read", path)
    }
}
