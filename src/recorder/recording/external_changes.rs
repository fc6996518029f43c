//! Files that somebody moves away, removes, empties or cuts while they are being recorded, and disks that
//! go away and come back.
//!
//! Writer thread, at each heartbeat and whenever the disk has refused. The rows until then are
//! where a moved file went; those of a removed one that came since the last check are written again,
//! and so are those of one that can be neither written nor forced to the disk any more. From then on
//! whole rows are in a file with the name that was asked for.

use std::io;
use std::path::Path;

use log::warn;

use crate::recorder::append_file::{AppendFile, Doubt};
use crate::recorder::disk::{DiskFile, Location, locate, sync_directory};
use crate::recorder::error::{OpenError, is_full};
use crate::recorder::header::{Head, check_header};
use crate::recorder::lock_file::lock_data_file;
use crate::recorder::open::{make_whole, open_rows};
use crate::recorder::redo;
use crate::text::in_words;

/// The change of a file since the last check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::recorder) enum Change {
    Nothing,
    /// It has been changed, or is another one now.
    Other,
    /// It is another one now, and what was not forced to the disk in the old one may be lost.
    GivenUp,
}

/// Makes sure that `file` is at `path` and whole.
pub(in crate::recorder) fn check_file(
    path: &Path,
    header: &str,
    file: &mut AppendFile,
    now_ms: i64,
) -> io::Result<Change> {
    let location = locate(path, file.disk.file());
    let checked = match location {
        Ok(Location::InPlace) => check_in_place(path, header, file, now_ms),
        location => begin_again(path, header, file, location, now_ms),
    };
    checked.inspect_err(|error| file.note(error))
}

/// The same for a file that its handle still finds under its name.
fn check_in_place(
    path: &Path,
    header: &str,
    file: &mut AppendFile,
    now_ms: i64,
) -> io::Result<Change> {
    let mut is_other_handle = false;
    if file.doubt == Doubt::Handle {
        is_other_handle = reopen(path, file)?;
    }
    if file.doubt > Doubt::None {
        redo::finish(path, &mut file.disk, now_ms)?;
        sync_directory(path)?;
    }
    let longer = file.changed_by_others()?;
    if longer == 0 {
        file.doubt = Doubt::None;
        return Ok(Change::Nothing);
    }
    let are_lost = is_other_handle && longer < 0 && file.has_lost_end()?;
    let (disk, known, ours) = (file.disk.try_clone()?, file.checked_length, file.own_rows()?);
    let head = match check_header(path, disk.file(), header) {
        Err(OpenError::OtherColumns { .. }) => Ok(Head::Rows),
        head => head,
    };
    let next =
        head.and_then(|head| make_whole(path, disk, header, head, known, Some(ours), now_ms));
    let mut next = next.inspect_err(|_| file.doubt = file.doubt.max(Doubt::HalfMended))?;
    if file.needs_rewrite {
        // Before our rows nothing was written again.
        (next.needs_rewrite, next.synced_length) = (true, file.synced_length.min(ours));
    } else {
        next.sync().inspect_err(|_| file.needs_rewrite = true)?;
    }
    file.continue_in(next, are_lost);
    let path = path.display();
    if are_lost {
        warn!("the disk has lost the end of {path}; the last rows are written again");
        return Ok(Change::GivenUp);
    }
    let what = if longer < 0 { "emptied or cut" } else { "written to" };
    warn!("{path} was {what} by somebody; new rows go after what it holds now");
    Ok(Change::Other)
}

/// Gives the file another handle, with its lock, if it can be opened. Answers whether it has one.
fn reopen(path: &Path, file: &mut AppendFile) -> io::Result<bool> {
    let Ok(disk) = DiskFile::append_to_existing(path) else { return Ok(false) };
    // There cannot be two locks of one file.
    let _ = file.disk.file().unlock();
    if let Err(error) = lock_data_file(path, &disk) {
        let _ = file.disk.file().try_lock();
        return Err(error.into());
    }
    file.replace_handle(disk)?;
    Ok(true)
}

/// Goes on under the name in another file; the old one is elsewhere, or gone.
fn begin_again(
    path: &Path,
    header: &str,
    file: &mut AppendFile,
    location: io::Result<Location>,
    now_ms: i64,
) -> io::Result<Change> {
    let is_removed = matches!(location, Ok(Location::Removed));
    let forced = location.and_then(|_| {
        if is_removed {
            // Before there is a next one, so that nobody takes this one for done and reads them there.
            file.take_back();
            return Ok(());
        }
        // The content of the old file must not be lost, wherever it is.
        if file.doubt > Doubt::None {
            redo::finish(path, &mut file.disk, now_ms)?;
        }
        file.settle()
    });
    let forced = match forced {
        // The next try forces it to the disk, when there is room.
        Err(error) if is_full(&error) => return Err(error),
        forced => forced,
    };
    if forced.is_err() {
        // It may be the same file, of which there cannot be two locks.
        let _ = file.disk.file().unlock();
    }
    let is_dirty = file.is_dirty();
    // A file of somebody else may be long: only its end is read.
    let next = open_rows(path, header, u64::MAX, now_ms).map_err(|error| {
        let text = format!(
            "it was moved or removed, and a new one cannot be made: {}",
            in_words(&io::Error::from(error))
        );
        io::Error::new(io::ErrorKind::NotFound, text)
    })?;
    file.continue_in(next, is_removed || forced.is_err());
    let path = path.display();
    let Err(error) = forced else {
        warn!("{path} was moved or removed; a new one was begun");
        return Ok(Change::Other);
    };
    let (error, lost) =
        (in_words(&error), if is_dirty { "; what was last written to it may be lost" } else { "" });
    warn!(
        "the file that was {path} can be neither written nor forced to the disk any more ({error}){lost}; rows go on in what has its name now"
    );
    Ok(Change::GivenUp)
}

#[cfg(test)]
mod tests;
