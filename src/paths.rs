//! Names of files that are beside others, and reading and replacing files that are not the recorder's.
//!
//! Any thread. For the tickers file and the positions of `ship`; the recorder has its own operations.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// `op1.csv.lock` for `op1.csv` and `.lock`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The folder that `path` is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `op1.csv` for `op1.csv.gz`; any other path as it is.
pub(crate) fn without_gz(path: &Path) -> PathBuf {
    let is_compressed = path.extension().is_some_and(|ending| ending == "gz");
    if is_compressed { path.with_extension("") } else { path.to_owned() }
}

/// Opens a file to be read. A pipe is opened at once as well, and read as far as it is filled,
/// whether somebody writes to it or not.
///
/// # Errors
/// When there is none, or it may not be read.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

/// Puts a file with this `text` in the place of the one at `path`: who reads it, also after a crash,
/// finds the old one or the new one. Its permissions stay, and a link stays a link.
///
/// # Errors
/// When the new file cannot be written, forced to the disk or renamed; then the old one is as it was.
pub(crate) fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let new = with_suffix(&path, ".new");
    let write = || {
        let mut file = File::create(&new)?;
        if let Ok(old) = fs::metadata(&path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&new)))
}
