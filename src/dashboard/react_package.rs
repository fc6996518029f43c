//! Writes the React package to a folder.
//!
//! Main thread; the whole of `generate react DIR`.

use std::fmt::Display;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::package_files;
use crate::error::Error;

/// Writes the package to `directory`, and says how to go on. Nothing is written when a file there
/// differs from its new text, unless it is forced.
///
/// # Errors
/// When a file differs, or cannot be written.
pub(crate) fn write(directory: &Path, force: bool) -> Result<String, Error> {
    let files = package_files();
    for (name, text) in &files {
        let path = directory.join(name);
        match fs::read(&path) {
            Ok(there) if force || there == text.as_bytes() => {}
            Ok(_) => {
                return Err(Error::CannotGoOn(format!(
                    "{} is there already and differs; give another folder, or add --force to write over it",
                    path.display()
                )));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(cannot(&path, &error)),
        }
    }
    fs::create_dir_all(directory).map_err(|error| cannot(directory, &error))?;
    for (name, text) in &files {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|error| cannot(&path, &error))?;
    }
    // From the root, because npm looks for a bare name in its registry.
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    Ok(format!(
        "finnhub-react {} is there; in your application run: npm install --install-links {}\n",
        env!("CARGO_PKG_VERSION"),
        directory.display(),
    ))
}

fn cannot(path: &Path, error: &dyn Display) -> Error {
    Error::CannotGoOn(format!("cannot write {}: {error}; give another folder", path.display()))
}
