//! Paths, symbolic links and folders, and replacing files that are not the recorder's.
//!
//! Any thread. For the tickers file and the positions of `ship`; the recorder has its own operations.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Once;

use log::warn;
use rustix::fs::OFlags;

use crate::text::in_words;

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

/// All names in the folder of `path`.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn names_beside(path: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(folder_of(path))?.map(|entry| Ok(entry?.file_name())).collect()
}

/// Links that are followed one after the other; Linux follows as many.
const MOST_LINKS: usize = 40;

/// Where a symbolic link, or a chain of them, leads; the end need not exist. Any other path as it is.
pub(crate) fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.with_file_name(target);
    }
    path
}

/// `op1.csv` for `op1.csv.gz`; any other path as it is.
pub(crate) fn without_gz(path: &Path) -> PathBuf {
    let is_compressed = path.extension().is_some_and(|ending| ending == "gz");
    if is_compressed { path.with_extension("") } else { path.to_owned() }
}

/// Names that are tried for a new file.
const MOST_NAMES: usize = 1000;

/// Opens a file for reading, without waiting: also a pipe that nobody writes to. Reading a pipe gives only what
/// is in it.
///
/// # Errors
/// When there is no such file, or it may not be read.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

/// Forces the names in the directory of `path` to the disk: without this a power cut may take a new file as a
/// whole, or undo a renaming. When the file system cannot do it, that is logged once.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    static SAID: Once = Once::new();
    let folder = folder_of(path);
    if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
        if !is_unsupported(&error) {
            return Err(error);
        }
        SAID.call_once(|| {
            let (folder, error) = (folder.display(), in_words(&error));
            warn!(
                "the names of files in {folder} cannot be forced to the disk ({error}): a power cut may take a file that was just made, or undo a renaming"
            );
        });
    }
    Ok(())
}

/// Whether the error means that this directory can never be forced to the disk: old network shares and some
/// FUSE file systems cannot do it, and a folder may be writable without being readable.
fn is_unsupported(error: &io::Error) -> bool {
    let kinds = [ErrorKind::InvalidInput, ErrorKind::Unsupported, ErrorKind::PermissionDenied];
    kinds.contains(&error.kind())
}

/// Puts a file with this `text` in the place of the one at `path`: a reader, also after a crash, finds the old
/// one or the new one. The permissions stay, and a link stays a link.
///
/// # Errors
/// When the new file cannot be written, forced to the disk or renamed; then the old one is as it was.
pub(crate) fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let mut new = NewFile::beside(path)?;
    new.write(text)?;
    new.take_place()
}

/// A file that is to take the place of another one. It is removed if it does not.
pub(crate) struct NewFile {
    /// The other file, which need not exist.
    place: PathBuf,
    path: PathBuf,
    file: File,
    is_in_place: bool,
}

impl NewFile {
    /// Makes an empty file beside the one that `path` leads to, with the same permissions. Its name is
    /// `tickers.txt.new`, or another one if the user has a file of that name.
    ///
    /// # Errors
    /// When the folder takes no new file.
    pub(crate) fn beside(path: &Path) -> io::Result<Self> {
        let place = behind_links(path);
        for number in 1..=MOST_NAMES {
            let suffix = if number == 1 { ".new".to_owned() } else { format!(".new-{number}") };
            let path = with_suffix(&place, &suffix);
            let file = match File::create_new(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            let new = Self { place, path, file, is_in_place: false };
            if let Ok(old) = fs::metadata(&new.place) {
                new.file.set_permissions(old.permissions())?;
            }
            return Ok(new);
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// Gives it the owner and the group of the other file.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`] when these are not ours and we may not set them.
    pub(crate) fn keep_owner(&self) -> io::Result<()> {
        let Ok(old) = fs::metadata(&self.place) else { return Ok(()) };
        let new = self.file.metadata()?;
        let [owner, group] = [(old.uid(), new.uid()), (old.gid(), new.gid())]
            .map(|(wanted, found)| (wanted != found).then_some(wanted));
        if owner.or(group).is_some() { fchown(&self.file, owner, group) } else { Ok(()) }
    }

    /// Writes its whole content, and forces it to the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn write(&mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.file.sync_all()
    }

    /// Takes the place of the other file.
    ///
    /// # Errors
    /// When the other file cannot be replaced; it is unchanged then.
    pub(crate) fn take_place(&mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.place)?;
        self.is_in_place = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_in_place {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes `text` over the content of the file at `path`. A crash in the middle may leave a mixture of both.
///
/// # Errors
/// When it cannot be opened or written; it has its old content then, if the disk takes that.
pub(crate) fn overwrite(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut old = Vec::new();
    file.read_to_end(&mut old)?;
    let put = |bytes: &[u8]| {
        file.write_all_at(bytes, 0)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()
    };
    put(text.as_bytes()).inspect_err(|_| drop(put(&old)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::behind_links;

    #[test]
    fn links_are_followed_to_their_end_also_where_nothing_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path("big/deep")).unwrap();
        symlink("big/deep/link", path("op1.csv")).unwrap();
        symlink("../real.csv", path("big/deep/link")).unwrap();
        symlink(path("big"), path("folder")).unwrap();
        symlink("loop", path("loop")).unwrap();
        assert_eq!(behind_links(&path("op1.csv")), path("big/deep/../real.csv"));
        fs::write(path("big/real.csv"), "").unwrap();
        assert_eq!(behind_links(&path("op1.csv")), path("big/deep/../real.csv"));
        assert_eq!(behind_links(&path("folder/deep/link")), path("folder/deep/../real.csv"));
        assert_eq!(behind_links(&path("big/real.csv")), path("big/real.csv"));
        assert_eq!(behind_links(&path("loop")), path("loop"));
    }
}
