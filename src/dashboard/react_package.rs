//! The React package, as it is in the binary: the page's own modules and what React needs around
//! them. Written to a folder by `generate react`, and served as `/react.tgz`, which npm installs.
//!
//! Any thread. Plain modules; no build step.

use std::fmt::Display;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::page::{CANDLES, FORMAT, RECORDER_CLIENT, TRADE_CHART, with_version};
use crate::process::error::{Error, cannot_go_on};
use crate::text::in_words;

/// The files of the package: their names and texts.
fn files() -> impl Iterator<Item = (&'static str, String)> {
    let files = [
        ("README.md", include_str!("react/README.md")),
        ("candles.js", CANDLES),
        ("format.js", FORMAT),
        ("index.d.ts", include_str!("react/index.d.ts")),
        ("index.js", include_str!("react/index.js")),
        ("package.json", include_str!("react/package.json")),
        ("recorder-client.js", RECORDER_CLIENT),
        ("trade-chart.d.ts", include_str!("react/trade-chart.d.ts")),
        ("trade-chart.js", TRADE_CHART),
    ];
    files.into_iter().map(|(name, text)| (name, with_version(text)))
}

/// The package as npm wants it: a compressed tar file, with everything below `package/`.
pub(super) fn archive() -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, text) in files() {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        // Writing to a Vec cannot fail.
        let _ = archive.append_data(&mut header, format!("package/{name}"), text.as_bytes());
    }
    archive.into_inner().and_then(GzEncoder::finish).unwrap_or_default()
}

/// Writes the package to `directory`, and says how to go on. Nothing is written when a file there
/// differs from its new text, unless it is forced.
///
/// # Errors
/// When a file differs, or cannot be written.
pub(crate) fn write(directory: &Path, force: bool) -> Result<String, Error> {
    for (name, text) in files() {
        let path = directory.join(name);
        match fs::read(&path) {
            Ok(there) if force || there == text.as_bytes() => {}
            Ok(_) => {
                return Err(cannot_go_on(format_args!(
                    "{} is there already and differs; give another folder, or add --force to write over it",
                    path.display()
                )));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(cannot_write(&path, error)),
        }
    }
    fs::create_dir_all(directory).map_err(|error| cannot_write(directory, error))?;
    for (name, text) in files() {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|error| cannot_write(&path, error))?;
    }
    // From the root, because npm looks for a bare name in its registry.
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    Ok(format!(
        "finnhub-react {} is there; in your application run: npm install --install-links {}\n",
        env!("CARGO_PKG_VERSION"),
        directory.display(),
    ))
}

fn cannot_write(path: &Path, error: impl Display) -> Error {
    cannot_go_on(format_args!(
        "cannot write {}: {}; give another folder",
        path.display(),
        in_words(&error)
    ))
}
