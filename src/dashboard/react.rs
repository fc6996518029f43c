//! The React package, as it is in the binary: the page's own modules and what React needs around
//! them. Written to a folder by `generate react`, and served as `/react.tgz`, which npm installs.
//!
//! Any thread. Plain modules; no build step.

use flate2::Compression;
use flate2::write::GzEncoder;

use super::page::{FORMAT, RECORDER_CLIENT, TRADE_CHART};

/// Stands in the sources for the version, which is the binary's.
const VERSION_PLACE: &str = "0.0.0";

/// The files of the package: their names and texts.
pub fn package_files() -> Vec<(&'static str, String)> {
    let files = [
        ("README.md", include_str!("react/README.md")),
        ("format.js", FORMAT),
        ("index.d.ts", include_str!("react/index.d.ts")),
        ("index.js", include_str!("react/index.js")),
        ("package.json", include_str!("react/package.json")),
        ("recorder-client.js", RECORDER_CLIENT),
        ("trade-chart.d.ts", include_str!("react/trade-chart.d.ts")),
        ("trade-chart.js", TRADE_CHART),
    ];
    let with_version = |text: &str| text.replace(VERSION_PLACE, env!("CARGO_PKG_VERSION"));
    files.into_iter().map(|(name, text)| (name, with_version(text))).collect()
}

/// The package as npm wants it: a compressed tar file, with everything below `package/`.
pub(super) fn archive() -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, text) in package_files() {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        // Writing to a Vec cannot fail.
        let _ = archive.append_data(&mut header, format!("package/{name}"), text.as_bytes());
    }
    archive.into_inner().and_then(GzEncoder::finish).unwrap_or_default()
}
